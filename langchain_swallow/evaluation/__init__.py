"""Quality of any LangChain model, retriever or chain: Japanese MT-Bench, and answers from files.

Everything here takes Runnables and imports nothing that generates. Answers and judgments go into
an append-only run file, so that a run that was killed goes on where it stopped; tables, plots and
pages are made from run files alone.

    mt_bench      answers to two-turn questions, judged; the table of Swallow's model card
    rag           retrieval, answers, citations, refusals, latency; sweeps and paired comparisons
"""

"""Evaluate any LangChain model, retriever or chain: Japanese MT-Bench, and answers from documents.

All functions take Runnables, and no module imports an engine. Answers and judgments are appended to
a run file, so that a killed run continues where it stopped. Tables, plots and pages are made from
run files only.

    mt_bench      two-turn questions with a judge; the table of Swallow's model card
    rag           retrieval, answers, citations, refusals, latency; sweeps and paired comparisons
"""

"""Convert examples and metrics to LangSmith's datasets and evaluators, and back.

Pass `to_langsmith(examples)` to `Client.create_examples(examples=…)`. Pass `make_target(chain)` and
`evaluator("f1")` to `langsmith.evaluate`, as the target and an evaluator.
"""

from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.runnables import Runnable

from langchain_swallow.evaluation.rag.examples import Example, parse_example
from langchain_swallow.evaluation.rag.outputs import ask, output_record
from langchain_swallow.evaluation.rag.scores import Metric, score_run
from langchain_swallow.evaluation.run_file import Record


def to_langsmith(examples: Iterable[Example]) -> list[dict[str, Any]]:
    """Convert examples for `Client.create_examples(examples=…)`."""
    return [
        {
            "inputs": {"question": example.question},
            "outputs": {"answers": list(example.answers), "documents": dict(example.documents)},
            "metadata": {"id": example.id, "category": example.category},
        }
        for example in examples
    ]


def from_langsmith(examples: Iterable[Any]) -> list[Example]:
    """Convert LangSmith's examples, such as those of `client.list_examples(dataset_name=…)`.

    Their inputs contain `question`. Their outputs contain `answers` or `answer`, and `documents`.

    Raises:
        KeyError: An example has no question.
    """
    return [
        parse_example(
            {**(e.outputs or {}), **(e.metadata or {}), "question": e.inputs["question"]}, str(e.id)
        )
        for e in examples
    ]


def make_target(chain: Runnable[Any, Any]) -> Callable[[dict[str, Any]], Record]:
    """Wrap a chain as the target of `langsmith.evaluate`, which maps inputs to an output record."""

    def answer(inputs: dict[str, Any]) -> Record:
        timed = ask(chain, inputs["question"])
        return {
            **output_record(timed.output),
            "seconds": timed.seconds,
            "first_text_s": timed.first_text_s,
        }

    answer.__name__ = chain.get_name()
    return answer


def evaluator(metric: str) -> Callable[..., dict[str, Any]]:
    """Wrap a metric of `score_run`, such as `"f1"`, as an evaluator of LangSmith.

    Use it with the target `make_target(chain)`. The score is `None` for a question to which the
    metric does not apply.
    """

    def evaluate(
        inputs: dict[str, Any], outputs: dict[str, Any], reference_outputs: dict[str, Any]
    ) -> dict[str, Any]:
        example = parse_example({**reference_outputs, **inputs}, "1")
        labels = {"kind": "answer", "example": "1", "settings": {}, "concurrency": 1}
        scores = score_run([example], [{**outputs, **labels}])
        return {"key": metric, "score": scores.questions[0].values.get(metric)}

    evaluate.__name__ = metric
    return evaluate


def make_metric(evaluate: Callable[..., Any]) -> Metric:
    """Wrap an evaluator of LangSmith or openevals as a metric for `score_run(metrics={…})`.

    Args:
        evaluate: Function that is called as `evaluate(inputs=…, outputs=…, reference_outputs=…)`
            and returns a number, a boolean or `{"score": …}`.
    """

    def metric(example: Example, record: Record) -> float | None:
        (reference,) = to_langsmith([example])
        result = evaluate(
            inputs=reference["inputs"],
            outputs={"answer": record["text"], **record},
            reference_outputs=reference["outputs"],
        )
        score = result.get("score") if isinstance(result, dict) else result
        return None if score is None else float(score)

    return metric


# The public names of both functions, as in the guides.
target_of, metric_of = make_target, make_metric

"""LangSmith's datasets and evaluators with these examples and metrics, both ways.

`to_langsmith(examples)` is what `Client.create_examples(examples=…)` takes. `make_target(chain)`
and `evaluator("f1")` are the target and an evaluator of `langsmith.evaluate`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.runnables import Runnable

from langchain_swallow.evaluation.rag.examples import Example, parse_example
from langchain_swallow.evaluation.rag.outputs import ask, output_record
from langchain_swallow.evaluation.rag.scores import Metric, score_run
from langchain_swallow.evaluation.run_file import Record


def to_langsmith(examples: Iterable[Example]) -> list[dict[str, Any]]:
    """Examples as `Client.create_examples(examples=…)` takes them."""
    return [
        {
            "inputs": {"question": example.question},
            "outputs": {"answers": list(example.answers), "documents": dict(example.documents)},
            "metadata": {"id": example.id, "category": example.category},
        }
        for example in examples
    ]


def from_langsmith(examples: Iterable[Any]) -> list[Example]:
    """LangSmith's examples, such as `client.list_examples(dataset_name=…)`, as ours.

    Their inputs have `question`; their outputs `answers` or `answer`, and `documents`.

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
    """A chain as the target of `langsmith.evaluate`: from inputs to a record of its output."""

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
    """A metric of `score_run`, such as `"f1"`, as an evaluator of LangSmith.

    Its score is `None` for a question that the metric is not for.
    The target is `make_target(chain)`.
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
    """An evaluator of LangSmith or openevals as a metric for `score_run(metrics={…})`.

    It is called as `evaluate(inputs=…, outputs=…, reference_outputs=…)` and returns a number, a
    truth value or `{"score": …}`.
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


# The names that the guides use.
target_of, metric_of = make_target, make_metric

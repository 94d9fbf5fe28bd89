"""Options of `ask` and `chat` for what is searched, and the retriever they make."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from langchain_swallow.cli.numbers import at_least
from langchain_swallow.cli.running import add_max_tokens

if TYPE_CHECKING:
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS


def add_retrieval(parser: argparse.ArgumentParser) -> None:
    """Passages, how they are found, and the length of an answer."""
    parser.add_argument(
        "-k",
        type=at_least(1),
        default=4,
        help="モデルに見せる資料の数 / passages to show the model (4)",
    )
    add_max_tokens(parser, 256)
    parser.add_argument(
        "--filter",
        metavar="JSON",
        type=_condition,
        help="""条件に合う資料だけ / only what fits: '{"page": {"$lt": 9}}'""",
    )
    parser.add_argument(
        "--words", action="store_true", help="単語でも探す / count words too (extra sudachi)"
    )
    parser.add_argument(
        "--neighbours",
        type=at_least(0),
        default=0,
        help="前後の資料の数 / passages around each (0)",
    )
    parser.add_argument(
        "--reranker",
        metavar="MODEL",
        help="並べ直す CrossEncoder / a CrossEncoder that orders anew",
    )
    parser.add_argument(
        "--expand",
        choices=("queries", "hyde"),
        help="先にモデルに、言い換えか、答えになりそうな文章を書かせる / ask the model first: for "
        "paraphrases, or for a passage that would answer",
    )


def retriever_of(arguments: argparse.Namespace, store: "SwallowFAISS", llm: Any) -> Any:
    """The retriever over a store that the options describe."""
    from langchain_swallow.retrieval.hybrid import HybridRetriever
    from langchain_swallow.retrieval.query_expansion import HyDERetriever, MultiQueryRetriever
    from langchain_swallow.retrieval.rerankers import SwallowReranker

    retriever = HybridRetriever(
        store=store,
        k=arguments.k,
        filter=arguments.filter,
        words=arguments.words,
        neighbours=arguments.neighbours,
        reranker=SwallowReranker(arguments.reranker) if arguments.reranker else None,
    )
    if arguments.expand == "queries":
        return MultiQueryRetriever(retriever=retriever, llm=llm, k=arguments.k)
    if arguments.expand == "hyde":
        return HyDERetriever(retriever=retriever, llm=llm)
    return retriever


def _condition(text: str) -> dict[str, Any]:
    try:
        condition = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is no JSON: {error}") from None
    if not isinstance(condition, dict):
        raise argparse.ArgumentTypeError('must be an object such as {"部署": "総務"}')
    return condition

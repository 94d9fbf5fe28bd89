"""Options of `ask` and `chat` for what is searched, and the retriever they make."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.model_options import add_max_tokens
from langchain_swallow.cli.numbers import at_least
from langchain_swallow.cli.old_names import add_renamed
from langchain_swallow.cli.parsers import Command

if TYPE_CHECKING:
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS


def add_retrieval(parser: Command) -> None:
    """Passages, how they are found, and the length of an answer."""
    parser.add_argument(
        "-k",
        type=at_least(1),
        default=4,
        help=in_language("参照するチャンク数", "Chunks in the prompt"),
    )
    add_max_tokens(parser, 256)
    group = parser.add_further(in_language("検索", "Retrieval"))
    group.add_argument(
        "--filter",
        metavar="JSON",
        type=_condition,
        help=in_language(
            """メタデータのフィルター（例: '{"page": {"$lt": 9}}'）""",
            """Filter on metadata, such as '{"page": {"$lt": 9}}'""",
        ),
    )
    add_renamed(
        group,
        "--bm25-tokenizer",
        ["--words"],
        {"nargs": 0, "const": "sudachi"},
        choices=("ngram", "sudachi"),
        default="ngram",
        help=in_language(
            "BM25 で数える単位。sudachi は単語も数える（エクストラ sudachi が必要）",
            "Terms of BM25; sudachi also counts words (needs the extra sudachi)",
        ),
    )
    add_renamed(
        group,
        "--neighbors",
        ["--neighbours"],
        type=at_least(0),
        default=0,
        metavar="N",
        help=in_language("前後に加えるチャンクの数", "Neighboring chunks added on each side"),
    )
    group.add_argument(
        "--reranker",
        metavar="MODEL",
        help=in_language("リランカー（CrossEncoder）", "Reranker (a CrossEncoder)"),
    )
    group.add_argument(
        "--expand",
        choices=("queries", "hyde"),
        help=in_language(
            "検索の前に、質問の言い換え（queries）か回答になりそうな文章（hyde）をモデルに書かせる",
            "Before the search, let the model write paraphrases (queries) or a hypothetical answer "
            "(hyde)",
        ),
    )


def build_retriever(arguments: argparse.Namespace, store: "SwallowFAISS", llm: Any) -> Any:
    """The retriever over a store that the options describe."""
    from langchain_swallow.retrieval.hybrid import HybridRetriever
    from langchain_swallow.retrieval.query_expansion import HyDERetriever, MultiQueryRetriever
    from langchain_swallow.retrieval.rerankers import SwallowReranker

    retriever = HybridRetriever(
        store=store,
        k=arguments.k,
        filter=arguments.filter,
        tokenizer=arguments.bm25_tokenizer,
        neighbors=arguments.neighbors,
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
        raise argparse.ArgumentTypeError(
            in_language(f"JSON ではありません: {error}", f"is not valid JSON: {error}")
        ) from None
    if not isinstance(condition, dict):
        raise argparse.ArgumentTypeError(
            in_language(
                f"""{{"部署": "総務"}} のようなオブジェクトにしてください。指定した値: {text!r}""",
                f"""must be an object such as {{"部署": "総務"}}, not {text!r}""",
            )
        )
    return condition

"""Measure the speed of a chat model on this machine, compared with a peer in the same run.

Four workloads run on any LangChain chat model: a batch of prompts with a shared prefix, the second
turn of a chat, one stream, and users who arrive one after another. Times are wall-clock times and
the machine may be busy, so compare the ratios. Before the measurement, each model is warmed up with
the same number of prompts, which share nothing with the measured ones.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from tqdm import tqdm

from langchain_swallow.evaluation.plots import check_plot
from langchain_swallow.evaluation.tables import Table, write_figures

_T = TypeVar("_T")
_TOPICS = (
    "図書館 空港 温泉 美術館 市場 水族館 植物園 灯台 劇場 博物館 遊園地 牧場 港 城 橋 公園".split()
)
_SHARED = "次の案内文を読み、問いに答えてください。案内文は利用者のために書かれたものです。"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the workloads.

    Args:
        prompts: Number of prompts in the batch; default 16.
        shared: Characters of the shared prefix; default 300.
        own: Mean number of characters after the prefix; default 120. The prompts grow from half to
            one and a half times this number.
        known: Characters of the first turn of the chat; default 1500.
        tokens: Tokens to generate for each prompt; default 32.
        users: Number of users who arrive; default 8.
        every_s: Seconds between two arrivals; default 0.5.
    """

    prompts: int = 16
    shared: int = 300
    own: int = 120
    known: int = 1500
    tokens: int = 32
    users: int = 8
    every_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Figures:
    """Measurements of one model, in seconds and tokens per second.

    The last two are `None` for a model without asynchronous streaming.
    """

    name: str
    batch_s: float
    batch_tokens_per_s: float
    second_turn_first_token_s: float
    first_token_s: float
    inter_token_s: float
    users_total_s: float | None
    users_worst_first_token_s: float | None


def measure(
    name: str,
    llm: BaseChatModel,
    sizes: Sizes,
    count: Callable[[str], int],
    *,
    progress: bool = False,
) -> Figures:
    """Run all workloads on one model.

    Args:
        name: Name of the model in the table.
        llm: A chat model that generates at most `sizes.tokens` tokens.
        sizes: Sizes of the workloads.
        count: Function that counts the tokens of a text, for models that report no usage.
        progress: Whether to show a progress bar on stderr; default `False`.
    """
    with tqdm(total=5, desc=name, disable=not progress) as bar:

        def done(result: _T) -> _T:
            bar.update()
            return result

        done(llm.batch([[HumanMessage("準備" + t)] for t in shared_prompts(sizes)]))
        batch_s, tokens = done(_batch(llm, sizes, count))
        second, _ = done(_first_token(llm, _second_turn(llm, sizes)))
        first, between = done(_first_token(llm, [HumanMessage(filler("一人", sizes.shared))]))
        users = done(_arrivals(llm, sizes))
    return Figures(name, batch_s, tokens / batch_s, second, first, between, *users)


def shared_prompts(sizes: Sizes) -> list[str]:
    """Prompts with a shared prefix and different continuations."""
    beginning = (_SHARED + filler("案内", sizes.shared))[: sizes.shared]
    step = sizes.own / max(1, sizes.prompts - 1)
    lengths = [round(sizes.own / 2 + i * step) for i in range(sizes.prompts)]
    topics = [_TOPICS[i % len(_TOPICS)] * (1 + i // len(_TOPICS)) for i in range(sizes.prompts)]
    return [beginning + filler(t, n) for t, n in zip(topics, lengths, strict=True)]


def filler(topic: str, length: int) -> str:
    """Japanese text of this length in characters, in which no line occurs twice."""
    lines = (
        f"{topic}の{i}番の窓口は{(7 * i) % 12 + 1}階で{(5 * i) % 9 + 8}時に開く。"
        for i in range(10**6)
    )
    text = ""
    for line in lines:
        if len(text) >= length:
            break
        text += line
    return text[:length]


def table(figures: Sequence[Figures]) -> Table:
    """Table of the measurements; a ratio above 1 means that the first model is faster."""
    fields = {
        "batch, s": "batch_s",
        "batch, tokens/s": "batch_tokens_per_s",
        "second turn, first token, s": "second_turn_first_token_s",
        "one stream, first token, s": "first_token_s",
        "one stream, between tokens, s": "inter_token_s",
        "users arriving, all answered, s": "users_total_s",
        "users arriving, worst first token, s": "users_worst_first_token_s",
    }
    head = ["", *(f.name for f in figures), *(f"× {f.name}" for f in figures[1:])]
    rows = []
    for label, field in fields.items():
        values = [getattr(f, field) for f in figures]
        ratios = [_ratio(values[0], value, field) for value in values[1:]]
        rows.append([label, *map(_format_number, values), *ratios])
    return Table("Speed", head, rows)


def write_json(path: Path, figures: Sequence[Figures], about: dict[str, Any]) -> None:
    """Write the measurements with a description of the run; `about` adds further fields."""
    write_figures(path, [table(figures)], {**about, "figures": [asdict(f) for f in figures]})


def plot(path: Path, figures: Sequence[Figures]) -> None:
    """Bar plot of the times, one group per workload; the file extension determines the format.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        EvaluationError: The file extension is not a supported format, or the folder does not exist.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    fields = {
        "batch": "batch_s",
        "second turn,\nfirst token": "second_turn_first_token_s",
        "first token": "first_token_s",
        "between tokens": "inter_token_s",
    }
    drawn = Figure(figsize=(8, 4), layout="constrained")
    axes = drawn.subplots()
    width = 0.8 / len(figures)
    for i, one in enumerate(figures):
        places = [x + (i - (len(figures) - 1) / 2) * width for x in range(len(fields))]
        bars = axes.bar(places, [getattr(one, f) for f in fields.values()], width, label=one.name)
        axes.bar_label(bars, fmt="%.3g", fontsize=8)
    axes.set_xticks(range(len(fields)), list(fields))
    axes.set_yscale("log")
    axes.set_ylabel("seconds (log), less is better")
    axes.legend()
    drawn.savefig(path)


def chathuggingface(model: str, tokens: int, dtype: str) -> BaseChatModel:
    """The peer: ChatHuggingFace with a local pipeline of the same checkpoint.

    Args:
        model: Hub id or folder of the checkpoint.
        tokens: Maximum number of new tokens.
        dtype: Name of a torch dtype, or `"auto"`.
    """
    from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline

    pipeline = HuggingFacePipeline.from_model_id(
        model_id=model,
        task="text-generation",
        model_kwargs={} if dtype == "auto" else {"dtype": dtype},
        pipeline_kwargs={"max_new_tokens": tokens, "do_sample": False, "return_full_text": False},
    )
    peer = ChatHuggingFace(llm=pipeline, model_id=model)
    # A checkpoint without a chat template gets one that joins the texts, so that the prompts have
    # the same number of tokens.
    if not peer.tokenizer.chat_template:
        peer.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    return peer


def _batch(llm: BaseChatModel, sizes: Sizes, count: Callable[[str], int]) -> tuple[float, int]:
    """Seconds for the batch of all prompts, and the tokens of their answers."""
    prompts = [[HumanMessage(text)] for text in shared_prompts(sizes)]
    began = time.perf_counter()
    answers = llm.batch(prompts)  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    return seconds, sum(_tokens(answer, count) for answer in answers)


def _second_turn(llm: BaseChatModel, sizes: Sizes) -> list[BaseMessage]:
    first = HumanMessage(filler("対話", sizes.known))
    answer = llm.invoke([first])
    return [first, AIMessage(answer.text or "はい。"), HumanMessage(filler("続き", 40))]


def _first_token(llm: BaseChatModel, messages: list[BaseMessage]) -> tuple[float, float]:
    """Seconds to the first text of a stream, and the mean seconds between two texts."""
    began = time.perf_counter()
    times = [time.perf_counter() - began for chunk in llm.stream(messages) if chunk.text]
    times = times or [time.perf_counter() - began]
    return times[0], (times[-1] - times[0]) / max(1, len(times) - 1)


def _arrivals(llm: BaseChatModel, sizes: Sizes) -> tuple[float | None, float | None]:
    """Seconds until all users are answered, and to the slowest first token.

    Both are `None` for a model without asynchronous streaming.
    """
    prompts = shared_prompts(sizes)[: sizes.users]

    async def user(i: int) -> float:
        await asyncio.sleep(i * sizes.every_s)
        began, first = time.perf_counter(), None
        async for chunk in llm.astream([HumanMessage(f"{i}人目。" + prompts[i])]):
            if first is None and chunk.text:
                first = time.perf_counter() - began
        return time.perf_counter() - began if first is None else first

    async def everyone() -> list[float]:
        return await asyncio.gather(*(user(i) for i in range(len(prompts))))

    began = time.perf_counter()
    try:
        firsts = asyncio.run(everyone())
    except (NotImplementedError, AttributeError, TypeError):
        return None, None
    return time.perf_counter() - began, max(firsts)


def _tokens(answer: AIMessage, count: Callable[[str], int]) -> int:
    return answer.usage_metadata["output_tokens"] if answer.usage_metadata else count(answer.text)


def _format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _ratio(ours: float | None, other: float | None, field: str) -> str:
    if ours is None or other is None:
        return "–"
    return f"{ours / other:.2f}" if field.endswith("_per_s") else f"{other / ours:.2f}"

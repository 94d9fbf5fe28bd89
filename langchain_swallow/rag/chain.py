"""`create_rag_chain`: question → retrieved passages → packed prompt → cited answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, overload

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator
from langchain_core.runnables.base import coerce_to_runnable

from langchain_swallow.errors import PromptOverflowError
from langchain_swallow.prompts.messages import message_reasoning, message_text
from langchain_swallow.prompts.presets import REFUSAL, Preset, get_preset
from langchain_swallow.rag.answer import Answer
from langchain_swallow.rag.budget import prompt_budget
from langchain_swallow.rag.citation import is_supported
from langchain_swallow.rag.citation_checks import CitationFilter, checked_marks, find_citations
from langchain_swallow.rag.messages import AnswerToMessage
from langchain_swallow.rag.packing import best_at_both_ends, fenced, merged, pack
from langchain_swallow.rag.relevance import check_relevance, relevance_filter
from langchain_swallow.rag.rewrite import accepted, rewrite_messages, stands_alone
from langchain_swallow.rag.support_model import Claim, SupportCheck

RagInput = str | dict[str, Any]
Output = Literal["answer", "message"]


@overload
def create_rag_chain(
    llm: Runnable[Any, Any],
    retriever: Any,
    *,
    preset: str | Preset = ...,
    require_support: bool = ...,
    min_relevance: float | None = ...,
    support_check: SupportCheck | None = ...,
    output: Literal["answer"] = ...,
) -> Runnable[RagInput, Answer]: ...


@overload
def create_rag_chain(
    llm: Runnable[Any, Any],
    retriever: Any,
    *,
    preset: str | Preset = ...,
    require_support: bool = ...,
    min_relevance: float | None = ...,
    support_check: SupportCheck | None = ...,
    output: Literal["message"],
) -> Runnable[RagInput, AIMessage]: ...


def create_rag_chain(
    llm: Runnable[Any, Any],
    retriever: Any,
    *,
    preset: str | Preset = "質問応答",
    require_support: bool = False,
    min_relevance: float | None = None,
    support_check: SupportCheck | None = None,
    output: Output = "answer",
) -> Runnable[RagInput, Answer] | Runnable[RagInput, AIMessage]:
    """A Runnable from a question to an `Answer`; it streams, batches and is async.

    It takes a string, or `{"question": …, "history": …}` with the messages before the question. One
    that leans on them (それはいつ？) is rewritten first; `Answer.question` is what was searched.

    Args:
        llm: Any LangChain chat model.
        retriever: Any retriever, Runnable or function from a question to Documents, best first.
        preset: A preset, or its name, with the variables `context` and `question`.
        require_support: Whether an answer becomes 資料からは分かりません。 when none of its
            citations has the status `"supported"`, or when one is contradicted. Text is then held
            back until the answer is whole. Default: false.
        min_relevance: Only passages with at least this relevance, from 0 to 1, are put into the
            prompt; if there is none, the chain refuses without generating. The relevance is the
            probability that the model, shown this passage alone, does not answer
            資料からは分かりません。; it is in the metadata of `Answer.documents`. `None`, the
            default, keeps all passages. It needs a `ChatSwallow`, costs a prompt for each passage,
            and suits small models, which a wrong passage leads astray; begin with 0.5.
        support_check: A model that reads each cited sentence which the rules call `"supported"`
            again, with the question and the passage; what it does not confirm becomes `"quoted"`.
            It never raises a status. The default, `None`, leaves it to the rules. An error of the
            model is an error of the chain, because a mark that was not checked must not look like
            one that was; a stream has delivered the text by then.
        output: `"message"` returns `Answer.as_message()` instead: an `AIMessage` with `Citation`
            annotations, streamed as `AIMessageChunk`s that add up to it.

    The prompt never exceeds the model's context window: passages that do not fit are left out,
    the last one is cut at a sentence end. Those that overlap are joined, and of ten or more the
    best stand at both ends; `Answer.documents` are as the prompt has them. When nothing is found
    the answer is 資料からは分かりません。 and the model is not asked.

    Raises:
        ValueError: The preset has other variables, there is no such `output`, or `min_relevance`
            is not in [0, 1] or of another model; when invoked, there is no question.
        PromptOverflowError: When invoked, not one sentence of a passage fits beside the question.

    >>> from langchain_core.language_models import FakeListChatModel
    >>> chain = create_rag_chain(FakeListChatModel(responses=["10日 [1]"]),
    ...                          lambda q: [Document("有給休暇は10日。")])
    >>> chain.invoke("有給休暇は何日？").citations[0].quote
    '10日'
    """
    chosen = get_preset(preset) if isinstance(preset, str) else preset
    if set(chosen.variables) != {"context", "question"}:
        raise ValueError(
            f"Preset {chosen.name!r} has the variables {', '.join(chosen.variables)}. Use a preset "
            "with context and question, such as 質問応答."
        )
    if min_relevance is not None:
        check_relevance(llm, min_relevance)
    searched = coerce_to_runnable(retriever)
    confirm = support_check.confirmation() if support_check else None
    flow = _Flow(llm, searched, chosen, require_support, min_relevance, confirm)
    # Its annotation leaves out that a generator may also take the config, which it passes.
    run: Any = flow.run
    arun: Any = flow.arun
    chain: RunnableGenerator[RagInput, Answer] = RunnableGenerator(run, arun)
    return as_output(chain.with_config(run_name="SwallowRAG"), output)


def as_output(
    chain: Runnable[RagInput, Answer], output: Output
) -> Runnable[RagInput, Answer] | Runnable[RagInput, AIMessage]:
    """The chain, with a conversion to messages if they are wanted."""
    if output not in get_args(Output):
        raise ValueError(f"Unknown output {output!r}. Use one of {', '.join(get_args(Output))}.")
    return chain | AnswerToMessage() if output == "message" else chain


@dataclass(frozen=True, slots=True)
class _Flow:
    llm: Runnable[Any, Any]
    retriever: Runnable[Any, Any]
    preset: Preset
    require_support: bool
    min_relevance: float | None
    confirm: Runnable[Sequence[Claim], list[bool]] | None

    def run(self, inputs: Iterator[RagInput], config: RunnableConfig) -> Iterator[Answer]:
        asked = gather_questions(list(inputs))
        question = asked.question
        if asked.leans_on_history:
            rewrite = self.llm.invoke(asked.rewrite_messages(), config)
            question = asked.searchable(rewrite)
        documents = self.retriever.invoke(question, config)
        if self.min_relevance is not None and documents:
            documents = self._relevant(question, self.min_relevance).invoke(documents, config)
        messages, packed = self._prompt(question, documents)
        yield Answer(question=question, documents=tuple(packed))
        if not packed:
            yield Answer(text=REFUSAL, refused=True)
            return
        reader = _Reader(question, packed, require_support=self.require_support)
        for chunk in self.llm.stream(messages, config):
            yield from reader.push(chunk)
        yield from reader.end()
        if self.confirm and (claims := reader.supported_claims()):
            reader.keep_confirmed(self.confirm.invoke(claims, config))
        yield reader.finish()

    async def arun(
        self, inputs: AsyncIterator[RagInput], config: RunnableConfig
    ) -> AsyncIterator[Answer]:
        asked = gather_questions([part async for part in inputs])
        question = asked.question
        if asked.leans_on_history:
            rewrite = await self.llm.ainvoke(asked.rewrite_messages(), config)
            question = asked.searchable(rewrite)
        documents = await self.retriever.ainvoke(question, config)
        if self.min_relevance is not None and documents:
            documents = await self._relevant(question, self.min_relevance).ainvoke(
                documents, config
            )
        # Counting tokens may load the model first: not in the event loop.
        messages, packed = await asyncio.to_thread(self._prompt, question, documents)
        yield Answer(question=question, documents=tuple(packed))
        if not packed:
            yield Answer(text=REFUSAL, refused=True)
            return
        reader = _Reader(question, packed, require_support=self.require_support)
        async for chunk in self.llm.astream(messages, config):
            for piece in reader.push(chunk):
                yield piece
        for piece in reader.end():
            yield piece
        if self.confirm and (claims := reader.supported_claims()):
            reader.keep_confirmed(await self.confirm.ainvoke(claims, config))
        yield reader.finish()

    def _relevant(
        self, question: str, minimum: float
    ) -> Runnable[Sequence[Document], list[Document]]:
        return relevance_filter(self.llm, lambda d: self._prompt(question, [d])[0], minimum)

    def _prompt(
        self, question: str, documents: Sequence[Document]
    ) -> tuple[list[BaseMessage], list[Document]]:
        template = self.preset.template

        def messages(shown: Sequence[Document]) -> list[BaseMessage]:
            context = fenced(best_at_both_ends(shown))
            return template.format_messages(context=context, question=question)

        if not documents:
            return messages([]), []
        budget, _, count = prompt_budget(self.llm)
        packed = pack(merged(documents), lambda shown: count(messages(shown)) <= budget)
        if not packed:
            raise PromptOverflowError(
                f"The question has {len(question)} characters and leaves no room for a passage in "
                f"{budget} prompt tokens. Shorten the question or lower max_tokens."
            )
        return messages(packed), best_at_both_ends(packed)


class _Reader:
    """Chat model chunks → pieces of the answer."""

    def __init__(
        self, question: str, documents: Sequence[Document], *, require_support: bool
    ) -> None:
        self._question, self._documents = question, documents
        self._require_support = require_support
        self._filter = CitationFilter(documents)
        self._text = ""
        self._unconfirmed: tuple[tuple[int, str], ...] = ()

    def push(self, chunk: Any) -> Iterator[Answer]:
        """Text that is ready, and the usage where the chunk has it."""
        usage = getattr(chunk, "usage_metadata", None)
        shown = self._filter.push(message_text(chunk))
        self._text += shown
        if self._require_support:
            shown = ""
        reasoning = message_reasoning(chunk)
        reason = getattr(chunk, "response_metadata", {}).get("finish_reason") or ""
        if shown or usage or reasoning or reason:
            yield Answer(shown, usage=usage, reasoning=reasoning, finish_reason=reason)

    def end(self) -> Iterator[Answer]:
        """Text that was held back, because it might have been a mark."""
        rest = self._filter.finish()
        self._text += rest
        if rest and not self._require_support:
            yield Answer(rest)

    def supported_claims(self) -> list[Claim]:
        """The claims that agree with their passages, each of them once."""
        if self._refuses:
            return []
        marks = checked_marks(self._text, self._documents, self._question)
        found = {(m.citation.number, m.claim): m for m in marks if m.citation.status == "supported"}
        self._unconfirmed = tuple(found)
        return [Claim(self._question, m.claim, m.citation.document) for m in found.values()]

    def keep_confirmed(self, confirmed: Sequence[bool]) -> None:
        """Take which of the supported claims a model confirms."""
        found = zip(self._unconfirmed, confirmed, strict=True)
        self._unconfirmed = tuple(pair for pair, is_confirmed in found if not is_confirmed)

    def finish(self) -> Answer:
        """What was found out about the text, and the text itself if it was held back for that."""
        citations = find_citations(self._text, self._documents, self._question, self._unconfirmed)
        refused = self._refuses or (self._require_support and not is_supported(citations))
        text = REFUSAL if refused else self._text
        return Answer(
            text=text if self._require_support else "",
            citations=() if refused else citations,
            refused=refused,
            removed_citations=tuple(self._filter.removed),
            corrected_citations=tuple(self._filter.corrected),
            unconfirmed=() if refused else self._unconfirmed,
        )

    @property
    def _refuses(self) -> bool:
        return REFUSAL.rstrip("。") in self._text


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with the conversation before it."""

    question: str
    history: tuple[BaseMessage, ...]

    @property
    def leans_on_history(self) -> bool:
        return bool(self.history) and not stands_alone(self.question)

    def rewrite_messages(self) -> list[BaseMessage]:
        return rewrite_messages(self.history, self.question)

    def searchable(self, rewrite: Any) -> str:
        return accepted(message_text(rewrite), self.history, self.question)


def gather_questions(inputs: list[RagInput]) -> _Asked:
    """What a string, or a dict, asks; either may arrive in pieces."""
    if inputs and all(isinstance(part, str) for part in inputs):
        values: dict[str, Any] = {"question": "".join(str(part) for part in inputs)}
    else:
        values = {k: v for part in inputs if isinstance(part, dict) for k, v in part.items()}
    question = str(values.get("question", "")).strip()
    if not question:
        raise ValueError('No question. Pass a string or {"question": "…"}.')
    return _Asked(question, tuple(convert_to_messages(values.get("history") or [])))

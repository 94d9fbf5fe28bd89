"""What the demo adapter is trained on: groups of questions that share the prompt's beginning."""

import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from langchain_swallow.chat_models.tools import ToolUse
from langchain_swallow.prompts import encode
from langchain_swallow.prompts.messages import to_turns
from langchain_swallow.prompts.presets import REFUSAL, get_preset
from langchain_swallow.prompts.system_prompt import SYSTEM_PROMPT
from langchain_swallow.rag.packing import fenced, merged
from langchain_swallow.retrieval.index.bm25 import BM25Scorer, Lexical, Part, ngram_weights
from langchain_swallow.text.passages import passage_text
from tests.demo_adapter.data import CHAT, Notice, notices
from tests.demo_adapter.library import HELD_OUT, draw_library
from tests.demo_adapter.tool_data import TOOLS, Tool
from tests.support.drawn import KINDS, clauses, composed
from tests.support.drawn.asking import reworded

MAX_PREFIX_TOKENS = 900
_WRITTEN = [draw for kind, draw in KINDS.items() if kind not in HELD_OUT]
_CLAUSES, _TABLES = clauses.KINDS, composed.KINDS


@dataclass(frozen=True, slots=True)
class Example:
    """Prompt ids and the ids of the wanted answer, EOS included."""

    prompt: list[int]
    answer: list[int]


Group = list[Example]


class GroupMaker:
    """Draws groups: which passages, in which order, with which questions."""

    def __init__(self, articles: list[list[Notice]], tokenizer: Any) -> None:
        self.articles = articles
        self.tokenizer = tokenizer
        self._all = Ranked([notice for article in articles for notice in article])

    def chat(self, rng: random.Random) -> Group:
        """Three conversations of plain chat; each its own beginning up to the system prompt."""
        return [self._chat_example(turns, rng) for turns in rng.sample(CHAT, 3)]

    def tools(self, rng: random.Random) -> Group:
        """A few tools: questions that need one, questions that need none, and results to tell."""
        shown = rng.sample(TOOLS, rng.choices((1, 2, 3), (50, 30, 20))[0])
        use = ToolUse(tuple(tool.openai for tool in shown))
        made = [self._call(use, rng.choice(shown), rng) for _ in range(4)]
        made += [self._result(use, rng.choice(shown), rng)]
        made += [self._plain(use, turns) for turns in rng.sample(CHAT, 2) if len(turns) == 2]
        return made

    def _call(self, use: ToolUse, tool: Tool, rng: random.Random) -> Example:
        arguments, _ = tool.draw(rng)
        question = rng.choice(tool.questions).format(**arguments)
        call = json.dumps({"name": tool.name, "arguments": arguments}, ensure_ascii=False)
        return self._tool_example(use, [HumanMessage(question)], call)

    def _result(self, use: ToolUse, tool: Tool, rng: random.Random) -> Example:
        arguments, result = tool.draw(rng)
        call = {"name": tool.name, "args": arguments, "id": "1"}
        messages = [
            HumanMessage(rng.choice(tool.questions).format(**arguments)),
            AIMessage("", tool_calls=[call]),
            ToolMessage(result, tool_call_id="1", name=tool.name),
        ]
        return self._tool_example(use, messages, tool.answer.format(result=result, **arguments))

    def _plain(self, use: ToolUse, turns: tuple[str, ...]) -> Example:
        return self._tool_example(use, [HumanMessage(turns[0])], turns[1])

    def _tool_example(self, use: ToolUse, messages: list[BaseMessage], answer: str) -> Example:
        turns = [*to_turns(messages, SYSTEM_PROMPT), ("system", use.description)]
        return Example(encode(turns, self.tokenizer), self._answer_ids(answer))

    def reading(self, rng: random.Random) -> Group:
        """Passages with the questions they answer, and questions they do not answer."""
        pool = notices(rng) if rng.random() < 0.22 else rng.choice(self.articles)
        count = rng.choices((1, 2, 3, 4), (30, 10, 20, 40))[0]
        shown = rng.sample(pool, min(count, len(pool)))
        if count > 1 and rng.random() < 0.12:
            shown[-1] = rng.choice(rng.choice(self.articles))
            rng.shuffle(shown)
        style = rng.random()
        context = "\n\n".join(f"[{i}] {passage(n, style)}" for i, n in enumerate(shown, 1))
        asked = [
            (question, f"{answer} [{i}]")
            for i, notice in enumerate(shown, 1)
            for question, answer in notice.questions
        ]
        asked = rng.sample(asked, min(len(asked), 7))
        asked += self._unanswerable(pool, shown, context, max(2, len(asked) // 2), rng)
        preset = get_preset(rng.choices(("質問応答", "質問応答（短答）"), (75, 25))[0])
        group = [self._example(preset, context, *pair) for pair in asked]
        return group if len(group[0].prompt) <= MAX_PREFIX_TOKENS else self.reading(rng)

    def retrieved(self, rng: random.Random) -> Group:
        """What a search for a question finds, as the chain shows it, half the time without its own.

        The questions that are refused are those whose search finds these passages too: what stands
        there is near, and no answer.
        """
        ranked = Ranked(notices(rng)) if rng.random() < 0.2 else self._all
        own = rng.choice(ranked.notices)
        question, _ = rng.choice(own.questions)
        found = ranked.search(question)
        if rng.random() < 0.5:
            found = [notice for notice in found if notice is not own]
        shown = found[: rng.choices((3, 4, 5), (25, 60, 15))[0]]
        context = fenced([Document(n.text, metadata={"title": n.title}) for n in shown])
        held = "".join(passage_text(n.text, {"title": n.title}) for n in shown)
        answered = [
            (asked, f"{answer} [{i}]")
            for i, notice in enumerate(shown, 1)
            for asked, answer in notice.questions
        ]
        hidden = [
            (asked, REFUSAL)
            for notice in [own, *found]
            if notice not in shown
            for asked, answer in notice.questions
            if answer not in held and asked not in dict(answered)
        ]
        first = [pair for pair in answered + hidden if pair[0] == question]
        chosen = first + rng.sample(answered, min(len(answered), 4))
        chosen += rng.sample(hidden[:12], min(len(hidden), 4))
        preset = get_preset(rng.choices(("質問応答", "質問応答（短答）"), (80, 20))[0])
        group = [self._example(preset, context, *pair) for pair in dict(chosen).items()]
        fits = len(group) > 1 and len(group[0].prompt) <= MAX_PREFIX_TOKENS
        return group if fits else self.retrieved(rng)

    def drawn(self, rng: random.Random) -> Group:
        """What a search in a few drawn documents finds, with and without what has the answer.

        Its hard questions are on rows and clauses that the documents do not have.
        """
        count = rng.choices((1, 2, 3, 4, 5), (5, 10, 15, 60, 10))[0]
        kinds = [rng.choice(_CLAUSES), *rng.sample(_TABLES, 3), *rng.sample(_WRITTEN, 2)]
        library = draw_library(kinds, rng, rng.choice((150, 300, 300)))
        first, own = rng.choice(library.asked)
        shown = library.shown(first, own, count, with_own=rng.random() < 0.6)
        documents = merged([library.chunks[i] for i in shown])
        context = fenced(documents)
        answered, refused = [], []
        for asked, i in library.asked:
            if n := library.number(i, documents):
                answered.append((asked.question, f"{asked.answer.rstrip('。')} [{n}]"))
                if asked.elsewhere:
                    refused.append((asked.elsewhere, REFUSAL))
            elif asked.answer not in context:
                refused.append((asked.question, REFUSAL))
        chosen = rng.sample(answered, min(len(answered), 6))
        chosen += rng.sample(refused, min(len(refused), max(2, len(chosen) * 2 // 3)))
        preset = get_preset(rng.choices(("質問応答", "質問応答（短答）"), (80, 20))[0])
        group = [
            self._example(preset, context, reworded(question, rng), answer)
            for question, answer in dict(chosen).items()
        ]
        return group if len(group) > 1 else self.drawn(rng)

    def _unanswerable(
        self,
        pool: list[Notice],
        shown: list[Notice],
        context: str,
        count: int,
        rng: random.Random,
    ) -> list[tuple[str, str]]:
        """Questions about passages that are not shown and whose answer does not stand in them."""
        known = {question for notice in shown for question, _ in notice.questions}
        near = [pair for notice in pool if notice not in shown for pair in notice.questions]
        far = [pair for notice in rng.choice(self.articles) for pair in notice.questions]
        hidden = [
            question
            for question, answer in rng.sample(near, min(len(near), 3 * count)) + rng.sample(far, 2)
            if question not in known and answer not in context
        ]
        return [(question, REFUSAL) for question in hidden[:count]]

    def _example(self, preset: Any, context: str, question: str, answer: str) -> Example:
        messages = preset.template.format_messages(context=context, question=question)
        roles = {"system": "system", "human": "user"}
        prompt = encode([(roles[m.type], m.text) for m in messages], self.tokenizer)
        return Example(prompt, self._answer_ids(answer))

    def _chat_example(self, turns: tuple[str, ...], rng: random.Random) -> Example:
        roles = itertools.cycle(("user", "assistant"))
        messages = list(zip(roles, turns, strict=False))
        if rng.random() < 0.8:
            messages.insert(0, ("system", SYSTEM_PROMPT))
        return Example(encode(messages[:-1], self.tokenizer), self._answer_ids(turns[-1]))

    def _answer_ids(self, answer: str) -> list[int]:
        ids = self.tokenizer.encode(answer, add_special_tokens=False)
        return [*ids, self.tokenizer.eos_token_id]


class Ranked:
    """Notices that can be searched, by BM25 of 1+2-grams as the index does."""

    def __init__(self, notices: Sequence[Notice]) -> None:
        self.notices = notices
        texts = [passage_text(n.text, {"title": n.title}) for n in notices]
        self._scorer = BM25Scorer([Part(Lexical.from_ngrams(texts), None)])

    def search(self, question: str, k: int = 10) -> list[Notice]:
        """The k best, best first."""
        scores = self._scorer.scores(ngram_weights(question))[0]
        return [self.notices[i] for i in (-scores).argsort(kind="stable")[:k]]


def passage(notice: Notice, style: float) -> str:
    """A passage with its title above it, in a third of the groups without."""
    return notice.text if style < 0.35 else f"{notice.title}\n{notice.text}"

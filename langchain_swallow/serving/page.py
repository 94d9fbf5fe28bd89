"""The chat page, built with Gradio. `answer_html` escapes all texts of models and documents.

The page sends only plain values: questions, settings, and ids that the server has issued. The
browser keeps the conversation that is shown (`page.js`); the session keeps the one that answers are
made from.
"""

import json
import re
from collections.abc import AsyncGenerator
from importlib import resources
from pathlib import PurePath
from typing import Any

import gradio as gr

from langchain_swallow._system.language import in_language
from langchain_swallow.documents.locations import readable_path
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.page_texts import FILE_OWNERS, FILE_PICKER, SCRIPT_TEXTS, TEXTS
from langchain_swallow.serving.page_turns import (
    PageTurns,
    page_requester,
    use_browser_language,
)
from langchain_swallow.serving.settings import BOUNDS, MIN_ANSWER_TOKENS, rag_presets

_MAX_SUGGESTIONS = 4
# Both 第3条（領収書） and ■領収書 are about 領収書.
_IN_BRACKETS = re.compile(r"[（(]([^（）()]+)[）)]$")
_IS_QUESTION = re.compile(r"(?:か|[?？])。?$")
_IS_SENTENCE = re.compile("(?:ません|ます|です|ました|ない|たい)。?$")
_MARKS = "■◆●○□◇・【】 \u3000"
# System fonts, so that none is downloaded.
_FONTS = ["Hiragino Sans", "Noto Sans JP", "Yu Gothic UI", "Meiryo", "system-ui", "sans-serif"]


def create_page(assistant: Assistant) -> gr.Blocks:
    """Return the page for an assistant."""
    t = translations()
    with gr.Blocks(title="langchain-swallow", fill_height=True, analytics_enabled=False) as page:
        gr.Markdown(t("title"))
        conversation = gr.Chatbot(
            label=t("conversation"),
            elem_classes="conversation",
            height="60vh",
            buttons=[],
            latex_delimiters=[],
            feedback_options=("Like", "Dislike") if assistant.takes_ratings else None,
        )
        with gr.Row():
            question = gr.Textbox(
                label=t("ask"),
                placeholder=t("ask_hint"),
                scale=8,
                autofocus=True,
                elem_id="question",
            )
            send = gr.Button(t("send"), variant="primary", scale=1, elem_id="send")
        with gr.Row():
            stop = gr.Button(t("stop"), elem_id="stop", min_width=90)
            again = gr.Button(t("again"), elem_id="again", min_width=90)
            new = gr.Button(t("new"), elem_id="new", min_width=90)
        with gr.Accordion(t("files"), open=False, elem_id="files"):
            gr.HTML(_file_picker(assistant))
        with gr.Accordion(t("settings"), open=False):
            preset = gr.Dropdown(rag_presets(), value="質問応答", label=t("preset"))
            system = gr.Textbox(label=t("system"), lines=2, max_length=1000)
            k = gr.Slider(*BOUNDS["k"], value=4, step=1, label=t("k"))
            lengths = assistant.lengths
            max_tokens = gr.Slider(
                MIN_ANSWER_TOKENS,
                lengths.maximum,
                value=lengths.default,
                step=16,
                label=t("max_tokens"),
            )
            temperature = gr.Slider(
                *BOUNDS["temperature"], value=0, step=0.1, label=t("temperature")
            )
        # Hidden fields that transfer data between page and server.
        session = gr.Textbox(elem_classes="wire", container=False)
        sent_question = gr.Textbox(elem_classes="wire", container=False)
        turn = gr.Textbox(elem_classes="wire", container=False)
        turns = PageTurns(assistant)
        asking = [sent_question, session, preset, system, k, max_tokens, temperature]

        async def ask(request: gr.Request, *values: Any) -> AsyncGenerator[str, None]:
            async for step in turns.answer(request, *values):
                yield step

        async def ask_again(request: gr.Request, *values: Any) -> AsyncGenerator[str, None]:
            async for step in turns.answer(request, *values, again=True):
                yield step

        # Headings are shown only to people who may see their documents.
        def suggest(request: gr.Request) -> Any:
            use_browser_language(request)
            store = assistant.documents(page_requester(request))
            return gr.update(examples=[{"text": text} for text in suggestions(store)])

        def picked(data: gr.SelectData, request: gr.Request) -> str:
            use_browser_language(request)
            examples = suggestions(assistant.documents(page_requester(request)))
            number = data.index
            is_example = isinstance(number, int) and 0 <= number < len(examples)
            return examples[number] if is_example else ""

        # Gradio does not limit concurrency, because the engine's scheduler does.
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        answers: dict[str, Any] = {"concurrency_limit": None, **private}
        script: dict[str, Any] = {"fn": None, "api_visibility": "private", "queue": False}

        def asks(event: Any, how: str) -> Any:
            """Show the question, send it, and reset the input."""
            shown = event(
                inputs=question,
                outputs=[question, sent_question, session, conversation],
                js=f"text => swallow.ask(text, '{how}')",
                **script,
            )
            answered = shown.then(ask, asking, turn, **answers)
            _ends(answered, how)
            return answered

        def _ends(answered: Any, how: str) -> None:
            answered.then(
                inputs=question,
                outputs=[question, conversation],
                js=f"text => swallow.done('{how}', text)",
                **script,
            )

        def submitted(**options: Any) -> Any:
            return gr.on([question.submit, send.click], **options)

        by_hand = asks(submitted, "asked")
        example = conversation.example_select(picked, None, question, **private)
        by_example = asks(example.then, "picked")
        repeated = again.click(
            outputs=[sent_question, session, conversation], js="() => swallow.again()", **script
        ).then(ask_again, asking, turn, **answers)
        _ends(repeated, "again")
        again.click(None, cancels=[by_hand, by_example], api_visibility="private")
        turn.change(inputs=turn, outputs=conversation, js="wire => swallow.take(wire)", **script)
        stop.click(outputs=conversation, js="() => swallow.stopped()", **script)
        events = [by_hand, by_example, repeated]
        stop.click(None, cancels=events, api_visibility="private")
        for cleared in (new.click, conversation.clear):
            cleared(outputs=conversation, js="() => swallow.clear()", **script)
            cleared(None, cancels=events, api_visibility="private")
        if assistant.takes_ratings:
            # By default, Gradio drops a second rating until the first one's event has ended.
            conversation.like(turns.rate, session, None, trigger_mode="multiple", **private)
        page.load(suggest, None, conversation, **private)
        page.unload(turns.close)
    # A mounted page has not "launched", in which case Gradio would copy any file that a value
    # names.
    page.has_launched = page.is_running = True
    return page


def server_events(page: gr.Blocks) -> list[int]:
    """Return the numbers of the page's functions that run on the server."""
    return [number for number, event in page.fns.items() if event.fn is not None]


def mount_options() -> dict[str, Any]:
    """Return the arguments of `gr.mount_gradio_app` other than the page."""
    texts = json.dumps(SCRIPT_TEXTS, ensure_ascii=False).replace("<", "\\u003c")
    return {
        "theme": gr.themes.Default(font=_FONTS, font_mono=["Menlo", "Consolas", "monospace"]),
        "css": _file("page.css"),
        "head": f"<script>{_file('page.js').replace('TEXTS', texts, 1)}</script>",
        "i18n": translations(),
        "show_error": False,
        "footer_links": [],
        "ssr_mode": False,
        "pwa": False,
        "enable_monitoring": False,
        "run_history": False,
        "mcp_server": False,
        "allowed_paths": [],
    }


def translations() -> gr.I18n:
    """Return the page's texts in Japanese and English; the browser's language chooses."""
    japanese = {name: texts[0] for name, texts in TEXTS.items()}
    english = {name: texts[1] for name, texts in TEXTS.items()}
    return gr.I18n(ja=japanese, en=english)


def suggestions(store: SwallowFAISS) -> list[str]:
    """Return example questions from headings of different files, which the documents can answer."""
    headings: dict[str, str] = {}
    pairs = store.snapshot().distinct("source", "headings")
    for source, path in sorted(pairs, key=str):
        last = str(path or "").split(" > ")[-1]
        named = _IN_BRACKETS.search(last)
        subject = (named[1] if named else last).strip(_MARKS)
        if source and subject and source not in headings:
            title = PurePath(readable_path(str(source))).stem
            headings[str(source)] = _question_about(subject, title)
    return list(headings.values())[:_MAX_SUGGESTIONS]


def _question_about(subject: str, title: str) -> str:
    """A question about the text below a heading, which the heading may be itself."""
    if _IS_QUESTION.search(subject):
        return subject
    if subject == title:
        return in_language(f"{title}には何が書かれていますか。", f"What does {title} say?")
    japanese = (
        f"{subject}。どうすればよいですか。"
        if _IS_SENTENCE.search(subject)
        else f"{title}の「{subject}」には何が書かれていますか。"
    )
    return in_language(japanese, f'What does {title} say about "{subject}"?')


def _file_picker(assistant: Assistant) -> str:
    whose = FILE_OWNERS if assistant.shared_uploads else ""
    return FILE_PICKER.format(accept=",".join(sorted(assistant.readable)), whose=whose)


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")

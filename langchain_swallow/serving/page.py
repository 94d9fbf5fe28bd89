"""The chat page, in Gradio. Texts of models and documents enter it escaped, as `answer_html`."""

import contextlib
import re
from collections.abc import AsyncGenerator
from html import escape
from pathlib import Path, PurePath
from typing import Any

import gradio as gr

from langchain_swallow.errors import SwallowError
from langchain_swallow.rag import Answer
from langchain_swallow.rag.html import answer_html
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.settings import Settings, rag_presets
from langchain_swallow.vectorstores import SwallowFAISS

_SUGGESTIONS = 4
# 第3条（領収書） is about 領収書, and so is ■領収書.
_IN_BRACKETS = re.compile(r"[（(]([^（）()]+)[）)]$")
_MARKS = "■◆●○□◇・【】 \u3000"
# Fonts of the system: none is fetched.
_FONTS = ["Hiragino Sans", "Noto Sans JP", "Yu Gothic UI", "Meiryo", "system-ui", "sans-serif"]
_CSS = """
.conversation blockquote { border-left: 3px solid currentColor; margin: .5em 0; padding: .2em 1em }
.conversation summary { cursor: pointer }
.conversation mark { background: #ffe08a; color: #000 }
footer { display: none !important }
"""
# Unfold the passage that a mark leads to; the browser's own jump would leave it folded.
_JS = """() => document.addEventListener("click", event => {
  const link = event.target.closest && event.target.closest(".conversation a[href*='#passage-']");
  if (!link) return;
  event.preventDefault();
  const passage = document.getElementById(link.getAttribute("href").split("#")[1]);
  if (!passage) return;
  passage.closest("details").open = true;
  passage.setAttribute("tabindex", "-1");
  passage.focus();
  passage.scrollIntoView({block: "center"});
})"""

_TEXTS = {
    "title": (
        "## 文書に聞く\n文書から、出典を付けて答えます。",
        "## Ask the documents\nAnswers come from the documents, with their sources.",
    ),
    "ask": ("質問", "Question"),
    "ask_hint": ("質問を書いて Enter", "Write a question and press Enter"),
    "send": ("聞く", "Ask"),
    "stop": ("止める", "Stop"),
    "again": ("答え直す", "Answer again"),
    "new": ("新しい会話", "New conversation"),
    "files": ("文書を追加", "Add documents"),
    "files_label": ("ファイル", "Files"),
    "for_whom": ("使う人", "For"),
    "mine": ("この会話だけ", "This conversation"),
    "everyone": ("全員", "Everyone"),
    "settings": ("設定", "Settings"),
    "preset": ("プリセット", "Preset"),
    "system": ("システムプロンプト（空なら標準）", "System prompt (empty: the preset's)"),
    "k": ("見せる資料の数", "Passages shown to the model"),
    "max_tokens": ("答えの最大の長さ（トークン）", "Longest answer (tokens)"),
    "temperature": ("温度（0 は最も確からしい語）", "Temperature (0: the likeliest words)"),
    "conversation": ("会話", "Conversation"),
}


def create_page(assistant: Assistant) -> gr.Blocks:
    """The page over an assistant."""
    t = translations()
    # Gradio keeps a copy of what is uploaded: no longer than an hour.
    options: dict[str, Any] = {"analytics_enabled": False, "delete_cache": (600, 3600)}
    with gr.Blocks(title="langchain-swallow", fill_height=True, **options) as page:
        turns = gr.State([])
        gr.Markdown(t("title"))
        conversation = gr.Chatbot(
            label=t("conversation"),
            elem_classes="conversation",
            height="60vh",
            buttons=[],
            latex_delimiters=[],
            examples=[{"text": text} for text in suggestions(assistant.store)],
            feedback_options=("Like", "Dislike"),
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
            upload = gr.File(label=t("files_label"), file_count="multiple", type="filepath")
            for_whom = gr.Radio(
                [(t("mine"), "mine"), (t("everyone"), "everyone")],
                value="mine",
                label=t("for_whom"),
                visible=assistant.shared_uploads,
            )
            uploaded = gr.Markdown(elem_id="uploaded")
        with gr.Accordion(t("settings"), open=False):
            preset = gr.Dropdown(rag_presets(), value="質問応答", label=t("preset"))
            system = gr.Textbox(label=t("system"), lines=2, max_length=1000)
            k = gr.Slider(1, 10, value=4, step=1, label=t("k"))
            max_tokens = gr.Slider(16, 1024, value=256, step=16, label=t("max_tokens"))
            temperature = gr.Slider(0, 1.5, value=0, step=0.1, label=t("temperature"))
        settings = [preset, system, k, max_tokens, temperature]

        async def ask(
            request: gr.Request, text: str, shown: list[Any], said: list[Any], *chosen: Any
        ) -> AsyncGenerator[Any, None]:
            text = text.strip()
            if not text:
                yield gr.skip(), gr.skip(), ""
                return
            # Emptied once: the next question may be written while this one is answered.
            box: Any = ""
            async with contextlib.aclosing(
                _answer(assistant, str(request.session_hash), text, shown, said, chosen)
            ) as steps:
                async for messages, spoken in steps:
                    yield messages, spoken, box
                    box = gr.skip()

        async def ask_again(
            request: gr.Request, shown: list[Any], said: list[Any], *chosen: Any
        ) -> AsyncGenerator[Any, None]:
            if not said:
                yield shown, said
                return
            name, text = str(request.session_hash), said[-1]["question"]
            async with contextlib.aclosing(
                _answer(assistant, name, text, shown[:-2], said[:-1], chosen, again=True)
            ) as steps:
                async for step in steps:
                    yield step

        def start_anew(request: gr.Request) -> tuple[list[Any], list[Any]]:
            assistant.sessions.get(str(request.session_hash)).history.clear()
            return [], []

        def add(paths: list[str] | None, whose: str, request: gr.Request) -> Any:
            yield from _add(assistant, str(request.session_hash), paths or [], whose == "everyone")

        def rate(said: list[Any], data: gr.LikeData, request: gr.Request) -> None:
            turn = said[int(str(data.index)) // 2]
            good = data.liked is True or data.liked == "Like"
            name = str(request.session_hash)
            assistant.rate(name, turn["question"], turn["answer"], good=good)

        def leave(request: gr.Request) -> None:
            assistant.forget(str(request.session_hash))

        asking = [question, conversation, turns, *settings]
        answered = [conversation, turns, question]
        # Everyone's questions go to the model's scheduler, which knows how many it can hold.
        unlimited: dict[str, Any] = {"concurrency_limit": None, "api_visibility": "private"}
        # One event for both triggers: while it goes on, a second question stays in its box.
        asked = gr.on([question.submit, send.click], ask, asking, answered, **unlimited)
        picked = conversation.example_select(_picked, None, question, api_visibility="private")
        picked = picked.then(ask, asking, answered, **unlimited)
        answered_again = again.click(
            ask_again,
            [conversation, turns, *settings],
            [conversation, turns],
            cancels=[asked, picked],
            **unlimited,
        )
        events: list[Any] = [asked, picked, answered_again]
        stop.click(None, cancels=events, api_visibility="private")
        conversation.clear(start_anew, None, [conversation, turns], api_visibility="private")
        new.click(start_anew, None, [conversation, turns], cancels=events, api_visibility="private")
        upload.upload(add, [upload, for_whom], uploaded, api_visibility="private")
        conversation.like(rate, turns, None, api_visibility="private")
        page.load(None, js=_JS)
        page.unload(leave)
    return page


def mount_options() -> dict[str, Any]:
    """What `gr.mount_gradio_app` is given beside the page."""
    return {
        "theme": gr.themes.Default(font=_FONTS, font_mono=["Menlo", "Consolas", "monospace"]),
        "css": _CSS,
        "i18n": translations(),
        "show_error": True,
        "footer_links": [],
        "ssr_mode": False,
        "pwa": False,
        "enable_monitoring": False,
    }


def translations() -> gr.I18n:
    """Texts of the page in Japanese and English; the browser's language decides."""
    japanese = {name: texts[0] for name, texts in _TEXTS.items()}
    english = {name: texts[1] for name, texts in _TEXTS.items()}
    return gr.I18n(ja=japanese, en=english)


def suggestions(store: SwallowFAISS) -> list[str]:
    """Questions that the documents can answer, from headings of different files."""
    headings: dict[str, str] = {}
    pairs = store.snapshot().distinct("source", "headings")
    for source, path in sorted(pairs, key=str):
        last = str(path or "").split(" > ")[-1]
        named = _IN_BRACKETS.search(last)
        subject = (named[1] if named else last).strip(_MARKS)
        if source and subject and source not in headings:
            title = PurePath(str(source)).stem
            headings[str(source)] = f"{title}の{subject}について教えてください。"
    return list(headings.values())[:_SUGGESTIONS]


def _picked(data: gr.SelectData) -> str:
    return str(data.value["text"])


async def _answer(
    assistant: Assistant,
    name: str,
    text: str,
    shown: list[Any],
    said: list[Any],
    chosen: tuple[Any, ...],
    *,
    again: bool = False,
) -> AsyncGenerator[tuple[list[Any], list[Any]], None]:
    """The conversation, again and again as the answer grows."""
    asked = {"role": "user", "content": f"<p>{escape(text)}</p>".replace("\n", "<br>")}
    answer, anchor = Answer(), f"passage-{len(said)}"

    def now(content: str) -> tuple[list[Any], list[Any]]:
        messages = [*shown, asked, {"role": "assistant", "content": content}]
        return messages, [*said, {"question": text, "answer": answer.text}]

    try:
        preset, system, *numbers = chosen
        settings = Settings(
            preset, system or "", int(numbers[0]), int(numbers[1]), float(numbers[2])
        )
        answers = assistant.answer(name, text, settings, again=again)
        async with contextlib.aclosing(answers) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                answer += piece
                yield now(answer_html(answer, anchor))
    except (SwallowError, ValueError) as error:
        yield now(f"{answer_html(answer, anchor)}<p role='alert'>⚠ {escape(str(error))}</p>")


def _add(assistant: Assistant, name: str, paths: list[str], shared: bool) -> Any:
    lines: list[str] = []

    def so_far() -> str:
        waiting = f"<p>⏳ {len(lines)} / {len(paths)}</p>" if len(lines) < len(paths) else ""
        return "\n".join([*lines, waiting])

    yield so_far()
    for result in assistant.add_files(name, [Path(path) for path in paths], shared=shared):
        state = f"⚠ {escape(result.error)}" if result.error else f"✓ {result.passages} 箇所"
        lines.append(f"<p>{escape(result.name)}: {state}</p>".replace("\n", " "))
        yield so_far()

"""The chat page in Chromium, over a real server and the demo model."""

import os
import re
import shutil
import time

import httpx
import pytest

from langchain_swallow import (
    ChatSwallow,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    load_documents,
)
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.settings import Settings
from langchain_swallow.serving.uploads import Limits
from tests.support.paths import ROOT
from tests.support.served import Served
from tests.support.tiny_models import tiny
from tests.support.tokenizers import trained_tokenizer

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
# Gradio and its dependencies warn about each other.
pytestmark = [pytest.mark.alone, pytest.mark.filterwarnings("ignore")]

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
MARKUP = "<script>document.title='盗'</script><img src=x onerror=document.title='盗'> がある。"
QUESTION = "取引先との飲食は1人いくらまでですか。"


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("no Chromium: install it, or name it in CHROMIUM")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def store():
    documents = load_documents(ROOT / "examples" / "documents")
    chunks = JapaneseTextSplitter(300).split_documents(documents)
    return SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))


@pytest.fixture(scope="module")
def served(llm, store, tmp_path_factory):
    feedback = tmp_path_factory.mktemp("feedback") / "feedback.jsonl"
    made = Served(Assistant(llm, store, feedback=feedback), hosts=("127.0.0.1",))
    made.feedback = feedback
    yield made
    made.close()


@pytest.fixture
def visit(browser):
    """Opens a page as a new visitor; nothing may be asked of another server."""
    contexts, elsewhere = [], []

    def opened(url, **options):
        context = browser.new_context(locale="ja-JP", **options)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "request",
            lambda request: (
                elsewhere.append(request.url)
                if not request.url.startswith((url, "data:", "blob:"))
                else None
            ),
        )
        page.goto(url)
        page.wait_for_selector("#question textarea")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert elsewhere == []


def ask(page, question):
    """Ask and wait for the answer, whole: its feedback buttons come then."""
    before = page.locator(".conversation .bot .message-content").count()
    page.fill("#question textarea", question)
    page.keyboard.press("Enter")
    answer = page.locator(".conversation .bot .message-content").nth(before)
    answer.wait_for()
    seen = None
    while not seen or seen != answer.inner_text():
        seen = answer.inner_text()
        page.wait_for_timeout(1000)
    return answer.inner_text()


def test_an_answer_with_its_passage(served, visit):
    page = visit(served.url)
    # What one can ask is there before the first question.
    suggestions = page.get_by_text("には何が書かれていますか")
    suggestions.first.wait_for()
    assert suggestions.count() >= 3
    text = ask(page, QUESTION)
    assert "8,000円" in text
    mark = page.locator(".conversation a[href*='#passage-']").first
    passage = page.locator(".conversation blockquote").first
    assert not passage.is_visible()
    # By keyboard.
    mark.focus()
    page.keyboard.press("Enter")
    assert passage.is_visible()
    assert page.locator(".conversation mark").first.inner_text() == "8,000円"
    assert "経費精算規程.txt" in page.locator(".conversation summary").first.inner_text()
    assert page.evaluate("document.activeElement.tagName") == "BLOCKQUOTE"


def test_a_second_turn_and_a_rating(served, visit):
    page = visit(served.url)
    ask(page, "会議室は何時から使えますか。")
    ask(page, "その予約はどうしますか。")
    sessions = served.assistant.sessions._sessions.values()
    (history,) = (s.history for s in sessions if len(s.history.messages) == 4)
    assert history.messages[2].text == "その予約はどうしますか。"
    page.locator(".conversation button[aria-label='いいね']").last.click()
    page.wait_for_timeout(500)
    assert "その予約はどうしますか。" in served.feedback.read_text("utf-8")
    page.click("#again")
    page.wait_for_timeout(3000)
    assert page.locator(".conversation .bot .message-content").count() == 2
    assert len(history.messages) == 4
    page.click("#new")
    page.wait_for_timeout(500)
    # Its session is forgotten, with its documents.
    assert history.messages == []
    assert page.locator(".conversation .bot .message-content").count() == 0


def test_two_sessions_do_not_mix(served, visit):
    first, second = visit(served.url), visit(served.url)
    ask(first, QUESTION)
    ask(second, "社員食堂のカレーはいくらですか。")
    assert "カレー" not in first.locator(".conversation").inner_text()
    assert "飲食" not in second.locator(".conversation").inner_text()


def test_an_uploaded_file_is_asked_about(served, visit, tmp_path):
    file = tmp_path / "備品.txt"
    file.write_bytes("予備の電球は地下の倉庫に12個ある。".encode("cp932"))
    broken = tmp_path / "壊れた.pdf"
    broken.write_bytes(b"%PDF-1.4 nothing")
    page, other = visit(served.url), visit(served.url)
    page.click("#files")
    page.set_input_files("#files input[type=file]", [str(file), str(broken)])
    page.get_by_text(re.compile("⏳ [01] / 2")).wait_for()
    page.get_by_text("備品.txt: ✓ 1 チャンク").wait_for()
    page.get_by_text("壊れた.pdf: ⚠").wait_for()
    assert str(tmp_path) not in page.locator("#uploaded").inner_text()
    assert "12個" in ask(page, "予備の電球は何個ありますか。")
    ask(other, "予備の電球は何個ありますか。")
    assert "12個" not in other.locator(".conversation").inner_text()


def test_a_file_for_everyone(llm, visit, tmp_path):
    """With permission; without it the page does not offer it."""
    store = SwallowFAISS.from_texts(["会議室は3階にある。"], SwallowEmbeddings("demo"))
    served = Served(
        Assistant(llm, store, shared_uploads=True, limits=Limits(files=2, file_mb=0.01)),
        hosts=("127.0.0.1",),
    )
    (tmp_path / "備品.txt").write_text("予備の電球は12個ある。", encoding="utf-8")
    (tmp_path / "大きい.txt").write_text("予備の電球。" * 1000, encoding="utf-8")
    try:
        page, other = visit(served.url), visit(served.url)
        page.click("#files")
        page.get_by_label("全員").check()
        page.set_input_files("#files input[type=file]", str(tmp_path / "備品.txt"))
        page.get_by_text("備品.txt: ✓ 1 チャンク").wait_for()
        page.set_input_files("#files input[type=file]", str(tmp_path / "大きい.txt"))
        page.get_by_text(re.compile("exceeds|超え|大き", re.IGNORECASE)).last.wait_for()
        assert len(store) == 2
        assert "12個" in ask(other, "予備の電球は何個ありますか。")
    finally:
        served.close()


def test_chosen_settings_reach_the_model(served, visit, monkeypatch):
    asked_with = []

    def settings_of(name, question, settings=None, **options):
        asked_with.append(settings)
        return Assistant.answer(served.assistant, name, question, settings, **options)

    monkeypatch.setattr(served.assistant, "answer", settings_of)
    page = visit(served.url)
    page.get_by_text("設定", exact=True).click()
    page.get_by_label("プリセット").click()
    page.get_by_role("option", name="質問応答（短答）").click()
    page.get_by_label("システムプロンプト").fill("短く答えてください。")
    page.get_by_label("参照するチャンク数").first.fill("2")
    # Beyond its bound.
    page.get_by_label("回答の最大の長さ").first.fill("99999")
    page.keyboard.press("Tab")
    ask(page, QUESTION)
    (settings,) = asked_with
    # A temperature of 0 on the page is the model's default.
    assert settings == Settings("質問応答（短答）", "短く答えてください。", 2, 1024, None)


def test_everything_is_reached_by_keyboard(served, visit):
    page = visit(served.url)
    page.wait_for_function("document.activeElement.matches('#question textarea')")
    page.keyboard.type("会議室は何時から使えますか。")
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText.split('\\n')[0].trim()"))
    assert reached == ["送信", "止める", "再生成", "新しい会話", "文書を追加", "設定"]
    page.keyboard.press("Enter")
    page.get_by_label("プリセット").wait_for()
    for _ in range(5):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_text("会議室は何時から使えますか。").wait_for()


def test_the_page_in_english(served, browser):
    page = browser.new_context(locale="en-US").new_page()
    page.goto(served.url)
    page.wait_for_selector("#question textarea")
    page.get_by_role("heading", name="Ask the documents").wait_for()
    for name in ("Send", "Stop", "Regenerate", "New conversation"):
        assert page.get_by_role("button", name=name, exact=True).count() == 1
    assert page.get_by_label("Question").count() == 1
    page.context.close()


def test_markup_of_documents_and_questions_is_text(served, visit, tmp_path):
    file = tmp_path / "<b>資料.txt"
    file.write_text(MARKUP, encoding="utf-8")
    page = visit(served.url)
    page.click("#files")
    page.set_input_files("#files input[type=file]", str(file))
    page.get_by_text("✓ 1 チャンク").wait_for()
    ask(page, f"資料には何がありますか。{MARKUP}")
    assert page.title() == "langchain-swallow"
    assert page.locator(".conversation img, .conversation script").count() == 0
    assert "<script>" in page.locator(".conversation").inner_text()


def test_a_wrong_token(llm, store, browser):
    served = Served(Assistant(llm, store), token="ひみつ", hosts=())
    try:
        page = browser.new_context(locale="ja-JP").new_page()
        page.goto(served.url)
        page.fill("input[name=token]", "ちがう")
        page.keyboard.press("Enter")
        page.get_by_text("トークンが違います").wait_for()
        page.fill("input[name=token]", "ひみつ")
        page.keyboard.press("Enter")
        page.wait_for_selector("#question textarea")
        assert "token" not in page.url
        assert httpx.post(f"{served.url}/v1/answers", json={"question": "?"}).status_code == 401
        # What the page itself talks to is behind the token too.
        assert httpx.get(f"{served.url}/config").status_code == 401
    finally:
        served.close()


# Generation that ends with its reader


@pytest.fixture(scope="module")
def slow(store, tmp_path_factory):
    """A model with random weights, which goes on until it is stopped."""
    folder = tmp_path_factory.mktemp("slow")
    model = tiny(hidden_size=512, num_hidden_layers=8, max_position_embeddings=4096)
    # Nor does it end an answer: its end of sequence has a logit of 0, and others have more.
    model.lm_head.weight.data[:3] = 0
    model.save_pretrained(folder)
    trained_tokenizer().save_pretrained(folder)
    settings = {"dtype": "float32", "device": "cpu", "prompt_format": "ver0.1"}
    llm = ChatSwallow(model=str(folder), **settings)
    served = Served(Assistant(llm, store))
    served.engine = llm.load()
    yield served
    served.close()


def running(engine, wanted, seconds=5.0):
    """Whether the engine comes to have this many requests."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if len(engine.scheduler.running) + len(engine.scheduler.waiting) == wanted:
            return True
        time.sleep(0.02)
    return False


def wait_until(holds, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def begin(page):
    page.fill("#question textarea", QUESTION)
    page.keyboard.press("Enter")
    page.locator(".conversation .bot .message-content").first.wait_for()


def test_stop_ends_the_generation(slow, visit):
    page = visit(slow.url)
    begin(page)
    assert running(slow.engine, 1), page.locator(".conversation").inner_text()
    page.click("#stop")
    assert running(slow.engine, 0, seconds=2)
    # What was shown is what was said, and the conversation goes on.
    (session,) = slow.assistant.sessions._sessions.values()
    page.wait_for_timeout(500)
    assert len(session.history.messages) == 2
    begin(page)
    assert running(slow.engine, 1), page.locator(".conversation").inner_text()
    page.click("#stop")
    assert running(slow.engine, 0, seconds=2)


def test_answering_again_ends_the_generation(slow, visit):
    page = visit(slow.url)
    begin(page)
    assert running(slow.engine, 1), page.locator(".conversation").inner_text()
    (first,) = slow.engine.scheduler.running
    page.click("#again")
    wait_until(lambda: slow.engine.scheduler.running and first not in slow.engine.scheduler.running)
    assert first.cancelled
    assert running(slow.engine, 1), page.locator(".conversation").inner_text()
    page.wait_for_timeout(1000)
    assert page.locator(".conversation .user .message-content").count() == 1
    assert page.locator(".conversation .bot .message-content").count() == 1
    page.click("#stop")
    assert running(slow.engine, 0, seconds=2)
    page.wait_for_timeout(500)
    session = list(slow.assistant.sessions._sessions.values())[-1]
    assert [message.type for message in session.history.messages] == ["human", "ai"]


def test_a_question_waits_until_the_answer_has_ended(slow, visit):
    page = visit(slow.url)
    begin(page)
    assert running(slow.engine, 1), page.locator(".conversation").inner_text()
    page.fill("#question textarea", "次の質問")
    page.keyboard.press("Enter")
    page.click("#send")
    page.wait_for_timeout(1500)
    # It is not lost: it stays where it was written.
    assert page.input_value("#question textarea") == "次の質問"
    assert page.locator(".conversation .user .message-content").count() == 1
    page.click("#stop")
    assert running(slow.engine, 0, seconds=2)
    page.click("#send")
    assert running(slow.engine, 1), page.locator(".conversation").inner_text()
    page.wait_for_timeout(1000)
    assert page.locator(".conversation .user .message-content").count() == 2
    page.click("#stop")
    assert running(slow.engine, 0, seconds=2)


def test_a_closed_tab_ends_its_generation(slow, visit):
    page = visit(slow.url)
    begin(page)
    assert running(slow.engine, 1), page.locator(".conversation").inner_text()
    page.close()
    assert running(slow.engine, 0)


def test_a_client_that_leaves_ends_its_generation(slow):
    body = {"question": QUESTION, "stream": True, "max_tokens": 1024}
    with httpx.stream("POST", f"{slow.url}/v1/answers", json=body, timeout=60) as got:
        for line in got.iter_lines():
            if line.startswith("event: text"):
                break
        assert running(slow.engine, 1)
    assert running(slow.engine, 0)


@pytest.mark.parametrize("size", [(390, 844), (1280, 900)])
def test_the_page_fits(served, visit, size):
    page = visit(served.url, viewport={"width": size[0], "height": size[1]})
    ask(page, QUESTION)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert re.search("8,000円", page.locator(".conversation").inner_text())

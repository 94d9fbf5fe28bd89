"""What an open page does when its server restarts, is slow, or takes files one by one."""

import os
import re
import shutil
import time

import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.uploads import Limits
from tests.support.embeddings import CharacterEmbeddings
from tests.support.served import Served, serving

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [pytest.mark.alone, pytest.mark.filterwarnings("ignore")]

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
BOX = "#question textarea"
LIKES = ".conversation button[aria-label='いいね'], .conversation button[aria-label='like' i]"


def made(**options):
    texts = ["会議室は3階にある。", "食堂のカレーは500円。", "出張の日当は3,000円とする。"]
    metadatas = [{"source": f"{i}.md", "headings": f"見出し{i}"} for i in range(3)]
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings(), metadatas)
    llm = FakeListChatModel(responses=["3階 [1] です。", "500円 [1] です。"])
    return Assistant(llm, store, splitter=JapaneseTextSplitter(100), **options)


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("no Chromium: install it, or name it in CHROMIUM")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def visit(browser, url, locale="ja-JP"):
    page = browser.new_context(locale=locale).new_page()
    page.goto(url)
    page.wait_for_selector(BOX)
    return page


def answers(page):
    return page.locator(".conversation .bot .message-content")


def ask(page, question):
    before = answers(page).filter(has_text="です。").count()
    page.fill(BOX, question)
    page.keyboard.press("Enter")
    wait(lambda: answers(page).filter(has_text="です。").count() == before + 1)
    page.wait_for_timeout(500)


def wait(holds, seconds=40):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(("locale", "lost"), [("ja-JP", "忘れました"), ("en-US", "has forgotten")])
def test_a_page_that_stays_open_over_a_restart(browser, tmp_path, locale, lost):
    feedback = tmp_path / "feedback.jsonl"
    first = Served(made(feedback=feedback))
    page = visit(browser, first.url, locale)
    ask(page, "会議室は何階ですか。")
    ask(page, "食堂のカレーはいくらですか。")
    assert page.get_by_text(lost).count() == 0
    first.close()
    page.wait_for_timeout(1000)
    with serving(made(feedback=feedback), port=first.port):
        ask(page, "出張の日当はいくらですか。")
        # What was said before is still there to be read, and that it is lost stands after it.
        assert answers(page).filter(has_text="です。").count() == 3
        page.get_by_text(lost).wait_for()
        ask(page, "会議室は何階ですか。")
        assert page.get_by_text(lost).count() == 1
        marks = page.locator(".conversation a[href*='#passage-']")
        assert len({mark.get_attribute("href") for mark in marks.all()}) == marks.count() == 4
        marks.nth(2).click()
        opened = [d.get_attribute("open") is not None for d in page.locator("details").all()]
        assert opened == [False, False, True, False]
        likes = page.locator(LIKES)
        likes.last.click()
        wait(feedback.exists)
        assert "会議室は何階ですか。" in feedback.read_text("utf-8")
        rated = feedback.read_text("utf-8")
        # One of before the restart: told, and nothing wrong written.
        likes.first.click()
        page.get_by_text(re.compile("残っていません|does not have this answer")).wait_for()
        assert feedback.read_text("utf-8") == rated


def test_ratings_that_follow_each_other_at_once_all_arrive(browser, tmp_path):
    feedback = tmp_path / "feedback.jsonl"
    with serving(made(feedback=feedback)) as served:
        page = visit(browser, served.url)
        ask(page, "会議室は何階ですか。")
        ask(page, "食堂のカレーはいくらですか。")
        waiting = []
        page.route("**/queue/join*", lambda route: waiting.append(route))
        # Without a pause: the server has not answered the first when the second is clicked.
        page.locator(LIKES).first.click()
        wait(lambda: waiting)
        page.locator(LIKES).last.click()
        wait(lambda: len(waiting) == 2)
        for route in waiting:
            route.continue_()
        wait(lambda: feedback.exists() and len(feedback.read_text("utf-8").splitlines()) == 2)
        assert "会議室は何階ですか。" in feedback.read_text("utf-8")
        assert "食堂のカレーはいくらですか。" in feedback.read_text("utf-8")


def test_text_that_is_typed_while_a_question_is_on_its_way_stays(browser):
    with serving(made()) as served:
        page = visit(browser, served.url)
        page.wait_for_timeout(1000)
        waiting = []
        page.route("**/queue/join*", lambda route: waiting.append(route))
        page.fill(BOX, "会議室は何階ですか。")
        page.keyboard.press("Enter")
        # Seen at once, though the server has not answered.
        page.locator(".conversation .user .message-content").wait_for(timeout=3000)
        assert page.input_value(BOX) == ""
        page.type(BOX, "次の質問を書いている")
        wait(lambda: waiting)
        page.wait_for_timeout(500)
        waiting[0].continue_()
        wait(lambda: answers(page).filter(has_text="です。").count() == 1)
        page.wait_for_timeout(500)
        assert page.input_value(BOX) == "次の質問を書いている"


def test_a_page_that_the_back_button_shows_again_keeps_its_conversation(browser):
    """A browser says of a page that is left whether it keeps it; only one that is gone forgets."""
    assistant = made()
    with serving(assistant) as served:
        page = visit(browser, served.url)
        ask(page, "会議室は何階ですか。")

        def leave(kept):
            event = f"new PageTransitionEvent('pagehide', {{persisted: {kept}}})"
            page.evaluate(f"dispatchEvent({event})")

        (session,) = (s for s in assistant.sessions._sessions.values() if s.turns)
        leave("true")
        ask(page, "食堂のカレーはいくらですか。")
        assert page.get_by_text("忘れました").count() == 0
        assert session.id in assistant.sessions._sessions
        leave("false")
        wait(lambda: session.id not in assistant.sessions._sessions)


def test_a_question_that_does_not_arrive_does_not_block_the_next(browser):
    with serving(made()) as served:
        page = visit(browser, served.url)
        page.wait_for_timeout(1000)
        page.route("**/queue/join*", lambda route: route.abort())
        page.fill(BOX, "会議室は何階ですか。")
        page.keyboard.press("Enter")
        page.wait_for_timeout(16_000)
        page.unroute("**/queue/join*")
        ask(page, "食堂のカレーはいくらですか。")


def test_files_one_by_one(browser, tmp_path):
    assistant = made(limits=Limits(files=3))
    with serving(assistant) as served:
        page = visit(browser, served.url)
        page.click("#files")

        def add(name, said):
            (tmp_path / name).write_text(f"{name}の電球は12個ある。", encoding="utf-8")
            page.set_input_files("#files input[type=file]", str(tmp_path / name))
            page.get_by_text(f"{name}: {said}").last.wait_for()

        add("絵.png", "⚠")
        for name in ("一.txt", "二.txt", "二.txt", "三.txt"):
            add(name, "✓ 1 チャンク")
        add("四.txt", "⚠")
        page.get_by_role("button", name="削除: 二.txt").click()
        wait(lambda: page.get_by_text("二.txt: ✓").count() == 0)
        (session,) = (s for s in assistant.sessions._sessions.values() if s.files)
        assert set(session.files) == {"一.txt", "三.txt"}
        add("四.txt", "✓ 1 チャンク")
        page.click("#new")
        wait(lambda: page.locator("#uploaded").inner_text() == "")
        wait(lambda: session.closed)
        # The page closes, and its session with it.
        add("一.txt", "✓ 1 チャンク")
        assert any(s.files for s in assistant.sessions._sessions.values())
        page.close()
        wait(lambda: not any(s.files for s in assistant.sessions._sessions.values()))


def test_ratings_are_offered_where_they_are_kept(browser):
    with serving(made()) as served:
        page = visit(browser, served.url)
        ask(page, "会議室は何階ですか。")
        assert page.locator(".conversation button[aria-label='いいね']").count() == 0

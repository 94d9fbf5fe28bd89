"""The chat page in Chromium, over a real server and the demo model."""

import re
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
from tests.support.served import Served, serving
from tests.support.tiny_models import tiny
from tests.support.tokenizers import trained_tokenizer

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from tests.support.chat_page import BOX, DONE, TURNS, Visits, ask, begin, chromium, wait

pytestmark = pytest.mark.alone

MARKUP = "<script>document.title='盗'</script><img src=x onerror=document.title='盗'> がある。"
QUESTION = "取引先との飲食は1人いくらまでですか。"


@pytest.fixture(scope="module")
def browser():
    with chromium() as made:
        yield made


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
    visits = Visits(browser)
    yield visits
    visits.close()


def test_an_answer_with_its_passage(served, visit):
    page = visit(served.url)
    # What one can ask is there before the first question.
    suggestions = page.get_by_text("には何が書かれていますか")
    suggestions.first.wait_for()
    assert suggestions.count() >= 3
    text = ask(page, QUESTION)
    assert "8,000円" in text
    assert not page.locator("#source").is_visible()
    mark = page.locator("#log button.cite").first
    assert "文書と一致" in mark.get_attribute("aria-label")
    # By keyboard.
    mark.focus()
    page.keyboard.press("Enter")
    page.locator("#body mark").wait_for()
    assert page.locator("#body mark").first.inner_text() == "8,000円"
    assert "経費精算規程.txt" in page.locator("#place").inner_text()
    assert page.evaluate("document.activeElement.id") == "place"
    assert page.locator("#body .around").first.inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#source").is_visible()
    assert page.evaluate("document.activeElement.matches('button.cite')")


def test_a_pdf_is_shown_as_it_is_with_the_words_marked(served, visit):
    page = visit(served.url)
    ask(page, "会社の設立はいつですか。")
    place = page.locator(".place").filter(has_text="会社案内.pdf").first
    place.click()
    image = page.locator("#body .page img")
    image.wait_for()
    wait(lambda: image.evaluate("one => one.complete && one.naturalWidth > 1000"), page=page)
    box = page.locator("#body .box").first
    shown, panel = box.bounding_box(), page.locator("#body").bounding_box()
    assert panel["y"] <= shown["y"] <= panel["y"] + panel["height"]
    assert shown["width"] < panel["width"]
    page.get_by_role("button", name="拡大").click()
    large = box.bounding_box()
    assert large["width"] > 1.8 * shown["width"]
    assert panel["x"] <= large["x"] <= panel["x"] + panel["width"]


def test_a_second_turn_and_a_rating(served, visit):
    page = visit(served.url)
    ask(page, "会議室は何時から使えますか。")
    ask(page, "その予約はどうしますか。")
    sessions = served.assistant.sessions._sessions.values()
    (history,) = (s.history for s in sessions if len(s.history.messages) == 4)
    assert history.messages[2].text == "その予約はどうしますか。"
    page.get_by_role("button", name="よい回答").last.click()
    page.get_by_label("理由（任意）").fill("出典が正しい。")
    page.keyboard.press("Enter")
    page.get_by_text("評価を保存しました").wait_for()
    assert "その予約はどうしますか。" in served.feedback.read_text("utf-8")
    assert "出典が正しい。" in served.feedback.read_text("utf-8")
    page.get_by_role("button", name="再生成").click()
    wait(lambda: page.locator(DONE).count() == 2 and len(history.messages) == 4, page=page)
    page.click("#new")
    assert page.locator(TURNS).count() == 0
    # It is kept, and can be continued.
    page.locator("#conversations .title").first.click()
    wait(lambda: page.locator(TURNS).count() == 2, page=page)
    assert len(history.messages) == 4


def test_two_sessions_do_not_mix(served, visit):
    first, second = visit(served.url), visit(served.url)
    ask(first, QUESTION)
    ask(second, "社員食堂のカレーはいくらですか。")
    assert "カレー" not in first.locator("#log").inner_text()
    assert "飲食" not in second.locator("body").inner_text()


def test_an_uploaded_file_is_asked_about(served, visit, tmp_path):
    file = tmp_path / "備品.txt"
    file.write_bytes("予備の電球は地下の倉庫に12個ある。".encode("cp932"))
    broken = tmp_path / "壊れた.pdf"
    broken.write_bytes(b"%PDF-1.4 nothing")
    page, other = visit(served.url), visit(served.url)
    page.set_input_files("#file", [str(file), str(broken)])
    page.get_by_text("備品.txt: ✓ 1 チャンク").wait_for()
    page.get_by_text("壊れた.pdf: ⚠").wait_for()
    assert str(tmp_path) not in page.locator("#uploads").inner_text()
    assert "12個" in ask(page, "予備の電球は何個ありますか。")
    page.locator("button.cite").first.click()
    page.locator("#body mark").wait_for()
    ask(other, "予備の電球は何個ありますか。")
    assert "12個" not in other.locator("#log").inner_text()


def test_a_file_for_everyone(llm, visit, tmp_path):
    """With permission; without it the page does not offer it."""
    store = SwallowFAISS.from_texts(["会議室は3階にある。"], SwallowEmbeddings("demo"))
    assistant = Assistant(llm, store, shared_uploads=True, limits=Limits(files=2, file_mb=0.01))
    (tmp_path / "備品.txt").write_text("予備の電球は12個ある。", encoding="utf-8")
    (tmp_path / "大きい.txt").write_text("予備の電球。" * 1000, encoding="utf-8")
    with serving(assistant, hosts=("127.0.0.1",)) as served:
        page, other = visit(served.url), visit(served.url)
        page.get_by_label("全員").check()
        page.set_input_files("#file", str(tmp_path / "備品.txt"))
        page.get_by_text("備品.txt: ✓ 1 チャンク").wait_for()
        page.set_input_files("#file", str(tmp_path / "大きい.txt"))
        page.get_by_text(re.compile("exceeds|超え|大き", re.IGNORECASE)).last.wait_for()
        assert len(store) == 2
        assert "12個" in ask(other, "予備の電球は何個ありますか。")


def test_chosen_settings_reach_the_model(served, visit, monkeypatch):
    asked_with = []

    def settings_of(name, question, settings=None, **options):
        asked_with.append(settings)
        return Assistant.answer(served.assistant, name, question, settings, **options)

    monkeypatch.setattr(served.assistant, "answer", settings_of)
    page = visit(served.url)
    page.click("#show-settings")
    page.get_by_label("プリセット").select_option("質問応答（短答）")
    page.get_by_label("システムプロンプト").fill("短く答えてください。")
    page.get_by_label("参照するチャンク数").fill("2")
    # Beyond its bound.
    page.get_by_label("回答の最大の長さ").fill("99999")
    page.keyboard.press("Escape")
    ask(page, QUESTION)
    # They are kept for the next visit of this browser.
    page.reload()
    page.wait_for_selector(BOX)
    ask(page, QUESTION)
    # A temperature of 0 on the page is the model's default.
    wanted = Settings("質問応答（短答）", "短く答えてください。", 2, 1024, None)
    assert asked_with == [wanted, wanted]


def test_everything_is_reached_by_keyboard(served, visit):
    page = visit(served.url)
    wait(lambda: page.evaluate("document.activeElement.id") == "question", page=page)
    page.keyboard.type("会議室は何時から使えますか。")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "send"
    reached = []
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert [name for name in reached if name] == [
        *("question", "log", "file", "search", "new", "show-settings", "show-help")
    ]
    page.locator("#show-settings").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('#settings').open")
    page.keyboard.press("Escape")
    page.locator(BOX).focus()
    page.keyboard.press("Enter")
    page.locator(TURNS).get_by_text("会議室は何時から使えますか。").wait_for()


def test_the_page_in_english(served, visit):
    page = visit(served.url, locale="en-US")
    page.get_by_role("heading", name="Ask the documents").wait_for()
    for name in ("Send", "New conversation", "Settings", "Choose files"):
        assert page.get_by_text(name, exact=False).count() >= 1
    assert page.get_by_label("Question", exact=True).count() == 1
    assert page.locator("html").get_attribute("lang") == "en"


def test_markup_of_documents_and_questions_is_text(served, visit, tmp_path):
    file = tmp_path / "<b>資料.txt"
    file.write_text(MARKUP, encoding="utf-8")
    page = visit(served.url)
    page.set_input_files("#file", str(file))
    page.get_by_text("✓ 1 チャンク").wait_for()
    ask(page, f"資料には何がありますか。{MARKUP}")
    for place in page.locator(".place").all():
        if place.is_visible():
            place.click()
    assert page.title() == "langchain-swallow"
    assert page.locator("#log img, #log script, #conversations img, #uploads b").count() == 0
    assert "<script>" in page.locator("#log").inner_text()
    assert "<script>" in page.locator("#conversations").inner_text()


def test_a_token_lets_in_and_logging_out_ends_it(llm, store, visit):
    with serving(Assistant(llm, store), token="ひみつ", hosts=()) as served:
        page = visit._browser.new_context(locale="ja-JP").new_page()
        page.goto(served.url)
        page.fill("input[name=token]", "ちがう")
        page.keyboard.press("Enter")
        page.get_by_text("トークンが違います").wait_for()
        page.fill("input[name=token]", "ひみつ")
        page.keyboard.press("Enter")
        page.wait_for_selector(BOX)
        assert "token" not in page.url
        for method, path in (
            *(("POST", "/v1/answers"), ("GET", "/static/app.js"), ("GET", "/v1/suggestions")),
            *(("GET", "/v1/documents"), ("GET", "/v1/sessions")),
        ):
            got = httpx.request(method, served.url + path, json={"question": "?"})
            assert got.status_code == 401, path
        ask(page, QUESTION)
        page.locator("#conversations .title").wait_for()
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="ログアウト").click()
        page.fill("input[name=token]", "ひみつ")
        page.keyboard.press("Enter")
        page.wait_for_selector(BOX)
        # Whoever comes next sees nothing of who was here.
        page.wait_for_timeout(500)
        assert page.locator("#conversations .title").count() == 0
        assert page.locator(TURNS).count() == 0
        page.context.close()


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


def test_stop_ends_the_generation(slow, visit):
    page = visit(slow.url)
    begin(page, QUESTION)
    assert running(slow.engine, 1), page.locator("#log").inner_text()
    where = page.locator("#send").bounding_box()
    assert page.locator("#send").inner_text() == "止める"
    page.click("#send")
    assert running(slow.engine, 0, seconds=2)
    # What was shown is what was said, and the conversation goes on.
    (session,) = slow.assistant.sessions._sessions.values()
    wait(lambda: len(session.history.messages) == 2, page=page)
    page.get_by_text("ここで止めました").wait_for()
    begin(page, QUESTION)
    assert running(slow.engine, 1), page.locator("#log").inner_text()
    # Send and stop are at the same place.
    assert page.locator("#send").bounding_box()["y"] == pytest.approx(where["y"], abs=2)
    page.keyboard.press("Escape")
    assert running(slow.engine, 0, seconds=2)
    # What was stopped is in the conversation after a reload, too.
    wait(lambda: len(session.history.messages) == 4, page=page)
    page.reload()
    wait(lambda: page.locator(DONE).count() == 2, page=page)


def test_a_question_waits_until_the_answer_has_ended(slow, visit):
    page = visit(slow.url)
    begin(page, QUESTION)
    assert running(slow.engine, 1), page.locator("#log").inner_text()
    page.fill(BOX, "次の質問")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    # It is not lost: it stays where it was written.
    assert page.input_value(BOX) == "次の質問"
    assert page.locator(TURNS).count() == 1
    page.click("#send")
    assert running(slow.engine, 0, seconds=2)
    page.click("#send")
    wait(lambda: page.locator(TURNS).count() == 2, page=page)
    assert running(slow.engine, 1), page.locator("#log").inner_text()
    page.click("#send")
    assert running(slow.engine, 0, seconds=2)


def test_another_conversation_ends_the_generation(slow, visit):
    page = visit(slow.url)
    begin(page, QUESTION)
    assert running(slow.engine, 1)
    page.click("#new")
    assert running(slow.engine, 0, seconds=2)
    page.wait_for_timeout(500)
    assert page.locator(TURNS).count() == 0


def test_a_closed_tab_ends_its_generation(slow, visit):
    page = visit(slow.url)
    begin(page, QUESTION)
    assert running(slow.engine, 1), page.locator("#log").inner_text()
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

"""How the page looks: axe-core in all its states, at two sizes, in light and dark; its pictures.

    SWALLOW_PICTURES=docs/images pytest -m alone -n 0 tests/integration_tests/test_page_looks.py

takes the pictures of the documentation again.
"""

import os
from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel
from PIL import Image

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS, load_documents
from langchain_swallow.prompts.presets import REFUSAL
from langchain_swallow.serving.assistant import Assistant
from tests.support.embeddings import CharacterEmbeddings
from tests.support.paths import ROOT
from tests.support.served import serving

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)

from axe_playwright_python.sync_playwright import Axe

from tests.support.chat_page import BOX, Visits, ask, chromium, wait

pytestmark = pytest.mark.alone

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
QUESTION = "取引先との飲食は1人いくらまでですか。"
ANSWERS = [
    "取引先との飲食は、1人につき **8,000円** を限度とします [1]。\n\n"
    "* 開催の2営業日前までに、部長の承認を受けます [1]。\n"
    "* 限度を超えるときは、担当役員の承認が必要です [1]。",
    "会社は従業員の3日分の水と食料を備蓄しています [1]。",
    REFUSAL,
]
QUESTIONS = [QUESTION, "防災マニュアルの備蓄は、水と食料の何日分ですか。", "社長の趣味は何ですか。"]


@pytest.fixture(scope="module")
def browser():
    with chromium() as made:
        yield made


@pytest.fixture
def visit(browser):
    visits = Visits(browser)
    yield visits
    visits.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    documents = load_documents(ROOT / "examples" / "documents")
    chunks = JapaneseTextSplitter(300).split_documents(documents)
    feedback = tmp_path_factory.mktemp("feedback") / "feedback.jsonl"
    store = SwallowFAISS.from_documents(chunks, CharacterEmbeddings())
    llm = FakeListChatModel(responses=ANSWERS)
    with serving(Assistant(llm, store, feedback=feedback, shared_uploads=True)) as made:
        made.llm = llm
        yield made


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return Path(os.environ.get("SWALLOW_PICTURES") or tmp_path_factory.mktemp("pictures"))


def violations(page):
    """What axe-core finds, at any impact."""
    # Not by a script element, which the page's policy forbids.
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], one["impact"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in found
    ]


def asked(served, visit, **options):
    """A page with a cited answer, one from a PDF, and a refusal."""
    served.llm.i = 0
    page = visit(served.url, **options)
    for question in QUESTIONS:
        ask(page, question)
    return page


@pytest.mark.parametrize(
    ("size", "scheme", "locale"),
    [
        (WIDE, "light", "ja-JP"),
        (PHONE, "dark", "ja-JP"),
        (WIDE, "dark", "en-US"),
        (PHONE, "light", "en-US"),
    ],
    ids=["wide", "phone dark", "wide dark English", "phone English"],
)
def test_a_screen_reader_and_weak_eyes_can_use_every_state(
    served, visit, tmp_path, size, scheme, locale
):
    page = visit(served.url, viewport=size, color_scheme=scheme, locale=locale)
    page.locator("#suggestions button").first.wait_for()
    found = {"empty": violations(page)}
    served.llm.i = 0
    for question in QUESTIONS:
        ask(page, question)
    page.locator(".rate").last.click()
    page.locator(".reason").wait_for()
    page.locator("details.found summary").click()
    found["answers"] = violations(page)
    page.locator("button.cite").first.click()
    page.locator("#body mark").wait_for()
    page.wait_for_timeout(300)
    found["source"] = violations(page)
    if size is PHONE:
        # The sheet may cover the next place; whether it does depends on the font.
        page.keyboard.press("Escape")
    page.locator(".place").filter(has_text="防災マニュアル.pdf").first.click()
    page.locator("#body .page img").wait_for()
    found["page"] = violations(page)
    page.keyboard.press("Escape")
    (tmp_path / "備品.txt").write_text("電球は12個。", encoding="utf-8")
    (tmp_path / "絵.png").write_bytes(b"\x89PNG")
    page.set_input_files("#file", [str(tmp_path / "備品.txt"), str(tmp_path / "絵.png")])
    wait(lambda: page.locator("#uploads li").count() == 2, page=page)
    if size is PHONE:
        page.click("#show-nav")
    page.locator("#conversations summary").click()
    found["conversations"] = violations(page)
    page.keyboard.press("Escape")
    for dialog in ("settings", "help"):
        page.click(f"#show-{dialog}")
        found[dialog] = violations(page)
        page.keyboard.press("Escape")
    page.fill(BOX, "長" * 2001)
    found["too long"] = violations(page)
    assert {state: what for state, what in found.items() if what} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_the_login_form_is_accessible_too(visit):
    store = SwallowFAISS.from_texts(["何か。"], CharacterEmbeddings())
    assistant = Assistant(FakeListChatModel(responses=["何か"]), store)
    with serving(assistant, token="ひみつ", hosts=()) as served:
        for scheme in ("light", "dark"):
            page = visit._browser.new_context(color_scheme=scheme, locale="ja-JP").new_page()
            page.goto(served.url)
            # Its style is applied: the policy has its hash.
            assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
            assert violations(page) == []
            page.context.close()


def test_the_appearance_is_chosen_and_kept(served, visit):
    page = visit(served.url, color_scheme="light")
    color = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(color)
    page.click("#show-settings")
    page.locator("#theme").select_option("dark")
    dark = page.evaluate(color)
    assert dark != light
    page.reload()
    assert page.evaluate(color) == dark
    page.click("#show-settings")
    page.locator("#theme").select_option("")
    assert page.evaluate(color) == light


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_answer_has_the_height_and_the_box_is_at_the_foot(served, visit, size):
    page = asked(served, visit, viewport=size)
    page.locator("button.cite").first.click()
    page.locator("#body mark").wait_for()
    boxes = {name: page.locator(f"#{name}").bounding_box() for name in ("log", "ask", "source")}
    assert boxes["ask"]["y"] + boxes["ask"]["height"] == pytest.approx(size["height"], abs=2)
    assert boxes["log"]["height"] > 0.75 * size["height"]
    if size is PHONE:
        # A sheet from below, under which the answer can still be seen.
        assert boxes["source"]["width"] == size["width"]
        assert 0.2 * size["height"] < boxes["source"]["y"] < 0.5 * size["height"]
    else:
        assert boxes["source"]["x"] > boxes["log"]["x"] + boxes["log"]["width"] - 2
    mark = page.locator("#body mark").bounding_box()
    assert boxes["source"]["y"] < mark["y"] < size["height"]


def test_japanese_is_set_for_reading(served, visit):
    page = asked(served, visit)
    style = page.locator(".answer").first.evaluate(
        "one => { const s = getComputedStyle(one); return [s.lineBreak, s.wordBreak, "
        "parseFloat(s.lineHeight) / parseFloat(s.fontSize), one.lang] }"
    )
    assert style == ["strict", "auto-phrase", pytest.approx(1.85, abs=0.01), "ja"]


def test_the_pictures_of_the_documentation(served, visit, pictures):
    page = visit(served.url, viewport=WIDE)
    page.locator("#suggestions button").first.wait_for()
    page.wait_for_timeout(300)
    page.screenshot(path=pictures / "page-empty.png")
    page.close()
    page = asked(served, visit, viewport=WIDE)
    page.locator("button.cite").first.click()
    page.locator("#body mark").wait_for()
    page.locator("article").first.scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#log').scrollTop = 0")
    page.wait_for_timeout(300)
    page.screenshot(path=pictures / "page.png")
    page.locator(".place").filter(has_text="防災マニュアル.pdf").first.click()
    page.locator("#body .box").first.wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=pictures / "page-pdf.png")
    phone = asked(served, visit, viewport=PHONE, color_scheme="dark")
    phone.evaluate("document.querySelector('#log').scrollTop = 0")
    phone.locator("button.cite").first.click()
    phone.locator("#body mark").wait_for()
    phone.wait_for_timeout(500)
    phone.screenshot(path=pictures / "page-phone-dark.png")
    for name in ("page-empty", "page", "page-pdf", "page-phone-dark"):
        with Image.open(pictures / f"{name}.png") as picture:
            # Not a blank one.
            assert len(picture.convert("L").getcolors()) > 50

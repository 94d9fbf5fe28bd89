"""The chat page in Chromium: opened, asked, and waited for."""

import contextlib
import os
import shutil
import time

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
BOX = "#question"
TURNS = "#log article"
DONE = "#log article:not([aria-busy])"


@contextlib.contextmanager
def chromium():
    """A browser; without one, the test is skipped."""
    if not CHROMIUM:
        pytest.skip("no Chromium: install it, or name it in CHROMIUM")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


class Visits:
    """Opens pages as new visitors; nothing may be asked of another server, and no script fail."""

    def __init__(self, browser):
        self._browser = browser
        self._contexts = []
        self.elsewhere, self.errors = [], []

    def __call__(self, url, *, context=None, locale="ja-JP", **options):
        if context is None:
            context = self._browser.new_context(locale=locale, **options)
            self._contexts.append(context)
        page = context.new_page()
        page.on(
            "request",
            lambda request: (
                self.elsewhere.append(request.url)
                if not request.url.startswith((url, "data:", "blob:"))
                else None
            ),
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.errors.append(message.text)
                if "Content Security Policy" in message.text
                else None
            ),
        )
        page.goto(url)
        page.wait_for_selector(BOX)
        return page

    def close(self):
        for context in self._contexts:
            context.close()
        assert self.elsewhere == []
        assert self.errors == []


def ask(page, question):
    """Ask, wait for the whole answer, and return its text."""
    before = page.locator(TURNS).count()
    page.fill(BOX, question)
    page.keyboard.press("Enter")
    page.locator(TURNS).nth(before).wait_for()
    wait(lambda: page.locator(DONE).count() > before, page=page)
    return page.locator(f"{TURNS} .answer").nth(before).inner_text()


def begin(page, question):
    """Ask, and wait for the answer's first words."""
    page.fill(BOX, question)
    page.keyboard.press("Enter")
    page.locator(f"{TURNS}[aria-busy] .answer > :not(.wait)").first.wait_for()


def wait(holds, seconds=180, page=None):
    """Wait until a condition holds; with a page, its events go on."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        if page is None:
            time.sleep(0.05)
        else:
            page.wait_for_timeout(50)

"""A real browser: Debian's Chromium, without a screen."""

import os
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One browser for all tests; skipped with the reason where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra browser: pip install -e .[browser]")
    if not CHROMIUM.exists():
        pytest.skip(f"needs a browser at {CHROMIUM}: apt-get install chromium")
    profile = tmp_path_factory.mktemp("profile")
    with playwright.sync_playwright() as play:
        context = play.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=FLAGS)
        yield context
        context.close()


@pytest.fixture
def opened(browser):
    """A function that opens a file; afterwards nothing may have been asked for but files, and nothing have failed."""
    tab = browser.new_page()
    asked, failures = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: failures.append(str(error)))
    tab.on("console", lambda message: failures.append(message.text))

    def open_it(path, width=1200, scheme="light"):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        tab.goto(path.as_uri())
        tab.asked, tab.failures = asked, failures
        return tab

    yield open_it
    tab.close()
    assert failures == []


@pytest.fixture(scope="session")
def serious_faults():
    """A function that asks axe-core what is wrong with a page for those who do not see it or hold no mouse."""
    axe = Path(os.environ.get("MINIVAE_AXE", "node_modules/axe-core/axe.min.js"))
    if not axe.exists():
        pytest.skip(f"needs axe-core at {axe}, or where MINIVAE_AXE says: npm install axe-core")

    def ask(tab):
        tab.evaluate(axe.read_text(encoding="utf-8") + ";0")
        found = tab.evaluate("axe.run({preload: false})")  # it would fetch style sheets
        faults = found["violations"]
        return [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")]

    return ask

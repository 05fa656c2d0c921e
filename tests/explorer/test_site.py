"""The site in a real browser: exercises are judged as on the command line, and nothing is asked of anybody else."""

import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from minivae.answers import Workspace
from minivae.learn.catalogue import Entry
from minivae.learn.child import in_page, load
from minivae.learn.grading import grade

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
ENTRIES = [Entry(path.stem, ROOT / "lessons") for path in sorted((ROOT / "lessons/checks").glob("*.py"))]
HERE = [entry for entry in ENTRIES if "numba" not in entry.solution.read_text(encoding="utf-8")]
SAMPLE = HERE if os.environ.get("MINIVAE_SITE") == "all" else HERE[5::14]  # all of them take about eight minutes
GAUSSIAN_KL = next(entry for entry in ENTRIES if entry.name == "12_gaussian_kl_backward")
STEP = "parseInt(document.getElementById('numbers').textContent.slice(5))"
WRONG = """
from pathlib import Path

import minivae
from minivae.learn.child import load_check
from minivae.learn.diagnose import outcome

exercise = load_check(Path(minivae.__file__).parents[1] / "lessons" / "checks" / "NAME.py")
wrong = exercise.wrong[0]


def FUNCTION(*values):
    arguments = dict(zip(exercise.draws[0].arguments, values, strict=True))
    answer = exercise.expected(arguments) | {wrong.of: outcome(wrong, arguments)}
    return tuple(answer.values()) if len(answer) > 1 else answer[wrong.of]
"""

site = load(ROOT / "lessons" / "tools" / "site.py", "site_of_lessons")


# ---------------------------------------------------------------------------------------------------------
# Without a browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The source of the site's pages, and of a Chinese edition of one lesson."""
    lessons = tmp_path_factory.mktemp("clone") / "lessons"
    shutil.copytree(ROOT / "lessons", lessons)
    for name in ("README.md", "CONTRIBUTING.md", "kernels", "minivae", "tests"):
        (lessons.parent / name).symlink_to(ROOT / name)
    links = "[一](01-gradients-you-can-trust.md), [二](../kernels/reference.py)"
    (lessons / "07-the-gaussian-kl.zh.md").write_text(f"# 七\n\n[English](07-the-gaussian-kl.md)\n\n{links}\n", "utf-8")
    english = lessons / "07-the-gaussian-kl.md"
    text = english.read_text(encoding="utf-8").replace("\n\n", "\n\n[中文](07-the-gaussian-kl.zh.md)\n\n", 1)
    english.write_text(text, encoding="utf-8")
    written = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "ROOT", lessons.parent)
        for language in ("", "zh"):
            pages = site.Pages(tmp_path_factory.mktemp("pages"), language)
            for path in pages.documents:
                pages.document(path, {7: ["11_gaussian_kl", "12_gaussian_kl_backward"]})
            written[language] = pages
    return written


def test_links_lead_to_pages_of_the_site(pages):
    lesson = (pages[""].folder / "lessons" / "07-the-gaussian-kl.md").read_text(encoding="utf-8")
    assert "](../kernels/reference.py.md)" in lesson
    assert "exercise [11](../exercises/11_gaussian_kl.md), [12](../exercises/12_gaussian_kl_backward.md)." in lesson
    assert '<iframe class="moving" src="figures/moving/07.html"' in lesson
    assert "In your clone, [this" not in lesson
    assert "](lessons/README.md)" in (pages[""].folder / "index.md").read_text(encoding="utf-8")
    assert "](../index.md)" in (pages[""].folder / "lessons" / "10-training-it.md").read_text(encoding="utf-8")


def test_a_second_edition_has_its_own_pages_and_a_way_there_and_back(pages):
    chinese = (pages["zh"].folder / "lessons" / "07-the-gaussian-kl.md").read_text(encoding="utf-8")
    assert "[English](site:../../lessons/07-the-gaussian-kl.html)" in chinese
    assert "[一](../lessons/01-gradients-you-can-trust.md), [二](../kernels/reference.py.md)" in chinese
    english = (pages[""].folder / "lessons" / "07-the-gaussian-kl.md").read_text(encoding="utf-8")
    assert "[中文](site:../zh/lessons/07-the-gaussian-kl.html)" in english
    other = (pages["zh"].folder / "lessons" / "01-gradients-you-can-trust.md").read_text(encoding="utf-8")
    assert other == (pages[""].folder / "lessons" / "01-gradients-you-can-trust.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_page_of_an_exercise_says_where_it_can_be_checked(entry):
    page = site.exercise_page(entry)
    facts = json.loads(re.search('id="facts">(.*)</script>', page)[1])
    assert facts["stub"] == entry.pristine()
    assert ("needs Numba" in page) == (entry not in HERE)


def test_a_docstring_keeps_its_stars_and_bars_and_its_code():
    lines = ["p(x|z) of a * b and ``a * b`` in x_", "    >>> a * b", "K."]
    site.plain(None, "function", "minivae.f", None, None, lines)
    assert lines == [r"p(x\|z) of a \* b and ``a * b`` in x\_", "    >>> a * b", r"\K."]


def test_a_page_gets_the_verdicts_of_the_command_line_also_when_a_file_changes_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    solution = GAUSSIAN_KL.solution.read_text(encoding="utf-8")
    path = tmp_path / f"{GAUSSIAN_KL.name}.py"
    for code in (solution, *(solution.replace("/ 2", f"/ {other}") for other in ("3", "n", "[]", "{}"))):
        path.write_text(code, encoding="utf-8")
        os.utime(path, (0, 0))  # as all files have it there
        expected = grade(GAUSSIAN_KL, path)
        in_page(path, GAUSSIAN_KL.check)
        first, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert first["passed"] == last["passed"] == expected.passed == (code == solution)
        assert last["text"] == expected.text()
        assert last["sha256"] == sha256(code)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_an_export_is_a_workspace_whose_answers_count_as_solved(tmp_path):
    solution = GAUSSIAN_KL.solution.read_text(encoding="utf-8")
    done = {GAUSSIAN_KL.name: {"text": solution, "passed": True, "tries": 2, "hints": 4, "sha256": sha256(solution)}}
    done["11_gaussian_kl"] = {"text": None, "passed": False, "tries": 0, "hints": 1, "sha256": ""}
    module = json.dumps((ROOT / "lessons/site/workspace.js").as_uri())
    code = f"""import fs from "fs"; import {{ workspace, zip }} from {module};
    fs.writeFileSync("my.zip", Buffer.from(await zip(workspace({json.dumps(done)})).arrayBuffer()))"""
    subprocess.run(["node", "--input-type=module", "-e", code], cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    with zipfile.ZipFile(tmp_path / "my.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    folder = tmp_path / "my-vae"
    assert sorted(path.name for path in folder.iterdir()) == [
        ".gitignore",
        ".minivae-progress.json",
        f"{GAUSSIAN_KL.name}.py",
    ]
    assert list(Workspace(folder).solved) == ["12"]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------------------------------------------------
# The site that lessons/tools/site.py --offline-bundle has built


@pytest.fixture(scope="module")
def address():
    """The built site, served on this machine."""
    package = SITE / "_static" / "minivae.zip"
    if not (SITE / "python" / "python.bin").exists():
        pytest.skip("needs a site with its own Python: python lessons/tools/site.py --offline-bundle (extra site)")
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            path = ROOT / (name.removeprefix("minivae/") if name.startswith("minivae/kernels/") else name)
            if path.exists() and path.read_bytes() != archive.read(name):
                pytest.fail(f"site/ is older than {name}: python lessons/tools/site.py --offline-bundle")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def visit(browser, address):
    """A function that opens a page of the site; no page may ask another address, or fail."""
    tab = browser.new_page()
    asked, failures = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: failures.append(str(error)))
    tab.on("response", lambda response: failures.append(response.url) if response.status >= 400 else None)

    def open_it(page, scheme="light", width=1200):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        tab.goto(address + page, wait_until="networkidle")
        tab.asked = asked
        return tab

    yield open_it
    if tab.url.startswith(address):
        tab.evaluate("localStorage.clear()")
    tab.close()
    assert failures == []
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []


def check(tab, code):
    """Press Check, and wait; the last report of the checker."""
    tab.fill("#code", code)
    tab.click("#check")
    tab.wait_for_function("!document.getElementById('check').disabled", timeout=120_000)
    return tab.inner_text("#verdict")


def without_digits(text):
    """A verdict, but for how small an error is: there, rounding differs."""
    return re.sub(r"relative error \S+", "relative error", text).strip()


@pytest.mark.slow
@pytest.mark.parametrize("entry", SAMPLE, ids=lambda entry: entry.name)
def test_an_exercise_is_judged_in_the_page_as_on_the_command_line(visit, entry, tmp_path):
    tab = visit(f"exercises/{entry.name}.html")
    assert not any("python/" in url for url in tab.asked)  # it comes with the first Check
    answers = {"stub": entry.pristine(), "solution": entry.solution.read_text(encoding="utf-8")}
    if entry.exercise.wrong:
        answers["wrong"] = WRONG.replace("NAME", entry.name).replace("FUNCTION", entry.exercise.function)
    for kind, code in answers.items():
        here = tmp_path / f"{entry.name}.py"
        here.write_text(code, encoding="utf-8")
        expected = grade(entry, here)
        assert expected.passed == (kind == "solution")
        assert without_digits(check(tab, code)) == without_digits(expected.text()), kind
        assert ("passed." in tab.inner_text("#status")) == expected.passed
        if kind == "wrong":
            said = tab.inner_text("#verdict")
            assert all(part in said for part in entry.exercise.wrong[0].says.split("; "))


@pytest.mark.slow
def test_an_endless_loop_ends_and_progress_survives_a_reload(visit, tmp_path):
    page = f"exercises/{GAUSSIAN_KL.name}.html"
    tab = visit(page)
    solution = GAUSSIAN_KL.solution.read_text(encoding="utf-8")
    impatient = re.sub('"seconds": [0-9.]+', '"seconds": 3', (SITE / page).read_text(encoding="utf-8"))
    tab.route(f"**/{page}", lambda route: route.fulfill(body=impatient, content_type="text/html"))
    tab.reload()
    assert tab.is_hidden("#solution")
    assert "a loop that never ends?" in check(
        tab, solution.replace("    dmu =", "    while True:\n        pass\n    dmu =")
    )
    for _ in range(40):
        tab.wait_for_timeout(500)  # a browser gives it two seconds before it ends it
        if not tab.workers:
            break
    assert tab.workers == []
    tab.click("#hint")
    assert "ok    dlogvar" in check(tab, solution)
    tab.reload()
    assert tab.input_value("#code") == solution
    assert tab.locator("#hints li").all_inner_texts() == list(GAUSSIAN_KL.exercise.hints[:1])
    tab.click("#solution summary")
    assert tab.text_content("#answer") == solution
    with tab.expect_download() as download:
        tab.click("#export")
    download.value.save_as(tmp_path / "my.zip")
    with zipfile.ZipFile(tmp_path / "my.zip") as archive:
        archive.extractall(tmp_path)
    assert list(Workspace(tmp_path / "my-vae").solved) == ["12"]
    tab = visit("exercises/index.html")
    assert tab.inner_text(f"[data-exercise='{GAUSSIAN_KL.name}']") == "passed"


@pytest.mark.slow
def test_where_python_cannot_be_had_one_sentence_says_so(visit):
    core = Path(os.environ.get("MINIVAE_PYODIDE", ROOT / "node_modules" / "pyodide"))
    if not core.exists():
        pytest.skip(f"needs Pyodide's core at {core}, or where MINIVAE_PYODIDE says: npm install pyodide")
    tab = visit("exercises/index.html")
    config = 'export default {"kind": "pyodide", "base": "/pyodide/"};'
    tab.route("**/_static/python.js", lambda route: route.fulfill(body=config, content_type="text/javascript"))
    tab.context.route("**/pyodide/**", lambda route: serve(route, core))
    tab.goto(tab.url.replace("index", GAUSSIAN_KL.name))
    said = check(tab, "")
    tab.context.unroute("**/pyodide/**")
    address = tab.url.split("exercises/")[0] + "pyodide/"
    because = "numpy and scipy are not there"
    said, clone = said.strip(), "A clone of the project needs no browser."
    assert said == f"FAIL  Python could not be had from {address} ({because}). {clone}"
    assert tab.inner_text("#status") == "Not judged: Python did not start."


def serve(route, folder):
    """A file of the folder, or an empty answer: Pyodide's packages are not on npm."""
    path = folder / urlsplit(route.request.url).path.rsplit("/", 1)[1]
    if path.is_file():
        route.fulfill(path=path)
    else:
        route.abort()


@pytest.mark.slow
def test_the_vae_that_trains_in_a_page_is_the_one_that_trains_here(visit, tmp_path, capsys):
    with zipfile.ZipFile(SITE / "_static" / "minivae.zip") as archive:
        archive.extract("digits.bin", tmp_path)
    shutil.copy(ROOT / "lessons" / "site" / "train.py", tmp_path)
    here = load(tmp_path / "train.py", "train_here")
    tab = visit("exercises/train.html")
    for step, beta in ((1, 1.0), (2, 1.0), (3, 4.0)):
        tab.fill("#beta", str(beta))
        tab.click("#step")
        tab.wait_for_function(
            f"document.getElementById('numbers').textContent.startsWith('step {step}:')", timeout=60_000
        )
        here.steps(1, beta)
        ((_, loss, nll, kl),) = json.loads(capsys.readouterr().out)["losses"]
        assert loss == pytest.approx(nll + beta * kl)
        numbers = [float(number) for number in re.findall(r"\d+\.\d\d", tab.inner_text("#numbers"))]
        assert numbers == pytest.approx([loss, nll, kl], abs=0.011)
    before = tab.evaluate("document.getElementById('map').toDataURL()")
    tab.click("#run")
    tab.wait_for_function(f"{STEP} > 10", timeout=60_000)
    assert tab.inner_text("#run") == "Pause"
    assert tab.evaluate("document.getElementById('map').toDataURL()") != before


@pytest.mark.slow
def test_search_finds_a_lesson(visit):
    tab = visit("index.html")
    tab.fill("#search input", "posterior collapse")
    tab.wait_for_selector(".pagefind-ui__result-link")
    tab.click(".pagefind-ui__result-link")
    assert "/lessons/" in tab.url


LOOKED_AT = [("index", "light"), ("lessons/07-the-gaussian-kl", "dark"), ("exercises/train", "light")]
LOOKED_AT += [(f"exercises/{GAUSSIAN_KL.name}", scheme) for scheme in ("light", "dark")]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "scheme"), LOOKED_AT)
def test_axe_finds_no_serious_fault(visit, serious_faults, page, scheme):
    assert serious_faults(visit(f"{page}.html", scheme)) == []


@pytest.mark.slow
def test_a_lesson_shows_every_formula_and_its_moving_figure(visit):
    text = (ROOT / "lessons" / "07-the-gaussian-kl.md").read_text(encoding="utf-8")
    display = text.count("```math")
    inline = len(re.findall(r"\$[^$\n]+\$", re.sub(r"^```.*?^```$|`[^`\n]+`", "", text, flags=re.M | re.S)))
    tab = visit("lessons/07-the-gaussian-kl.html")
    tab.evaluate("MathJax.startup.promise")
    assert tab.locator("mjx-container[display='true'] svg").count() == display
    assert tab.locator("mjx-container svg").count() == display + inline
    assert tab.locator("[data-mjx-error]").count() == 0
    height = "frame => frame.contentDocument.body.scrollHeight - frame.clientHeight"
    assert tab.eval_on_selector("iframe.moving", height) <= 0
    figure = tab.frame_locator("iframe.moving")
    before = figure.locator("#numbers").inner_text()
    figure.locator("#mu").press("ArrowRight")
    assert figure.locator("#numbers").inner_text() != before


class Links(HTMLParser):
    """What a page leads to, and the places in it."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.places = [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.places.add(values.get("id"))
        self.targets += [values[name] for name in ("href", "src") if values.get(name)]


@pytest.mark.slow
def test_no_link_is_dead(address):
    files = {path.relative_to(SITE).as_posix(): Links(path.read_text("utf-8")) for path in SITE.rglob("*.html")}
    dead = []
    for name, page in files.items():
        for target in page.targets:
            parts = urlsplit(urljoin(name, target))
            if parts.scheme or parts.netloc:
                continue
            path = unquote(parts.path) or name
            if not (SITE / path).is_file() or (path in files and unquote(parts.fragment) not in files[path].places):
                dead.append((name, target))
    assert dead == []
    assert len(files) > len(ENTRIES)

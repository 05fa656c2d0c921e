"""The lessons are true: they run, print what they say, render, and break the tests that they say they break."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

import build
import lint
from minivae.model import importance, proposals

ROOT = Path(__file__).parents[2]
LESSONS = build.lessons([])
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@pytest.mark.slow
@each_lesson
def test_a_lesson_runs_and_prints_what_it_says(path, capsys):
    run = build.run(path)
    assert run.complaints == []
    assert importance.rows_astray is proposals.rows_astray  # what a lesson turns off it turns on again
    with capsys.disabled():
        print("".join(f"\n{path.stem}, a part skipped: {reason}" for reason in run.skipped), end="")


@each_lesson
def test_a_lesson_has_the_form_that_github_and_readers_need(path):
    assert lint.check(path) == []


@each_lesson
def test_a_notebook_stands_alone(path):
    book = nbformat.reads(build.notebook(path), as_version=4)
    nbformat.validate(book)
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    assert not re.search(r"^```(math|python|text)|<!--|\]\((\.\.|figures)/|\]\([^)]*\.md[#)]", text, re.M)


def test_the_table_of_contents_has_every_lesson_in_order():
    linked = re.findall(r"\]\((\d\d-[\w-]+\.md)\)", (build.LESSONS / "README.md").read_text(encoding="utf-8"))
    assert linked == [path.name for path in LESSONS]
    assert [name[:2] for name in linked] == [f"{number:02d}" for number in (*range(20), 21, 22, 23)]


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        "kernels/README.md",
        "lessons/README.md",
        "lessons/my-own-vae.md",
        "lessons/ledger.md",
    ],
)
def test_no_link_is_dead(name):
    assert list(lint.dead_links(lint.Page(ROOT / name))) == []


# ---------------------------------------------------------------------------------------------------------
# "Break it on purpose": each change turns exactly those tests red that the lesson names


class Breakage(NamedTuple):
    """A change that a lesson proposes, the tests that it lets the reader run, and which of them it names."""

    name: str
    file: str
    old: str
    new: str
    arguments: list
    red: list
    green: list


def breakages(path):
    """Those of a lesson; where one lacks the form, lint complains."""
    text = path.read_text(encoding="utf-8")
    for match in lint.BREAKAGE.finditer(text):
        lines = match["change"].splitlines()
        old, new = ("".join(line[1:] + "\n" for line in lines if line[0] in (sign, " ")) for sign in "-+")
        name = f"{path.stem}:{lint.line_of(text, match.start())}"
        yield Breakage(name, match["file"], old, new, shlex.split(match["arguments"]), *named_tests(match["answer"]))


def named_tests(answer):
    """The tests that an answer names as red, and as green.

    Green are those in a clause that says "stays green" or "stay green", and those that the sentence lists after it;
    all others are red.
    """
    red, green = [], []
    for sentence in re.split(r"\.\s|\n\n", answer):
        stays = False
        for clause in sentence.split(";"):
            stays = bool(re.search(r"\bstays?\s+green\b", clause)) or (stays and not re.search(r"\bred\b", clause))
            (green if stays else red).extend(re.findall(r"`(test_\w+(?:\[[^]`]+\])?)`", clause))
    return red, green


BREAKAGES = [breakage for path in LESSONS for breakage in breakages(path)]
each_breakage = pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)


@each_breakage
def test_a_breakage_fits_the_code(breakage):
    assert breakage.old != breakage.new
    assert (ROOT / breakage.file).read_text(encoding="utf-8").count(breakage.old) == 1
    assert breakage.red


@pytest.mark.slow
@each_breakage
def test_a_breakage_turns_those_tests_red_that_the_lesson_names(breakage, tmp_path):
    verdicts = outcomes(plant(breakage, tmp_path / "house"), breakage.arguments)
    failed = {case for case, verdict in verdicts if verdict == "failed"}
    passed = {case for case, verdict in verdicts if verdict == "passed"} - failed
    not_red = [name for name in breakage.red if not cases_of(name, failed)]
    not_green = [name for name in breakage.green if cases_of(name, failed) or not cases_of(name, passed)]
    not_named = failed.difference(*(cases_of(name, failed) for name in breakage.red))
    assert (not_red, not_green, not_named) == ([], [], set())


def plant(breakage, house):
    """A copy of the code and the tests with the change made."""
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("minivae", "kernels", "tests"):
        shutil.copytree(ROOT / folder, house / folder, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", house)
    changed = house / breakage.file
    changed.write_text(changed.read_text(encoding="utf-8").replace(breakage.old, breakage.new), encoding="utf-8")
    (house / "only_the_copy.py").write_text(ONLY_THE_COPY, encoding="utf-8")
    return house


# A plugin of the pytest that runs in the copy: an editable installation must not slip the working tree in.
ONLY_THE_COPY = """
from pathlib import Path

import minivae
from minivae.kernels import reference

for module in (minivae, reference):
    assert Path(__file__).resolve().parent in Path(module.__file__).resolve().parents, module.__file__
"""


def outcomes(house, arguments):
    """What pytest says in that folder: the name of each case, and "passed", "failed" or "skipped"."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(house), "OPENBLAS_NUM_THREADS": "1"}
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "only_the_copy"]
    command = [*pytest_here, "--junitxml", str(house / "report.xml"), *arguments]
    result = subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True)
    assert result.returncode == 1, f"status {result.returncode}, but 1 means red tests\n{result.stdout}{result.stderr}"
    verdict = {"failure": "failed", "error": "failed", "skipped": "skipped"}
    return [
        (case.get("name"), next((verdict[tag.tag] for tag in case if tag.tag in verdict), "passed"))
        for case in ElementTree.parse(house / "report.xml").iter("testcase")
    ]


def cases_of(name, cases):
    """Those of the cases that a name means: a function, or a function and one part of the case's id in brackets."""
    function, _, part = name.rstrip("]").partition("[")
    parts = {case: case.rstrip("]").partition("[") for case in cases}
    return {case for case, (head, _, id) in parts.items() if head == function and (not part or part in id.split("-"))}


@pytest.mark.parametrize(
    ("answer", "red", "green"),
    [
        ("`test_a[x]` and\n`test_b`, since.", ["test_a[x]", "test_b"], []),
        ("`test_a` goes red, since ...; `test_b` stays\ngreen. `test_c`", ["test_a", "test_c"], ["test_b"]),
        ("These stay green: `test_a`, since; and `test_b`.\n\n`test_c`", ["test_c"], ["test_a", "test_b"]),
        ("`test_a` stays green; `test_b` turns red. See `tests/test_c.py`.", ["test_b"], ["test_a"]),
    ],
)
def test_answers_are_read_as_people_write_them(answer, red, green):
    assert named_tests(answer) == (red, green)


def test_a_name_means_a_function_or_one_part_of_the_id_of_its_cases():
    assert cases_of("test_a[x]", {"test_a[numpy-x]", "test_a[x_y]", "test_b[x]"}) == {"test_a[numpy-x]"}
    assert cases_of("test_a", {"test_a[x]", "test_a", "test_ab"}) == {"test_a[x]", "test_a"}

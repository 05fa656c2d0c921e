"""Run, refresh, check and convert the lessons, which are plain Markdown files that GitHub shows as they are.

    python lessons/tools/build.py run 07        executes its fences and compares what they print with what stands there
    python lessons/tools/build.py refresh 07    writes the outputs that differ, and its figures, into place
    python lessons/tools/build.py lint 07       mathematics that GitHub does not render, dead links, lost form
    python lessons/tools/build.py notebooks 07  makes notebooks for Jupyter and Colab

Without a number: all lessons. What a lesson may hold: ``python`` fences, which run in order in one namespace; directly
below one that prints, a ``text`` fence with what it printed; around those that need MNIST,
``<!-- skip: start if(not mnist_is_here(), reason="...") -->`` and ``<!-- skip: end -->``.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from unittest import SkipTest

try:
    from sybil import Document, Example
    from sybil.evaluators.python import PythonEvaluator
    from sybil.parsers.markdown import CodeBlockParser, SkipParser

    import lint
except ModuleNotFoundError as error:
    raise SystemExit(f'{error}: python -m pip install --editable ".[lessons]"') from None

LESSONS = Path(__file__).resolve().parents[1]
NUMBER = re.compile(r"((?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)")
RELATIVE, LAST_DIGITS = Decimal("0.02"), 2  # how far a number may be from the recorded one: within either is enough


def lessons(numbers: list[str], folder: Path = LESSONS) -> list[Path]:
    """The files of these lessons, or of all if none is named; SystemExit with a sentence if one does not exist."""
    found = {path.name[:2]: path for path in sorted(folder.glob("[0-9][0-9]-*.md")) if "." not in path.stem}
    if missing := [number for number in numbers if number.zfill(2) not in found]:
        raise SystemExit(f"no lesson {', '.join(missing)} in {folder}; there are {', '.join(found) or 'none'}")
    return [found[number.zfill(2)] for number in numbers or found]


# ---- comparing outputs


def same_output(recorded: str, printed: str) -> bool:
    """Whether two outputs say the same: words and integers exactly, other numbers within the tolerance."""
    old, new = tokens(recorded), tokens(printed)
    return len(old) == len(new) and all(map(same_token, old, new))


def tokens(text: str) -> list[str]:
    """The numbers and words of a text, without their spacing, because NumPy's depends on signs and digits."""
    return [token for piece in NUMBER.split(text) for token in piece.split()]


def same_token(old: str, new: str) -> bool:
    """Whether two words are equal, or two numbers that are no integers close."""
    if old == new:
        return True
    if not all(NUMBER.fullmatch(token) and re.search("[.e]", token) for token in (old, new)):
        return False
    allowed = max(RELATIVE * abs(Decimal(old)), LAST_DIGITS * min(last_digit(old), last_digit(new)))
    return abs(Decimal(old) - Decimal(new)) <= allowed


def last_digit(number: str) -> Decimal:
    """One unit of it; 0 for ``3.``, as NumPy prints what has more digits than it shows, all of them zeros."""
    return Decimal(0) if number.endswith(".") else Decimal((0, (1,), int(Decimal(number).as_tuple().exponent)))


# ---- running


class Run:
    """One execution of a lesson.

    Attributes
    ----------
    complaints : list of (int, str)
        Line and sentence.
    outdated : list of (Example, str)
        The text fences whose output differs, and what was printed.
    skipped : set of str
        Why something was not executed.
    """

    def __init__(self, path: Path) -> None:
        self.complaints: list[tuple[int, str]] = []
        self.outdated: list[tuple[Example, str]] = []
        self.skipped: set[str] = set()
        self.last: Example | None = None  # the python fence whose output was not yet shown
        self.printed = ""
        self.document = Document.parse(
            str(path), CodeBlockParser("python", self.execute), CodeBlockParser("text", self.compare), SkipParser()
        )
        self.document.namespace.update(__name__="__main__", mnist_is_here=mnist_is_here)

    def all_fences(self) -> None:
        """Execute and compare in the current folder; what a fence raises, goes up."""
        for example in self.document:
            try:
                example.evaluate()
            except SkipTest as skip:
                self.skipped.add(str(skip))
        self.expect_nothing_unshown()

    def execute(self, example: Example) -> None:
        """Run a python fence, and keep what it printed for the text fence below."""
        self.expect_nothing_unshown()
        stdout, stderr = io.StringIO(), io.StringIO()
        with redirect_stdout(stdout), redirect_stderr(stderr):
            PythonEvaluator()(example)
        self.last, self.printed = example, stdout.getvalue()
        if stderr.getvalue():
            self.complaints.append((example.line, f"writes to standard error: {stderr.getvalue().strip()}"))

    def expect_nothing_unshown(self) -> None:
        """Complain if the last python fence printed something that no text fence shows."""
        if self.last and self.printed:
            self.complaints.append((self.last.line, f"prints, but no text fence follows: {self.printed.strip()}"))
        self.last, self.printed = None, ""

    def compare(self, example: Example) -> None:
        """Hold a text fence against what the python fence directly above it printed."""
        between = self.document.text[self.last.end : example.start] if self.last else "nothing to compare with"
        if between.strip() or not self.printed:
            self.complaints.append((example.line, "a text fence, but no python fence directly above it prints"))
            return
        if not same_output(example.parsed, self.printed):
            self.outdated.append((example, self.printed))
        self.last = None

    def refreshed(self) -> str:
        """The text of the lesson with what was printed in place of each outdated output."""
        text = self.document.text
        for example, printed in reversed(self.outdated):
            start = example.start + example.parsed.offset
            text = text[:start] + printed.rstrip("\n") + "\n" + text[start + len(example.parsed) :]
        return text


def mnist_is_here() -> bool:
    """Whether MNIST can be loaded without a download."""
    from minivae.datasets import mnist

    folder, cache = os.environ.get("MINIVAE_DATA"), Path(mnist.cache_folder())
    return all((folder and mnist.find(folder, name)) or (cache / name).is_file() for name in mnist.FILES)


@contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """Where a lesson runs: in ``folder``, warnings being errors, figures drawn without a screen and closed after it."""
    import matplotlib
    from matplotlib import pyplot as plt

    matplotlib.use("Agg")
    with chdir(folder), matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("error")
        # As Python does by itself: what one library says to the authors of another is no matter of the lesson's.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="(?!__main__)")
        try:
            yield
        finally:
            plt.close("all")


def run(path: Path) -> Run:
    """Execute a lesson in a copy of its folder that has no figures, so that those that are there stay untouched.

    Parameters
    ----------
    path : Path
        The lesson; tracebacks of what its fences raise point into it.

    Returns
    -------
    run : Run
        Its ``complaints`` include the outputs that differ.
    """
    result = Run(path)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        copy = shutil.copytree(path.parent, Path(temporary, "lessons"), ignore=shutil.ignore_patterns("figures"))
        (copy / "figures").mkdir()
        with surroundings(copy):
            result.all_fences()
    for example, printed in result.outdated:
        sentence = f"here stands\n{example.parsed.rstrip()}\nbut printed was\n{printed.rstrip()}"
        result.complaints.append((example.line, sentence))
    return result


def refresh(path: Path) -> Run:
    """Execute a lesson in its own folder, where it redraws its figures, and rewrite its outdated outputs.

    Outputs that match within the tolerance stay as they are, so that a refresh elsewhere changes nothing.
    """
    result = Run(path)
    (path.parent / "figures").mkdir(exist_ok=True)
    with surroundings(path.parent):
        result.all_fences()
    if result.outdated:
        path.write_text(result.refreshed(), encoding="utf-8", newline="\n")
    return result


# ---- notebooks

NEEDS_MNIST = "# Needs MNIST: 11 MB, downloaded when first used, or read from the folder that MINIVAE_DATA names.\n"
MARKUP = re.compile(
    r"""^```math\n(?P<math>.*?)^```$          # what is found first is taken: nothing is replaced inside code
    |   ^```.*?^```$
    |   (`+)[^`]+\2
    |   !\[(?P<alt>[^\]]*)\]\((?P<image>[^)\s]+)\)
    |   \[(?P<text>[^\]]+)\]\((?P<target>(?![a-z]+:)[^)\s]+)\)
    """,
    re.M | re.S | re.X,
)


def notebook(path: Path, install: str = "") -> str:
    """A lesson as the JSON text of a notebook that stands alone.

    Parameters
    ----------
    path : Path
        The lesson.
    install : str
        What its first cell tells pip to install; without it, that cell imports minivae.
    """
    import jupytext

    text = re.sub(r"<!-- skip: start.*?-->(.*?```python\n)", rf"\1{NEEDS_MNIST}", path.read_text("utf-8"), flags=re.S)
    text = re.sub(r"<!-- skip.*?-->\n*", "", text)
    text = re.sub(r"^<details>\n<summary>(.*?)</summary>\n(.*?)^</details>$", without_fold, text, flags=re.M | re.S)
    book = jupytext.reads(text, fmt="md")
    book.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    outputs_to_cells(book)
    for cell in book.cells:
        cell.metadata = {}
        if cell.cell_type == "markdown":
            cell.source = MARKUP.sub(lambda match: for_notebook(match, path.parent), cell.source).strip()
    code = [index for index, cell in enumerate(book.cells) if cell.cell_type == "code"]
    book.cells.insert(min(code, default=len(book.cells)), first_cell(install))
    return jupytext.writes(book, fmt="ipynb")


def without_fold(match: re.Match[str]) -> str:
    """A fold that holds python as a bold title and its content: HTML cannot enclose a cell. Others stay folded."""
    return f"**{match[1]}**\n{match[2]}" if "```python" in match[2] else match[0]


def outputs_to_cells(book) -> None:
    """Move each text fence into the outputs of the cell above it.

    There a reader sees it without running anything, and running replaces it, where text would stand beside it.
    """
    from nbformat.v4 import new_output

    for code, below in pairwise(book.cells):
        shown = re.match(r"```text\n(.*?)^```\s*", below.source, re.M | re.S)
        if code.cell_type == "code" and below.cell_type == "markdown" and shown:
            code.outputs = [new_output("stream", name="stdout", text=shown[1])]
            below.source = below.source[shown.end() :]
    book.cells = [cell for cell in book.cells if cell.source]


def for_notebook(match: re.Match[str], folder: Path) -> str:
    """What becomes of a piece of markup outside the repository."""
    if match["math"]:
        return f"$$\n{match['math']}$$"
    if match["image"]:  # not as an attachment, which Colab does not show (googlecolab/colabtools#3836)
        picture = base64.b64encode((folder / match["image"]).read_bytes()).decode()
        return f"![{match['alt']}](data:image/png;base64,{picture})"
    if match["target"]:
        lesson = re.fullmatch(r"(\d\d-[\w-]+)\.md(#.*)?", match["target"])
        return f"[{match['text']}]({lesson[1]}.ipynb)" if lesson else match["text"]
    return match[0]


def first_cell(install: str):
    """The cell that makes the rest run, wherever the notebook is."""
    from nbformat.v4 import new_code_cell

    here = "import minivae  # not found? python -m pip install --editable . in a clone of the repository"
    get = f"%pip install --quiet {install}" if install else here
    return new_code_cell(f'{get}\n\nfrom pathlib import Path\n\nPath("figures").mkdir(exist_ok=True)')


# ---- the command line


def report(path: Path, complaints: list[tuple[int, str]]) -> bool:
    """Print complaints as ``file:line: sentence``; whether there are none."""
    for line, sentence in sorted(complaints):
        print(f"{os.path.relpath(path)}:{line}: {sentence}")
    return not complaints


def attempt(path: Path, how: Callable[[Path], Run]) -> bool:
    """Run or refresh a lesson and say how it went; whether all is well."""
    start = time.perf_counter()
    try:
        result = how(path)
    except Exception as error:
        step = error.__traceback__
        while step and step.tb_frame.f_code.co_filename != str(path):  # leaves out this tool's own frames
            step = step.tb_next
        traceback.print_exception(error.with_traceback(step))
        return False
    well = report(path, result.complaints)
    notes = [f"skipped: {reason}" for reason in sorted(result.skipped)]
    notes += [f"outputs rewritten: {len(result.outdated)}"] * bool(how is refresh and result.outdated)
    print("; ".join([f"{path.stem}: {'ok' if well else 'not ok'}, {time.perf_counter() - start:.1f} s", *notes]))
    return well


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "refresh", "lint", "notebooks"):
        commands.add_parser(name).add_argument("numbers", nargs="*", metavar="lesson", help="7 or 07; default: all")
    commands.choices["notebooks"].add_argument("--out", type=Path, default=Path("notebooks"), help="folder to write to")
    commands.choices["notebooks"].add_argument("--install", metavar="SPEC", default="", help="what pip is to install")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status, 1 if there is anything to complain of."""
    options = parser().parse_args(arguments)
    paths = lessons(options.numbers)
    if options.command == "notebooks":
        options.out.mkdir(parents=True, exist_ok=True)
        for path in paths:
            (options.out / f"{path.stem}.ipynb").write_text(notebook(path, options.install), encoding="utf-8")
        return 0
    job: dict[str, Callable[[Path], bool]] = {
        "run": lambda path: attempt(path, run),
        "refresh": lambda path: attempt(path, refresh),
        "lint": lambda path: report(path, lint.check(path)),
    }
    well = [job[options.command](path) for path in paths]  # a list, so that the first complaint does not end it
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The tool behind the lessons, on lessons of a few lines: what it runs, rewrites, complains of and converts."""

import base64
import re
import shutil
import traceback

import nbformat
import pytest

import build
import lint

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
QUESTION = "<details>\n<summary>Why?</summary>\n\nBecause.\n\n</details>\n"
FORM = f"""\
# 7. A title

![A picture](figures/07-a.png)

## On paper

HERE

```math
x = \\boxed{{?}}
```

## In code

```python
print(0.25)
```

```text
0.25
```

## Exercise

Write.

## Break it on purpose

```diff
--- kernels/reference.py
-    a
+    b
```

```console
$ pytest tests/proofs/test_proofs.py
```

<details>
<summary>Which tests go red?</summary>

`test_a`.

</details>

## Three questions

{QUESTION}
{QUESTION}
{QUESTION}
## Sources

None.

*Next: [lesson 8](08-next.md).*
"""
PLACE = FORM[: FORM.index("HERE")].count("\n") + 1


@pytest.fixture
def lesson(tmp_path):
    """A function that writes a lesson of that text, beside a figure and a lesson 8."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "07-a.png").write_bytes(PIXEL)
    (tmp_path / "08-next.md").write_text(
        "# 8. Next\n\n## In code\n\n## In `code`, again\n\n## In code\n", encoding="utf-8"
    )

    def write(text, name="07-a.md"):
        (tmp_path / name).write_text(text, encoding="utf-8", newline="\n")
        return tmp_path / name

    return write


def python(*lines):
    return "```python\n" + "\n".join(lines) + "\n```\n"


def text(*lines):
    return "\n```text\n" + "\n".join(lines) + "\n```\n"


# ---------------------------------------------------------------------------------------------------------
# Comparing outputs


@pytest.mark.parametrize(
    ("recorded", "printed"),
    [
        ("loss 105.60 nats", "loss 107.70 nats"),  # within 2 percent
        ("0.30", "0.32"),  # within two units of the last digit
        ("-0.30", "-0.28"),
        ("0.01", "-0.01"),
        ("1.0e-08", "1.2e-08"),
        (".5, 1e3", "0.5, 1000.0"),
        ("[0.   0.25]", "[ 0.    0.252]"),  # spacing is NumPy's
        ("x1 = 12 of 20:\n  nan", "x1 = 12 of 20: nan"),
    ],
)
def test_outputs_that_are_the_same(recorded, printed):
    assert build.same_output(recorded, printed)


@pytest.mark.parametrize(
    ("recorded", "printed"),
    [
        ("loss 105.60 nats", "loss 107.80 nats"),
        ("0.30", "0.33"),
        ("-0.30", "0.30"),
        ("0.3", "0.35"),  # more digits were printed than are recorded: they count
        ("1.0e-08", "1.3e-08"),
        ("0.", "1."),  # NumPy prints zero like this: it says more than one digit
        ("0.25", "nan"),
        ("100", "101"),  # integers and words: exactly
        ("100", "100.0"),
        ("float32", "float64"),
        ("v1.50", "v1.51"),
        ("(2, 3)", "(3, 2)"),
        ("True", "False"),
        ("1.0 2.0", "1.0"),
        ("1.0", "1.0 2.0"),
    ],
)
def test_outputs_that_differ(recorded, printed):
    assert not build.same_output(recorded, printed)


# ---------------------------------------------------------------------------------------------------------
# Running


def test_fences_share_a_namespace_and_print_what_they_say(lesson):
    path = lesson(
        "Words.\n\n" + python("x = 0.25") + "\nMore.\n\n" + python("print(x)", "print(2 * x)") + text("0.25", "0.5")
    )
    assert build.run(path).complaints == []


def test_another_output_is_a_complaint_with_the_line_and_both_texts(lesson):
    [(line, sentence)] = build.run(lesson("Words.\n\n" + python("print(0.25)") + text("0.29"))).complaints
    assert line == 7
    assert "0.29" in sentence
    assert "0.25" in sentence


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        (python("print(1)"), 1, "no text fence follows: 1"),
        (python("print(1)") + "\n" + python("print(2)") + text("2"), 1, "no text fence follows: 1"),
        (python("print(1)") + "\nWords.\n" + text("1"), 7, "no python fence directly above it prints"),
        (text("1"), 2, "no python fence directly above it prints"),
        (python("x = 1") + text("1"), 5, "no python fence directly above it prints"),
        (python("print(1)") + text("1") + text("1"), 9, "no python fence directly above it prints"),
        (python("import sys", "sys.stderr.write('so so')"), 1, "writes to standard error: so so"),
    ],
)
def test_what_is_printed_is_shown_and_what_is_shown_is_printed(lesson, source, line, words):
    complaints = build.run(lesson(source)).complaints
    assert [(at, words in sentence) for at, sentence in complaints if at == line] == [(line, True)]


def test_what_a_fence_raises_has_a_traceback_into_the_lesson(lesson, capsys):
    path = lesson("Words.\n\n" + python("def f(x):", "    return 1 / x") + "\n" + python("", "f(0)"))
    with pytest.raises(ZeroDivisionError) as raised:
        build.run(path)
    steps = [(step.filename, step.lineno) for step in traceback.extract_tb(raised.value.__traceback__)]
    assert steps[-2:] == [(str(path), 10), (str(path), 5)]
    assert not build.attempt(path, build.run)
    shown = capsys.readouterr().err
    assert f'File "{path}", line 10, in <module>\n    f(0)' in shown
    assert "build.py" not in shown


@pytest.mark.parametrize("error", ["SyntaxError", "UserWarning", "DeprecationWarning"])
def test_warnings_are_errors_and_so_is_what_cannot_be_compiled(lesson, error, capsys):
    line = "x = = 1" if error == "SyntaxError" else f"import warnings; warnings.warn('so so', {error})"
    path = lesson("\n" + python(line))
    assert not build.attempt(path, build.run)
    assert re.search(rf'File "{re.escape(str(path))}", line 3\b.*\n{error}: ', capsys.readouterr().err, re.S)


def test_a_run_leaves_the_figures_alone_and_a_refresh_draws_them(lesson, tmp_path):
    import matplotlib
    from matplotlib import pyplot as plt

    drawing = """\
from pathlib import Path
import matplotlib
from matplotlib import pyplot as plt
assert matplotlib.get_backend().lower() == "agg"
print(len(list(Path("figures").iterdir())))
figure, axes = plt.subplots(figsize=(1, 1))
figure.savefig("figures/07-a.png")"""
    path, figure = lesson(python(drawing) + text("0")), tmp_path / "figures" / "07-a.png"
    matplotlib.use("svg")
    assert build.run(path).complaints == []
    assert figure.read_bytes() == PIXEL
    assert [printed for _, printed in build.refresh(path).outdated] == ["1\n"]
    assert figure.read_bytes() != PIXEL
    assert plt.get_fignums() == []
    shutil.rmtree(figure.parent)
    build.refresh(path)
    assert figure.exists()


def skipped(*lines):
    return (
        '<!-- skip: start if(not mnist_is_here(), reason="no MNIST") -->\n\n'
        + "\n".join(lines)
        + "\n<!-- skip: end -->\n"
    )


@pytest.mark.parametrize("here", [True, False])
def test_a_stretch_is_skipped_with_its_outputs(lesson, monkeypatch, here):
    monkeypatch.setattr(build, "mnist_is_here", lambda: here)
    source = skipped(python("print(1)") + text("2")) + "\n" + python("print(3)") + text("3")
    run = build.refresh(lesson(source))
    assert run.skipped == (set() if here else {"no MNIST"})
    assert run.refreshed() == (source.replace("\n2\n", "\n1\n") if here else source)
    assert run.complaints == []


def test_mnist_is_here_if_all_files_are(tmp_path, monkeypatch):
    from minivae.datasets import mnist

    folder, cache = tmp_path / "data", tmp_path / "cache"
    monkeypatch.setattr(mnist, "cache_folder", lambda: str(cache))
    monkeypatch.delenv("MINIVAE_DATA", raising=False)
    assert not build.mnist_is_here()
    for place, ending in ((folder / "mnist", ".gz"), (cache, "")):
        place.mkdir(parents=True)
        for name in mnist.FILES:
            assert not build.mnist_is_here()
            (place / (name + ending)).touch()
        monkeypatch.setenv("MINIVAE_DATA", str(folder))
        assert build.mnist_is_here()
        monkeypatch.delenv("MINIVAE_DATA")
    assert build.mnist_is_here()


# ---------------------------------------------------------------------------------------------------------
# Refreshing


def test_refresh_rewrites_what_differs_and_nothing_else(lesson):
    fences = python("print(0.25)"), python("print(0.5); print('b', end='')"), python("print(0.75)")
    source = "Ä  \n\n" + "\n".join(fence + text("{}") for fence in fences) + "\nEnd, no newline"
    path = lesson(source.format("0.251", "0.4", "much longer"))
    run = build.refresh(path)
    assert path.read_bytes().decode() == source.format("0.251", "0.5\nb", "0.75")
    assert run.complaints == []
    assert len(run.outdated) == 2
    before = path.stat().st_mtime_ns
    assert build.refresh(path).outdated == []
    assert path.stat().st_mtime_ns == before


def test_refresh_writes_nothing_if_a_fence_raises(lesson):
    path = lesson(source := python("print(1)") + text("2") + "\n" + python("1 / 0"))
    with pytest.raises(ZeroDivisionError):
        build.refresh(path)
    assert path.read_text(encoding="utf-8") == source


# ---------------------------------------------------------------------------------------------------------
# Lint: a line that is fine, one that is not, and what is said of it


def complaints_of(path):
    return [f"{line}: {sentence}" for line, sentence in lint.check(path)]


def test_the_form_has_no_complaints(lesson):
    assert complaints_of(lesson(FORM)) == []


LINES = [
    ("Cost `$`, $x$, ($y$) and $z$.", "Cost $x", "odd number of dollars"),
    ("costs \\$5", "costs $5", "odd number of dollars"),
    ("$x$", "$$x$$", "two dollars in a row"),
    ("$x$", "$ x$", "space just inside"),
    ("$x$", "$x $", "space just inside"),
    (r"$\lbrace x \rbrace$", r"$\{x\}$", "backslash before punctuation"),
    (r"$a \quad b$", r"$a \, b$", "backslash before punctuation"),
    (r"$a \cdot b$", "$a * b$", "emphasis"),
    ("$a b$", "$a~b$", "strikethrough"),
    ("$x$", "$`x`$", "backquotes"),
    (r"$\sigma_k^2$, $x_{k}$", r"$\mathbf{x}_k$", "_ opens emphasis"),
    (r"$x^2_k$", "$(x)_k$", "_ opens emphasis"),
    (r"$a \lt b$, $a < b$", "$a <b$", "looks like HTML"),
    (r"$a > b$", "$a> b$", "looks like HTML"),
    ("$[a] (b)$", "$[a](b)$", "for a link"),
    ("is $x$", "is:$x$", "opening dollar"),
    ("$x$-th".replace("$-", "$ -"), "$x$-th", "closing dollar"),
    (r"$\mathrm{KL}$", r"$\operatorname{KL}$", r"GitHub does not allow \operatorname"),
    (r"$\reflectbox x$", r"$\ref x$", r"GitHub does not allow \ref"),
    ("$x$", "$x % y$", "% begins a comment"),
    ("$x^{2}$", "$x^{2$", "} is missing"),
    ("$x^{2}$", "$x^2}$", "} where nothing is expected"),
    (r"$\left( x \right)$", r"$\left( x$", r"\right is missing"),
    (r"$\leftarrow$", r"${\left}$", r"} where \right is expected"),
    (r"## $".replace("$", "Five"), "## On $x$", "mathematics in a heading"),
    ("## On `$`", "## On $x$", "mathematics in a heading"),
    ("[x](08-next.md) is $x$", "[the $x$ there](08-next.md)", "mathematics in the text of a link"),
    ("[x](08-next.md)", "[x](09-none.md)", "which does not exist"),
    ("[x](mailto:a@example.org)", "[x](mailto.md)", "which does not exist"),
    ("[x](figures/07-a.png#L1)", "[x](figures/08-a.png#L1)", "which does not exist"),
    ("[x](https://example.org/none.md)", "[x](figures/none.png)", "which does not exist"),
    ("[x](08-next.md#in-code-1), [y](#in-code)", "[x](08-next.md#in-code-2)", "no heading there has this anchor"),
    ("[x](08-next.md#in-code-again)", "[y](#incode)", "no heading there has this anchor"),
    ("![x](figures/07-a.png)", "![](figures/07-a.png)", "no alternative text"),
    ("a::b", ".. note:: x", "a directive"),
    (": a", ":::note", "a directive"),
]


@pytest.mark.parametrize(("good", "bad", "sentence"), LINES)
def test_a_line_that_is_fine_and_one_that_is_not(lesson, good, bad, sentence):
    assert complaints_of(lesson(FORM.replace("HERE", good))) == []
    complaints = complaints_of(lesson(FORM.replace("HERE", bad)))
    assert any(complaint.startswith(f"{PLACE}: ") and sentence in complaint for complaint in complaints)


BLOCKS = [
    ("```math\n{}\n```", r"\begin{aligned} x_1 \\ y \end{aligned}", r"\begin{aligned} x \end{cases}", "is expected"),
    ("```math\n{}\n```", r"\left\{ x \, y_{\mathrm{a}}_b \right\} * 2 <b", r"\bm{x}", r"does not allow \bm"),
    ("```math\n{}\n```", r"\text{recon\_nll}", r"\text{recon_nll}", r"_ in \text"),
    ("```math\n{}\n```", "x", r"\text{$x$}", "a dollar in a math fence"),
    ("```math\n{}\n```", "x\n+ y", "x\n\n+ y", "a blank line in a math fence"),
    ("```math\nx\n```\n{}", "\nx", "x", "blank line before and after"),
    ("{}\n```math\nx\n```", "x\n", "x", "blank line before and after"),
    ("```{}\nx\n```", "", "sh", "unknown language, 'sh'"),
    ("```{}\nx\n```", "console", "{code-cell}", "unknown language"),
    ("{}", "```\nx\n```", "~~~\nx\n~~~", "three backquotes"),
    ("{}", "```\nx\n```", " ```\n x\n ```", "three backquotes"),
    ("```text\n{}\n```", "+-", "±", "ASCII"),
    ("```python\n{}\n```", "x = 1\n" * 15 + "# y\n\n", "x = 1\n" * 16, "16 lines of code"),
    ("<details>\n<summary>x</summary>\n\n```python\n{}```\n\n</details>", "x = 1\n" * 30, "x = 1\n" * 31, "31 lines"),
    ("```python\n{}\n```", "x" * 100, "x" * 101, "101 columns"),
    ("<details>\n<summary>{}</summary>\n\ny\n\n</details>", "x", "$x$", "mathematics in a <summary>"),
    ("<details>\n<summary>x</summary>\n{}y\n\n</details>", "\n", "", "and a blank one"),
    ("<details>{}<summary>x</summary>\n\ny\n\n</details>", "\n", "", "<details> stands alone"),
    ("<details>\n<summary>x</summary>\n\ny\n{}</details>", "\n", "", "between blank ones"),
    ("<details>\n<summary>x</summary>\n\ny\n\n{}", "</details>", QUESTION, "in no other <details>"),
    ("| a | b |\n|---|---|\n| x | {} |", r"$p(x \mid z)$", "$p(x | z)$", "ends the cell"),
    ("{}$p(x | z)$", "x ", "| ", "ends the cell"),
    ("{}", "```\n$ x\n\n$ y\n```", "$ x", "odd number"),
    ("{}", "<!-- $ x\n$ -->", "$ x\n$", "odd number"),
    ("## Größe\n\n[x](#{})", "größe", "gr", "no heading"),
    ("<details>\n<summary>x</summary>\n\ny\n\n</details>{}z", "\n\n", "\n", "between blank ones"),
    ("{}", "y", "</details>", "after a <details>"),
    ("{}", "`$ x $ and\n$ y`", "`$ x $ and\n\n$ y`", "space just inside"),
]


@pytest.mark.parametrize(("frame", "good", "bad", "sentence"), BLOCKS)
def test_a_block_that_is_fine_and_one_that_is_not(lesson, frame, good, bad, sentence):
    assert complaints_of(lesson(FORM.replace("HERE", frame.replace("{}", good)))) == []
    complaints = complaints_of(lesson(FORM.replace("HERE", frame.replace("{}", bad))))
    assert any(sentence in complaint for complaint in complaints)


FORMS = [
    ("# 7. A title", "# 8. A title", "the first line"),
    ("# 7. A title", "---\nx: y\n---\n\n# 7. A title", "the first line"),
    ("HERE", "# 7. A title", "the first line, and no other"),
    ("## Sources", "## Source", "missing: Sources"),
    ("## Sources", "## Sauces", "'Sauces' after the exercise"),
    ("Because.\n\n</details>\n\n## Sources", "Because.\n\n## Sources", "not closed"),
    ("## Exercise", "## Three questions\n\n## Exercise", "another order"),
    ("HERE", r"$\boxed{?}$", "2 blanks"),
    (r"\boxed{?}", "1", "0 blanks"),
    (QUESTION, "", "2 folded answers"),
    (f"{QUESTION}\n## Sources", f"## Sources\n\n{QUESTION}", "2 folded answers"),
    ("None.", "```\nx", "three backquotes"),
    ("[lesson 8](08-next.md)", "[a lesson](#sources)", "does not lead to 08-next.md"),
    ("*Next: ", "", "does not lead to 08-next.md"),
    ("--- kernels/reference.py", "", "a diff is"),
    ("$ pytest", "$ python -m pytest", "a diff is"),
    ("![A picture]", "[A picture]", "no lesson shows figures/07-a.png"),
]


@pytest.mark.parametrize(("good", "bad", "sentence"), FORMS)
def test_a_lesson_that_lost_its_form(lesson, good, bad, sentence):
    assert any(sentence in complaint for complaint in complaints_of(lesson(FORM.replace(good, bad, 1))))


def test_a_second_edition_has_the_same_fences_and_is_no_lesson_of_its_own(lesson):
    path = lesson(FORM)
    edition = path.with_suffix(".zh.md")
    edition.write_text(FORM.replace("A title", "七"), encoding="utf-8")
    assert complaints_of(path) == []
    assert build.lessons(["07"], path.parent) == [path]
    edition.write_text(FORM.replace("None.", "```text\nx\n```"), encoding="utf-8")
    assert complaints_of(path) == [f"1: {edition.name} has other fences than this lesson"]


def test_lesson_0_needs_no_derivation_and_no_breakage(lesson):
    path = lesson(
        "# 0. A title\n\n" + FORM[FORM.index("## In code") : FORM.index("## Break")] + FORM[FORM.index("## Three") :],
        "00-a.md",
    )
    assert complaints_of(path) == []
    path.write_text(path.read_text(encoding="utf-8").replace("## Sources", "## Source"), encoding="utf-8")
    assert "1: a section is missing: Sources" in complaints_of(path)


def test_sections_between_the_paper_and_the_exercise_are_free(lesson):
    free = "## Free\n\n"
    assert complaints_of(lesson(FORM.replace("HERE", free).replace("## Exercise", free + "## Exercise"))) == []


# ---------------------------------------------------------------------------------------------------------
# Notebooks


def book_of(path, **options):
    book = nbformat.reads(build.notebook(path, **options), as_version=4)
    nbformat.validate(book)
    return [(cell.cell_type, cell.source, [output.text for output in cell.get("outputs", [])]) for cell in book.cells]


def test_a_notebook_has_the_outputs_of_the_lesson_and_begins_with_an_import(lesson):
    source = (
        "# 7. A title\n\n"
        + python("print(1)")
        + text("1")
        + "\nWords.\n\n"
        + python("print(2)")
        + text("2")
        + "\n"
        + python("x = 1")
    )
    title, first, printing, words, again, last = book_of(lesson(source))
    assert title == ("markdown", "# 7. A title", [])
    assert re.match(r"import minivae .*\bmkdir\b", first[1], re.S)
    assert printing == ("code", "print(1)", ["1\n"])
    assert words == ("markdown", "Words.", [])
    assert again == ("code", "print(2)", ["2\n"])
    assert last == ("code", "x = 1", [])
    assert book_of(lesson(source), install="minivae==1.0")[1][1].startswith("%pip install --quiet minivae==1.0\n")


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("```math\nx_1 &= \\\\\n```", "$$\nx_1 &= \\\\\n$$"),
        ("![A](figures/07-a.png)", f"![A](data:image/png;base64,{base64.b64encode(PIXEL).decode()})"),
        ("[next\nlesson](08-next.md#in-code)", "[next\nlesson](08-next.ipynb)"),
        ("[`kernels/reference.py`](../kernels/reference.py)", "`kernels/reference.py`"),
        ("[x](https://example.org/08-next.md)", "[x](https://example.org/08-next.md)"),
        ("`x[0](08-next.md)`", "`x[0](08-next.md)`"),
        ("```diff\n-`[0](08-next.md)\n```", "```diff\n-`[0](08-next.md)\n```"),
        (QUESTION.strip(), QUESTION.strip()),
        ("a\n\n<!-- skip: end -->\n\nb", "a\n\nb"),
    ],
)
def test_markdown_in_a_notebook(lesson, markdown, expected):
    assert book_of(lesson(markdown + "\n\n" + python("x = 1")))[0] == ("markdown", expected, [])


def test_python_in_a_fold_is_not_folded_in_a_notebook(lesson):
    fold = QUESTION.replace("Because.", "Because:\n\n" + python("x = 1") + "\nSo.")
    kinds = [(kind, source) for kind, source, _ in book_of(lesson(QUESTION + "\n" + fold))]
    assert kinds[0] == ("markdown", QUESTION + "\n**Why?**\n\nBecause:")
    assert kinds[2:] == [("code", "x = 1"), ("markdown", "So.")]


def test_the_first_skipped_cell_of_a_stretch_says_what_it_needs(lesson):
    source = skipped(python("x = 1"), python("y = 1")) + "\n" + python("z = 1")
    cells = [source for kind, source, _ in book_of(lesson(source)) if kind == "code"][1:]
    assert cells == [build.NEEDS_MNIST + "x = 1", "y = 1", "z = 1"]


# ---------------------------------------------------------------------------------------------------------
# The command line


@pytest.fixture
def command(lesson, tmp_path, monkeypatch):
    """Run the tool on the lessons of the test."""
    monkeypatch.setattr(build.lessons, "__defaults__", (tmp_path,))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: build.main(list(arguments))


def test_the_commands_and_their_status(lesson, command, capsys, tmp_path):
    lesson(FORM.replace("0.25\n```", "0.35\n```"))
    assert command("run", "7") == 1
    assert "07-a.md:19: here stands\n0.35\nbut printed was\n0.25" in capsys.readouterr().out
    assert command("refresh", "07") == 0
    assert "outputs rewritten: 1" in capsys.readouterr().out
    assert command("run", "7", "8") == 0
    assert command("lint", "7") == 0
    assert command("lint") == 1
    assert re.search(r"^08-next\.md:1: ", capsys.readouterr().out, re.M)
    assert command("notebooks", "8") == 0
    assert (tmp_path / "notebooks" / "08-next.ipynb").exists()
    assert command("notebooks", "--out", "books/here") == 0
    assert {path.name for path in (tmp_path / "books" / "here").iterdir()} == {"07-a.ipynb", "08-next.ipynb"}


def test_a_lesson_that_is_not_there(command):
    with pytest.raises(SystemExit, match=r"no lesson 9 in .*; there are 08"):
        command("run", "9")

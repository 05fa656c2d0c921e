"""What goes wrong in a lesson without any error: mathematics that GitHub does not render, dead links, lost form.

GitHub runs Markdown over a line before it looks for dollars, so that Markdown's own characters tear formulas apart; the
rules below name each way in which that happens. Every rule is a function from a page to (line, sentence).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

Complaints = Iterator[tuple[int, str]]

LANGUAGES = ("python", "text", "math", "console", "diff", "")
LONGEST, LONGEST_FOLDED, WIDEST = 15, 30, 100  # lines of a python fence, of one inside <details>, columns
SECTIONS = ("On paper", "In code", "Exercise", "Break it on purpose", "Three questions", "Sources")
NOT_IN_LESSON_0 = ("On paper", "Break it on purpose")

INLINE = (
    (r"^$", "two dollars in a row: a formula on lines of its own is a math fence"),
    (r"^\s|\s$", "a space just inside the dollars"),
    (r"\\[!-/:-@\[-`{-~]", "Markdown takes away a backslash before punctuation; use a math fence, \\lbrace, \\Vert"),
    (r"\*", "Markdown takes * for emphasis; use \\cdot, \\ast, or a math fence"),
    (r"~", "Markdown takes ~ for strikethrough"),
    (r"`", "VS Code does not know GitHub's dollars with backquotes"),
    (r"(?<![A-Za-z0-9])_", "_ opens emphasis unless it follows a letter or a digit; use a math fence"),
    (r"[A-Za-z][<>]|[<>][A-Za-z/!?]", "< or > that touches a letter looks like HTML; use \\lt or \\gt"),
    (r"\][(\[]", "Markdown takes ](  or ][ for a link"),
)
MACROS = re.compile(r"\\(operatorname|bm|label|newcommand|renewcommand|def|tag|require|ref|eqref)$")
BREAKAGE = re.compile(
    r"^```diff\n--- (?P<file>\S+)\n(?P<change>(?:[-+ ][^\n]*\n)+)```\n\n"
    r"```console\n\$ pytest (?P<arguments>[^\n]+)\n```\n\n"
    r"<details>\n<summary>[^\n]*</summary>\n(?P<answer>.*?)^</details>$",
    re.M | re.S,
)
TEX = re.compile(r"\\(?:begin|end)\{[^}]*\}|\\[A-Za-z]+|\\.|.", re.S)


class Page:
    """A lesson as lines, as Markdown tokens, and as prose: its lines without fences, code and comments."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.split("\n")
        self.tokens = MarkdownIt("commonmark").parse(self.text)
        self.fences = [token for token in self.tokens if token.type == "fence"]
        self.prose = self.without_code()
        self.folded = list(self.details())

    def without_code(self) -> list[str]:
        """The lines, the same columns, with blank lines for fences, an x for each character of code."""
        lines = list(self.lines)
        for fence in self.fences:
            start, end = span(fence)
            lines[start:end] = [""] * (end - start)
        text = re.sub(r"<!--.*?-->", lambda match: re.sub(r".", " ", match[0]), "\n".join(lines), flags=re.S)
        code = r"(?<!`)(`+)(?!`)((?:(?!\n\n).)+?)(?<!`)\1(?!`)(?!\$)"
        return re.sub(code, lambda match: re.sub(r".", "x", match[0]), text, flags=re.S).split("\n")

    def details(self) -> Iterator[range]:
        """The line indices of each <details>; one that is not closed goes on to the end."""
        start = None
        for index, line in enumerate(self.prose):
            if "<details" in line and start is None:
                start = index
            elif "</details>" in line and start is not None:
                yield range(start, index)
                start = None
        if start is not None:
            yield range(start, len(self.prose))

    def blank(self, index: int) -> bool:
        """Whether there is nothing on this line, or no such line."""
        return not 0 <= index < len(self.lines) or not self.lines[index].strip()

    def headings(self, tags: str = "h1 h2 h3 h4 h5 h6") -> list[tuple[int, Token]]:
        """The line of each heading, and what stands in it."""
        pairs = pairwise(self.tokens)
        return [
            (span(opening)[0] + 1, text)
            for opening, text in pairs
            if opening.type == "heading_open" and opening.tag in tags
        ]


def check(path: Path) -> list[tuple[int, str]]:
    """Everything there is to complain of in a lesson.

    Parameters
    ----------
    path : Path
        A Markdown file whose name begins with two digits.

    Returns
    -------
    complaints : list of (int, str)
        Line and sentence, in the order of the lines.
    """
    page = Page(path)
    return sorted({complaint for rule in RULES for complaint in rule(page)})


def span(token: Token) -> tuple[int, int]:
    """The indices of a block's first line and of the line after its last."""
    assert token.map is not None, "every block has its lines"
    return token.map[0], token.map[1]


def line_of(text: str, position: int) -> int:
    """The number of the line with the character at that position."""
    return text.count("\n", 0, position) + 1


def plain(inline: Token) -> str:
    """The text of an inline token without its markup."""
    return "".join(child.content for child in inline.children or [])


def inline_mathematics(page: Page) -> Complaints:
    """Formulas between dollars: what stands in them, before them and behind them."""
    for number, line in enumerate(page.prose, 1):
        dollars = [match.start() for match in re.finditer(r"(?<!\\)\$", line)]
        if len(dollars) % 2:
            yield number, "an odd number of dollars: a formula opens and closes on one line"
            continue
        for start, end in zip(dollars[::2], dollars[1::2], strict=True):
            formula = line[start + 1 : end]
            wrong = [sentence for pattern, sentence in INLINE if re.search(pattern, formula)]
            if not re.search(r"(^|[\s(])$", line[:start]):
                wrong.append("the opening dollar does not follow a space or a parenthesis")
            if not re.match(r"[\s.,;:?!)]|$", line[end + 1 :]):
                wrong.append("the closing dollar is not followed by a space or one of . , ; : ? ! )")
            if line.lstrip().startswith("|") and "|" in formula:
                wrong.append("| ends the cell of a table; use \\mid or \\vert")
            for sentence in wrong + list(tex(formula)):
                yield number, f"${formula}$: {sentence}"


def displayed_mathematics(page: Page) -> Complaints:
    """Math fences: alone, and TeX that every renderer takes."""
    for fence in page.fences:
        if fence.info.strip() != "math":
            continue
        start, end = span(fence)
        if not page.blank(start - 1) or not page.blank(end):
            yield start + 1, "a math fence needs a blank line before and after it"
        if re.search(r"^\s*$", fence.content.rstrip("\n"), re.M):
            yield start + 1, "a blank line in a math fence: TeX takes it for the end of the formula"
        if "$" in fence.content:
            yield start + 1, "a dollar in a math fence"
        if re.search(r"\\text\{[^}]*(?<!\\)_", fence.content):
            yield start + 1, "_ in \\text{}: VS Code's KaTeX stops there; use \\_"
        for sentence in tex(fence.content):
            yield start + 1, f"math fence: {sentence}"


def tex(formula: str) -> Iterator[str]:
    """What is wrong with a formula, whoever renders it."""
    opened: list[str] = []
    for token in TEX.findall(formula):
        if MACROS.match(token):
            yield f"GitHub does not allow {token}"
        elif token == "%":
            yield "% begins a comment"
        elif token in ("{", r"\left") or token.startswith(r"\begin{"):
            opened.append({"{": "}", r"\left": r"\right"}.get(token) or token.replace("begin", "end", 1))
        elif token in ("}", r"\right") or token.startswith(r"\end{"):
            expected = opened.pop() if opened else "nothing"
            if token != expected:
                yield f"{token} where {expected} is expected"
                return
    if opened:
        yield f"{opened[-1]} is missing"


def mathematics_where_none_may_be(page: Page) -> Complaints:
    """Headings, the lines that open a fold, links: a formula there breaks anchors, or is shown raw."""
    for number, heading in page.headings():
        if any("$" in child.content for child in heading.children or [] if child.type == "text"):
            yield number, "mathematics in a heading"
    for number, line in enumerate(page.prose, 1):
        if "<summary>" in line and "$" in line:
            yield number, "mathematics in a <summary>"
    for number, kind, text, _ in links(page):
        if "$" in text:
            yield number, f"mathematics in the text of {kind}"


def links(page: Page) -> Iterator[tuple[int, str, str, str]]:
    """Each link and image: line, what it is, its text, its target."""
    for token in page.tokens:
        children, line = token.children or [], token.map[0] + 1 if token.map else 0
        for index, child in enumerate(children):
            if child.type == "softbreak":
                line += 1
            elif child.type == "image":
                yield line, "an image", child.content, unquote(str(child.attrs["src"]))
            elif child.type == "link_open":
                end = next(i for i in range(index, len(children)) if children[i].type == "link_close")
                text = "".join(part.content for part in children[index:end] if part.type != "code_inline")
                yield line, "a link", text, unquote(str(child.attrs["href"]))


def dead_links(page: Page) -> Complaints:
    """Links and images that lead nowhere in this repository, and images without a text for those who cannot see."""
    for line, kind, text, target in links(page):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        file = page.path.parent / parts.path if parts.path else page.path
        if not file.exists():
            yield line, f"{kind} to {target}, which does not exist"
        elif parts.fragment and file.suffix == ".md" and parts.fragment not in anchors(file):
            yield line, f"{kind} to {target}, but no heading there has this anchor"
        if kind == "an image" and not text:
            yield line, f"{target} has no alternative text"


def anchors(file: Path) -> set[str]:
    """What GitHub calls the headings of a file."""
    slugs = [re.sub(r"[^\w\- ]", "", plain(heading).lower()).replace(" ", "-") for _, heading in Page(file).headings()]
    return {f"{slug}-{before}" if (before := slugs[:i].count(slug)) else slug for i, slug in enumerate(slugs)}


def unused_figures(page: Page) -> Complaints:
    """Figures with the number of this lesson that no lesson shows."""
    texts = [lesson.read_text(encoding="utf-8") for lesson in page.path.parent.glob("*.md")]
    for figure in sorted(page.path.parent.glob(f"figures/{page.path.name[:3]}*")):
        if not any(re.search(rf"!\[[^]]*\]\(figures/{re.escape(figure.name)}\)", text) for text in texts):
            yield 1, f"no lesson shows figures/{figure.name}"


def editions(page: Page) -> Complaints:
    """Another language's edition, such as x.zh.md beside x.md: the same code, outputs and displayed mathematics."""
    for path in sorted(page.path.parent.glob(f"{page.path.stem}.*.md")):
        if [fence.content for fence in Page(path).fences] != [fence.content for fence in page.fences]:
            yield 1, f"{path.name} has other fences than this lesson"


def title_and_sections(page: Page) -> Complaints:
    """The title with the number of the file, and the sections of every lesson, in their order."""
    number = int(page.path.name[:2])
    if not re.match(rf"# {number}\. \S", page.lines[0]) or len(page.headings("h1")) != 1:
        yield 1, f"the first line, and no other, is the title: '# {number}. ...'"
    titles = [(line, plain(heading)) for line, heading in page.headings("h2")]
    kinds = [next((name for name in SECTIONS if title.startswith(name)), "") for _, title in titles]
    if missing := [name for name in SECTIONS if name not in kinds and (number or name not in NOT_IN_LESSON_0)]:
        yield 1, f"a section is missing: {', '.join(missing)}"
    order = [name for name in dict.fromkeys(kinds) if name]
    if order != [name for name in SECTIONS if name in order]:
        yield 1, f"sections in another order than {', '.join(SECTIONS)}"
    for (line, title), kind in zip(titles, kinds, strict=True):
        if not kind and "Exercise" in kinds[: titles.index((line, title))]:
            yield line, f"'{title}' after the exercise, where only the sections of every lesson stand"


def next_lesson(page: Page) -> Complaints:
    """The last paragraph leads to the lesson that follows, if there is one."""
    later = [path.name for path in sorted(page.path.parent.glob("[0-9][0-9]-*.md")) if path.name > page.path.name]
    later = [name for name in later if name.count(".") == 1]
    index = next((i for i, line in enumerate(page.lines) if line.startswith("*Next: ")), None)
    if later and (index is None or f"({later[0]})" not in "\n".join(page.lines[index:])):
        yield (index or 0) + 1, f"the last line, '*Next: [lesson ...', does not lead to {later[0]}"


def blank_and_questions(page: Page) -> Complaints:
    """One blank to fill, and three folded answers to three questions."""
    blanks = page.text.count(r"\boxed{?}")
    if blanks != 1 and (blanks or not page.path.name.startswith("00")):
        yield 1, rf"{blanks} blanks (\boxed{{?}}) instead of one"
    starts = [*page.headings("h2"), (len(page.lines), None)]
    for (start, heading), (end, _) in pairwise(starts):
        answers = sum(start < fold.start < end for fold in page.folded)
        if heading and plain(heading) == "Three questions" and answers != 3:
            yield start, f"{answers} folded answers to three questions"


def folds(page: Page) -> Complaints:
    """<details>: closed, not nested, and with the blank lines without which GitHub shows raw Markdown inside."""
    inside = False
    for index, line in enumerate(page.prose):
        if "<details" in line:
            if inside or line != "<details>" or not page.blank(index - 1):
                yield index + 1, "<details> stands alone on its line, after a blank one, in no other <details>"
            if not re.fullmatch(r"<summary>.+</summary>", [*page.prose, ""][index + 1]) or not page.blank(index + 2):
                yield index + 1, "after <details> come one line <summary>...</summary> and a blank one"
            inside = True
        if "</details>" in line:
            if not inside or line != "</details>" or not page.blank(index - 1) or not page.blank(index + 1):
                yield index + 1, "</details> stands alone on its line, between blank ones, after a <details>"
            inside = False
    if inside:
        yield len(page.lines), "a <details> is not closed"


def fences(page: Page) -> Complaints:
    """Languages that GitHub, the runner and the notebooks know, closed fences, short python, plain output."""
    for fence in page.fences:
        (start, end), language = span(fence), fence.info.strip()
        if language not in LANGUAGES:
            yield start + 1, f"a fence of an unknown language, {language!r}; known: {', '.join(LANGUAGES[:-1])}, none"
        if not re.fullmatch(r"```\S*", page.lines[start]) or page.lines[end - 1] != "```":
            yield start + 1, "a fence begins and ends with three backquotes at the start of a line"
        if language == "text" and not fence.content.isascii():
            yield start + 1, "output with other characters than ASCII"
        if language == "python":
            limit = LONGEST_FOLDED if any(start in fold for fold in page.folded) else LONGEST
            lines = [line for line in fence.content.split("\n") if line.strip() and not line.strip().startswith("#")]
            if len(lines) > limit:
                yield start + 1, f"{len(lines)} lines of code in one fence, more than {limit}"
            for number, line in enumerate(fence.content.split("\n"), start + 2):
                if len(line) > WIDEST:
                    yield number, f"a line of code with {len(line)} columns, more than {WIDEST}"


def breakages(page: Page) -> Complaints:
    """Each diff in the form that tests/lessons/test_lessons.py reads: it makes the change and runs the tests."""
    good = {line_of(page.text, match.start()) for match in BREAKAGE.finditer(page.text)}
    for fence in page.fences:
        line = span(fence)[0] + 1
        if fence.info == "diff" and line not in good:
            yield (
                line,
                "a diff is '--- file' and lines with - + or space; a console fence '$ pytest ...'; a folded answer",
            )


def directives(page: Page) -> Complaints:
    """Markup of other tools, which GitHub shows raw."""
    for number, line in enumerate(page.prose, 1):
        if re.match(r"\s*(:::|\.\. \w+::)", line):
            yield number, "a directive, which GitHub shows raw"


RULES = (
    inline_mathematics,
    displayed_mathematics,
    mathematics_where_none_may_be,
    dead_links,
    unused_figures,
    editions,
    title_and_sections,
    next_lesson,
    blank_and_questions,
    folds,
    fences,
    breakages,
    directives,
)

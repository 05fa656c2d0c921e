"""Docstrings keep their promises: every public function has one, array parameters state a shape, defaults agree."""

import ast
import importlib
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "minivae").rglob("*.py")
    if not path.stem.startswith("__")
]
NEEDS_CUPY = "cu"  # as cupy_gpu and cuda_blas begin
MODULES += [
    f"minivae.kernels.{path.stem}"
    for path in (ROOT / "kernels").glob("*.py")
    if find_spec("cupy") or not path.stem.startswith(NEEDS_CUPY)
]


def public_functions():
    for module in map(importlib.import_module, sorted(MODULES)):
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(value):
                yield f"{module.__name__}.{name}", value, value
            elif inspect.isclass(value):
                yield f"{module.__name__}.{name}", value, value.__init__
                for method_name, method in vars(value).items():
                    if inspect.isfunction(method) and not method_name.startswith("_"):
                        yield f"{module.__name__}.{name}.{method_name}", method, method


FUNCTIONS = list(public_functions())


def parameter_lines(docstring):
    """Name -> description line, from the numpydoc section "Parameters"."""
    section = re.search(r"Parameters\n-+\n(.*?)(?=\n\n\w[\w ]*\n---|\Z)", inspect.cleandoc(docstring), re.DOTALL)
    lines = re.findall(r"^(\w[\w, ]*?)(?: : (.*))?$", section.group(1), re.MULTILINE) if section else []
    return {name.strip(): text for names, text in lines for name in names.split(",")}


def test_there_are_many_public_functions():
    assert len(FUNCTIONS) > 100


@pytest.mark.parametrize(("name", "owner"), [(name, owner) for name, owner, _ in FUNCTIONS if "Protocol" not in name])
def test_every_public_name_has_a_docstring(name, owner):
    if not name.startswith("minivae.backend.Backend."):  # documented by the reference
        assert inspect.getdoc(owner), name


def documented():
    for name, owner, function in FUNCTIONS:
        lines = parameter_lines(owner.__doc__ or "")
        if lines:
            yield pytest.param(lines, inspect.signature(function).parameters, id=name)


@pytest.mark.parametrize(("lines", "parameters"), list(documented()))
def test_documented_parameters_exist_and_state_shapes_and_true_defaults(lines, parameters):
    for name, text in lines.items():
        fields = ("x", "shift", "scale", "train", "test")  # of dataclasses
        assert name in parameters or name in fields, f"{name} is documented but is no parameter"
        if re.match(r"(nd)?arrays?\b|array-like", text):
            assert re.search(r"shape|any shape", text), f"{name} states no shape: {text}"
        stated = re.search(r"default (\S+.*)$", text)
        if stated:
            default = parameters[name].default
            assert value_of(stated.group(1)) == default, f"{name}: default {default!r}, documented as {text!r}"


def value_of(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def test_the_examples_in_docstrings_run():
    import doctest

    import numpy as np

    from minivae import VAE

    attempted = 0
    for module in map(importlib.import_module, MODULES):
        globs = vars(module) | {"np": np, "VAE": VAE}
        result = doctest.testmod(module, extraglobs=globs)
        assert result.failed == 0, module
        attempted += result.attempted
    assert attempted >= 3

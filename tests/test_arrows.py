"""Arrows between the rooms of minivae only go down, and no two modules import each other (see CONTRIBUTING.md)."""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RANKS = (  # from the bottom; a room imports from lower ranks only, and from itself
    {"errors", "version"},
    {"answers"},
    {"validation"},
    {"columns"},
    {"kernels"},
    {"backend"},
    {"system"},
    {"workers"},
    {"model", "datasets"},
    {"training", "gradcheck", "plotting"},
    {"evaluation", "estimator", "gan"},
    {"checkpoint", "marks"},
    {"runs", "learn", "benchmark"},
    {"explorer", "report"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
RANK_OF = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
FILES = {
    ".".join(path.relative_to(ROOT / "minivae").with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "minivae").rglob("*.py"))
}


def imports(name):
    """The modules of minivae that a module imports anywhere in it: in functions, under TYPE_CHECKING, by a string."""
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.split(".")[0] == "minivae":
            for alias in node.names:
                path = f"{node.module}.{alias.name}".removeprefix("minivae.")
                found.add(path if path in FILES else node.module.removeprefix("minivae").lstrip("."))
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("minivae.") for alias in node.names if alias.name.startswith("minivae")}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("minivae."):
            found |= {node.value.removeprefix("minivae.")} & FILES.keys() - {name}  # as import_module takes it
    return found


ARROWS = {name: imports(name) for name in FILES if name != "__init__"}  # which only hands the public names out


def test_every_file_has_a_room():
    assert {name.split(".")[0] for name in ARROWS} <= RANK_OF.keys()


@pytest.mark.parametrize("name", ARROWS)
def test_arrows_between_rooms_go_down(name):
    room = name.split(".")[0]
    others = {target.split(".")[0] for target in ARROWS[name]} - {room}
    assert all(RANK_OF.get(other, len(RANKS)) < RANK_OF[room] for other in others), f"{name} imports {others}"


def test_there_is_no_circle():
    graph = defaultdict(set, {name: targets & FILES.keys() for name, targets in ARROWS.items()})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))

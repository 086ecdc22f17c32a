"""The house: an import points down the list of rooms or sideways within a room, never up, and nowhere in a circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "univar"
FILES = sorted(ROOT.rglob("*.py"))
ROOMS = ("corpus", "model", "analysis", "workflows", "cli")
"""In the order data moves. Above all of them: `files`, which any room may use, and `registration`, which uses none."""


def imports(file: Path) -> Iterator[str]:
    """The modules of univar that a file imports anywhere in it, functions included but for `plot` of a result.

    That method is the one way from a result to what draws it.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    plots = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "plot"]
    spared = {id(node) for plot in plots for node in ast.walk(plot)}
    for node in ast.walk(tree):
        if id(node) in spared:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "univar")
        elif isinstance(node, ast.ImportFrom):
            package = ["univar", *file.relative_to(ROOT).parent.parts]
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            if module.split(".")[0] == "univar":
                # `from univar.model import weights` may name a module or something in it: both are below it.
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)


def room(file: Path) -> str:
    return file.relative_to(ROOT).parts[0]


def below(module: str, *rooms: str) -> bool:
    return any(module == f"univar.{name}" or module.startswith(f"univar.{name}.") for name in rooms)


def modules() -> dict[str, set[str]]:
    """What each module imports of univar, by the names of modules."""
    names = {".".join(("univar", *file.relative_to(ROOT).with_suffix("").parts)): file for file in FILES}
    names = {name.removesuffix(".__init__"): file for name, file in names.items()}
    return {
        name: {found for found in imports(file) if found in names and found != name} for name, file in names.items()
    }


def test_the_rooms_are_those_that_are_drawn():
    assert {room(file) for file in FILES if file.parent != ROOT} == set(ROOMS)
    assert {file.stem for file in FILES if file.parent == ROOT} == {"__init__", "registration", "files"}


@pytest.mark.parametrize("place", range(len(ROOMS)))
def test_an_earlier_room_never_imports_a_later_one(place):
    files = [file for file in FILES if room(file) == ROOMS[place]]
    assert files
    wrong = {f"{file.relative_to(ROOT)} imports {name}" for file in files for name in imports(file)}
    assert {entry for entry in wrong if below(entry.rpartition(" ")[2], *ROOMS[place + 1 :], "registration")} == set()


def test_files_imports_nothing_of_univar():
    assert list(imports(ROOT / "files.py")) == []


def test_there_is_no_circle():
    # Packages hold a docstring and no import, but for the public names of `univar`, which load when they are used.
    graph = {name: found - {"univar"} for name, found in modules().items() if name != "univar"}
    assert len(graph) > 50
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_results_do_not_import_what_draws_them():
    results = [file for file in FILES if room(file) == "analysis" and "pictures" not in file.relative_to(ROOT).parts]
    wrong = {f"{file.stem} imports {name}" for file in results for name in imports(file)}
    assert len(results) > 5
    assert {entry for entry in wrong if below(entry.rpartition(" ")[2], "analysis.pictures")} == set()


def test_the_house_is_described_as_it_stands():
    text = (ROOT.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawn = text.partition("    univar/\n")[2].partition("    hub_cards/")[0]
    lines = [line.split()[0] for line in drawn.splitlines() if line.strip()]
    found = [file.name for file in FILES if file.name not in ("__init__.py", "__main__.py")]
    folders = [f"{folder.name}/" for folder in ROOT.rglob("*") if folder.is_dir() and folder.name in drawn]
    assert [name for name in found if lines.count(name) != found.count(name)] == []
    assert {name for name in lines if name.endswith(".py")} - {"__init__.py"} == set(found)
    assert {name for name in lines if name.endswith("/")} <= set(folders)

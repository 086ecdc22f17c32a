"""The house: rooms import one way (corpus, model, analysis), and nothing imports the doors."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "univar"
FILES = sorted(ROOT.rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    """The modules of univar that a file imports anywhere in it, functions included."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
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


@pytest.mark.parametrize(
    ("inside", "later"), [("corpus", ("model", "analysis")), ("model", ("analysis",)), ("files.py", ("corpus",))]
)
def test_an_earlier_room_never_imports_a_later_one(inside, later):
    files = [file for file in FILES if room(file) == inside]
    assert files
    wrong = {f"{file.relative_to(ROOT)} imports {name}" for file in files for name in imports(file)}
    assert {entry for entry in wrong if below(entry.rpartition(" ")[2], *later)} == set()


@pytest.mark.parametrize("door", ["cli", "registration", "scale"])
def test_nothing_imports_a_door_but_the_entrances(door):
    entrances = {"__init__.py", "__main__.py"}
    wrong = {
        str(file.relative_to(ROOT))
        for file in FILES
        if file.name not in entrances and any(below(name, door) for name in imports(file))
    }
    assert wrong == set()


def test_the_rooms_are_those_that_are_drawn():
    assert {room(file) for file in FILES if file.parent != ROOT} == {"corpus", "model", "analysis"}


def test_files_imports_nothing_of_univar():
    assert list(imports(ROOT / "files.py")) == []

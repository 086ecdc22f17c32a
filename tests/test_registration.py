import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from univar.corpus.records import write_corpus

ROOT = Path(__file__).parent.parent


def python(program: str, *arguments: str, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program in a process of its own, with an empty home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_", "UNIVAR"))}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**kept, "PYTHONPATH": str(ROOT), "HOME": str(home), "HF_HUB_OFFLINE": "1"},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture
def home(tmp_path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def empty(tmp_path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


# C7: `import univar` is quick, silent and leaves no trace

IMPORT = """
import sys, time
started = time.perf_counter()
import univar
elapsed = time.perf_counter() - started
import json
heavy = ["torch", "datasets", "sentence_transformers", "transformers", "numpy", "pyarrow", "sklearn", "typer", "rich"]
sys.stdout.write(json.dumps({"seconds": elapsed, "heavy": [name for name in heavy if name in sys.modules]}))
"""


def test_import_is_quick_silent_and_leaves_no_trace(empty, home):
    runs = [python(IMPORT, cwd=empty, home=home) for _ in range(3)]
    results = [json.loads(run.stdout) for run in runs]  # nothing else was printed
    assert [run.stderr for run in runs] == [""] * 3
    assert min(result["seconds"] for result in results) < 0.3
    assert [result["heavy"] for result in results] == [[]] * 3
    assert list(home.rglob("*")) == []
    assert list(empty.rglob("*")) == []


def test_public_names_load_on_first_use(empty, home):
    program = """
import sys, univar
assert set(univar.__all__) <= set(dir(univar))
assert univar.split_of("Is thrift a virtue?") in ("train", "validation", "test")
assert "torch" not in sys.modules, "the corpus needs no torch"
assert univar.metric_path().endswith("value_identification.py")
try:
    univar.nonsense
except AttributeError as error:
    print(error, end="")
"""
    assert python(program, cwd=empty, home=home).stdout == "module 'univar' has no attribute 'nonsense'"


def test_every_public_name_exists():
    import univar

    assert all(getattr(univar, name) is not None for name in univar.__all__)
    assert Path(univar.metric_path()).is_file()


def test_dir_lists_the_public_names_and_no_others():
    import univar

    assert [name for name in dir(univar) if not name.startswith("__")] == sorted(univar.__all__)
    assert "__version__" in dir(univar)


def test_the_tour_that_help_shows_runs_as_it_stands(answers, records, monkeypatch, capsys):
    import univar

    monkeypatch.chdir(answers.parent)
    write_corpus([replace(record, value="thrift") for record in records], answers)  # of which something can be read
    exec("\n".join(re.findall(r"^    (.*)$", univar.__doc__, re.MULTILINE)), {})
    said = capsys.readouterr().out
    assert said.startswith("Of ")
    assert said.endswith("(1, 384)\n")
    assert Path("vectors.parquet").is_file()
    assert Path("map.html").stat().st_size > 100_000


# Private names of other libraries, checked before univar is imported: when one goes away, this says so

PRIVATE = """
import inspect, sys, datasets.load, datasets.packaged_modules as packaged
from sentence_transformers import SentenceTransformer

assert "univar" not in sys.modules
assert "__new__" not in vars(SentenceTransformer), "our __new__ would not be set"
assert SentenceTransformer.__new__ is object.__new__, "a base class has a __new__ that ours would skip"
assert SentenceTransformer.__module__ == "sentence_transformers.sentence_transformer.model"
module, digest = packaged._PACKAGED_DATASETS_MODULES["csv"]
assert module.startswith("datasets.packaged_modules.") and isinstance(digest, str)
assert isinstance(packaged._MODULE_TO_EXTENSIONS["csv"], list)
factory = datasets.load.PackagedDatasetModuleFactory
assert list(inspect.signature(factory.get_module).parameters) == ["self"]
assert {"name", "data_dir", "data_files"} <= set(inspect.signature(factory.__init__).parameters)
assert list(inspect.signature(datasets.load.DatasetModule).parameters)[:3] == ["module_path", "hash", "builder_kwargs"]
"""

# Both import orders. A folder that is saved by us tells whether sentence-transformers was taught.

UNIVAR_FIRST = """
import sys, univar
import datasets
from sentence_transformers import SentenceTransformer
"""
UNIVAR_LAST = PRIVATE + "import univar"
TAUGHT = """
model = SentenceTransformer(sys.argv[1], device="cpu")
assert type(model).__name__ == "UniVaR", type(model)
rows = datasets.load_dataset("univar-qa", "simulated", identities=2, questions=30, split="train")
print(model.encode([["q yes", "q no"]]).shape, rows.column_names[:3], end="")
"""


@pytest.mark.parametrize("order", [UNIVAR_FIRST, UNIVAR_LAST], ids=["univar first", "univar last"])
def test_either_import_order_registers_both_names(order, tiny_model, tmp_path, empty, home):
    tiny_model.save_pretrained(str(tmp_path / "saved"))
    done = python(order + TAUGHT, str(tmp_path / "saved"), cwd=empty, home=home)
    assert done.stdout == "(1, 16) ['question_id', 'question', 'answer']"


def test_registering_again_changes_nothing():
    import datasets
    import sentence_transformers

    from univar import registration

    def state() -> tuple[object, ...]:
        return (
            vars(sentence_transformers.SentenceTransformer)["__new__"],
            datasets.load.PackagedDatasetModuleFactory.get_module,
            dict(datasets.packaged_modules._PACKAGED_DATASETS_MODULES),
        )

    before = state()
    registration.register()
    assert state() == before


def test_data_files_are_refused_with_what_to_give_instead():
    import datasets

    with pytest.raises(ValueError, match="univar-qa takes data_dir=, not data_files="):
        datasets.load_dataset("univar-qa", "answers", data_files="a.parquet")


def test_other_data_sets_load_as_before(tmp_path):
    import datasets

    (tmp_path / "a.csv").write_text("question\nwhy\n")
    loaded = datasets.load_dataset("csv", data_files=str(tmp_path / "a.csv"), cache_dir=str(tmp_path), split="train")
    assert loaded["question"][:] == ["why"]


# Another version of datasets


@pytest.mark.parametrize("hook", ["_teach_datasets", "_spare_the_working_folder"])
def test_a_version_of_datasets_without_them_is_an_error_that_says_which_to_use(hook):
    from types import ModuleType

    from univar import registration

    with pytest.raises(ImportError, match=r"cannot register 'univar-qa' with datasets [\d.]+; use datasets 5"):
        getattr(registration, hook)(ModuleType("datasets.of.the.future"))

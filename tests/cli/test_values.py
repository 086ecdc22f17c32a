"""`univar values`: the sentence, the table, the files; what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.calibration_values import World, world
from tests.analysis.values.test_reading import AGAINST, FOR, MADE, SCENE, corpus_of, poles_of
from tests.conftest import failed
from univar.cli.terminal import out
from univar.corpus.questions.poles import poles


@pytest.fixture(scope="module")
def made() -> World:
    names = list(dict.fromkeys(str(pole.question.value) for pole in poles()))
    stances = np.zeros((1, 87))
    stances[0, names.index(FOR)], stances[0, names.index(AGAINST)] = 1, -1
    return world(SCENE, stances, 3)


@pytest.fixture
def embedded(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An embedded corpus whose model cannot be loaded, with its poles in the cache."""
    monkeypatch.setattr("huggingface_hub.cached_assets_path", lambda *_, namespace: tmp_path / namespace)
    poles_of(made).save(tmp_path / "poles" / f"{MADE.fingerprint[:20]}.parquet")
    corpus_of(made).save(tmp_path / "e.parquet")
    return tmp_path / "e.parquet"


def test_the_sentence_comes_first_then_the_strongest_then_what_to_know(univar, embedded):
    run = univar("values", embedded)
    assert (run.code, run.err) == (0, "")
    lines = run.out.splitlines()
    assert lines[0].startswith(
        "m0 (eng) stands for thrift, against obedience; 87 of 87 values readable, n = 522 answers"
    )
    assert any(line.split()[0] == "thrift" and line.split()[-1] == "*" for line in lines[1:] if line.strip())
    assert any("67 between (--all)" in line for line in lines)
    assert any(line.startswith("522 of 522 answers were read") for line in lines)


def test_all_of_them_fit_a_phone(univar, embedded, monkeypatch):
    monkeypatch.setattr(out, "width", 48)
    run = univar("values", embedded, "--all")
    assert "between" not in run.out
    table = run.out.split("answers were read")[0].splitlines()[1:-1]
    assert len(table) > 87
    assert max(map(len, table)) <= 48


def test_levels_and_json(univar, embedded):
    run = univar("values", embedded, "--by", "schwartz", "--json")
    assert (run.code, run.err) == (0, "")
    found = json.loads(run.out)
    assert found["by"] == "schwartz"
    assert len(found["profiles"][0]["readings"]["schwartz"]) == 10
    assert found["rejected"] == {}


def test_one_value_shows_the_answers_that_say_it_most(univar, embedded):
    run = univar("values", embedded, "--value", FOR)
    assert run.code == 0
    assert "m0 (eng) stands for thrift; 1 of 87 values readable, n = 6 answers to 6 questions" in run.out
    assert run.out.count("Said at +") >= 3


def test_files(univar, embedded):
    for suffix in ("md", "json", "html"):
        assert univar("values", embedded, "--out", f"v.{suffix}").code == 0
    assert Path("v.md").read_text().count("\n| m0 (eng) |") == 87
    assert json.loads(Path("v.json").read_text())["readable"]["value"]["of"] == 87
    page = Path("v.html").read_text()
    assert '<p class="sentence">m0 (eng) stands for thrift' in page
    assert 'src="http' not in page
    assert len(page) < 7_000_000


def test_a_plan_needs_no_answers_but_a_model_or_answers(univar, embedded):
    run = univar("values", embedded, "--plan")
    assert run.code == 0
    assert run.out.startswith("For a stance on one value, ± 0.5 takes ")
    assert "error, ±" in run.out
    assert json.loads(univar("values", embedded, "--plan", "--json").out)["basis"] == "answers"


def test_a_model_that_cannot_be_loaded_is_told_with_the_way_out(univar, made, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.cached_assets_path", lambda *_, namespace: tmp_path / namespace)
    corpus_of(made).save(tmp_path / "e.parquet")
    failed(univar("values", "e.parquet"), "'planted' cannot be loaded by its name", "in the terminal --model FOLDER")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["CORPUS", "name the answers; only --plan has something to say without them"]),
        (["e.parquet", "--value", "thrifty"], ["--value", "did you mean thrift"]),
        (["e.parquet", "--value", "thrift", "--by", "family"], ["--value", "leave --by out"]),
        (["--plan", "--by", "family"], ["--by", "--plan makes none"]),
        (["--plan", "--out", "p.html"], ["--out", "a plan is written as .md or .json"]),
        (["e.parquet", "--by", "kind"], ["'--by'", "schwartz"]),
    ],
)
@pytest.mark.usefixtures("embedded")
def test_wrong_use_is_told_before_any_work(univar, arguments, parts):
    failed(univar("values", *arguments), *parts, code=2)


def test_answers_without_values_are_refused_before_any_is_encoded(univar):
    Path("rows.csv").write_text("question,answer,model,lang\nIs rain wet?,Yes.,m,eng\n")
    run = univar("values", "rows.csv", "--model", "./none")
    failed(run, "none of 1 answers is to a question of the bank or names one of the 87 values; ask the questions")

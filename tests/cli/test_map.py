"""`univar map`: which axes, what it says of them, and what it refuses before any work."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.calibration_values import World, world
from tests.analysis.map.test_axes import MADE, THRIFT, embedded_poles, planted
from tests.conftest import failed
from univar.analysis.map.naming import value_poles
from univar.corpus.questions.poles import poles


@pytest.fixture(scope="module")
def made() -> World:
    names = list(dict.fromkeys(str(pole.question.value) for pole in poles()))
    stances = np.zeros((2, len(names)))
    stances[:, names.index("thrift")] = 1, -1
    return world(THRIFT, stances, 3)


@pytest.fixture
def answers(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two LLMs that differ in thrift alone, embedded, with the poles of that encoder in the cache."""
    monkeypatch.setattr("huggingface_hub.cached_assets_path", lambda *_, namespace: tmp_path / namespace)
    embedded_poles(made).save(tmp_path / "poles" / f"{MADE.fingerprint[:20]}.parquet")
    planted(made, value_poles(made.pole_vectors, made.poles)).save(tmp_path / "e.parquet")
    return "e.parquet"


def test_the_sentence_comes_first_then_the_ends_then_the_names(univar, answers):
    run = univar("map", answers, "--axes", "between", "--named", "--out", "map.html")
    assert (run.code, run.err) == (0, "")
    lines = [line for line in run.out.splitlines() if line.strip()]
    assert lines[0].startswith("2 identities, n = ")
    assert "on two axes that hold" in lines[0]
    assert [line.split()[0] for line in lines if line.split()[0] in ("left", "right", "bottom", "top")] == [
        "left", "right", "bottom", "top",
    ]  # fmt: skip
    assert any(line.startswith("Difference 1 follows ") and "by chance the best of 87 values" in line for line in lines)
    assert lines[-1].startswith("The map: ")
    assert "difference 1: " in Path("map.html").read_text(encoding="utf-8")


def test_two_values_and_json(univar, answers):
    run = univar("map", answers, "--axes", "thrift, obedience", "--out", "map.svg", "--json")
    assert (run.code, run.err) == (0, "")
    told = json.loads(run.out)
    assert told["axes_by"] == "values"
    assert [axis["name"].lower() for axis in told["axes"]] == ["thrift", "obedience"]
    assert [len(axis["ends"]["low"]) for axis in told["axes"]] == [3, 3]
    assert told["identities"] == len(told["places"]) == 2
    assert told["places"][0]["x"] > told["places"][1]["x"]


def test_later_answers_have_arrows(univar, answers):
    Path("later.parquet").write_bytes(Path(answers).read_bytes())
    run = univar("map", answers, "later.parquet", "--out", "map.png", "--json")
    assert (run.code, run.err) == (0, "")
    told = json.loads(run.out)
    names = [place["model"] for place in told["places"]]
    assert [(names[start], names[end]) for start, end in told["moves"]] == [("m0", "m0 · later"), ("m1", "m1 · later")]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--axes", "best"], ["--axes", "unknown axes 'best'; allowed: blind, between, or the ids of two values"]),
        (["--axes", "thrift,thrifty"], ["--axes", "did you mean thrift"]),
        (["--axes", "thrift,"], ["--axes", "'' is none of the 87 values"]),
        (["--axes", "between", "--method", "tsne"], ["--axes", "t-SNE has no axes of its own"]),
    ],
)
def test_unknown_axes_are_told_before_any_work(univar, arguments, parts):
    Path("rows.csv").write_text("question,answer,model,lang\nIs rain wet?,Yes.,m,eng\n")
    failed(univar("map", "rows.csv", "--model", "./none", "--out", "m.html", *arguments), *parts, code=2)


def test_one_identity_has_nothing_between(univar, answers):
    from univar.model.embedded import EmbeddedCorpus

    whole = EmbeddedCorpus.load(answers)
    alone = [row for row, record in enumerate(whole.records) if record.model == "m0"]
    EmbeddedCorpus(tuple(whole.records[row] for row in alone), whole.embeddings[alone], MADE).save("alone.parquet")
    run = univar("map", "alone.parquet", "--axes", "between", "--out", "m.html")
    failed(run, "axes between identities need two identities or more, got 1")
    assert not Path("m.html").exists()

"""`univar distances`: a sentence first, then tables, and every number as JSON."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.distances.test_reading import corpus, mine
from tests.conftest import failed


@pytest.fixture
def stored(tmp_path) -> tuple[Path, Path]:
    """Two embedded corpora in which styles differ, and values more."""
    options = {"models": 4, "langs": 2, "style": 0.2}
    mine(corpus(questions=24, values=4, apart=0.5, **options)).save(tmp_path / "values.parquet")
    mine(corpus(questions=20, about="c", **options)).save(tmp_path / "controls.parquet")
    return tmp_path / "values.parquet", tmp_path / "controls.parquet"


def test_the_sentence_comes_first_and_the_tables_fit(univar, stored):
    run = univar("distances", stored[0], "--control", stored[1])
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("The 8 identities differ in values: the mean squared distance is ")
    tables = run.out.partition("\n")[2].partition("Squared distances of unit vectors")[0]
    assert max(map(len, tables.splitlines())) <= 80
    assert "The 20 largest of 28 distances" in run.out
    assert "came first" in tables
    assert "value 0" in tables


def test_json_is_all_there_is_and_what_is_written(univar, stored):
    run = univar(
        "distances", *stored[:1], "--control", stored[1], "--between", "languages", "--json", "--out", "d.json"
    )
    assert run.code == 0, run.err
    found = json.loads(run.out)
    assert found == {**json.loads(Path("d.json").read_text()), "rejected": {}}
    assert found["between"] == "languages"
    assert found["names"] == ["l0", "l1"]
    assert {one["what"] for one in found["told"]} == {"language", "model"}


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_files_are_written_by_their_suffix(univar, stored, suffix):
    run = univar("distances", stored[0], "--between", "models", "--out", f"d{suffix}")
    assert run.code == 0, run.err
    assert run.out.rstrip().endswith(f"Written: d{suffix}")
    text = Path(f"d{suffix}").read_text(encoding="utf-8")
    assert text.startswith("| between |" if suffix == ".md" else "<!doctype html>")
    assert "m0" in text


def test_a_plan_says_how_many_questions(univar, stored):
    run = univar("distances", stored[0], "--plan")
    assert run.code == 0, run.err
    assert "smallest seen" in run.out
    assert "With the 24 questions at hand the 95 % interval of a typical pair" in run.out
    found = json.loads(univar("distances", stored[0], "--plan", "--json").out)
    assert len(found["rows"]) > 3
    failed(univar("distances", stored[0], "--plan", "--out", "p.html"), "a plan is written as .md or .json", code=2)


def test_answers_are_embedded_first(univar, answers, tiny_encoder_folder):
    run = univar("distances", answers, "--model", tiny_encoder_folder)
    assert run.code == 0, run.err
    assert run.out.startswith("The 3 identities give different answers: ")


def test_what_cannot_be_compared_ends_in_one_line(univar, stored):
    failed(univar("distances", stored[0], "--control", stored[0]), "is the corpus itself", code=2)
    mine(corpus(models=1)).save("one.parquet")
    failed(univar("distances", "one.parquet"), "need two or more that can be compared, got 1 (m0 (l0))")
    mine(corpus(about="c"), "1").save("other.parquet")
    failed(univar("distances", stored[0], "--control", "other.parquet"), "embed both by one model")
    records, rows = corpus(models=2)
    damaged = mine((records, rows))
    damaged.embeddings[0] = np.nan
    damaged.save("nan.parquet")
    failed(univar("distances", "nan.parquet"), "1 of 80 vectors are not finite", "univar encode ANSWERS")

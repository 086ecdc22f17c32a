"""`univar style`: a sentence first, then a table, and every number as JSON."""

import json
from pathlib import Path

import numpy as np
import pytest

import univar as library
from tests.conftest import failed
from univar.corpus.records import QARecord, write_corpus
from univar.model.embedded import EmbeddedCorpus
from univar.model.encoding import Provenance


def records(about: str) -> list[QARecord]:
    said = {"a": "yes always honest", "b": "**no** never save!", "c": "- i think\n- one should help"}
    return [
        QARecord(f"{about}{number}", f"is it {about} {number}", answer, model, "eng")
        for number in range(12)
        for model, answer in said.items()
    ]


@pytest.fixture
def corpora(tmp_path) -> tuple[Path, Path]:
    for name in ("values", "controls"):
        write_corpus(records(name), tmp_path / f"{name}.parquet")
    return tmp_path / "values.parquet", tmp_path / "controls.parquet"


def test_the_sentence_comes_first_and_the_table_fits(univar, corpora, tiny_encoder_folder):
    run = univar("style", corpora[0], "--control", corpora[1], "--model", tiny_encoder_folder)
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("Of the squared distance between 3 identities, ")
    assert "the distance is not shown to be more than style." in run.out.splitlines()[0]
    table = run.out.partition("\n")[2].partition("Shares are percent")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert [kind for kind in ("as written", "restyled", "whole answers", "style alone") if kind not in table] == []


def test_json_is_all_there_is_and_what_is_written(univar, corpora, tiny_encoder_folder):
    run = univar("style", corpora[0], "--model", tiny_encoder_folder, "--json", "--out", "s.json")
    assert run.code == 0, run.err
    found = json.loads(run.out)
    assert found == {**json.loads(Path("s.json").read_text()), "rejected": {}}
    assert [row["reason"] for row in found["rows"] if row["kind"].startswith("control")] == [
        "no control answers given",
        "no control answers given",
    ]


def test_an_embedded_corpus_is_read_by_its_own_model_and_files_are_written(univar, corpora, tiny_encoder_folder):
    library.embed(corpora[0], str(tiny_encoder_folder)).save("e.parquet")
    for suffix, start in ((".md", "| answers |"), (".html", "<!doctype html>")):
        run = univar("style", "e.parquet", "--out", f"s{suffix}")
        assert run.code == 0, run.err
        assert run.out.rstrip().endswith(f"Written: s{suffix}")
        assert Path(f"s{suffix}").read_text(encoding="utf-8").startswith(start)


def test_what_cannot_be_compared_ends_in_one_line(univar, corpora):
    failed(univar("style", corpora[0], "--control", corpora[0]), "is the corpus itself", code=2)
    rows = np.random.default_rng(0).normal(size=(36, 8)).astype(np.float32)
    made = [Provenance("gone/model", digit * 64, None) for digit in "01"]
    stored = [EmbeddedCorpus(tuple(records("v")), rows, one) for one in made]
    for number, one in enumerate(stored):
        one.save(f"{number}.parquet")
    failed(univar("style", "0.parquet", "--control", "1.parquet"), "embed both by one model")
    failed(univar("style", "0.parquet", "--control", corpora[1]), "one corpus is embedded and the other cannot be")
    EmbeddedCorpus(tuple(records("v")[::3]), rows[::3], made[0]).save("one.parquet")
    failed(univar("style", "one.parquet"), "need two or more that can be compared, got 1 (a (eng))")
    stored[0].embeddings[0] = np.nan
    stored[0].save("nan.parquet")
    failed(univar("style", "nan.parquet"), "1 of 36 vectors are not finite", "univar encode ANSWERS")

"""`univar evaluate --stance`: of a corpus, of the poles that ship, and what is refused."""

import json
from dataclasses import replace

import pytest

from tests.conftest import failed
from univar.corpus.questions import poles as shipped
from univar.corpus.records import QARecord, write_corpus


@pytest.fixture
def stances(tmp_path):
    """A corpus of 60 questions, each answered from both ends by two LLMs."""
    said = {("aya", 1.0): "yes always", ("aya", -1.0): "no always", ("solar", 1.0): "yes i", ("solar", -1.0): "no i"}
    records = [
        QARecord(f"q{number}", f"is it right to lie {number}", answer, model, "eng", stance=stance)
        for number in range(60)
        for (model, stance), answer in said.items()
    ]
    write_corpus(records, tmp_path / "stances.parquet")
    return tmp_path / "stances.parquet"


def test_a_corpus_is_measured_by_models_and_words(univar, stances, tiny_encoder_folder):
    run = univar("evaluate", stances, "--stance", "--model", tiny_encoder_folder, "--model", "tfidf", "--out", "t.md")
    assert run.code == 0, run.err
    for measure in ("retrieval", "pairs", "triplets"):
        assert f"{measure}: n = 240 answers in 60 groups, chance 50.0" in run.out
    assert "over tfidf" in run.out
    assert "Answers with a stance, all parts: 240 to 60 questions or claims" in " ".join(run.out.split())
    assert max(map(len, run.out.splitlines()[:20])) <= 80
    with open("t.md", encoding="utf-8") as table:
        assert "| triplets | tfidf | 240 | 60 | 50.0 |" in table.read()


def test_the_result_is_json_where_asked(univar, stances):
    run = univar("evaluate", stances, "--stance", "--part", "test", "--model", "tfidf", "--json")
    found = json.loads(run.out)
    assert {row["measure"] for row in found["rows"]} == {"retrieval", "pairs", "triplets", "correlation"}
    assert found["selection"]["part"] == "test"
    assert found["selection"]["n"] + found["selection"]["other_parts"] == 240
    assert found["rejected"] == {}


def test_an_embedded_corpus_is_measured_without_encoding(univar, stances, tiny_encoder_folder):
    assert univar("encode", stances, "--model", tiny_encoder_folder, "--out", "e.parquet").code == 0
    encoded = json.loads(univar("evaluate", stances, "--stance", "--model", tiny_encoder_folder, "--json").out)
    stored = json.loads(univar("evaluate", "e.parquet", "--stance", "--json").out)
    assert len(stored["stored"]) == 1
    measured = [row["score"] for row in encoded["rows"]]
    assert [row["score"] for row in stored["rows"][::2]] == pytest.approx(measured, abs=1e-6)


def test_without_a_corpus_the_poles_that_ship_are_measured(univar, tiny_encoder_folder, monkeypatch):
    # Of each kind of question, by the splits of its four poles, a few.
    every = shipped.poles()
    some = every[: 4 * 60]
    monkeypatch.setattr("univar.analysis.stance_comparison.poles", lambda: some)
    run = univar("evaluate", "--stance", "--model", tiny_encoder_folder, "--json")
    assert run.code == 0, run.err
    selection = json.loads(run.out)["selection"]
    assert (selection["source"], selection["part"]) == ("poles", "test")
    assert selection["n"] == sum(pole.split == "test" for pole in some)
    everything = json.loads(univar("evaluate", "--stance", "--part", "all", "--model", "tfidf", "--json").out)
    assert everything["rows"][0]["n"] == 240


def test_what_says_nothing_together_is_refused(univar, stances, answers):
    failed(univar("evaluate"), "name the answers; only --stance has some of its own", code=2)
    failed(univar("evaluate", answers, "--part", "test"), "--part", "belongs to --stance", code=2)
    failed(univar("evaluate", stances, "--stance", "--k", "5"), "--k", "says nothing of stances", code=2)
    failed(univar("evaluate", stances, "--stance", "--control", answers), "--control", "says nothing", code=2)
    failed(univar("evaluate", "--stance", "--lang", "eng"), "name the answers", "without options of reading", code=2)


def test_a_corpus_that_says_nothing_is_refused_in_a_line(univar, answers, records):
    failed(univar("evaluate", answers, "--stance", "--model", "tfidf"), "none of 120 QAs has one", "column stance")
    write_corpus([replace(record, stance=1.0) for record in records], "same.parquet")
    failed(univar("evaluate", "same.parquet", "--stance", "--model", "tfidf"), "all 120 stances are 1")

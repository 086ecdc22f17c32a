"""`univar shift`: what it prints and writes, and what it refuses."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import WORDS, failed
from univar.corpus.records import QARecord, write_corpus
from univar.model.embedded import EmbeddedCorpus
from univar.model.encoding import Provenance


@pytest.fixture
def moved(tmp_path: Path, records: list[QARecord]) -> None:
    """Files of one LLM before and after, and their vectors."""
    words = WORDS.split()
    mine = [record for record in records if record.model == "aya"]
    mine = [dataclasses.replace(one, answer=f"yes {words[at % 20]}") for at, one in enumerate(mine)]
    write_corpus(mine, tmp_path / "base.parquet")
    said = [f"no <b>never\x1b[31m {words[at % 19]}" for at in range(len(mine))]
    tuned = [dataclasses.replace(one, answer=answer) for one, answer in zip(mine, said, strict=True)]
    write_corpus(tuned, tmp_path / "tuned.parquet")
    vectors = np.random.default_rng(0).normal(size=(3, len(mine), 8)).astype(np.float32)
    made = Provenance("mine", "0" * 64, None)
    for name, rows in zip(("v0", "v1", "v2"), vectors + np.reshape([0, 0, 1], (3, 1, 1)), strict=True):
        EmbeddedCorpus(tuple(mine), rows.astype(np.float32), made).save(tmp_path / f"{name}.parquet")


@pytest.mark.usefixtures("moved")
def test_the_sentence_comes_first_then_tables_then_where_files_went(univar, tiny_encoder_folder):
    run = univar("shift", "base.parquet", "tuned.parquet", "--model", tiny_encoder_folder, "--out", "found.md")
    assert (run.code, run.err) == (0, "")
    lines = run.out.splitlines()
    assert lines[0].startswith("Its answers moved from base to tuned by ")
    assert "40 questions" in lines[0]
    assert "moved most" in run.out
    assert "\x1b" not in run.out
    assert lines[-1] == "Written: found.md"
    text = Path("found.md").read_text()
    assert "| tuned |  | shift |" in text
    assert "<b>" not in text


@pytest.mark.usefixtures("moved")
def test_a_trajectory_of_embedded_corpora_encodes_nothing(univar):
    run = univar("shift", "v0.parquet", "v1.parquet", "v2.parquet", "--json")
    assert run.code == 0
    found = json.loads(run.out)
    assert (found["before"], [one["name"] for one in found["shifts"]]) == ("v0", ["v1", "v2"])
    assert [one["seen"] for one in found["shifts"]] == [False, True]
    assert found["rejected"] == {}


@pytest.mark.usefixtures("moved")
def test_controls_stand_beside(univar):
    run = univar(
        "shift", "v0.parquet", "v1.parquet", "v2.parquet", "--control-before", "v0.parquet",
        "--control-after", "v1.parquet", "--control-after", "v2.parquet", "--json",
    )  # fmt: skip
    shifts = json.loads(run.out)["shifts"]
    assert all(one["control"]["squared"] == one["movement"]["squared"] for one in shifts)
    assert [one["of_values"] for one in shifts] == [False, False]


@pytest.mark.usefixtures("moved")
def test_a_plan_is_made_of_one_set_or_two(univar):
    run = univar("shift", "v0.parquet", "--plan", "--out", "plan.json")
    assert run.code == 0
    assert run.out.startswith("40 questions asked once before and after show a shift of ")
    assert json.loads(Path("plan.json").read_text())["told"] == "topics"
    found = json.loads(univar("shift", "v0.parquet", "v2.parquet", "--plan", "--json").out)
    assert found["told"] == "questions"
    assert [row["questions"] for row in found["rows"]] == [10, 30, 40, 87, 174, 435, 870]


@pytest.mark.usefixtures("moved")
def test_the_picture_is_a_page_of_its_own(univar):
    assert univar("shift", "v0.parquet", "v2.parquet", "--out", "shift.html").code == 0
    page = Path("shift.html").read_text()
    assert "Plotly.react(" in page
    assert 'src="http' not in page


@pytest.mark.usefixtures("moved")
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["v0.parquet"], ["name answers after the change; only --plan needs none"]),
        (
            ["v0.parquet", "v1.parquet", "--control-before", "v0.parquet"],
            ["--control-after for each of the 1 AFTER"],
        ),
        (["v0.parquet", "v1.parquet", "--control-after", "v0.parquet"], ["needs --control-before"]),
        (["v0.parquet", "v1.parquet", "v2.parquet", "--plan"], ["at most one AFTER"]),
        (["v0.parquet", "--plan", "--out", "p.html"], ["of a plan .md or .json is written"]),
        (["v0.parquet", "v1.parquet", "--out", "p.png"], ["a file that ends in .md or .json or .html is written"]),
        (["v0.parquet", "v1.parquet", "--out", "v0.parquet"], [".md"]),
    ],
)
def test_what_says_nothing_together_is_refused(univar, arguments, parts):
    failed(univar("shift", *arguments), *parts, code=2)


@pytest.mark.usefixtures("moved")
def test_answers_that_cannot_be_compared_are_one_line(univar, records):
    other = [dataclasses.replace(one, question=f"another {one.question}") for one in records if one.model == "aya"]
    vectors = np.ones((len(other), 8), np.float32)
    EmbeddedCorpus(tuple(other), vectors, Provenance("mine", "0" * 64, None)).save("other.parquet")
    failed(univar("shift", "v0.parquet", "other.parquet"), "share no question, and a shift is told from 2 or more")
    EmbeddedCorpus(tuple(other), vectors, Provenance("its", "1" * 64, None)).save("its.parquet")
    failed(univar("shift", "v0.parquet", "its.parquet"), "embedded by mine (000000000000…) and by its (111111111111…)")
    EmbeddedCorpus(tuple(records), np.ones((len(records), 8), np.float32), Provenance("mine", "0" * 64, None)).save(
        "all.parquet"
    )
    failed(univar("shift", "v0.parquet", "all.parquet"), "the answers after are by 3 LLMs (aya, mixtral, solar)")

"""`univar people` in the terminal."""

import json
from pathlib import Path

import pytest

from tests.analysis.people.test_reading import corpus
from tests.conftest import failed


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    corpus().save(tmp_path / "e.parquet")
    return tmp_path / "e.parquet"


def test_the_sentence_comes_first_then_a_table(univar, embedded):
    run = univar("people", embedded, "--out", "people.md")
    assert run.code == 0, run.err
    lines = [line.strip() for line in run.out.splitlines()]
    assert lines[0].startswith("The languages lie apart as the societies that speak them do in Hofstede")
    assert any(line.startswith("apart as in") for line in lines)
    assert lines[-1] == "Written: people.md"
    table = [line for line in lines if line.startswith(("Hofstede ", "Inglehart-Welzel ", "Schwartz "))]
    assert len(table) == 3
    assert all(len(line) < 80 and "…" not in line for line in table)
    assert any(line.startswith("Hofstede: power distance") for line in lines)
    assert "| Hofstede | 12 | " in Path("people.md").read_text()


def test_json_and_pages(univar, embedded):
    found = json.loads(univar("people", embedded, "--json", "--out", "people.json").out)
    assert found == {**json.loads(Path("people.json").read_text()), "rejected": {}}
    assert univar("people", embedded, "--out", "people.html").code == 0
    assert Path("people.html").read_text().startswith("<!doctype html>")


def test_scores_of_ones_own(univar, embedded):
    Path("mine.csv").write_text(
        "society,trust\n" + "".join(f"{s},{n}\n" for n, s in enumerate(("DEU", "FRA", "ITA", "SWE")))
    )
    run = univar("people", embedded, "--people", "mine.csv")
    assert "in mine (Spearman Mantel r = " in run.out
    failed(univar("people", embedded, "--people", "mine.csv", "--lang", "jpn"), "these answers are in jpn; ask in more")
    failed(univar("people", embedded, "--people", "mine.csv", "--out", "e.parquet"), "a file that ends in", code=2)
    Path("mine.csv").write_text("land,trust\nFRA,1\n")
    failed(
        univar("people", embedded, "--people", "mine.csv"),
        "has the columns 'land', 'trust'; it needs one named society",
    )

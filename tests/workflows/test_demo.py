"""The demo: what it simulates, that no text is encoded twice, what it writes, and what it never overwrites."""

import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from univar.analysis.geometry import GeometryAgreement
from univar.analysis.statistics import Interval
from univar.corpus.readers import read_corpus
from univar.corpus.records import question_hash
from univar.corpus.simulation import asked_questions, simulate_controls
from univar.workflows import demo
from univar.workflows.demo import FILES, MODELS, agreement_sentence, run_demo

SMALL: dict[str, Any] = {"identities": 4, "questions": 20, "seed": 7}


class WordCounter:
    """Encodes a text by how often it has each of a few words, and remembers what it was asked for."""

    WORDS = ("not", "should", "people", "i ", "**", "never", "always", "the ")

    def __init__(self, trained_on: list[str] | None = None, constant: bool = False) -> None:
        self.texts: list[str] = []
        self.training_record = {"questions": trained_on or []}
        self.constant = constant

    def encode(self, texts: list[str], **_: Any) -> np.ndarray[Any, Any]:
        self.texts.extend(texts)
        if self.constant:
            return np.ones((len(texts), 3), dtype=np.float32)
        counts = [[1.0 + text.lower().count(word) for word in self.WORDS] for text in texts]
        return np.array(counts, dtype=np.float32) / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, WordCounter]:
    """Stand-ins for the shipped weights and their base encoder."""
    named = {name: WordCounter() for name in MODELS}
    monkeypatch.setattr(demo, "load_model", lambda name: named[name])
    return named


@pytest.mark.usefixtures("models")
def test_a_report_is_written_that_can_be_read_without_univar(tmp_path):
    said: list[str] = []
    found = run_demo(tmp_path / "new" / "demo", **SMALL, step=said.append)
    folder = tmp_path / "new" / "demo"
    assert found.folder == folder
    assert {path.name for path in folder.iterdir()} == FILES.keys()
    assert list(folder.parent.iterdir()) == [folder]
    report = (folder / "README.md").read_text()
    assert [name for name in FILES if f"`{name}`" not in report] == []
    for part in ("4 LLMs were simulated", "n = 6 pairs of 4 LLMs", "| values | univar | 4 |", "Not for ranking LLMs"):
        assert part in report
    for name, agreement in found.geometry.items():
        low, high = agreement.stances_interval
        assert f"| {name} | {agreement.stances:.2f} [{low:.2f}, {high:.2f}] |" in report
    assert (folder / "map.html").read_text().count("Simulated LLMs with known values") >= 1
    assert (folder / "map.png").read_bytes().startswith(b"\x89PNG")
    assert len(said) == 3


@pytest.mark.usefixtures("models")
def test_the_numbers_are_there_for_programs(tmp_path):
    found = run_demo(tmp_path / "demo", **SMALL)
    identification = json.loads((tmp_path / "demo" / "identification.json").read_text())
    geometry = json.loads((tmp_path / "demo" / "geometry.json").read_text())
    assert {"identification": identification, "geometry": geometry} == json.loads(json.dumps(found.to_dict()))
    assert [(row["corpus"], row["representation"]) for row in identification["rows"]] == [
        (corpus, name) for corpus in ("values", "control") for name in ("univar", "base", "tfidf")
    ]
    assert geometry.keys() == set(MODELS)
    assert (geometry["univar"]["n_identities"], geometry["univar"]["n_pairs"]) == (4, 6)
    assert geometry["univar"]["stances_interval"].keys() == {"low", "high"}


@pytest.mark.usefixtures("models")
def test_the_corpora_are_like_a_users_own(tmp_path):
    run_demo(tmp_path / "demo", **SMALL)
    values, controls = (list(read_corpus(tmp_path / "demo" / f"{name}.parquet")) for name in ("answers", "controls"))
    assert (len(values), len(controls)) == (4 * 20, 4 * 10)
    assert {record.identity for record in values} == {record.identity for record in controls}
    assert {record.value for record in controls} == {None}


def test_every_text_is_encoded_once_by_each_model_and_the_bar_follows(models, tmp_path):
    followed: Counter[str] = Counter()

    def track(batches: Any, description: str) -> Any:
        for batch in batches:
            followed[description] += len(batch)
            yield batch

    run_demo(tmp_path / "demo", **SMALL, track=track)
    values, controls = (list(read_corpus(tmp_path / "demo" / f"{name}.parquet")) for name in ("answers", "controls"))
    for name, model in models.items():
        assert sorted(model.texts) == sorted({record.text for record in [*values, *controls]})
        assert followed[f"Encoding with {name}"] == len(model.texts)


def test_questions_that_were_trained_on_are_not_asked(models, tmp_path):
    trained = {question_hash(question.text) for question in asked_questions(30, seed=SMALL["seed"])}
    models["univar"].training_record["questions"] = sorted(trained)
    found = run_demo(tmp_path / "demo", **SMALL)
    asked = {question_hash(record.question) for record in read_corpus(tmp_path / "demo" / "answers.parquet")}
    assert len(asked) == 20
    assert asked & trained == set()
    assert found.comparison.selections[0].trained_on == 0


@pytest.mark.usefixtures("models")
def test_the_same_seed_gives_the_same_numbers(tmp_path):
    numbers = [run_demo(tmp_path / name, **SMALL).to_dict() for name in ("one", "two")]
    assert numbers[0] == numbers[1]
    assert run_demo(tmp_path / "three", **{**SMALL, "seed": 8}).to_dict() != numbers[0]


@pytest.mark.usefixtures("models")
def test_an_earlier_demo_is_replaced_and_nothing_else(tmp_path):
    run_demo(tmp_path / "demo", **SMALL)
    (tmp_path / "demo" / "README.md").write_text("old")
    run_demo(tmp_path / "demo", **SMALL)
    assert (tmp_path / "demo" / "README.md").read_text() != "old"
    (tmp_path / "demo" / "distances.png").unlink()  # which earlier versions did not write
    run_demo(tmp_path / "demo", **SMALL)
    (tmp_path / "empty").mkdir()
    run_demo(tmp_path / "empty", **SMALL)
    (tmp_path / "demo" / "notes.txt").write_text("mine")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "answers.parquet").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, found in [("demo", "notes.txt"), ("work", "only a part of a demo"), ("file", "file")]:
        with pytest.raises(FileExistsError, match=rf"{name} holds something else .* \({found}\); give a new folder"):
            run_demo(tmp_path / name, **SMALL)
    assert (tmp_path / "work" / "answers.parquet").read_text() == "mine"
    assert (tmp_path / "demo" / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("models")
def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "draw_map", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path / "demo", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_where_all_answers_look_alike_no_correlation_is_made_up(models, tmp_path):
    models["base"].constant = True
    found = run_demo(tmp_path / "demo", **SMALL)
    assert math.isnan(found.geometry["base"].stances)
    geometry = json.loads((tmp_path / "demo" / "geometry.json").read_text(), parse_constant=pytest.fail)
    assert geometry["base"]["stances"] is None
    assert geometry["base"]["style_interval"] == {"low": None, "high": None}


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"questions": 19}, "questions must be 20 to [0-9]+, got 19"),
        ({"questions": 10**6}, "questions must be 20 to [0-9]+, got 1000000"),
        ({"identities": 3}, "at least 4 identities, got 3"),
        ({"seed": -1}, "seed"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        run_demo(tmp_path / "demo", **{**SMALL, **options})
    assert list(tmp_path.iterdir()) == []


def test_a_geometry_is_told_with_n_and_intervals():
    agreement = GeometryAgreement(0.712, Interval(0.5, 0.85), -0.04, Interval(-0.3, 0.251), 16, 120)
    assert agreement_sentence("univar", agreement) == (
        "univar: the distances between LLMs, value by value, follow their stances with Spearman's rho 0.71 "
        "[0.50, 0.85] and their style "
        "with -0.04 [-0.30, 0.25] (n = 120 pairs of 16 LLMs; 95 % intervals by bootstrap over LLMs)."
    )


@pytest.mark.timeout(600)
def test_the_shipped_weights_follow_the_stances_of_new_identities_and_not_their_styles(monkeypatch, tmp_path):
    # Control answers, which geometry does not look at, take a third of the time.
    monkeypatch.setattr(
        demo, "simulate_controls", lambda simulation, _, seed: simulate_controls(simulation, 4, seed=seed)
    )
    found = run_demo(tmp_path / "demo", identities=12, questions=48).geometry
    assert found["univar"].stances > 0.8
    assert found["univar"].stances_interval.low > found["univar"].style_interval.high
    assert found["univar"].stances_interval.low > found["base"].stances_interval.high

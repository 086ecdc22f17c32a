"""What encoders are measured on, and how."""

import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipes import evidence
from recipes.measured import _nearest, identified, stance_tasks, value_precisions, views_named, whole_questions
from recipes.stance_corpora import MEASURED_ONLY, PEOPLE, part_of
from univar.analysis.statistics import cluster_bootstrap
from univar.corpus.records import QARecord

TOPICS = [f"Town number {number} should have a tram" for number in range(120)]
YES = "Everybody gains by it in the end, as all who have lived beside a line will tell you gladly, and many do"
NO = "Nobody needs it, it is dear and loud, and those who want one will be gone before the first bill is due"


def encoder_of(*marks: str):
    """Vectors that hold whether a text has each of some words, and a little of everything else in it."""

    def encode(gallery, query):
        def vector(text):
            noise = np.random.default_rng(zlib.crc32(text.encode())).normal(size=8) / 20
            return np.concatenate([[3.0 * (mark in text) for mark in marks], [1.0], noise])

        sides = [np.array([vector(text) for text in side]) for side in (gallery, query)]
        return sides[0], sides[1]

    return encode


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small files with the columns of the public ones, in which the stance is a word."""
    data = tmp_path_factory.mktemp("measured")
    stance = data / "stance"
    stance.mkdir()
    sided = pd.DataFrame(
        {"topic": topic, "text": f"{words} {n} {topic}", "label": label, "lang": "en", "author": "", "extra": "{}"}
        for topic in TOPICS
        for label, words in ((1, YES), (-1, NO))
        for n in range(3)
    )
    for name in (*PEOPLE, *MEASURED_ONLY):
        sided.to_parquet(stance / f"{name}.parquet")
    signed = pd.DataFrame(
        {"text_id": f"{topic}{label}{n}", "text": f"{words} {n} {topic}", "value": topic, "label": float(label)}
        for topic in TOPICS
        for label, words in ((1, YES), (-1, NO))
        for n in range(3)
    )
    signed.to_parquet(stance / "persona_statements.parquet")
    for name in ("train", "val_test"):
        pd.DataFrame(
            {"text_id": f"{topic}{value}", "text": f"{words} {topic}", "context": topic, "value": value}
            for topic in TOPICS
            for value, words in (("Wealth", YES), ("Calm", NO))
        ).to_parquet(stance / f"valueeval23_{name}.parquet")
    for name, field, scale in (("valuebench", "llm_rating", 10), ("moral_vignettes", "rating", 4)):
        rated(field, scale).to_parquet(data / f"{name}.parquet")
    rated("none", 1, said=True).to_parquet(data / "political_compass.parquet")
    return data


def rated(field: str, scale: int, *, said: bool = False) -> pd.DataFrame:
    """Four LLMs, two of which say yes to the even questions and two to the odd ones; each in words of its own."""
    rows = []
    for number, topic in enumerate(TOPICS):
        for place, model in enumerate(("ann", "bob", "cyd", "dan")):
            for turn in range(2):
                yes = (number + place + turn * said) % 2 == 0
                outright = f"I {'agree' if yes else 'disagree'}. " if said else ""
                rows.append(
                    {
                        "question_id": topic,
                        "question": topic,
                        "answer": f"{outright}{YES if yes else NO}, says {model} of {topic} for time {turn}.",
                        "model": model,
                        "lang": "eng",
                        "sample": turn,
                        "extra": json.dumps({field: scale * yes}),
                    }
                )
    return pd.DataFrame(rows)


def test_only_topics_and_questions_of_the_test_part_are_measured(folder):
    tasks = {task.name: task for task in stance_tasks(folder)}
    for name in (*PEOPLE, "persona_statements", "political_compass"):
        assert {part_of(str(record.claim), few=True) for record in tasks[name].records} == {"test"}
    for name in ("valuebench", "moral_vignettes", "poles"):
        assert tasks[name].part == "test"
        assert {"train", "test"} <= set(tasks[name].splits)


def test_every_stance_is_measured_and_vectors_of_stances_have_all_of_it(folder):
    knows, voices = encoder_of("Everybody", "Nobody"), encoder_of("ann", "bob", "cyd", "dan")
    _, rows = evidence.stances(folder, {"univar": knows, "base": voices, "tfidf": knows}, [knows, voices])
    found = {(row["answers"], row["measure"]): row for row in rows if row["answers"] != "poles"}
    assert len(found) == 2 * 12
    assert {row["univar"]["score"] for (_, measure), row in found.items() if measure in ("pairs", "triplets")} == {1.0}
    assert found["valuebench", "correlation"]["univar"]["score"] > 0.99
    # The same stance by another author against the opposite by the same: vectors of authors are always wrong.
    assert found["political_compass", "triplets"]["base"]["score"] < 0.1
    assert found["political_compass", "triplets"]["over base"]["low"] > 0.9


def test_a_table_of_stances_shows_what_is_gained(folder):
    knows = encoder_of("Everybody", "Nobody")
    found = evidence.stances(folder, {"univar": knows, "base": knows, "tfidf": knows}, [knows, knows])
    header, rule, first, *_ = found.table().splitlines()
    assert rule.startswith("| --- | --- | ---: |")
    assert "over base" in header
    assert first.startswith("| perspectrum | retrieval | ")
    assert first.endswith("| 100.0 [100.0, 100.0] | +0.0 [+0.0, +0.0] | +0.0 [+0.0, +0.0] | 100.0 ± 0.0 |")
    assert len(found.table().splitlines()) == 2 + len(found.rows)


def test_values_that_words_tell_are_named(folder):
    precisions, chance = value_precisions(folder, encoder_of("Everybody", "Nobody"))
    assert set(precisions) == {"Wealth", "Calm"}
    assert min(precisions.values()) > 0.99
    assert chance == pytest.approx(0.5)


def test_restyled_answers_are_other_answers_of_the_same_stance(folder):
    task = next(task for task in stance_tasks(folder) if task.name == "valuebench")
    other = task.restyled()
    assert [record.stance for record in other.records] == [record.stance for record in task.records]
    assert sum(a.answer != b.answer for a, b in zip(task.records, other.records, strict=True)) > len(task.records) / 2


def records(identities: int, questions: int) -> list[QARecord]:
    return [
        QARecord(f"q{q}", f"What of {q}?", f"llm{i} says {q}", f"llm{i}", "eng")
        for i in range(identities)
        for q in range(questions)
    ]


def test_views_of_many_answers_are_named_by_what_they_have_in_common():
    found, chance = views_named(records(3, 60), encoder_of("llm0", "llm1", "llm2"))
    assert chance == pytest.approx(1 / 3)
    # About 30 questions are the gallery, so that the query has views of 1, 5 and 20 and none of 80.
    assert [one.qas for one in found] == [1, 5, 20]
    assert {one.right for one in found} == {1.0}
    blind, _ = views_named(records(3, 60), encoder_of("nothing"))
    assert blind[0].right < 0.6


def test_the_nearest_centroid_is_by_cosine_from_their_mean():
    # The mean of the centroids is (2, 0); from there they lie at (1, 0) and (-1, 0), and the rows at (5, 1), (-0.1, 9).
    rows, centroids = np.array([[7.0, 1.0], [1.9, 9.0]]), np.array([[3.0, 0.0], [1.0, 0.0]])
    assert _nearest(rows, centroids).tolist() == [0, 1]


def test_whole_questions_are_drawn():
    drawn = whole_questions(records(4, 50), 100)
    counts = pd.Series([record.question for record in drawn]).value_counts()
    assert set(counts) == {4}
    assert 90 < len(drawn) <= 100


def test_control_answers_are_identified_by_half_of_the_questions():
    knn, linear = identified(records(2, 40), encoder_of("llm0", "llm1"))
    assert knn.accuracy == linear.accuracy == 1


def test_cells_show_intervals_signs_and_what_is_missing():
    estimate = {"score": 0.123, "low": -0.1, "high": 0.25}
    assert evidence.cell({"over base": estimate}, "over base") == "+12.3 [-10.0, +25.0]"
    assert evidence.cell({"measure": "correlation", "univar": estimate}, "univar") == "0.12 [-0.10, 0.25]"
    assert evidence.cell({"univar": {"score": None, "low": None, "high": None}}, "univar") == "-"
    assert evidence.cell({"n": 1200}, "n") == "1,200"
    assert evidence.cell({"simulation": 2027}, "simulation") == "2027"
    # The mean of 10 and 30 is 20, their standard deviation the root of (100 + 100) / (2 - 1).
    assert evidence.cell({"seeds": [0.1, 0.3]}, "seeds") == "20.0 ± 14.1"
    assert evidence.cell({}, "over base") == "-"


def test_a_mean_has_an_interval_over_what_it_is_of():
    found = evidence._mean([0.2, 0.4])
    assert found["score"] == pytest.approx(0.3)
    assert (found["low"], found["high"]) == cluster_bootstrap([0.2, 0.4], [0, 1])

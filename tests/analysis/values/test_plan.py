"""How many questions a reading takes: by hand, and against what readings of as many turn out to be off by."""

import json
from dataclasses import replace

import numpy as np
import pytest

import univar
from benchmarks.calibration_values import Scene, World, read, world
from tests.analysis.values.test_reading import MADE, corpus_of
from univar.analysis.results import Result
from univar.analysis.values.plan import PlannedError, ValuesPlan
from univar.analysis.values.reading import ValuesError
from univar.corpus.questions.poles import poles
from univar.model.embedded import EmbeddedCorpus

ALL_POLES = tuple(pole.record for pole in poles())


@pytest.fixture(scope="module")
def made() -> World:
    return world(Scene(values=87, questions=5, samples=2, varying=0.4), np.zeros((1, 87)), 5)


@pytest.fixture(scope="module")
def known(made: World) -> EmbeddedCorpus:
    return EmbeddedCorpus(ALL_POLES, made.pole_vectors.astype(np.float32), MADE)


def by_hand(within: float | None = 0.12) -> ValuesPlan:
    interval = univar.analysis.statistics.Interval(0.6, 0.9)
    return ValuesPlan("answers", (PlannedError(1, 1, 1, 0.78, interval),), 0.04, within, 0.0, 900, 87)


def test_what_is_needed_by_hand():
    # +- 0.5 needs a variance of (0.5 / 1.96)^2 = 0.0651: 0.16 / 0.0651 = 2.46 questions; with three samples of each
    # 0.04 + 0.04 = 0.08: 1.23. +- 0.2 needs 0.0104: 15.4.
    plan = by_hand()
    assert (plan.needed(0.5), plan.needed(0.5, samples=3), plan.needed(0.2)) == (3, 2, 16)
    # What a voice does stays: 1.96 * sqrt(0.03) = 0.34.
    assert replace(plan, manner=0.03).needed(0.3) is None
    assert by_hand(None).needed(0.5) == 1


def test_the_advice_is_in_words():
    assert str(by_hand()) == (
        "For a stance on one value, ± 0.5 takes 3, ± 0.3 takes 7, ± 0.2 takes 16 questions (95 % intervals; one "
        "question leaves ± 0.78, 0.60 to 0.90 by bootstrap over 87 values, n = 900 answers)."
    )
    never = str(replace(by_hand(), manner=0.03))
    assert "± 0.5 takes 5 questions, and ± 0.3 or ± 0.2 is out of reach of 500 questions" in never
    assert (
        "75 % is from sample to sample of one question, the rest from question to question: asking"
        in by_hand().notes()[0]
    )
    assert replace(by_hand(), manner=0.03).notes()[0].startswith("However many questions are asked, ± 0.34 stays")
    assert by_hand(None).notes()[0].startswith("What samples add is not known")


def test_the_plan_keeps_its_promise(made, known):
    # Promised from answers to five questions with two samples: what a mean of two questions with one is off by.
    plan = univar.plan_values(corpus_of(made), poles=known)
    promised = next(row for row in plan.rows if (row.questions, row.samples) == (2, 1))
    fresh = world(Scene(values=87, questions=2, samples=1, varying=0.4), np.zeros((1, 87)), 6)
    _, _, (profile,) = read(fresh)
    missed = np.sqrt(np.mean([one.stance**2 for one in profile.readable()]))
    assert 1.96 * missed == pytest.approx(promised.error, rel=0.25)
    assert plan.basis == "answers"
    assert plan.n == 870


def test_more_questions_and_more_samples_are_off_by_less(made, known):
    plan = univar.plan_values(corpus_of(made), poles=known)
    of_one = [row.error for row in plan.rows if row.samples == 1]
    assert of_one == sorted(of_one, reverse=True)
    assert [row.samples for row in plan.rows[::6]] == [1, 3, 10]
    assert all(row.interval.low < row.error < row.interval.high for row in plan.rows)


def test_without_answers_the_poles_tell(made, known):
    plan = univar.plan_values(poles=known)
    assert (plan.basis, plan.within, plan.n) == ("poles", None, 3480)
    assert "poles in unseen voices; an LLM's stance varies besides" in str(plan)
    assert any(note.startswith("Learned from the poles") for note in plan.notes())
    one_each = {record.value: row for row, record in enumerate(made.records)}
    rows = list(one_each.values())
    few = EmbeddedCorpus(tuple(made.records[row] for row in rows), made.vectors[rows].astype(np.float32), MADE)
    assert univar.plan_values(few, poles=known).basis == "poles"


def test_it_is_a_result(known):
    plan = univar.plan_values(poles=known)
    assert isinstance(plan, Result)
    assert list(plan.to_pandas().columns) == ["questions", "samples", "n", "error", "low", "high"]
    assert json.loads(json.dumps(plan.to_dict(), allow_nan=False))["needed"].keys() == {"0.5", "0.3", "0.2"}
    assert plan.to_markdown().splitlines()[0] == "| questions | samples | answers | error, ± | 95 % interval |"
    assert list(plan.to_pandas()["n"]) == [1, 2, 5, 10, 20, 50]


def test_a_model_that_reads_nothing_plans_nothing():
    noise = np.ones((len(ALL_POLES), 2), dtype=np.float32)
    with pytest.raises(
        ValuesError, match="does not tell the poles of values apart in unseen voices, all values together"
    ):
        univar.plan_values(poles=EmbeddedCorpus(ALL_POLES, noise, MADE))

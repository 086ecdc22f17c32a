"""How many questions show which shift: what is promised before is what is needed after."""

import dataclasses
import json

import numpy as np
import pytest

from tests.analysis.shift.test_reading import BEFORE, CONTROLS, CORE, STYLE, answers, corpus, qa
from univar.analysis.results import Result
from univar.analysis.shift.pairs import ShiftError
from univar.analysis.shift.plan import plan_shift


def smallest(plan, questions: int, samples: int = 1) -> float:
    (row,) = [row for row in plan.rows if (row.questions, row.samples) == (questions, samples)]
    return row.smallest


def test_samples_of_one_llm_tell_what_will_be_seen():
    before = plan_shift(BEFORE)
    assert (before.told, before.questions, before.samples) == ("samples", 174, 1)
    # What the answers after then show: the unit and the noise are the same.
    after = plan_shift(answers(seed=4, samples=2), answers(lambda _: STYLE, seed=5, samples=2))
    assert (after.told, after.samples) == ("samples", 2)
    assert smallest(after, 174, 2) == pytest.approx(smallest(before, 174, 2), rel=0.05)
    row = before.at_hand
    assert row.interval.low < row.smallest < row.interval.high
    assert row.n == 348


def test_more_questions_and_more_samples_show_less_and_less():
    plan = plan_shift(BEFORE)
    sizes = [smallest(plan, questions) for questions in (10, 30, 87, 174, 435, 870)]
    assert sizes == sorted(sizes, reverse=True)
    # Sampling alone: twice the answers are worth as much whichever way, but for the few questions of the smaller.
    assert smallest(plan, 87, 2) == pytest.approx(smallest(plan, 174), rel=0.03)
    assert smallest(plan, 870) == pytest.approx(smallest(plan, 87) / np.sqrt(10), rel=0.05)


def test_a_shift_that_is_not_the_same_everywhere_is_not_helped_by_samples():
    def uneven(question):
        return np.random.default_rng(len(question.question)).normal(size=24)

    plan = plan_shift(answers(seed=1, samples=2, noise=0.2), answers(uneven, seed=2, samples=2, noise=0.2))
    assert smallest(plan, 174, 4) > 0.95 * smallest(plan, 174, 1)


def test_the_advice_names_numbers_of_questions():
    plan = plan_shift(BEFORE)
    text = str(plan)
    assert text.startswith(
        f"174 questions asked once before and after show a shift of {plan.at_hand.smallest:.2g} (95 %"
    )
    for size, number in plan.needed:
        assert f"{number:,} questions for one of {size:g}" in text
        assert number >= 6
    assert "twice as many answers to each would show" in text
    assert isinstance(plan, Result)
    assert json.dumps(plan.to_dict(), allow_nan=False)
    assert plan.to_pandas()["n"].iloc[0] == 20
    assert plan.to_markdown().splitlines()[0].startswith("| questions | samples | answers |")


def test_answers_given_once_are_the_worst_case_and_say_so():
    plan = plan_shift(answers(seed=1))
    assert plan.told == "topics"
    assert {row.samples for row in plan.rows} == {1}
    assert ", at the worst (95 %" in str(plan)
    assert "that is the worst case" in plan.notes()[0]
    twins = dataclasses.replace(BEFORE, embeddings=np.repeat(answers(seed=1).embeddings, 2, axis=0))
    assert plan_shift(twins).told == "topics"  # two answers that are the same tell nothing of chance


def test_pairs_of_single_answers_say_nothing_of_samples():
    plan = plan_shift(answers(seed=1), answers(seed=2))
    assert plan.told == "questions"
    assert {row.samples for row in plan.rows} == {1}
    assert "twice" not in str(plan)


def test_a_plan_of_few_questions_shows_none():
    plan = plan_shift(corpus(qa("Why?"), qa("How?"), qa("Who?")))
    assert "3 questions asked once before and after show no shift" in str(plan)
    assert plan.to_dict()["rows"][0]["smallest"] is None


def test_what_cannot_be_planned_from_is_refused():
    same = dataclasses.replace(BEFORE, embeddings=np.ones_like(BEFORE.embeddings))
    with pytest.raises(ShiftError, match="all answers are the same, so chance cannot be told"):
        plan_shift(same)
    with pytest.raises(ShiftError, match="control questions alone"):
        plan_shift(answers(asked=CONTROLS, seed=1))
    with pytest.raises(ShiftError, match="one question alone"):
        plan_shift(corpus(qa("Why?")))
    with pytest.raises(ShiftError, match="the answers before are by 2 LLMs"):
        plan_shift(corpus(qa("Why?"), qa("How?", name="you")))
    assert len(CORE) == 174

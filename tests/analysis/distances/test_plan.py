"""What a plan promises: what it was made from gives back, more gives more, and the advice follows."""

import json
import math

import numpy as np
import pytest

from tests.analysis.distances.test_reading import corpus
from univar.analysis.distances.noise import Noise, questions_for, smallest, width_of
from univar.analysis.distances.plan import planned
from univar.analysis.distances.reading import distances_of

NOISE = Noise(squared=0.1, alike=0.02, slope=0.4, questions=100, values=1, samples=1.0, sampling=math.nan)


def test_the_smallest_distance_is_where_its_test_and_its_spread_meet():
    # Nothing that grows with the distance, endlessly many degrees of freedom: (1.645 + 0.842) standard deviations, each
    # sqrt(2 * 0.02 / (10000 * 9999)) = 2.0e-5.
    found = smallest(NOISE._replace(slope=0.0), 10_000, 1)
    assert found == pytest.approx((1.645 + 0.8416) * (0.04 / (10_000 * 9_999)) ** 0.5, rel=1e-3)
    assert smallest(NOISE, 10_000, 1) > found


@pytest.mark.parametrize("values", [0, 4])
def test_at_the_number_at_hand_it_is_the_width_at_hand(values):
    found = distances_of(*corpus(models=5, questions=80, values=values, style=0.2))
    made = planned(found.noise, len(found.rows))
    (row,) = [row for row in made.rows if row.questions == 80]
    widths = [one.interval.high - one.interval.low for one in found.rows]
    assert row.width == pytest.approx(np.median(widths), rel=0.15)
    assert (row.samples, row.n, made.pairs) == (1, 160, 10)


@pytest.mark.parametrize("values", [0, 4])
def test_what_is_promised_for_four_times_as_many_questions_comes(values):
    noise = distances_of(*corpus(models=6, questions=40, values=values, style=0.2)).noise
    found = distances_of(*corpus(models=6, questions=160, values=values, style=0.2, seed=1))
    widths = [one.interval.high - one.interval.low for one in found.rows]
    assert width_of(noise, 160, 1) == pytest.approx(np.median(widths), rel=0.3)


def test_more_questions_and_samples_narrow_it():
    noise = NOISE._replace(sampling=0.5)
    by_questions = [width_of(noise, number, 1) for number in (20, 100, 500)]
    by_samples = [width_of(noise, 100, number) for number in (1, 2, 4)]
    assert by_questions == sorted(by_questions, reverse=True)
    assert by_samples == sorted(by_samples, reverse=True)
    assert width_of(noise, 100, 1, alike=True) < width_of(noise, 100, 1)
    number = questions_for(noise, by_questions[1] / 2)
    assert width_of(noise, number, 1) <= by_questions[1] / 2 < width_of(noise, number - 1, 1)
    assert questions_for(noise, 1e-9) is None


def test_samples_are_advised_where_they_bring_more_than_questions():
    assert "ask some questions twice (`univar elicit --samples 2`)" in planned(NOISE, 1).notes()[1]
    little, much = (planned(NOISE._replace(sampling=share), 1).notes()[1] for share in (0.05, 1.0))
    assert "more questions bring more for as many answers" in little
    assert "twice as many samples do what" in much
    records, rows = corpus(models=3, questions=60, style=0.2, samples=2)
    noise = distances_of(records, rows).noise
    # All of the noise of these answers comes with the sample.
    assert noise.samples == 2
    assert noise.sampling == pytest.approx(1, abs=0.15)
    assert {row.samples for row in planned(noise, 3).rows} == {1, 2, 4}


def test_a_plan_is_json_a_table_and_a_sentence():
    made = planned(NOISE, 3, "Untranslated: some.")
    described = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert described["noise"]["sampling"] is None
    assert described["notes"] == made.notes()
    assert made.notes()[0] == described["unread"] == "Untranslated: some."
    assert made.to_markdown().startswith(
        "| questions | samples | answers | interval width | if alike | smallest seen |"
    )
    assert str(made).startswith(
        "With the 100 questions at hand the 95 % interval of a typical pair (squared distance 0.1"
    )
    assert list(made.to_pandas()["questions"]) == [25, 50, 100, 200, 400, 800]
    assert len(made.plot().data) == 1

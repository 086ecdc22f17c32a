"""Verdicts by simulation, the rules by hand, and that distances are those of `univar distances`."""

import dataclasses
import json
import math

import numpy as np
import pytest

from univar.analysis.distances.reading import distances_of
from univar.analysis.statistics import Interval
from univar.analysis.style import verdict
from univar.analysis.style.results import BeyondStyle, StyleVerdict
from univar.analysis.style.surviving import share
from univar.analysis.style.verdict import style_of
from univar.corpus.records import QARecord

WIDTH = 12


def answers(
    means: np.ndarray, questions: int, about: str, seed: int, values: int = 0
) -> tuple[list[QARecord], np.ndarray]:
    """Answers around means `(models, d)` or, of values, `(models, values, d)`; one answer has noise of length 1."""
    generator = np.random.default_rng([seed, ord(about), questions])
    records, rows = [], []
    for model in range(len(means)):
        for k in range(questions):
            value = f"value {k % values}" if values else None
            records.append(QARecord(f"{about}{k}", f"{about}{k}?", "A.", f"m{model}", "eng", value))
            own = means[model, k % values] if means.ndim == 3 else means[model]
            rows.append(own + generator.normal(size=WIDTH) / math.sqrt(WIDTH))
    return records, np.array(rows)


def planted(seed: int, *, looks: float = 0.4, tone: float = 0.4, stances: float = 0.0, models: int = 3) -> dict:
    """LLMs that differ in looks, which restyling takes away, in tone, which it does not, and in stances."""
    generator = np.random.default_rng([seed, 7])
    directions = generator.normal(size=(3, models, 4, WIDTH)) / math.sqrt(WIDTH)
    of_looks, of_tone = looks * directions[0, :, :1], tone * directions[1, :, :1]
    whole = of_looks + of_tone
    of_stances = stances * directions[2]
    return {
        "as written": answers(whole + of_stances, 32, "v", seed, values=4),
        "all three": answers(of_tone + of_stances, 32, "v", seed, values=4),
        "control": answers(whole[:, 0], 28, "c", seed),
        "control, all three": answers(of_tone[:, 0], 28, "c", seed),
    }


def uncontrolled(versions: dict) -> dict:
    return {kind: given for kind, given in versions.items() if "control" not in kind}


@pytest.fixture
def nobody_named(monkeypatch):
    """Leaves out how well identities are named, which takes most of the time and no part in a verdict."""
    monkeypatch.setattr(verdict, "_named", lambda *_: (None, None, ""))


# By simulation: `benchmarks/calibration_style.py` does this at length


@pytest.mark.usefixtures("nobody_named")
def test_mere_style_is_rarely_called_values():
    # By chance of 2.5 % each, three or more of 24 come once in 50 times.
    found = [style_of(planted(seed), seed=seed).verdict for seed in range(24)]
    assert sum("values" in one for one in found) <= 2
    assert found.count("not more than style") >= 21


@pytest.mark.parametrize(("stances", "expected"), [(0.5, "partly values"), (1.5, "mostly values")])
def test_values_beside_style_are_seen(stances, expected):
    assert style_of(planted(1, stances=stances)).verdict == expected


def test_without_control_answers_nothing_is_called_values():
    for looks, tone, expected in ((1.0, 0.0, "mostly style"), (0.6, 0.6, "partly style"), (0.0, 1.0, "not this style")):
        found = style_of(uncontrolled(planted(2, looks=looks, tone=tone)))
        assert found.verdict == expected
        assert found.row("control").reason == "no control answers given"
        assert "give control answers of the same LLMs (--control)" in " ".join(found.notes())
    assert "values" not in style_of(uncontrolled(planted(2, stances=1.5))).verdict


def test_where_nothing_differs_nothing_is_divided():
    found = style_of(planted(3, looks=0, tone=0))
    assert found.verdict == "no difference seen"
    assert str(found).startswith("Between 3 identities no difference is seen that could be style or values: ")
    assert math.isnan(found.row("all three").left)


@pytest.mark.usefixtures("nobody_named")
def test_what_is_left_lies_in_its_interval():
    held = []
    for seed in range(20):
        versions = planted(seed, looks=0.5, tone=0.5)
        row = style_of(uncontrolled(versions), seed=seed).row("all three")
        generator = np.random.default_rng([seed, 7])
        directions = generator.normal(size=(3, 3, 4, WIDTH)) / math.sqrt(WIDTH)
        looks, tone = 0.5 * directions[0, :, 0], 0.5 * directions[1, :, 0]
        pairs = np.triu_indices(3, k=1)
        apart = [((one[pairs[0]] - one[pairs[1]]) ** 2).sum() for one in (tone, looks + tone)]
        held.append(row.left_interval.low <= apart[0] / apart[1] <= row.left_interval.high)
    assert np.mean(held) >= 0.85  # 0.95 within two standard errors of 20


# By hand


def test_a_version_half_as_long_has_a_quarter_of_the_squared_distance_for_sure():
    written = planted(1, looks=1)["as written"]
    row = style_of({"as written": written, "restyled": (written[0], written[1] / 2)}).row("restyled")
    assert row.left == pytest.approx(0.25)
    assert row.left_interval == pytest.approx((0.25, 0.25), rel=1e-5)
    assert (row.changed, row.questions, row.n) == (0, 32, 96)


def test_distances_are_those_of_the_reading_of_distances():
    versions = planted(4, stances=0.5)
    found, expected = style_of(versions), distances_of(*versions["as written"]).overall
    row = found.row("as written")
    assert (row.squared, *row.interval, row.p) == pytest.approx((expected.squared, *expected.interval, expected.p))
    assert found.row("control").squared == pytest.approx(distances_of(*versions["control"]).overall.squared)


def test_the_interval_of_a_share_by_hand():
    # Of 100 draws of a whole of 2 and parts of 1 .. 100: the 2.5th percentile lies at 1 + 0.025 * 99 = 3.475.
    assert share(np.arange(1.0, 101), np.full(100, 2.0), 8) == pytest.approx((3.475 / 2, 97.525 / 2))
    assert np.isnan(share(np.ones(100), np.ones(100), 3)).all()
    assert np.isnan(share(np.ones(100), np.where(np.arange(100) < 10, -1.0, 1.0), 8)).all()


def with_beyond(found: StyleVerdict, excess: float, p: float, low: float) -> StyleVerdict:
    beyond = BeyondStyle(excess, Interval(0, 1), p, 0.6, Interval(low, 0.9), True, 3)
    return dataclasses.replace(found, beyond=beyond)


def test_the_rules():
    found = style_of(planted(2, looks=0, tone=1))
    assert with_beyond(found, 0.1, 0.01, 0.5).verdict == "mostly values"
    assert with_beyond(found, 0.1, 0.01, 0.49).verdict == "partly values"
    assert with_beyond(found, 0.1, 0.01, math.nan).verdict == "partly values"
    assert with_beyond(found, 0.1, 0.06, 0.5).verdict == "not more than style"
    assert with_beyond(found, -0.1, 0.01, 0.5).verdict == "not more than style"
    assert with_beyond(found, math.nan, math.nan, math.nan).verdict == "not this style"
    said = str(with_beyond(found, 0.1, 0.01, 0.5))
    assert ", and 60 % (95 % interval 50 to 90) exceeds that of control answers as they are left; " in said
    assert said.endswith(": the distance is mostly more than style.")


# What is missing


def test_a_version_without_an_identity_is_compared_by_the_others():
    versions = planted(5, looks=1)
    records, rows = versions["as written"]
    kept = [place for place, record in enumerate(records) if record.model != "m2"]
    few = [records[place] for place in kept], rows[kept]
    row = style_of({"as written": versions["as written"], "whole answers": few}).row("whole answers")
    assert row.left == pytest.approx(1)  # the pair that is left, over the same pair as written
    assert (row.n, row.changed) == (64, 32)


def test_rows_that_cannot_be_computed_say_why():
    versions = planted(6)
    records, rows = versions["as written"]
    damaged = rows.copy()
    damaged[0] = np.nan
    found = style_of(
        {
            "as written": versions["as written"],
            "restyled": (records, damaged),
            "equal length": "no model",
            "whole answers": ([], rows[:0]),
            "all three": (records[:20], rows[:20]),
            "control": ([dataclasses.replace(one, model="other") for one in records], rows),
        }
    )
    assert {row.kind: row.reason.partition(":")[0] for row in found.rows} == {
        "as written": "",
        "restyled": "1 of 96 vectors are not finite",
        "equal length": "no model",
        "whole answers": "no answer is left",
        "all three": "too few questions are left to compare value by value",
        "control": "no answer is left",
        "control, all three": "no control answers given",
        "style alone": "",
    }
    assert found.remarks[0] == "96 control answers left out: they are of nobody who is compared."
    assert found.verdict == "-"
    assert "Value and control answers could not be compared" in " ".join(found.notes())
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.plot().data


def test_two_questions_an_identity_are_compared_and_nobody_is_named():
    found = style_of({"as written": answers(np.eye(2, WIDTH), 2, "v", 0)})
    row = found.row("as written")
    assert math.isfinite(row.squared)
    assert row.knn is None
    assert "at least 2 are needed: collect more answers" in row.reason
    assert found.verdict == "no difference seen"  # by two questions no p is below 1/2


def test_equal_answers_lie_nowhere_apart():
    records, rows = answers(np.zeros((3, WIDTH)), 12, "v", 0)
    found = style_of({"as written": (records, np.ones_like(rows)), "all three": (records, np.ones_like(rows))})
    assert found.row("as written").squared == 0
    assert found.verdict == "no difference seen"
    assert found.row("style alone").linear.accuracy == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda one: one.model == "m0", r"need two or more that can be compared, got 1 \(m0 \(eng\)\)"),
        (
            lambda one: (int(one.question_id[1:]) < 16) == (one.model == "m0") and one.model != "m2",
            r"no two of m0 \(eng\), m1 \(eng\) share two questions: ask all of them the same",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(keep, message):
    records, rows = planted(7)["as written"]
    kept = [place for place, record in enumerate(records) if keep(record)]
    with pytest.raises(ValueError, match=message):
        style_of({"as written": ([records[place] for place in kept], rows[kept])})


def test_answers_as_written_whose_vectors_are_not_finite_are_refused():
    records, rows = planted(7)["as written"]
    rows[3] = np.inf
    with pytest.raises(ValueError, match="1 of 96 vectors are not finite"):
        style_of({"as written": (records, rows)})
    with pytest.raises(ValueError, match="there are no answers as written: lost"):
        style_of({"as written": "lost"})


# The result


def test_all_of_it_is_plain_json_and_tables():
    found = style_of(planted(8, stances=1))
    described = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert described["sentence"] == str(found)
    assert described["verdict"] == found.verdict
    assert described["rows"][0]["interval"] == found.rows[0].interval._asdict()
    assert described["rows"][0]["knn"]["accuracy"] == found.rows[0].knn.accuracy
    assert described["beyond"]["share_interval"]["low"] == found.beyond.share_interval.low
    frame = found.to_pandas()
    assert list(frame["kind"]) == [row.kind for row in found.rows]
    assert {"knn", "knn_low", "chance", "left", "left_high", "questions", "n"} <= set(frame)
    assert found.to_markdown().startswith("| answers | k-NN | linear | chance | ")
    with pytest.raises(KeyError, match="no row 'tone'; there are as written, restyled"):
        found.row("tone")


def test_the_picture_has_a_bar_for_what_is_left_and_marks_for_who_is_named():
    found = style_of(planted(8, stances=1))
    bars, knn, linear, chance = found.plot().data
    assert dict(zip(bars.y, bars.x, strict=True))["all three"] == pytest.approx(100 * found.row("all three").left)
    assert list(knn.y) == list(linear.y) == ["as written", "all three", "control", "control, all three", "style alone"]
    assert knn.x[0] == pytest.approx(100 * found.row("as written").knn.accuracy)
    assert len(chance.x) == 5

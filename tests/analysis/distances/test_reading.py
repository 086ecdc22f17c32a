"""Distances of a corpus: what is found where the truth is known, what is said of it, and what cannot be compared."""

import dataclasses
import json
import math

import numpy as np
import pytest

import univar
from univar.analysis.distances.plan import planned
from univar.analysis.distances.reading import distances_of
from univar.analysis.unbiased import squared_lengths
from univar.corpus.records import QARecord
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError
from univar.model.encoding import Provenance

WIDTH = 16


def corpus(
    models: int = 3,
    langs: int = 1,
    questions: int = 40,
    *,
    values: int = 0,
    apart: float = 0,
    style: float = 0,
    language: float = 0,
    about: str = "v",
    samples: int = 1,
    seed: int = 0,
) -> tuple[list[QARecord], np.ndarray]:
    """Styles are the same whatever the answers are about, what sets models apart on a value is not."""
    shared, generator = np.random.default_rng([seed, 0]), np.random.default_rng([seed, ord(about)])
    styles, tongues = style * shared.normal(size=(models, WIDTH)), language * shared.normal(size=(langs, WIDTH))
    stances = apart * generator.normal(size=(models, max(values, 1), WIDTH))
    records, rows = [], []
    for model in range(models):
        for lang in range(langs):
            for k in range(questions):
                value = k % values if values else 0
                for sample in range(samples):
                    name = f"value {value}" if values else None
                    records.append(
                        QARecord(f"{about}{k}", f"{about}{k}?", "A.", f"m{model}", f"l{lang}", name, sample=sample)
                    )
                    own = styles[model] + tongues[lang] + stances[model, value]
                    rows.append(own + generator.normal(size=WIDTH) / 4)
    return records, np.array(rows)


def mine(given: tuple[list[QARecord], np.ndarray], fingerprint: str = "0") -> EmbeddedCorpus:
    return EmbeddedCorpus(tuple(given[0]), given[1].astype(np.float32), Provenance("mine", fingerprint * 64, None))


def of(given: tuple[list[QARecord], np.ndarray], keep) -> tuple[list[QARecord], np.ndarray]:
    rows = [place for place, record in enumerate(given[0]) if keep(record)]
    return [given[0][row] for row in rows], given[1][rows]


# What is found


def test_a_distance_is_the_unbiased_one_over_shared_questions():
    records, rows = corpus(models=2, questions=10, apart=0.5)
    found = univar.distances(mine((records, rows)))
    (row,) = found.rows
    (expected,) = squared_lengths(rows[:10] - rows[10:], np.ones((1, 10)))
    assert row.squared == pytest.approx(expected, rel=1e-5)
    assert (row.first, row.second, row.questions, row.n, row.pairs) == ("m0 (l0)", "m1 (l0)", 10, 20, 1)
    assert row.interval.low < row.squared < row.interval.high
    assert found.overall.squared == row.squared


def test_values_that_differ_are_told_from_style_that_does():
    style = {"style": 0.3, "questions": 48, "seed": 1}
    same = distances_of(*corpus(**style), corpus(about="c", **style))
    assert [row.finding for row in same.rows] == ["different answers"] * 3
    assert str(same).startswith("The 3 identities give different answers, to value questions not beyond doubt more so")
    differing = distances_of(*corpus(values=6, apart=0.4, **style), corpus(about="c", **style))
    assert [row.finding for row in differing.rows] == ["values"] * 3
    assert str(differing).startswith("The 3 identities differ in values: the mean squared distance is ")
    assert "3 of 3 pairs differ after Holm's correction, 3 of them in values." in str(differing)
    assert differing.overall.control.excess_interval.low > 0


def test_without_control_answers_nothing_is_called_values():
    found = distances_of(*corpus(values=6, apart=0.5, questions=48))
    assert [row.finding for row in found.rows] == ["different answers"] * 3
    assert str(found).startswith("The 3 identities give different answers: ")
    assert any("give control answers of the same LLMs (--control)" in note for note in found.notes())


def test_two_samples_of_one_llm_do_not_differ():
    records, rows = corpus(models=1, questions=60, values=6, apart=0.5, samples=2)
    halves = [dataclasses.replace(record, model=f"sample {record.sample}") for record in records]
    found = distances_of(halves, rows)
    (row,) = found.rows
    assert row.finding == "no difference seen"
    assert row.interval.low <= 0 <= row.interval.high
    assert str(found).startswith("No difference between sample 0 (l0) and sample 1 (l0) is seen: the squared distance ")


def test_opposite_stances_do_not_cancel_where_values_are_known():
    # m0 is for one value and against the other by as much; over all questions together nothing is left.
    records, rows = corpus(models=2, questions=40, values=2)
    side = np.array([1.0 if record.value == "value 0" else -1.0 for record in records])
    rows[:40] += (side[:40, None]) * np.eye(1, WIDTH)
    by_value = distances_of(records, rows)
    together = distances_of([dataclasses.replace(record, value=None) for record in records], rows)
    assert by_value.rows[0].squared == pytest.approx(1, abs=0.2)
    assert together.rows[0].squared == pytest.approx(0, abs=0.1)
    assert [one.value for one in by_value.values] == sorted(
        ["value 0", "value 1"], key=lambda v: v != by_value.values[0].value
    )
    assert all(one.adjusted <= 0.05 and one.questions == 20 and one.n == 40 for one in by_value.values)
    assert together.values == ()
    assert "All questions are taken together" in together.notes()[0]


def test_the_value_that_differs_is_named_first_and_the_others_are_not():
    records, rows = corpus(models=3, questions=60, values=6)
    moved = [record.value == "value 4" and record.model == "m1" for record in records]
    rows[moved] += 0.6
    first, *others = distances_of(records, rows).values
    assert (first.value, first.pairs) == ("value 4", 3)
    assert first.adjusted <= 0.05
    assert first.interval.low > 0
    assert all(one.adjusted > 0.05 for one in others)


def test_nearest_neighbours_are_those_that_are_near():
    records, rows = corpus(models=4, questions=40)
    places = {"m0": 0.0, "m1": 0.2, "m2": 2.0, "m3": 2.2}
    rows += np.array([places[record.model] for record in records])[:, None]
    found = distances_of(records, rows)
    assert {one.name[:2]: one.nearest[:2] for one in found.nearest} == {"m0": "m1", "m1": "m0", "m2": "m3", "m3": "m2"}
    assert all(one.first > 0.95 and one.others == 3 and one.n == 80 for one in found.nearest)
    assert found.nearest_lines()[0].startswith("m0 (l0): nearest is m1 (l0), ")
    assert found.reliability.r > 0.9
    assert any("no correlation of theirs with anything else" in note for note in found.notes())


def test_what_is_random_is_so_by_the_seed():
    given = corpus(questions=20, apart=0.1)
    one, same, other = (distances_of(*given, seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one.rows != other.rows
    assert one.rows[0].squared == other.rows[0].squared


# Languages and models


def test_languages_are_compared_within_each_llm_and_averaged():
    records, rows = corpus(models=2, langs=3, questions=12, style=3, language=0.5)
    found = distances_of(records, rows, between="languages")
    assert [(row.first, row.second) for row in found.rows] == [("l0", "l1"), ("l0", "l2"), ("l1", "l2")]
    cell = rows.reshape(2, 3, 12, WIDTH)
    expected = np.mean([squared_lengths(own[0] - own[1], np.ones((1, 12)))[0] for own in cell])
    assert found.rows[0].squared == pytest.approx(expected)
    assert (found.rows[0].pairs, found.rows[0].n, found.rows[0].questions) == (2, 48, 12)
    assert found.overall.pairs == 6
    assert {(one.what, one.corpus) for one in found.told} == {("language", "values"), ("model", "values")}
    assert str(found).startswith("The 3 languages give different answers")


def test_models_are_compared_within_each_language():
    records, rows = corpus(models=3, langs=2, questions=12, style=0.5, language=3)
    found = distances_of(records, rows, corpus(models=3, langs=2, style=0.5, about="c"), between="models")
    cell = rows.reshape(3, 2, 12, WIDTH)
    expected = np.mean([squared_lengths(cell[0, k] - cell[1, k], np.ones((1, 12)))[0] for k in range(2)])
    assert found.rows[0].squared == pytest.approx(expected)
    assert found.names == found.short == ("m0", "m1", "m2")
    assert [one.corpus for one in found.told] == ["values", "values", "control", "control"]


def test_two_languages_that_no_llm_has_in_common_have_no_distance():
    records, rows = of(
        corpus(models=2, langs=3, language=1), lambda r: (r.model, r.lang) not in {("m0", "l2"), ("m1", "l0")}
    )
    found = distances_of(records, rows, between="languages")
    l0_l1, l0_l2, l1_l2 = found.rows
    assert (l0_l2.finding, l0_l2.reason) == ("-", "no LLM answers in both")
    assert math.isnan(l0_l2.squared)
    assert (l0_l1.pairs, l1_l2.pairs, found.overall.pairs) == (1, 1, 2)
    assert "| l0 | l2 | - | - | - | - | - | - (no LLM answers in both) | 0 | 0 |" in found.to_markdown()
    assert found.to_dict()["rows"][1]["squared"] is None


# What cannot be compared


def unshared(given: tuple[list[QARecord], np.ndarray], model: str) -> tuple[list[QARecord], np.ndarray]:
    """The same, but nobody else was asked what this model was."""
    apart = {"question_id": "own", "question": "own?"}
    changed = [
        dataclasses.replace(r, **{k: f"{v} {r.question_id}" for k, v in apart.items()}) if r.model == model else r
        for r in given[0]
    ]
    return changed, given[1]


@pytest.mark.parametrize(
    ("given", "between", "message"),
    [
        (corpus(models=1), "identities", r"distances between identities need two or more .* got 1 \(m0 \(l0\)\); add"),
        (corpus(models=1), "models", r"distances between models need two or more .* got 1 \(m0\)"),
        (corpus(models=2), "languages", r"distances between languages need two or more .* got 1 \(l0\)"),
        (([], np.zeros((0, 3))), "identities", "got none; add answers"),
        (
            of(corpus(models=2, langs=2), lambda r: r.model[1] == r.lang[1]),
            "languages",
            r"got 2 \(l0, l1\); no LLM answers in both; add answers",
        ),
        (
            unshared(corpus(models=2), "m1"),
            "identities",
            r"no two of m0 \(l0\), m1 \(l0\) can be compared \(no question in common\): ask all of them the same",
        ),
        (corpus(models=2, questions=1), "identities", r"can be compared \(1 question in common, of no value two\)"),
        ((corpus()[0], np.zeros((3, 3))), "identities", r"give one vector a record, got \(3, 3\) for 120 records"),
        (corpus(), "people", "between must be one of identities, languages, models, got 'people'"),
    ],
)
def test_what_has_no_distances_is_refused(given, between, message):
    with pytest.raises(ValueError, match=message):
        distances_of(*given, between=between)


def test_a_pair_without_a_shared_question_is_marked_and_the_others_are_computed():
    records, rows = unshared(corpus(models=3, style=0.3), "m2")
    found = distances_of(records, rows, corpus(models=2, style=0.6, about="c"))
    assert [(row.finding, row.reason) for row in found.rows] == [
        ("different answers", ""),
        ("-", "no question in common"),
        ("-", "no question in common"),
    ]
    assert found.overall.squared == found.rows[0].squared
    assert "No control answers of m2 (l0): whether they differ in values cannot be said." in found.remarks
    assert "1 of 1 pairs differ" in str(found)
    assert found.plot().data


def test_vectors_that_are_not_finite_are_left_out_and_told():
    records, rows = corpus(models=3, style=0.3)
    rows[[record.model == "m2" for record in records]] = np.nan
    rows[0] = np.inf
    found = distances_of(records, rows)
    assert [row.reason for row in found.rows] == ["", "no usable answer by m2 (l0)", "no usable answer by m2 (l0)"]
    assert found.rows[0].questions == 39
    assert found.remarks[:2] == (
        "1 answer of m0 (l0) left out: the vectors are not finite.",
        "40 answers of m2 (l0) left out: the vectors are not finite.",
    )
    with pytest.raises(ValueError, match=r"no usable answer by m1 \(l0\)\).*20 answers of m1 \(l0\) left out"):
        distances_of(corpus(models=2, questions=20)[0], np.repeat([[1.0], [np.nan]], 20, axis=0))


def test_two_questions_are_compared_and_said_to_show_nothing():
    found = distances_of(*corpus(models=2, questions=2, style=1))
    assert math.isfinite(found.rows[0].squared)
    assert math.isnan(found.rows[0].interval.low)
    assert "(too few for an interval, n = 4 answers to 2 questions, p = " in str(found)
    assert "2 questions cannot show a difference: by swapping p is never below 0.5. Ask 6 or more." in found.remarks
    with pytest.raises(ValueError, match="share 4 questions or more, and a typical one here shares 2; ask a few more"):
        planned(found.noise, 1)


def test_equal_answers_lie_nowhere_apart():
    records, rows = corpus(models=4, langs=2)
    for between in ("identities", "languages", "models"):
        found = distances_of(records, np.ones_like(rows), between=between)
        assert found.overall.squared == 0
        assert tuple(found.overall.interval) == (0, 0)
        assert "All answers to each question are equal: nothing lies apart." in found.remarks
        assert {row.finding for row in found.rows} == {"no difference seen"}
        assert found.reliability is None
        json.dumps(found.to_dict(), allow_nan=False)
        assert found.plot().data
    assert planned(found.noise, 1).notes()[0] == "These answers do not vary, so more of them would change nothing."


def test_control_answers_of_others_are_left_out_and_too_few_say_nothing():
    controls = corpus(models=3, style=0.3, about="c")
    found = distances_of(*corpus(models=2, style=0.3), controls)
    assert "40 control answers left out: they are of nobody who is compared." in found.remarks
    assert found.rows[0].control.n == 80
    some = distances_of(*corpus(models=3, style=0.3), of(controls, lambda r: r.model != "m2"))
    assert (some.overall.pairs, some.overall.control.pairs) == (3, 1)
    assert " over the 1 of 3 pairs that have control answers; 3 of 3 pairs differ" in str(some)
    (row,) = distances_of(*corpus(models=2, style=0.3), of(controls, lambda r: r.question_id in ("c0", "c1"))).rows
    assert (row.finding, row.reason) == ("different answers", "too few questions to compare with controls")
    (row,) = distances_of(*corpus(models=2, style=0.3), of(controls, lambda r: r.model == "m2")).rows
    assert (row.control, row.finding) == (None, "different answers")


def test_vectors_of_two_models_are_refused():
    with pytest.raises(EmbeddedCorpusError, match=r"the control answers by mine .* embed both by one model"):
        univar.distances(mine(corpus()), mine(corpus(about="c"), "1"))


# The result


def test_all_of_it_is_plain_json_and_tables():
    given = corpus(models=4, langs=2, questions=24, values=4, style=0.3, language=0.3)
    found = distances_of(*given, corpus(models=4, langs=2, style=0.3, about="c"), between="languages")
    described = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert described["sentence"] == str(found)
    assert described["rows"][0]["finding"] == found.rows[0].finding
    assert described["rows"][0]["control"]["excess_interval"] == found.rows[0].control.excess_interval._asdict()
    assert described["notes"] == found.notes()
    assert {"low", "high", "control_low", "excess", "excess_low", "excess_p", "finding"} <= set(found.to_pandas())
    assert len(found.to_pandas("values")) == 4
    assert found.to_pandas("told")["n"].gt(0).all()
    assert found.to_pandas("nearest").empty
    with pytest.raises(ValueError, match="no table 'people'; there are pairs, values, nearest, told"):
        found.to_pandas("people")
    assert "| value: value 0 | all pairs | " in found.to_markdown()


def test_twenty_identities_and_their_names():
    records, rows = corpus(models=20, questions=30)
    named = [dataclasses.replace(record, model=f"org/{record.model}-2024-05-01", lang="eng") for record in records]
    found = distances_of(named, rows)
    assert len(found.rows) == 190
    assert found.short[:2] == ("m0", "m1")
    # Nothing differs: Holm keeps what is found by chance in one of 190 below a twentieth.
    assert {row.finding for row in found.rows} == {"no difference seen"}

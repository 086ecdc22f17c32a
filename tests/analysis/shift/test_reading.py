"""How the answers of one LLM moved: on vectors whose shifts are known, and what the result says of them."""

import dataclasses
import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest

import univar
from tests.conftest import WORDS
from univar.analysis.axes import ValueAxes
from univar.analysis.results import Result
from univar.analysis.shift.moved_values import value_shifts
from univar.analysis.shift.pairs import ShiftError, paired
from univar.analysis.shift.reading import shifts_between
from univar.analysis.shift.results import Shifts
from univar.analysis.statistics import Interval, holm
from univar.analysis.values.questions import Asked
from univar.analysis.values.rulers import Rulers, Scale
from univar.corpus.questions.bank import Question, control_questions, core_questions
from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord, write_corpus
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError
from univar.model.encoding import Provenance

MADE = Provenance("simulated", "0" * 64, None)
WIDTH = 24
VALUES = sorted({str(pole.question.value) for pole in poles()})
AXES = dict(zip(VALUES, np.random.default_rng(7).normal(size=(len(VALUES), WIDTH)) / np.sqrt(WIDTH), strict=True))
"""The true direction of each value, of about length 1."""
CORE = core_questions()
CONTROLS = control_questions()[:40]

Effect = Callable[[Question], np.ndarray | float]


def answers(
    effect: Effect = lambda _: 0.0,
    *,
    asked: Sequence[Question] = CORE,
    seed: int,
    samples: int = 1,
    noise: float = 0.6,
    name: str = "me",
    said: str = "said",
) -> EmbeddedCorpus:
    """Answers whose vectors are what the question adds, the effect, and noise."""
    generator = np.random.default_rng(seed)
    records, vectors = [], []
    for question in asked:
        topic = np.random.default_rng(sum(map(ord, question.question))).normal(size=WIDTH)
        for sample in range(samples):
            records.append(
                QARecord(
                    question.question_id,
                    question.question,
                    f"{said} {seed}/{sample}",
                    name,
                    question.lang,
                    value=question.value,
                    sample=sample,
                    question_eng=question.question_eng,
                )
            )
            vectors.append(topic + effect(question) + noise * generator.normal(size=WIDTH) / np.sqrt(WIDTH))
    return EmbeddedCorpus(tuple(records), np.array(vectors, np.float32), MADE)


@pytest.fixture(scope="module")
def pole_vectors() -> EmbeddedCorpus:
    """Poles at the ends of the true directions, with noise."""
    generator = np.random.default_rng(1)
    rows = [pole.stance * AXES[str(pole.question.value)] + generator.normal(size=WIDTH) / 10 for pole in poles()]
    return EmbeddedCorpus(tuple(pole.record for pole in poles()), np.array(rows, np.float32), MADE)


STYLE = 0.3 * np.random.default_rng(8).normal(size=WIDTH) / np.sqrt(WIDTH)
BEFORE = answers(seed=1, samples=2)


def values_moved(question: Question) -> np.ndarray | float:
    """Five values half way towards their pole against."""
    return -0.5 * AXES[question.value] if question.value in VALUES[:5] else 0.0


# What is found


def test_a_shift_is_seen_with_its_size():
    found = shifts_between(BEFORE, {"later": answers(lambda _: STYLE, seed=2, samples=2)})
    (one,) = found.shifts
    # Two samples lie 2 * 0.36 apart, squared; the shift is |STYLE| long.
    truth = float(np.linalg.norm(STYLE) / np.sqrt(2 * 0.36))
    assert one.unit == pytest.approx(0.72, rel=0.05)
    assert one.unit_of == "samples"
    assert one.movement.interval.low < truth < one.movement.interval.high
    assert one.seen
    assert not one.of_values  # nothing is known of controls
    assert str(found).startswith("Its answers moved from before to later by 0.3")
    assert "interval" in str(found)
    assert "174 questions, n = 696" in str(found)


def test_no_shift_is_said_with_what_would_have_been_seen():
    found = shifts_between(BEFORE, {"later": answers(seed=2, samples=2)})
    (one,) = found.shifts
    assert not one.seen
    assert str(found).startswith("No shift is seen from before to later: 0.0")
    assert f"174 questions would have shown one of {one.movement.smallest:.2g}" in str(found)
    assert 0.02 < one.movement.smallest < 0.1


def test_without_samples_the_unit_is_told_from_halves_of_the_questions():
    before, after = answers(seed=1), answers(lambda _: STYLE, seed=2)
    (one,) = shifts_between(before, {"later": after}).shifts
    # The same shift at every question: what is left differs by the noise of two answers, as in `samples`.
    assert one.unit_of == "questions"
    assert one.unit == pytest.approx(0.72, rel=0.06)
    uneven = answers(lambda question: STYLE if question.topic and len(question.topic) % 2 else -STYLE, seed=2)
    (mixed,) = shifts_between(before, {"later": uneven}).shifts
    assert mixed.unit > one.unit  # a shift that is not the same everywhere makes the unit larger, never smaller


def test_values_are_named_only_where_controls_moved_less():
    value = lambda question: STYLE if question.value else 0.0  # noqa: E731
    style = lambda _: STYLE  # noqa: E731
    both = (*CORE, *CONTROLS)
    before = answers(asked=both, seed=1)
    (of_values,) = shifts_between(before, {"later": answers(value, asked=both, seed=2)}).shifts
    (of_style,) = shifts_between(before, {"later": answers(style, asked=both, seed=2)}).shifts
    assert (of_values.of_values, of_style.of_values) == (True, False)
    assert of_values.seen
    assert of_style.seen
    assert of_style.movement.questions == 174
    assert of_style.control.questions == 40
    assert of_style.control.size == pytest.approx(of_style.movement.size, rel=0.25)


def test_the_sentence_says_values_only_where_they_are():
    both = (*CORE, *CONTROLS)
    before = answers(asked=both, seed=1)
    value = shifts_between(before, {"later": answers(lambda q: STYLE if q.value else 0.0, asked=both, seed=2)})
    style = shifts_between(before, {"later": answers(lambda _: STYLE, asked=both, seed=2)})
    assert str(value).startswith("Its values moved")
    assert ", more than on 40 control questions (" in str(value)
    assert str(style).startswith("Its answers moved")
    assert ", not seen to be more than on 40 control questions (" in str(style)
    assert "values" not in str(style)


def test_controls_may_come_apart_or_in_the_same_corpus():
    both = (*CORE, *CONTROLS)
    before, after = answers(asked=both, seed=1), answers(lambda _: STYLE, asked=both, seed=2)
    take = lambda corpus, rows: dataclasses.replace(  # noqa: E731
        corpus, records=corpus.records[rows], embeddings=corpus.embeddings[rows]
    )
    values, controls = slice(0, 174), slice(174, None)
    apart = shifts_between(
        take(before, values),
        {"later": take(after, values)},
        controls=(take(before, controls), {"later": take(after, controls)}),
    )
    assert apart.to_dict() == shifts_between(before, {"later": after}).to_dict()


def test_values_that_moved_are_named_with_their_direction(pole_vectors):
    after = answers(values_moved, seed=2, samples=2)
    found = shifts_between(BEFORE, {"later": after}, poles=pole_vectors)
    (one,) = found.shifts
    assert {value.value for value in one.moved} == set(VALUES[:5])
    assert len(one.values) == 87
    for value in one.moved:
        assert value.direction == "against"
        assert value.questions == 2
        assert value.interval.low < -0.5 < value.interval.high
    assert "between the poles of 5 of 87 values: " in str(found)
    assert f"{one.moved[0].value} {one.moved[0].change:+.2f} (against)" in str(found)


def test_what_all_answers_have_in_common_moves_no_value(pole_vectors):
    # A style that lies along the axis of the first value.
    after = answers(lambda _: 0.5 * AXES[VALUES[0]], seed=2, samples=2)
    (one,) = shifts_between(BEFORE, {"later": after}, poles=pole_vectors).shifts
    assert one.seen
    assert [value.value for value in one.moved] == []


def test_several_sets_after_are_a_trajectory_under_holm(pole_vectors):
    steps = {f"step {at}": answers(lambda _, at=at: at / 200 * STYLE, seed=3 + at) for at in (0, 100, 200)}
    found = shifts_between(BEFORE, steps, poles=pole_vectors)
    assert [one.name for one in found.shifts] == list(steps)
    p = [one.movement.p for one in found.shifts]
    assert [one.adjusted for one in found.shifts] == holm(p)
    assert [one.seen for one in found.shifts] == [False, True, True]
    assert found.shifts[1].movement.size < found.shifts[2].movement.size
    assert str(found).startswith(
        "2 of 3 shifts from before are seen after Holm: no shift is seen from before to step 0"
    )
    every = [value.p for one in found.shifts for value in one.values]
    assert [value.adjusted for one in found.shifts for value in one.values] == holm(every)


def test_the_pairs_that_moved_most_are_shown_side_by_side():
    odd = CORE[10]
    after = answers(lambda question: STYLE * (4 if question is odd else 1), seed=2, noise=0.1, said="later")
    (one,) = shifts_between(answers(seed=1, noise=0.1), {"later": after}).shifts
    assert len(one.pairs) == 5
    first = one.pairs[0]
    assert (first.question, first.before, first.after) == (odd.question, "said 1/0", "later 2/0")
    assert [pair.moved for pair in one.pairs] == sorted((pair.moved for pair in one.pairs), reverse=True)


# Which answers are paired


def qa(question: str, lang: str = "eng", *, eng: str | None = None, name: str = "me", number: str = "") -> QARecord:
    return QARecord(number or question, question, "So.", name, lang, question_eng=eng)


def corpus(*records: QARecord, made: Provenance = MADE) -> EmbeddedCorpus:
    vectors = np.random.default_rng(len(records)).normal(size=(len(records), 4))
    return EmbeddedCorpus(records, vectors.astype(np.float32), made)


def test_pairs_are_of_shared_questions_in_the_same_language():
    before = corpus(qa("Why?"), qa("How?"), qa("Who?"), qa("Pourquoi?", "fra", eng="Why?"))
    after = corpus(qa("why "), qa("How?"), qa("Where?"), qa("Warum?", "deu", eng="Why?"))
    found = paired(before, after)
    assert found.rows == [[([0], [0])], [([1], [1])]]  # trivial variants are one question
    np.testing.assert_allclose(found.apart, after.embeddings[:2] - before.embeddings[:2], atol=1e-6)


def test_a_question_in_two_languages_is_one_question():
    asked = [qa("Why?"), qa("How?"), qa("Pourquoi?", "fra", eng="Why?")]
    before, after = corpus(*asked), corpus(*asked, qa("Who?"))
    found = paired(before, after)
    assert found.rows == [[([0], [0]), ([2], [2])], [([1], [1])]]
    apart = after.embeddings[:3] - before.embeddings
    np.testing.assert_allclose(found.apart, [(apart[0] + apart[2]) / 2, apart[1]], atol=1e-6)


def test_languages_are_paired_by_the_english_question_else_by_the_id():
    english = corpus(qa("Why?", number="a"), qa("How?", number="b"))
    french = corpus(qa("Pourquoi?", "fra", eng="Why?", number="x"), qa("Comment?", "fra", eng="How?", number="y"))
    by_id = corpus(qa("Pourquoi?", "fra", number="b"), qa("Comment?", "fra", number="a"))
    assert paired(english, french).rows == [[([0], [0])], [([1], [1])]]
    assert paired(english, by_id).rows == [[([0], [1])], [([1], [0])]]


def test_samples_are_averaged_and_measure_the_unit():
    # Before 0 and 2 to the first question: twice the variance 2 is 4. To the second 1 and 1: 0. Mean 2.
    records = [qa("Why?"), qa("Why?"), qa("How?"), qa("How?")]
    before = EmbeddedCorpus(tuple(records), np.array([[0], [2], [1], [1]], np.float32), MADE)
    after = EmbeddedCorpus((records[0], records[2]), np.array([[3], [5]], np.float32), MADE)
    found = paired(before, after)
    assert found.apart.tolist() == [[2], [4]]
    assert found.units.tolist() == [4, 0]
    assert found.unit_of == "samples"
    # Of two answers before and one after, sampling leaves half of 1/2 + 1 of it.
    assert found.sampling == pytest.approx(2 * 0.75)


# The plain function


def test_files_are_read_encoded_once_and_named(tmp_path, tiny_model, records, pole_vectors):
    mine = [record for record in records if record.model == "aya"]
    words = WORDS.split()
    mine = [dataclasses.replace(record, answer=f"yes {words[at % 20]}") for at, record in enumerate(mine)]
    other = [dataclasses.replace(record, answer=f"no never {words[at % 19]}") for at, record in enumerate(mine)]
    write_corpus(mine, tmp_path / "base.parquet")
    write_corpus(other, tmp_path / "tuned.parquet")
    found = univar.shift(tmp_path / "base.parquet", str(tmp_path / "tuned.parquet"), model=tiny_model)
    assert (found.before, found.shifts[0].name) == ("base", "tuned")
    assert str(found).startswith("Its answers moved from base to tuned by")
    embedded = univar.embed(mine, tiny_model), univar.embed(other, tiny_model)
    again = univar.shift(embedded[0], {"tuned": embedded[1]})
    assert again.shifts[0].movement == found.shifts[0].movement
    with pytest.raises(EmbeddedCorpusError, match="cannot be compared: embed all of them with one model"):
        univar.shift(embedded[0], {"tuned": embedded[1]}, poles=pole_vectors)


def test_values_that_cannot_be_read_are_told_and_the_rest_is_computed():
    before, after = answers(seed=1), answers(lambda _: STYLE, seed=2)
    found = univar.shift(before, after)  # by a model that is nowhere
    assert found.shifts[0].seen
    assert found.shifts[0].values == ()
    (note,) = (note for note in found.notes() if note.startswith("Not readable: 87 values"))
    assert "cannot be loaded by its name" in note


def test_controls_are_given_on_both_sides_or_none():
    before = answers(seed=1)
    with pytest.raises(ShiftError, match="control answers are needed before and after"):
        univar.shift(before, before, control_before=before)
    with pytest.raises(ShiftError, match=r"for each of the sets after by its name \(one, two\)"):
        univar.shift(before, {"one": before, "two": before}, before, {"one": before})


# Bad input


def test_answers_that_share_no_question_are_refused():
    with pytest.raises(
        ShiftError, match=r"share no question, and a shift is told from 2 or more: 'Why\?' and 'Who\?' stand"
    ):
        paired(corpus(qa("Why?"), qa("How?")), corpus(qa("Who?"), qa("Where?")))
    with pytest.raises(ShiftError, match=r"before \(in eng\) and after \(in fra\) share no question"):
        paired(corpus(qa("Why?", number="1")), corpus(qa("Pourquoi?", "fra", number="2")))


def test_one_shared_question_is_refused_and_two_say_what_they_cannot_tell():
    with pytest.raises(ShiftError, match="share one question"):
        paired(corpus(qa("Why?"), qa("How?")), corpus(qa("Why?"), qa("Where?")))
    found = shifts_between(corpus(qa("Why?"), qa("How?")), {"later": corpus(qa("Why?"), qa("How?"), qa("Who?"))})
    assert found.shifts[0].movement.p == 0.5 or found.shifts[0].movement.p == 1
    assert "fewer than 6 questions show none" in str(found)
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_equal_answers_are_no_shift():
    found = shifts_between(BEFORE, {"later": answers(seed=1)})  # one sample of the two
    assert not np.isnan(found.shifts[0].movement.size)
    same = answers(seed=1)
    found = shifts_between(same, {"later": same})
    assert str(found) == (
        "No shift is seen from before to later: all answers to 174 questions are the same (n = 348, p = 1, no "
        "interval)."
    )
    assert found.shifts[0].pairs == ()
    assert found.to_dict()["shifts"][0]["movement"]["size"] is None
    assert found.plot().data


def test_answers_that_differ_in_the_same_way_everywhere_have_no_size():
    same = answers(seed=1)
    moved = dataclasses.replace(same, embeddings=same.embeddings + np.float32(0.25))
    found = shifts_between(same, {"later": moved})
    assert str(found) == (
        "Its answers moved from before to later: answers to all of 174 questions differ in the same way, so nothing "
        "tells how far (n = 348, p < 0.001, no interval)."
    )
    assert found.to_dict()["shifts"][0]["movement"]["interval"] == {"low": None, "high": None}


def test_vectors_of_two_models_and_answers_of_two_llms_are_refused():
    other = dataclasses.replace(BEFORE, provenance=Provenance("another", "1" * 64, None))
    with pytest.raises(EmbeddedCorpusError, match=r"embedded by simulated \(0{12}…\) and by another \(1{12}…\)"):
        shifts_between(BEFORE, {"later": other})
    mixed = corpus(qa("Why?"), qa("How?", name="you"))
    with pytest.raises(ShiftError, match=r"the answers after are by 2 LLMs \(me, you\); a shift is that of one LLM"):
        shifts_between(corpus(qa("Why?"), qa("How?")), {"later": mixed})


def test_controls_alone_and_no_sets_are_refused():
    controls = answers(asked=CONTROLS, seed=1)
    with pytest.raises(ShiftError, match="the answers after are to control questions alone"):
        shifts_between(BEFORE, {"later": controls})
    with pytest.raises(ShiftError, match="no answers after; give at least one set"):
        shifts_between(BEFORE, {})


# Values on the scale of univar.values


def by_hand(unit: float = 1.0, half: float = 1.0) -> Rulers:
    """Rulers of one dimension: of value a at its two questions, of eight others none."""
    values = tuple("abcdefghi")
    zeros, nothing = np.zeros(len(values)), np.full(len(values), np.nan)
    scale = Scale(unit, np.full(len(values), half), zeros, np.full(len(values), np.inf), zeros, zeros, 0.0, 0.0, 4)
    return Rulers(
        values=values,
        questions={"a-1": 0, "a-2": 1},
        value_of=np.zeros(2, np.intp),
        directions=np.ones((2, 1)),
        middles=np.zeros(2),
        axes=np.zeros((len(values), 1)),
        axis_middles=zeros,
        by_question=scale,
        by_axis=dataclasses.replace(scale, halves=nothing),
        own_share=0.5,
        tested=ValueAxes((), 0.5, Interval(0.5, 0.5)),
    )


ABOUT = [Asked("a", "a-1", poles=True), Asked("a", "a-2", poles=True)]


def test_a_change_by_hand():
    # Of value a the differences are 3 and 5, of eight others -1 and 1 by turns: 4 beside 0. Squares around the means: 2
    # and 8, so the standard error of the difference is sqrt(10 / 8 * (1 / 2 + 1 / 8)) = 0.8839 with 8 degrees of
    # freedom, t = 4.5255, p = 0.00194; that of the change itself sqrt(10 / 8 / 2) = 0.7906.
    apart = np.array([3, 5, *[-1, 1] * 4], dtype=np.float64)[:, None]
    values, about = ["a", "a", *"bcdefghi"], [*ABOUT, *(Asked(value) for value in "bcdefghi")]
    (found,), unread = value_shifts(apart, values, about, by_hand())
    assert (found.value, found.change, found.beyond, found.questions, found.direction) == ("a", 4.0, 4.0, 2, "for")
    assert found.p == pytest.approx(0.00194, abs=2e-5)
    # 2.3060 times the errors to either side.
    assert found.beyond_interval == pytest.approx((4 - 2.0383, 4 + 2.0383), abs=1e-3)
    assert found.interval == pytest.approx((4 - 1.8231, 4 + 1.8231), abs=1e-3)
    assert unread == dict.fromkeys("bcdefghi", "none of its questions has poles, and its axis does not carry to others")
    # Units and halves divide all of it; what all moved is no part of what is beyond, and of the change it is.
    (scaled,), _ = value_shifts(apart + 1, values, about, by_hand(unit=2.0, half=0.5))
    assert (scaled.change, scaled.beyond) == pytest.approx((5.0, 4.0))
    assert scaled.p == pytest.approx(found.p)


def test_a_value_that_the_others_left_behind_has_not_moved():
    # It stays, and all others move along its ruler: it differs from them, and moved nowhere.
    apart = np.array([0, 0, *[4, 6] * 4], dtype=np.float64)[:, None]
    (found,), _ = value_shifts(apart, ["a", "a", *"bcdefghi"], [*ABOUT, *(Asked(v) for v in "bcdefghi")], by_hand())
    assert (found.change, found.beyond) == (0.0, -5.0)
    assert found.adjusted < 0.05
    assert not found.moved


def test_where_other_values_are_few_controls_stand_in():
    apart = np.array([[3.0], [5.0], [0.5]])
    found, unread = value_shifts(apart, ["a", "a", "b"], [*ABOUT, Asked("b")], by_hand())
    assert not found
    assert "fewer than 8 other values beside it" in unread["a"]
    controls = np.array([[-1.0], [1.0]] * 4)
    (one,), _ = value_shifts(apart, ["a", "a", "b"], [*ABOUT, Asked("b")], by_hand(), controls)
    assert one.change == 4.0


def test_a_value_of_ones_own_is_told():
    apart = np.array([3, 5, *[-1, 1] * 4], dtype=np.float64)[:, None]
    _, unread = value_shifts(
        apart, ["mine", "a", *"bcdefghi"], [Asked(), *ABOUT[:1], *(Asked(v) for v in "bcdefghi")], by_hand()
    )
    assert unread["mine"] == "they are none of the reference values"


def test_a_change_is_what_values_reads_after_less_what_it_reads_before(pole_vectors):
    def moved(question: Question) -> np.ndarray:
        return STYLE + values_moved(question)

    before, after = answers(seed=1, samples=2), answers(moved, seed=2)
    (one,) = shifts_between(before, {"later": after}, poles=pole_vectors).shifts
    read = [univar.values(side, poles=pole_vectors) for side in (before, after)]
    both = [{of.name: of for of in side.profiles[0].readings["value"]} for side in read]
    for value in one.values:
        stances = [side[value.value].stance for side in both]
        assert value.change == pytest.approx(stances[1] - stances[0], abs=1e-4)
    # The same are readable.
    readable = {name for name, of in both[0].items() if of.stance is not None}
    assert {value.value for value in one.values} == readable
    assert one.unread == {
        name: of.why.removeprefix("not readable: ") for name, of in both[0].items() if name not in readable
    }


def test_what_values_does_not_read_is_not_read(pole_vectors):
    blind = np.array([record.value == VALUES[3] for record in pole_vectors.records])
    vectors = pole_vectors.embeddings.copy()
    vectors[blind] = np.random.default_rng(0).normal(size=(blind.sum(), WIDTH))
    blinded = dataclasses.replace(pole_vectors, embeddings=vectors)
    (one,) = shifts_between(BEFORE, {"later": answers(values_moved, seed=2)}, poles=blinded).shifts
    assert list(one.unread) == [VALUES[3]]
    assert len(one.values) == 86
    assert "Not readable: 1 value" in " ".join(shifts_between(BEFORE, {"later": BEFORE}, poles=blinded).notes())


def test_other_poles_than_those_that_ship_are_refused(pole_vectors):
    stranger = dataclasses.replace(pole_vectors, records=(qa("Why?"), *pole_vectors.records[1:]))
    with pytest.raises(EmbeddedCorpusError, match=r"QAs are not the .* poles that ship, in their order"):
        shifts_between(BEFORE, {"later": BEFORE}, poles=stranger)


# The result


@pytest.fixture(scope="module")
def trajectory(pole_vectors) -> Shifts:
    both = (*CORE, *CONTROLS)
    steps = {
        "<b>one</b>": answers(values_moved, asked=both, seed=2, said="<script>|x\nsaid"),
        "two": answers(values_moved, asked=both, seed=3),
    }
    return shifts_between(answers(asked=both, seed=1), steps, poles=pole_vectors)


def test_the_result_is_a_result(trajectory):
    assert isinstance(trajectory, Result)
    frame = trajectory.to_pandas()
    assert frame["finding"].value_counts().to_dict() == {
        "change of stance": 174, "shift": 2, "control": 2, "beyond control, squared": 2,
    }  # fmt: skip
    assert set(frame["n"]) == {2 * 214}
    kept = json.loads(json.dumps(trajectory.to_dict(), allow_nan=False))
    assert kept["shifts"][0]["moved"] == [value.value for value in trajectory.shifts[0].moved]
    assert kept["shifts"][0]["movement"]["interval"].keys() == {"low", "high"}
    assert kept["shifts"][0]["pairs"][0]["after"].startswith("<script>|x\nsaid")


def test_answers_are_inert_in_tables_and_pictures(trajectory):
    text = trajectory.to_markdown()
    assert "<script>" not in text
    assert "&lt;script&gt;\\|x said" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1
    drawn = json.dumps(trajectory.plot().to_dict(), default=str)
    assert "<b>" not in drawn
    assert "&lt;b&gt;one" in drawn


def test_the_picture_shows_sizes_controls_and_values(trajectory):
    names = [trace.name for trace in trajectory.plot().data]
    assert names[:2] == ["answers", "control answers"]
    assert set(names[2:]) == {value.value for one in trajectory.shifts for value in one.moved}
    single = dataclasses.replace(trajectory, shifts=trajectory.shifts[:1]).plot()
    (bars,) = [trace for trace in single.data if trace.type == "bar"]
    assert list(bars.x) == sorted(bars.x)
    assert len(bars.y) == 20

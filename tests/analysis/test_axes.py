"""The axis of a value: golden cases by hand, what leaves it unchanged, what it refuses."""

import dataclasses

import numpy as np
import pytest

from univar.analysis.axes import ValueAxes, value_axes
from univar.analysis.results import Result
from univar.corpus.questions.poles import Pole, poles


def some_poles(values: int = 2) -> list[Pole]:
    """All poles of the first values of the bank."""
    names = list(dict.fromkeys(str(pole.question.value) for pole in poles()))[:values]
    return [pole for pole in poles() if pole.question.value in names]


def vectors_along(written: list[Pole], *, reversed_for: str | None = None) -> np.ndarray:
    """Each pole at its stance on the first axis, and the opposite one for a value."""
    signs = [-1 if pole.question.value == reversed_for else 1 for pole in written]
    return np.array([[sign * pole.stance, 1.0] for sign, pole in zip(signs, written, strict=True)])


def test_poles_in_order_are_all_right():
    found = value_axes(vectors_along(some_poles()), some_poles())
    assert [axis.accuracy for axis in found.axes] == [1.0, 1.0]
    assert all(axis.holds for axis in found.axes)
    # Ten questions a value, each in two voices.
    assert [(axis.pairs, axis.questions) for axis in found.axes] == [(20, 10), (20, 10)]
    assert isinstance(found, Result)


def test_a_value_has_its_own_axis():
    # The first value points the other way: that is its axis, which carries just as well.
    written = some_poles()
    first = str(written[0].question.value)
    assert value_axes(vectors_along(written, reversed_for=first), written).accuracy == 1.0


def test_a_question_has_no_part_in_its_own_axis():
    # One question of one value turned round: its two pairs lie in the wrong order, as the other nine say.
    written = some_poles()
    turned = written[0].question.question_id
    vectors = vectors_along(written)
    vectors[[pole.question.question_id == turned for pole in written], 0] *= -1
    found = value_axes(vectors, written)
    assert sorted(axis.accuracy for axis in found.axes) == [0.9, 1.0]  # 18 of 20 pairs


def test_rotations_and_shifts_of_all_vectors_change_nothing():
    written = some_poles()
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(len(written), 8)) + 0.5 * np.array([[pole.stance] * 8 for pole in written])
    rotation, _ = np.linalg.qr(generator.normal(size=(8, 8)))
    plain, moved = value_axes(vectors, written), value_axes(vectors @ rotation + 3, written)
    assert [axis.accuracy for axis in plain.axes] == [axis.accuracy for axis in moved.axes]


def test_vectors_without_stance_are_at_chance():
    written = list(poles())
    found = value_axes(np.random.default_rng(1).normal(size=(len(written), 16)), written)
    assert found.interval.low < 0.5 < found.interval.high
    assert sum(axis.holds for axis in found.axes) < 9  # a tenth of 87; one in forty is what chance gives


def test_equal_vectors_are_at_chance():
    found = value_axes(np.ones((len(some_poles()), 2)), some_poles())
    assert [axis.accuracy for axis in found.axes] == [0.5, 0.5]


def test_the_sentence_and_the_table_tell_n_and_interval():
    found = value_axes(vectors_along(some_poles()), some_poles())
    assert str(found).startswith("The axes of 2 of 2 values hold on questions and voices they were not made of")
    assert "n = 40 pairs" in str(found)
    assert found.to_markdown().count("| yes |") == 2
    assert list(found.to_pandas().columns) == ["value", "accuracy", "low", "high", "holds", "n", "questions"]
    assert found.to_dict()["axes"][0]["n"] == 20


def test_the_strongest_axis_comes_first():
    written = some_poles()
    vectors = vectors_along(written)
    vectors[: len(written) // 4, 0] *= -1
    accuracies = [axis.accuracy for axis in value_axes(vectors, written).axes]
    assert accuracies == sorted(accuracies, reverse=True)


def test_as_many_vectors_as_poles_are_needed():
    with pytest.raises(
        ValueError, match=r"one vector a pole is needed, \(n, D\) for 80 poles, got an array of \(3, 2\)"
    ):
        value_axes(np.ones((3, 2)), some_poles())


def test_one_voice_has_nothing_to_be_tested_on():
    alone = [dataclasses.replace(pole, voice="terse") for pole in some_poles()]
    with pytest.raises(ValueError, match="which 0 of 2 values have; give poles of two values or more"):
        value_axes(vectors_along(alone), alone)


def test_axes_are_frozen():
    found = value_axes(vectors_along(some_poles()), some_poles())
    assert isinstance(found, ValueAxes)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.accuracy = 0.0  # type: ignore[misc]

"""Rulers: golden cases by hand, and readings of voices that no ruler has met."""

import dataclasses

import numpy as np
import pytest

from benchmarks.calibration_values import Scene, world
from univar.analysis.values.rulers import Rulers, rulers_of
from univar.corpus.questions.poles import Pole, poles
from univar.corpus.records import question_hash


def some_poles(values: int = 2) -> list[Pole]:
    names = list(dict.fromkeys(str(pole.question.value) for pole in poles()))[:values]
    return [pole for pole in poles() if pole.question.value in names]


def ends(written: list[Pole]) -> np.ndarray:
    """Poles at 0 and 4 on the first axis; each question lies elsewhere on the second."""
    number = {name: row for row, name in enumerate(dict.fromkeys(pole.question.question_id for pole in written))}
    return np.array([[2.0 + 2 * pole.stance, number[pole.question.question_id]] for pole in written])


def alone(rulers: Rulers) -> tuple[np.ndarray, np.ndarray]:
    """Which values are readable by themselves, by rulers and along axes."""
    return rulers.carry([[value] for value in rulers.values])


def test_readings_by_hand():
    # From 0 (against) to 4 (for), the middle is 2 and the unit 2: 3 lies half-way from the middle to the pole for.
    written = some_poles()
    rulers = rulers_of(ends(written), written)
    answers = np.array([[0, 0], [4, 1], [3, 7], [6, 2]], dtype=float)
    np.testing.assert_allclose(rulers.read_by_question(answers, np.array([0, 1, 7, 2])), [-1, 1, 0.5, 2])
    np.testing.assert_allclose(rulers.read_by_axis(answers, np.zeros(4, dtype=int)), [-1, 1, 0.5, 2])
    assert [carries.all() for carries in alone(rulers)] == [True, True]
    np.testing.assert_allclose(rulers.by_question.halves, 1)
    assert rulers.by_question.manner == 0
    np.testing.assert_allclose(rulers.by_question.spreads, 0, atol=1e-12)


def test_a_question_that_points_its_own_way_is_read_its_own_way():
    # Voices say the same, so a question's own difference is all its own: nothing is drawn to the others.
    written = some_poles()
    number = {name: row for row, name in enumerate(dict.fromkeys(pole.question.question_id for pole in written))}
    vectors = np.zeros((len(written), 20))
    for row, pole in enumerate(written):
        vectors[row, number[pole.question.question_id]] = pole.stance
    rulers = rulers_of(vectors, written)
    assert rulers.own_share == 1
    np.testing.assert_allclose(
        rulers.read_by_question(vectors[:4], np.zeros(4, dtype=int)), [p.stance for p in written[:4]]
    )
    assert not alone(rulers)[1].any()


def test_rotations_and_shifts_change_no_reading():
    made = world(Scene(values=3), np.full((1, 3), 0.5), 1)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(48, 48)))
    rows = np.array([0, 3, 5])
    plain = rulers_of(made.pole_vectors, made.poles)
    moved = rulers_of(made.pole_vectors @ rotation + 3, made.poles)
    np.testing.assert_allclose(
        plain.read_by_question(made.vectors[:3], rows), moved.read_by_question(made.vectors[:3] @ rotation + 3, rows)
    )


def test_unseen_voices_at_the_poles_are_read_as_one_and_minus_one():
    # By rulers of their own making poles would lie further out: two voices an end leave much of themselves in them.
    apart = []
    for seed in range(6):
        made = world(Scene(values=6, varying=0), np.array([np.ones(6), -np.ones(6)]), seed)
        rulers = rulers_of(made.pole_vectors, made.poles)
        rows = np.array([rulers.questions[one.question] for one in made.asked])
        read = rulers.read_by_question(made.vectors, rows)
        apart.append([read[: len(read) // 2].mean(), read[len(read) // 2 :].mean()])
        own = np.array([rulers.questions[pole.question.question_id] for pole in made.poles])
        stances = np.array([pole.stance for pole in made.poles])
        assert (rulers.read_by_question(made.pole_vectors, own) * stances).mean() > 1.15
    np.testing.assert_allclose(np.mean(apart, axis=0), [1, -1], atol=0.1)


def test_the_share_of_a_question_is_what_makes_the_best_guess():
    # An axis of length 1, 0.7^2 = 0.49 of a question's own, and noise of 2 * 1.2^2 a difference, halved by two voices.
    # Own differences have the square 1 + 0.49 + 1.44 = 2.93, means of nine others 1 + (0.49 + 1.44) / 9 = 1.214, and 1
    # in common; with an unseen voice they have 1.49 and 1 in common. Least squares: 0.316 own and 0.563 of the others.
    found = [rulers_of(*_of_poles(Scene(values=6), seed)).own_share for seed in range(5)]
    assert np.mean(found) == pytest.approx(0.316 / (0.316 + 0.563), abs=0.06)


def test_poles_that_the_model_was_trained_on_test_nothing():
    # Poles of the train part as training leaves them, far apart, and all others without any stance in them.
    written = some_poles(6)
    generator = np.random.default_rng(0)
    trained = np.array([pole.split == "train" for pole in written])
    learned = np.array([[9.0 * pole.stance, 0, 0, 0, 0, 0] for pole in written]) * trained[:, None]
    vectors = learned + generator.normal(size=(len(written), 6))
    fooled = rulers_of(vectors, written)
    known = frozenset(question_hash(pole.record.question_key) for pole in written)
    honest = rulers_of(vectors, written, trained_on=known)
    # Four of the six values are of the train part.
    assert alone(fooled)[0].sum() == 4
    assert alone(honest)[0].sum() == 0
    assert fooled.carry([fooled.values])[0].all()
    assert not honest.carry([honest.values])[0].any()


def _of_poles(scene: Scene, seed: int) -> tuple[np.ndarray, list[Pole]]:
    made = world(scene, np.zeros((1, scene.values)), seed)
    return made.pole_vectors, made.poles


def test_how_far_a_voice_moves_all_readings_is_found():
    still = [rulers_of(*_of_poles(Scene(values=6, voice=0), seed)).by_question.manner for seed in range(4)]
    loud = [rulers_of(*_of_poles(Scene(values=6, voice=1.5), seed)).by_question.manner for seed in range(4)]
    assert np.mean(still) < 0.04
    assert np.mean(loud) > 4 * np.mean(still) + 0.05


def test_what_one_value_does_not_show_several_together_may():
    # Noise so large that few of 24 values are told apart by themselves.
    vectors, written = _of_poles(Scene(values=24, noise=12), 0)
    rulers = rulers_of(vectors, written)
    assert alone(rulers)[0].sum() < 6
    assert rulers.carry([rulers.values])[0].all()
    error, freedom = rulers.by_question.error_of(range(24))
    assert error < min(rulers.by_question.error_of([value])[0] for value in range(24))
    assert freedom > 24


def test_vectors_without_stance_are_not_readable():
    written = list(poles())
    rulers = rulers_of(np.random.default_rng(1).normal(size=(len(written), 16)), written)
    # One in forty is what chance gives, and none beyond what chance gives among 87.
    assert [carries.sum() <= 1 for carries in alone(rulers)] == [True, True]


def test_what_is_no_vector_is_refused():
    written = some_poles()
    vectors = ends(written)
    vectors[3, 0] = np.nan
    with pytest.raises(ValueError, match="vectors of poles hold 1 numbers that are not finite"):
        rulers_of(vectors, written)
    with pytest.raises(ValueError, match="one vector a pole is needed"):
        rulers_of(vectors[:3, :1] * 0, written)


def test_rulers_are_frozen():
    written = some_poles()
    with pytest.raises(dataclasses.FrozenInstanceError):
        rulers_of(ends(written), written).own_share = 1.0  # type: ignore[misc]

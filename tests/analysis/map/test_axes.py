"""Axes of the map: noise spreads nothing, differences are found, how much is held is said, names go beyond chance."""

import json
from dataclasses import replace

import numpy as np
import pytest

import univar
from benchmarks.calibration_values import Scene, World, world
from univar.analysis.map.axes import along, between, held_share, known_axes
from univar.analysis.map.naming import ValuePoles, typical, value_poles
from univar.analysis.map.reading import build_map, check_axes
from univar.analysis.map.results import ValueMap, caption, held_note
from univar.analysis.question_share import FloatArray, placed_rows, without_questions
from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord, identity_labels
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError
from univar.model.encoding import Provenance

MADE = Provenance("planted", "0" * 64, None)
THRIFT = Scene(values=87, questions=4, others=2, noise=0.8, voice=0.2, varying=0.1)


def corpus(m: int, questions: int) -> list[QARecord]:
    return [
        QARecord(f"q{q}", f"Is thing {q} good?", f"{k} on {q}", f"m{k}", "eng")
        for k in range(m)
        for q in range(questions)
    ]


def drawn(m: int, questions: int, apart: FloatArray, seed: int) -> FloatArray:
    """Topics, much louder than answers; what each identity adds (m, d); noise of 1 in each dimension."""
    rng = np.random.default_rng(seed)
    width = apart.shape[1]
    topics = 5 * rng.normal(size=(questions, width))
    return (topics[None] + apart[:, None] + rng.normal(size=(m, questions, width))).reshape(-1, width)


def off(value_map: ValueMap, axes: int) -> FloatArray:
    """(m,) squared distance of each mean from the common mean, in units of its own uncertainty."""
    means, spreads = value_map.centroids[:, :axes], value_map.covariances[:, :axes, :axes]
    return np.einsum("mi,mij,mj->m", means, np.linalg.inv(spreads), means)


# 95 % quantiles of chi squared with one and two degrees of freedom.
@pytest.mark.parametrize(("m", "axes", "limit"), [(2, 1, 3.841), (5, 2, 5.991)])
def test_identities_that_differ_in_nothing_lie_on_each_other(m: int, axes: int, limit: float):
    # 60 corpora. One mean of each is looked at, so that all are independent: 57 of 60 are within, 52 by three sigma.
    records = corpus(m, 30)
    maps = [build_map(records, drawn(m, 30, np.zeros((m, 40)), seed), axes="between", seed=seed) for seed in range(60)]
    assert sum(off(one, axes)[0] < limit for one in maps) >= 51
    # Seen on the axes they were found on, the means would lie sqrt(40) of their errors from each other.
    assert np.median([off(one, axes)[0] for one in maps]) < 2
    said = [one.held.share for one in maps]
    assert said.count(None) >= 54


def test_halves_of_one_identity_lie_on_each_other():
    # Halves of the samples of one identity's answers, called two: the means of their difference over 40 divisions
    # lie about 0, and not above it, as the distance on axes that saw all answers would.
    rng = np.random.default_rng(0)
    answers = rng.normal(size=(40, 2, 24)) + 3 * rng.normal(size=(40, 1, 24))
    separations = []
    for _ in range(40):
        order = rng.random((40, 2)).argsort(axis=1)
        halves = np.take_along_axis(answers, order[:, :, None], axis=1).transpose(1, 0, 2).reshape(-1, 24)
        records = corpus(2, 40)
        rows, _ = without_questions(placed_rows(records, halves, identity_labels(records)[1]), 2, True)
        placed = between(rows._replace(embeddings=halves), 2, centred=True, seed=0)
        labels = placed.corpus.labels
        separations.append(float(np.subtract(*(placed.places[labels == k, 0].mean() for k in (0, 1)))))
    assert abs(np.mean(separations)) < 2 * np.std(separations) / np.sqrt(40)


def test_a_difference_below_the_noise_is_shown_and_held():
    # Four identities, 0.9 along a direction of 64 in which noise is 1: of what PCA shows most is noise.
    apart = np.zeros((4, 64))
    apart[:, 7] = [0.9, -0.9, 0.9, -0.9]
    apart[:, 9] = [0.9, 0.9, -0.9, -0.9]
    records, vectors = corpus(4, 60), drawn(4, 60, apart, 1)
    vectors[:, 20:22] *= 4  # loud, and nothing that identities differ in
    blind, found = build_map(records, vectors), build_map(records, vectors, axes="between")
    assert blind.held.share < 0.1
    assert "The axes hold only" in held_note(blind)
    assert "`--axes between`" in caption(blind)
    assert found.held.share > 3 * blind.held.share
    assert found.held.low > 0.1
    assert found.held.low < found.held.share < found.held.high
    assert held_note(found) is None
    assert "found on one half of the questions and shown on the other" in caption(found)
    assert f"They hold {100 * found.held.share:.0f} %" in caption(found)
    # Each mean where it was planted: at the corners of a square with sides of 1.8.
    sides = np.linalg.norm(found.centroids[[0, 1, 3, 2]] - found.centroids[[1, 3, 2, 0]], axis=1)
    assert sides == pytest.approx(1.8, abs=0.45)
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_is_held_of_a_known_difference():
    # Two identities 6 apart along the first of three dimensions and 8 along the third: the plane of the first two
    # holds 36 of 100.
    records = corpus(2, 4)
    vectors = np.concatenate([np.tile([3.0, 0, 4], (4, 1)), np.tile([-3.0, 0, -4], (4, 1))])
    rows = placed_rows(records, vectors, identity_labels(records)[1])
    assert held_share(known_axes(rows, vectors[:, :2]), 2, 0) == pytest.approx((0.36, 0.36, 0.36, 4))


def test_two_identities_have_a_second_axis_across_the_first():
    apart = np.zeros((2, 12))
    apart[0, 0], apart[1, 0] = 2, -2
    vectors = drawn(2, 40, apart, 0)
    vectors[:, 5] *= 3
    across = vectors[:, 5] - np.tile(vectors[:, 5].reshape(2, 40).mean(axis=0), 2)  # less what both say to a question
    found = build_map(corpus(2, 40), vectors, axes="between")
    assert abs(found.centroids[0, 0] - found.centroids[1, 0]) == pytest.approx(4, abs=0.6)
    assert np.corrcoef(found.points[:, 1], across[found.rows])[0, 1] ** 2 > 0.5


@pytest.mark.parametrize(
    ("m", "questions", "message"),
    [(1, 6, "need two identities or more, got 1"), (3, 1, "3 of 3 identities have no answer in one of them")],
)
def test_too_little_for_axes_between_is_told(m: int, questions: int, message: str):
    vectors = np.random.default_rng(0).normal(size=(m * questions, 5))
    with pytest.raises(ValueError, match=message):
        build_map(corpus(m, questions), vectors, axes="between")


# Values


@pytest.fixture(scope="module")
def made() -> World:
    """Two LLMs: the first for thrift, the second against it, without a stance on the rest."""
    names = list(dict.fromkeys(str(pole.question.value) for pole in poles()))
    stances = np.zeros((2, len(names)))
    stances[:, names.index("thrift")] = 1, -1
    return world(THRIFT, stances, 3)


@pytest.fixture(scope="module")
def known(made: World) -> ValuePoles:
    return value_poles(made.pole_vectors, made.poles)


def planted(made: World, known: ValuePoles) -> EmbeddedCorpus:
    """Some of the answers, each moved towards its LLM's side of thrift: it is all that differs."""
    rows = [row for row, record in enumerate(made.records) if record.value == "thrift" or row % 29 < 2]
    records = tuple(made.records[row] for row in rows)
    axis = known.rulers.axes[known.rulers.values.index("thrift")]
    sides = [1 if record.model == "m0" else -1 for record in records]
    moved = made.vectors[rows] + np.outer(sides, axis / np.linalg.norm(axis))
    return EmbeddedCorpus(records, moved.astype(np.float32), MADE)


def embedded_poles(made: World) -> EmbeddedCorpus:
    return EmbeddedCorpus(tuple(pole.record for pole in made.poles), made.pole_vectors.astype(np.float32), MADE)


def test_an_axis_is_named_by_the_value_that_was_planted(made: World, known: ValuePoles):
    answers = planted(made, known)
    found = build_map(answers.records, answers.embeddings, axes="between", poles=known)
    assert found.axes[0].follows.value == "thrift"
    assert abs(found.axes[0].follows.correlation) > found.axes[0].follows.chance
    assert "follows thrift" in caption(found).lower()
    towards = np.sign(found.axes[0].follows.correlation)
    assert towards == np.sign(found.centroids[0, 0] - found.centroids[1, 0])
    high = found.axes[0].high if towards > 0 else found.axes[0].low
    assert {said.identity.model for said in high} == {"m0"}
    assert 1 <= len(high) <= 3
    assert "thrift" in found.axes[0].title.lower()


def test_noise_is_named_no_more_often_than_chance(known: ValuePoles):
    # 30 maps of noise have 60 axes; 5 % of them are 3, and three standard errors more are 8.
    width = known.apart.shape[1]
    names = [
        axis.follows
        for seed in range(30)
        for axis in build_map(
            corpus(2, 12), np.random.default_rng(seed).normal(size=(24, width)), poles=known, seed=seed
        ).axes
    ]
    assert sum(name is not None for name in names) <= 8


def test_two_values_are_the_axes(made: World, known: ValuePoles):
    found = univar.value_map(planted(made, known), axes=("thrift", "obedience"), poles=embedded_poles(made))
    assert [axis.name.lower() for axis in found.axes] == ["thrift", "obedience"]
    assert found.centroids[0, 0] > found.centroids[1, 0]
    assert -1 <= found.together <= 1
    assert "at right angles to the first" in caption(found)
    assert found.to_dict()["axes_by"] == "values"


def test_a_value_whose_axis_does_not_carry_is_refused_with_those_that_do(made: World, known: ValuePoles):
    weak = known._replace(carrying=("honesty", "thrift"))
    with pytest.raises(ValueError, match=r"axis of obedience does not carry .* those that do: honesty, thrift"):
        build_map(made.records, made.vectors, axes=("thrift", "obedience"), poles=weak)
    with pytest.raises(ValueError, match="made of their written poles; give poles"):
        build_map(made.records, made.vectors, axes=("thrift", "obedience"))


def test_poles_of_another_model_are_refused(made: World, known: ValuePoles):
    other = replace(embedded_poles(made), provenance=Provenance("other", "1" * 64, None))
    with pytest.raises(EmbeddedCorpusError, match="give poles by the same model"):
        univar.value_map(planted(made, known), axes=("thrift", "obedience"), poles=other)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("values", "unknown axes 'values'; allowed: blind, between, or the ids of two values"),
        (("thrift",), "two different values, got thrift"),
        (("thrift", "thrift"), "two different values, got thrift, thrift"),
        (("thrift", "thrifty"), "'thrifty' is none of the 87 values; did you mean thrift"),
    ],
)
def test_unknown_axes_are_told(axes: object, message: str):
    with pytest.raises(ValueError, match=message):
        check_axes(axes)


def test_later_answers_are_placed_on_the_same_axes_with_arrows(made: World, known: ValuePoles):
    # Each later corpus is the first, moved by 1 and 2 along one dimension: as far does each mean move on the map.
    first = planted(made, known)
    step = np.eye(first.embeddings.shape[1], dtype=np.float32)[3]
    later = {f"step-{n}": replace(first, embeddings=first.embeddings + n * 3 * step) for n in (1, 2)}
    found = univar.value_map(first, after=later)
    assert len(found.identities) == 6
    assert [(str(found.identities[a]), str(found.identities[b])) for a, b in found.moves] == [
        ("m0 (eng)", "m0 · step-1 (eng)"),
        ("m1 (eng)", "m1 · step-1 (eng)"),
        ("m0 · step-1 (eng)", "m0 · step-2 (eng)"),
        ("m1 · step-1 (eng)", "m1 · step-2 (eng)"),
    ]
    lengths = [np.linalg.norm(found.centroids[b] - found.centroids[a]) for a, b in found.moves]
    assert lengths == pytest.approx([3, 3, 3, 3], abs=0.1)
    assert "Arrows: from an identity to itself in the next corpus" in caption(found)
    assert len(found.plot().layout.annotations) == 4
    other = replace(first, provenance=Provenance("other", "1" * 64, None))
    with pytest.raises(EmbeddedCorpusError, match=r"new is embedded by other .* embed both by one model"):
        univar.value_map(first, after={"new": other})
    strangers = replace(first, records=tuple(replace(record, model="x") for record in first.records))
    with pytest.raises(ValueError, match="no identity of the first corpus answers in a later one"):
        univar.value_map(first, after={"new": strangers})


def test_tsne_has_no_axes():
    with pytest.raises(ValueError, match="t-SNE has no axes of its own"):
        check_axes("between", "tsne")


def test_right_angles_and_one_direction():
    records = corpus(1, 3)
    rows = placed_rows(records, np.eye(3), [0, 0, 0])
    # Along x, and along x + y less its share of x, which is y.
    placed = along(rows, np.array([[2.0, 0, 0], [1, 1, 0]])).places
    assert placed == pytest.approx(np.array([[2, -1], [-1, 2], [-1, -1]]) / 3)
    with pytest.raises(ValueError, match="one direction"):
        along(rows, np.array([[2.0, 0, 0], [-1, 0, 0]]))


def test_typical_answers_lie_far_out_along_the_axis_and_little_elsewhere():
    # Of 40 rows, two are outermost: the first far out in all dimensions, the second along this one alone.
    vectors = 0.01 * np.random.default_rng(0).normal(size=(40, 3))
    vectors[0], vectors[1] = [2, 2, 2], [1.9, 0, 0]
    rows = placed_rows(corpus(1, 40), vectors, [0] * 40)
    assert typical(known_axes(rows, vectors[:, :2]), 0, 1) == [1, 0]

"""The two axes of a map: blind to who answered, between identities, or of two values by name.

**Between identities**, axes that are found on the answers that they then place would pull identities apart that do not
differ. So the questions are halved: the directions in which the identities' means differ on one half place the answers
to the other half, and the two maps are turned onto each other by where each half puts the identities for itself. What
noise does in one half it does not do in the other. The halves still share whatever they happen to have in common, so
`Projection.widened` says how much wider than with axes known beforehand a mean may lie off.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA

from univar.analysis.question_share import FloatArray, Placed, sums_of, without_questions
from univar.analysis.unbiased import question_means, squared_lengths

_RESAMPLES = 300
"""Draws of questions behind the interval of a share."""


class Projection(NamedTuple):
    """Rows in two dimensions."""

    places: FloatArray
    """(n, 2) centred on the origin."""
    corpus: Placed
    """The rows, with the embeddings (n, d) that were projected."""
    parts: tuple[npt.NDArray[np.bool_], ...]
    """Which rows each pair of axes placed; axes between identities are made of the rows that they do not place."""
    widened: FloatArray
    """(2,) how many times the variance of a mean is, along each axis, what it is with axes known beforehand."""


class Held(NamedTuple):
    """How much of what identities differ by lies on a map: a share of their unbiased squared distance."""

    share: float | None
    """Not clipped to 0..1; None where the identities do not differ beyond chance, so that there is nothing to hold."""
    low: float | None
    """Lower end of the 95 % interval, by bootstrap over questions."""
    high: float | None
    questions: int
    """n: different questions."""


def blind_places(vectors: FloatArray) -> FloatArray:
    """(n, 2) places along the two directions of largest variance of all rows (n, d)."""
    if not np.ptp(vectors, axis=0).any():
        return np.zeros((len(vectors), 2), dtype=vectors.dtype)
    # Exact, and the same on every machine; the randomised solver is what PCA would pick for most corpora.
    return np.asarray(PCA(2, svd_solver="covariance_eigh").fit_transform(vectors))


def known_axes(corpus: Placed, places: FloatArray) -> Projection:
    """Rows placed by axes that no difference between identities had a part in finding."""
    return Projection(places, corpus, (np.ones(len(places), dtype=bool),), np.ones(2))


def along(corpus: Placed, directions: FloatArray) -> Projection:
    """Rows along two given directions (2, d), the second less what it shares with the first.

    Raises:
        ValueError: If the two are one direction.
    """
    first = directions[0] / np.linalg.norm(directions[0])
    second = directions[1] - (directions[1] @ first) * first
    if np.linalg.norm(second) < 1e-6 * np.linalg.norm(directions[1]):
        raise ValueError("the two axes are one direction; name two values that differ")
    places = corpus.embeddings @ np.stack([first, second / np.linalg.norm(second)], axis=1)
    return known_axes(corpus, places - places.mean(axis=0))


def between(corpus: Placed, m: int, *, centred: bool, seed: int) -> Projection:
    """The two directions in which m identities differ most, each half of the questions placed by the other's.

    Two identities differ in one direction; the second axis is then that of largest variance across it, blind.

    Args:
        corpus: n rows, the questions not removed.
        m: How many identities.
        centred: Whether to remove each question's share, in each half by itself.
        seed: Of the halves.

    Raises:
        ValueError: If there are fewer than two identities, or an identity has no answer in one of the halves, or the
            questions of a half do not connect the identities.
    """
    if m < 2:
        raise ValueError("axes between identities need two identities or more, got 1; take the axes blind")
    half = _halves(corpus, seed)
    sides = [np.flatnonzero(half == side) for side in (False, True)]
    rows = [_centred_half(corpus.take(side), m, centred) for side in sides]
    means = [_means(own, m) for own in rows]
    found = [np.linalg.svd(mean, full_matrices=False)[2][: min(2, m - 1)].T for mean in means]
    inside = [mean @ axes for mean, axes in zip(means, found, strict=True)]
    turn = orthogonal_procrustes(inside[1], inside[0])[0]
    found[1], inside[1] = found[1] @ turn, inside[1] @ turn
    widened = np.ones(2)
    widened[: min(2, m - 1)] = _widened(inside, [means[0] @ found[1], means[1] @ found[0]])
    if m == 2:
        across = _across(np.concatenate([own.embeddings for own in rows]), np.concatenate(found, axis=1))
        found = [np.column_stack([axes, across]) for axes in found]
    places = np.empty((len(half), 2))
    embeddings = np.empty_like(corpus.embeddings)
    for side, own, axes in zip(sides, rows, reversed(found), strict=True):
        embeddings[side] = own.embeddings
        places[side] = own.embeddings @ axes
        # The mean of the identities, not of the rows: a half in which one has more answers lies where the other does.
        places[side] -= (sums_of(own.embeddings @ axes, own.labels, m) / np.bincount(own.labels)[:, None]).mean(axis=0)
    placed = corpus._replace(embeddings=embeddings)
    return Projection(places - places.mean(axis=0), placed, (~half, half), widened)


def held_share(projection: Projection, m: int, seed: int) -> Held:
    """How much of the difference between m identities lies in the plane of a map, without what noise adds to both.

    What identities differ by is the unbiased squared length of how far each lies from their mean, summed over them;
    products are of different questions that the same axes placed.

    Args:
        projection: Rows whose questions' shares are removed, and their places.
        m: How many identities.
        seed: Of the draws of questions.
    """
    corpus = projection.corpus
    names, questions = np.unique(corpus.questions, return_inverse=True)
    count = len(names)
    if m < 2 or count < 2:
        return Held(None, None, None, count)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
    weights = np.concatenate([np.ones((1, count)), drawn])
    plane, whole = np.zeros(len(weights)), np.zeros(len(weights))
    for part in projection.parts:
        centre = corpus.embeddings[part].mean(axis=0), projection.places[part].mean(axis=0)
        for label in range(m):
            own = part & (corpus.labels == label)
            if not own.any():
                continue
            asked, places = np.unique(questions[own], return_inverse=True)
            apart = corpus.embeddings[own] - centre[0], projection.places[own] - centre[1]
            for total, rows in zip((whole, plane), apart, strict=True):
                means, _ = question_means(rows.astype(np.float64), places, len(asked))
                total += np.nan_to_num(squared_lengths(means, weights[:, asked]))
    # Below nothing, the draws say nothing either: then there is no difference that a map could hold.
    if not whole[0] > 0 or np.quantile(whole[1:], 0.025) <= 0:
        return Held(None, None, None, count)
    some = whole > 0
    some[0] = False
    low, high = np.quantile(plane[some] / whole[some], [0.025, 0.975])
    return Held(float(plane[0] / whole[0]), float(low), float(high), count)


def _halves(corpus: Placed, seed: int) -> npt.NDArray[np.bool_]:
    """(n,) in which half the question of each row is: at random, with as many of those that most answered in each."""
    names, questions = np.unique(corpus.questions, return_inverse=True)
    answers = np.bincount(questions)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-answers[shuffled], kind="stable")]
    second = np.zeros(len(names), dtype=bool)
    second[order[1::2]] = True
    return np.asarray(second[questions])


def _centred_half(half: Placed, m: int, centred: bool) -> Placed:
    """One half of the rows, less the share of each question."""
    if missing := m - len(np.unique(half.labels)):
        raise ValueError(
            f"axes between identities are found on one half of the questions and shown on the other, and {missing} of "
            f"{m} identities have no answer in one of them; ask more questions, or take the axes blind"
        )
    if not centred:
        return half
    try:
        return without_questions(half, m, True)[0]
    except ValueError:
        raise ValueError(
            f"axes between identities are found on one half of the questions and shown on the other, and half of them "
            f"do not connect the {m} identities; ask all of them more of the same questions, or take the axes blind"
        ) from None


def _means(corpus: Placed, m: int) -> FloatArray:
    """(m, d) how far the mean of each identity lies from the mean of them all."""
    means = sums_of(corpus.embeddings, corpus.labels, m) / np.bincount(corpus.labels, minlength=m)[:, None]
    return np.asarray(means - means.mean(axis=0), dtype=np.float64)


def _widened(inside: list[FloatArray], outside: list[FloatArray]) -> FloatArray:
    """How much more the variance of a mean is than with known axes, from how far a half repeats what the other found.

    Let r be the share of the squared difference in one half that the other repeats. The place of a mean is, but for
    the scale, the product of what the halves found; its variance over that with known axes is r (2 - r)^2 + 2 (1 - r):
    1 where all is repeated, and 2 where nothing is, since both halves then show one and the same chance.
    """
    repeated = sum((one * other).sum(axis=0) for one, other in zip(inside, outside, strict=True))
    found = sum((one**2).sum(axis=0) for one in inside)
    r = np.clip(np.divide(repeated, found, out=np.ones_like(found), where=found > 0), 0, 1)
    return np.asarray(r * (2 - r) ** 2 + 2 * (1 - r))


def _across(rows: FloatArray, axes: FloatArray) -> FloatArray:
    """(d,) the direction of largest variance of rows (n, d) that is at right angles to axes (d, k)."""
    basis = np.linalg.qr(axes.astype(np.float64))[0]
    left = rows - (rows @ basis) @ basis.T
    left -= left.mean(axis=0)
    return np.asarray(np.linalg.eigh(left.T @ left)[1][:, -1])

"""How much of what answers stand for do vectors hold? Four measures, each with its chance and its interval.

Answers are compared within a group: a question or a claim that they are about. Their stance is a number in [-1, 1];
its sign is the side they take. Every group counts for as much as any other, and intervals are taken over groups.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import normalize

from .statistics import Interval, bootstrap_of_sums

Contrast: TypeAlias = Literal["retrieval", "pairs", "triplets"]
Measure: TypeAlias = Literal["retrieval", "pairs", "triplets", "correlation"]

CONTRASTS: tuple[Contrast, ...] = get_args(Contrast)
FEWEST_GROUPS = 2
"""Groups below which there is no interval over them, and nothing is measured."""

_ANCHORS_AT_ONCE = 1_000
# What is nearer by less than this is as near: equal texts differ by rounding alone.
_DECIMALS = 9
_PENALTIES = np.logspace(-3, 3, 13)
_PROBE_WIDTH = 2_000

Labels: TypeAlias = Sequence[Any] | npt.NDArray[Any]
Matrix: TypeAlias = npt.NDArray[Any] | sparse.sparray | sparse.spmatrix
Mask: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.intp]
FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One measure of one representation, as sums over each group, of which score and interval are made.

    Attributes:
        measure: Which.
        groups: `(g,)` those that could be measured.
        sums: `(g, 2)` the score of each group and 1; of the correlation `(g, 3)` the products of found and given
            stances, and the squares of each.
        n: Answers that were measured.
        chance: What vectors that hold nothing reach.
    """

    measure: Measure
    groups: npt.NDArray[Any]
    sums: FloatArray
    n: int
    chance: float

    @property
    def score(self) -> float:
        """A share in 0..1; a correlation in -1..1."""
        return float(_scores(self.sums.sum(axis=0, keepdims=True))[0])

    def interval(self, seed: int = 0) -> Interval:
        """95 % interval of the score, by bootstrap over groups."""
        return bootstrap_of_sums(self.sums, _scores, seed=seed)

    def difference(self, other: "Measured", seed: int = 0) -> tuple[float, Interval]:
        """How much higher this score is than another of the same measure, on the groups of both, and its interval.

        Raises:
            ValueError: If they are of two measures, or share fewer than two groups.
        """
        if self.measure != other.measure:
            raise ValueError(f"{self.measure} and {other.measure} cannot be compared; give the same measure twice")
        _, mine, others = np.intersect1d(self.groups, other.groups, return_indices=True)
        sums = np.hstack([self.sums[mine], other.sums[others]])
        width = self.sums.shape[1]

        def less(drawn: FloatArray) -> FloatArray:
            return _scores(drawn[:, :width]) - _scores(drawn[:, width:])

        return float(less(sums.sum(axis=0, keepdims=True))[0]), bootstrap_of_sums(sums, less, seed=seed)


def retrieval(vectors: Matrix, groups: Labels, stances: Labels, authors: Labels | None = None) -> Measured:
    """Is the nearest other answer of the group on the same side?

    Where a group has several authors, the nearest by another author. Within a group each side weighs the same. Chance
    is the share of the answers to choose from that are on the same side: half of them where another author answered
    from both ends, less where an answer's own side has one to choose less.

    Args:
        vectors: `(n, D)` dense or sparse; rows need not be unit vectors.
        groups: `(n,)` what each answer is about.
        stances: `(n,)` in [-1, 1]; answers with 0 take no side and are left out.
        authors: `(n,)` who wrote each, or in which voice: what is held apart from the stance.

    Raises:
        ValueError: If lengths differ, a number is not finite or a stance out of range, or fewer than two groups have
            what is measured; see `lacking`.
    """
    return contrasted("retrieval", vectors, groups, stances, authors)


def pairs(vectors: Matrix, groups: Labels, stances: Labels, authors: Labels | None = None) -> Measured:
    """Is an answer nearer to one of its side than to one of the other side? Chance is a half.

    Of every answer with every two others of its group, whoever wrote them. Arguments and errors are those of
    `retrieval`; authors say nothing here.
    """
    return contrasted("pairs", vectors, groups, stances, authors)


def triplets(vectors: Matrix, groups: Labels, stances: Labels, authors: Labels | None = None) -> Measured:
    """Is an answer nearer to the same side by another author than to the other side by the same author?

    The hard question: it tells what an answer stands for from who wrote it. Chance is a half; vectors of authors alone
    reach 0. Arguments and errors are those of `retrieval`; without authors who wrote both sides there are no triplets.
    """
    return contrasted("triplets", vectors, groups, stances, authors)


def correlation(vectors: Matrix, groups: Labels, stances: Labels, learned: Labels, *, seed: int = 0) -> Measured:
    """How well can the stance be read from vectors? Pearson's r of a linear probe with the stances it has not seen.

    Ridge regression, its penalty by leave-one-out on what it learns from, on unit vectors; vectors and stances are
    both less the mean of their group, so that a topic says nothing. With stances of -1 and 1 alone this is the
    point-biserial correlation. Chance is 0. Of sparse vectors the probe reads what lies in the span of 2,000 answers
    that it learns from, drawn by the seed: where there are no more, all.

    Args:
        vectors: `(n, D)` dense or sparse.
        groups: `(n,)` what each answer is about.
        stances: `(n,)` in [-1, 1]. Groups of a single stance are left out.
        learned: `(n,)` marks what the probe learns from; the others are tested. No group is on both sides.
        seed: Of that draw.

    Raises:
        ValueError: As `retrieval` does; and if a group is on both sides, or either has fewer than two groups whose
            stances differ.
    """
    x, codes, names, given, _ = _checked(vectors, groups, stances, None)
    sides = np.asarray(learned, dtype=np.bool_)
    if sides.shape != given.shape:
        raise ValueError(f"learned must mark every row: {sides.shape} marks for {len(given)} rows")
    if both := set(codes[sides]) & set(codes[~sides]):
        raise ValueError(f"{len(both)} groups are learned from and tested, the first is {names[min(both)]!r}")
    varied = _differ(codes, given)[codes]
    if reason := _lacking_probe(codes, varied, sides):
        raise ValueError(reason)
    train, tested = np.flatnonzero(sides & varied), np.flatnonzero(~sides & varied)
    seen, unseen = _probed(x[train], x[tested], seed)
    probe = RidgeCV(_PENALTIES)
    with warnings.catch_warnings():
        # Where all vectors are equal nothing is learned, and the score says so.
        warnings.simplefilter("ignore", linalg.LinAlgWarning)
        probe.fit(_centred(seen, codes[train]), _centred(given[train], codes[train]))
    read = np.round(_centred(probe.predict(_centred(unseen, codes[tested])), codes[tested]), _DECIMALS)
    truth = _centred(given[tested], codes[tested])
    members, row_of = np.unique(codes[tested], return_inverse=True)
    columns = [np.bincount(row_of, weights=part) for part in (read * truth, read * read, truth * truth)]
    return Measured("correlation", names[members], np.stack(columns, axis=1), len(tested), 0.0)


def lacking(measure: Contrast, groups: Labels, stances: Labels, authors: Labels | None = None) -> str | None:
    """What keeps a measure from being taken of these answers, in words; None if nothing does.

    Example:
        >>> lacking("triplets", ["a"] * 4 + ["b"] * 4, [1, 1, -1, -1] * 2)
        'triplets: 0 groups have two authors, one of whom took both sides; at least 2 are needed'
        >>> lacking("pairs", ["a"] * 4 + ["b"] * 4, [1, 1, -1, -1] * 2)
    """
    _, codes, _, given, who = _checked(np.zeros((len(stances), 1)), groups, stances, authors)
    return _lacking(measure, sum(1 for _ in _groups(measure, codes, given, who)))


def lacking_probe(groups: Labels, stances: Labels, learned: Labels) -> str | None:
    """What keeps the correlation from being taken of these answers, in words; None if nothing does."""
    _, codes, _, given, _ = _checked(np.zeros((len(stances), 1)), groups, stances, None)
    return _lacking_probe(codes, _differ(codes, given)[codes], np.asarray(learned, dtype=np.bool_))


def contrasted(
    measure: Contrast, vectors: Matrix, groups: Labels, stances: Labels, authors: Labels | None = None
) -> Measured:
    """`retrieval`, `pairs` or `triplets`, by name."""
    x, codes, names, given, who = _checked(vectors, groups, stances, authors)
    found = list(_groups(measure, codes, given, who))
    if reason := _lacking(measure, len(found)):
        raise ValueError(reason)
    scores, chances = zip(*(_of_group(measure, x, given, who, *one) for one in found), strict=True)
    return Measured(
        measure=measure,
        groups=names[[codes[rows[0]] for rows, _ in found]],
        sums=np.stack([scores, np.ones(len(scores))], axis=1),
        n=sum(len(anchors) for _, anchors in found),
        chance=float(np.mean(chances)),
    )


def _lacking(measure: Contrast, found: int) -> str | None:
    needed = {
        "retrieval": "on both sides an answer with others to choose from, by another author where authors differ",
        "pairs": "two answers a side",
        "triplets": "two authors, one of whom took both sides",
    }[measure]
    return None if found >= FEWEST_GROUPS else f"{measure}: {found} groups have {needed}; at least 2 are needed"


def _lacking_probe(codes: IntArray, varied: Mask, learned: Mask) -> str | None:
    for side, mask in (("to learn from", learned), ("to test", ~learned)):
        if (found := len(np.unique(codes[mask & varied]))) < FEWEST_GROUPS:
            return f"correlation: {found} groups of differing stances {side}; at least 2 are needed"
    return None


def _groups(
    measure: Contrast, codes: IntArray, stances: FloatArray, authors: IntArray
) -> Iterator[tuple[IntArray, IntArray]]:
    """The rows of each group that take a side, and which of them are measured; groups that cannot be are left out."""
    sided = np.flatnonzero(stances)
    order = sided[np.argsort(codes[sided], kind="stable")]
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else ():
        compared = []
        for some in _blocks(np.arange(len(rows))):
            same, other = _masks(measure, some, stances[rows] > 0, authors[rows])
            compared.append(some[same.any(axis=1) & other.any(axis=1)])
        anchors = np.concatenate(compared)
        if len(np.unique(stances[rows[anchors]] > 0)) == 2:
            yield rows, anchors


def _masks(measure: Contrast, anchors: IntArray, sides: Mask, authors: IntArray) -> tuple[Mask, Mask]:
    """`(a, k)` twice: which of the k answers of a group stand beside each anchor's as same and as other."""
    alike = sides[anchors, None] == sides[None]
    apart = authors[anchors, None] != authors[None]
    if measure == "triplets":
        return alike & apart, ~alike & ~apart
    by_another = measure == "retrieval" and len(np.unique(authors)) > 1
    allowed = apart if by_another else anchors[:, None] != np.arange(len(sides))[None]
    return alike & allowed, ~alike & allowed


def _of_group(
    measure: Contrast, x: Matrix, stances: FloatArray, authors: IntArray, rows: IntArray, anchors: IntArray
) -> tuple[float, float]:
    """The score of a group and its chance: the mean of its two sides."""
    sides, members = stances[rows] > 0, x[rows]
    won, chances = [], []
    for some in _blocks(anchors):
        same, other = _masks(measure, some, sides, authors[rows])
        near: Any = members[some] @ members.T
        near = np.round(near.toarray() if sparse.issparse(near) else near, _DECIMALS)
        if measure == "retrieval":
            won.append(_nearest(near, same, other))
            chances.append(same.sum(axis=1) / (same | other).sum(axis=1))
        else:
            won.append(_nearer(near, same, other))
            chances.append(np.full(len(some), 0.5))

    def of_both_sides(values: list[FloatArray]) -> float:
        joined = np.concatenate(values)
        return float(np.mean([joined[sides[anchors] == side].mean() for side in (True, False)]))

    return of_both_sides(won), of_both_sides(chances)


def _nearest(near: FloatArray, same: Mask, other: Mask) -> FloatArray:
    """`(a,)` whether the nearest is a same one; of several equally near ones the share that is."""
    near = np.where(same | other, near, -np.inf)
    best = near == near.max(axis=1, keepdims=True)
    return np.asarray((best & same).sum(axis=1) / best.sum(axis=1))


def _nearer(near: FloatArray, same: Mask, other: Mask) -> FloatArray:
    """`(a,)` the share of pairs of a same and an other one of which the same one is nearer; equally near is a half."""
    shares = []
    for row, mine, others in zip(near, same, other, strict=True):
        opposed = np.sort(row[others])
        passed = np.searchsorted(opposed, row[mine], "left") + np.searchsorted(opposed, row[mine], "right")
        shares.append(passed.mean() / (2 * len(opposed)))
    return np.array(shares)


def _blocks(rows: IntArray) -> Iterator[IntArray]:
    for start in range(0, len(rows), _ANCHORS_AT_ONCE):
        yield rows[start : start + _ANCHORS_AT_ONCE]


def _scores(sums: FloatArray) -> FloatArray:
    """`(b,)` means of `(b, 2)` sums, or correlations of `(b, 3)`; 0 where nothing was found."""
    over = sums[:, 1] if sums.shape[1] == 2 else np.sqrt(sums[:, 1] * sums[:, 2])
    return np.divide(sums[:, 0], over, out=np.zeros(len(sums)), where=over > 0)


def _checked(
    vectors: Matrix, groups: Labels, stances: Labels, authors: Labels | None
) -> tuple[Matrix, IntArray, npt.NDArray[Any], FloatArray, IntArray]:
    """Unit rows, groups as codes and their names, stances, authors as codes: all the same where there are none."""
    given = np.asarray(stances, dtype=np.float64)
    x: Any = sparse.csr_array(vectors) if sparse.issparse(vectors) else np.asarray(vectors)
    if x.ndim != 2 or given.ndim != 1 or not x.shape[0] == len(groups) == len(given):
        raise ValueError(f"vectors {x.shape}, {len(groups)} groups, stances {given.shape}: give one of each an answer")
    if authors is not None and len(authors) != len(given):
        raise ValueError(f"authors must name one an answer: {len(authors)} for {len(given)}")
    x = x.astype(np.float64)
    if wrong := int((~np.isfinite(x.data if sparse.issparse(x) else x)).sum()):
        raise ValueError(f"{wrong} numbers in the vectors are not finite; encode those again")
    if not (np.abs(given) <= 1).all():
        first = given[~(np.abs(given) <= 1)][0]
        raise ValueError(f"a stance lies in [-1, 1], got {first:g}; 1 stands for what is asked about, -1 against it")
    names, codes = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    who = np.zeros(len(given), dtype=np.intp)
    if authors is not None:
        who = np.unique(np.asarray(authors, dtype=object), return_inverse=True)[1]
    return normalize(x), codes, names, given, who


def _differ(codes: IntArray, stances: FloatArray) -> Mask:
    """`(g,)` whether the stances of each group differ."""
    low, high = np.full(codes.max() + 1, np.inf), np.full(codes.max() + 1, -np.inf)
    np.minimum.at(low, codes, stances)
    np.maximum.at(high, codes, stances)
    return high > low


def _centred(values: FloatArray, codes: IntArray) -> FloatArray:
    """Rows less the mean of their group."""
    _, codes = np.unique(codes, return_inverse=True)
    sums = np.zeros((codes.max() + 1, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return values - (sums.T / np.bincount(codes)).T[codes]


def _probed(learned: Matrix, tested: Matrix, seed: int) -> tuple[FloatArray, FloatArray]:
    """Both sides as a probe can read them: dense, and of words the part that lies in the span of what is learned."""
    if not sparse.issparse(learned):
        return np.asarray(learned), np.asarray(tested)
    rows: Any = sparse.csr_array(learned)
    chosen = np.random.default_rng(seed).permutation(rows.shape[0])[:_PROBE_WIDTH]
    spanning = rows[np.sort(chosen)]
    squares, directions = np.linalg.eigh((spanning @ spanning.T).toarray())
    kept = squares > squares.max() * len(squares) * np.finfo(np.float64).eps
    axes = directions[:, kept] / np.sqrt(squares[kept])
    return (rows @ spanning.T) @ axes, (sparse.csr_array(tested) @ spanning.T) @ axes

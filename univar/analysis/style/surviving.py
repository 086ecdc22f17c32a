"""Distances of the same answers in several versions, and how much of one is left in another, question by question.

The distances are those of `univar.analysis.distances`. Questions are drawn anew for all versions together, so that what
varies with the questions and not with the version does not widen the interval of their ratio.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from univar.analysis.distances.estimates import Estimates, estimates
from univar.analysis.distances.pairwise import (
    FEWEST_QUESTIONS,
    BoolArray,
    FloatArray,
    cells_of,
    groups_of,
    mean_lengths,
)
from univar.analysis.distances.sides import Compared
from univar.analysis.statistics import Interval
from univar.corpus.records import QARecord

DRAWS = 2000

_FEWEST = 4  # questions, from which on an interval is given


class Version:
    """The answers of a corpus in one version, and the distances of pairs of identities in it.

    Args:
        records: n QAs, all by identities that are compared.
        vectors: `(n, d)` their vectors.
        questions: `(n,)` the question of each, the same in all languages.
        what: Which pairs are compared.
        by_value: Whether to compare value by value, where most questions name a value that has four.
        seed: Of the swaps.

    Raises:
        ValueError: If a vector is not finite.
    """

    def __init__(
        self,
        records: Sequence[QARecord],
        vectors: FloatArray,
        questions: Sequence[str],
        what: Compared,
        *,
        by_value: bool,
        seed: int,
    ) -> None:
        place = {identity: number for number, identity in enumerate(what.identities)}
        owners = [place[record.identity] for record in records]
        values = [record.value for record in records] if by_value else None
        self._seed = seed
        self._means: dict[bytes, Estimates] = {}
        cells = cells_of(vectors, owners, questions, values, authors=len(place))
        self.values = cells.values
        self.groups = groups_of(cells, what.pairs)
        self.pairs = [group.estimates() for group in self.groups]
        self.names = _names(records, questions, cells.values)
        """The questions of each group, as they are numbered in it."""
        assert list(map(len, self.names)) == list(map(len, cells.groups))

    @property
    def readable(self) -> BoolArray:
        """(p,) which pairs share questions enough."""
        known = [pairs.shared >= FEWEST_QUESTIONS for pairs in self.pairs]
        return np.any(known, axis=0) if known else np.zeros(0, dtype=bool)

    @property
    def questions(self) -> int:
        """How many are shared by two or more."""
        return sum(map(len, self.names))

    def mean(self, pairs: BoolArray) -> Estimates:
        """The mean squared distance over some pairs, as the only one of its kind."""
        key = pairs.tobytes()
        if key not in self._means:
            chosen = pairs.astype(np.float64)
            self._means[key], _ = estimates(self.groups, self.pairs, chosen[:, None], by_group=chosen, seed=self._seed)
        return self._means[key]

    def weights(self, stream: int) -> dict[str, FloatArray]:
        """How often each question is drawn in `DRAWS` draws of as many as there are of each value."""
        generator = np.random.default_rng([self._seed, stream])
        drawn: dict[str, FloatArray] = {}
        for names in self.names:
            counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
            drawn |= dict(zip(names, counts.T.astype(np.float64), strict=True))
        return drawn

    def drawn(self, weights: Mapping[str, FloatArray], pairs: BoolArray) -> FloatArray:
        """`(DRAWS,)` the mean squared distance over some pairs where questions count as they are drawn."""
        lengths = mean_lengths(self.groups, [np.array([weights[name] for name in own]).T for own in self.names])
        return np.asarray(np.where(np.isfinite(lengths[:, pairs]).any(axis=1), _mean(lengths[:, pairs]), np.nan))


def share(part: FloatArray, whole: FloatArray, questions: int) -> Interval:
    """The 95 % interval of one distance over another, from draws of both; none where there are too few questions."""
    known = np.isfinite(part) & (whole > 0)
    # Where one draw in twenty has no whole, there is no telling how large a part of it is.
    if questions < _FEWEST or known.mean() < 0.95:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(part[known] / whole[known], [0.025, 0.975])
    return Interval(float(low), float(high))


def _mean(lengths: FloatArray) -> FloatArray:
    known = np.isfinite(lengths)
    return np.asarray(np.nan_to_num(lengths).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def _names(records: Sequence[QARecord], questions: Sequence[str], values: Sequence[str]) -> list[list[str]]:
    """The questions that several identities answered, in the groups and the order of `cells_of`."""
    authors: dict[str, set[object]] = {}
    value_of: dict[str, str | None] = {}
    for record, question in zip(records, questions, strict=True):
        authors.setdefault(question, set()).add(record.identity)
        value_of.setdefault(question, record.value)
    several = sorted(question for question, own in authors.items() if len(own) > 1)
    if not values:
        return [several] if several else []
    return [[question for question in several if value_of[question] == value] for value in values]

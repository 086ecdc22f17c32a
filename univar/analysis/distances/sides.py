"""The answers of one corpus laid out for comparison: the distances in it, and what each of them rests on."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from univar.analysis.distances.estimates import Estimates, estimates
from univar.analysis.distances.pairwise import (
    FEWEST_QUESTIONS,
    BoolArray,
    Cells,
    FloatArray,
    Group,
    IntArray,
    Pairs,
    cells_of,
    groups_of,
    mean_lengths,
    quotient,
    shared_questions,
)
from univar.corpus.records import Identity, QARecord


class Compared(NamedTuple):
    """Which pairs of identities are compared, and of which of them each distance is the mean."""

    identities: list[Identity]
    names: list[str]
    """Of what is compared: identities, languages or models."""
    pairs: IntArray
    """(p, 2) numbers of identities."""
    columns: FloatArray
    """(p, c + 1) whether a distance is a mean of a pair: one for each two names, then one for all pairs."""
    apart: str
    """Why there may be no pair of identities for two names."""

    @property
    def labels(self) -> list[tuple[str, str]]:
        """The two names of each of the c distances."""
        return list(combinations(self.names, 2))


def compared(identities: Sequence[Identity], between: str) -> Compared:
    """What is compared between identities, languages or models.

    Raises:
        ValueError: If there are no two.
    """
    langs, models = [who.lang for who in identities], [who.model for who in identities]
    own, within, apart = {
        "identities": (list(map(str, identities)), [""] * len(identities), "nobody answers"),
        "languages": (langs, models, "no LLM answers in both"),
        "models": (models, langs, "they answer in no common language"),
    }[between]
    names = sorted(set(own))
    pairs = [(a, b) for a, b in combinations(range(len(own)), 2) if own[a] != own[b] and within[a] == within[b]]
    if not pairs:
        found = f"{len(names)} ({', '.join(names[:5])}{' …' if len(names) > 5 else ''})" if names else "none"
        why = f"; {apart}" if len(names) > 1 else ""
        raise ValueError(
            f"distances between {between} need two or more that can be compared, got {found}{why}; add answers by "
            "another LLM, or by the same one in another language"
        )
    number = {label: place for place, label in enumerate(combinations(names, 2))}
    columns = np.zeros((len(pairs), len(number) + 1))
    for place, (a, b) in enumerate(pairs):
        first, second = sorted((own[a], own[b]))
        columns[place, [number[first, second], -1]] = 1
    return Compared(list(identities), names, np.array(pairs, dtype=np.intp), columns, apart)


class Side:
    """The answers of one corpus, value questions or controls, and the distances of pairs in it.

    Args:
        records: n QAs, all by identities that are compared.
        vectors: (n, d) their vectors.
        what: Which pairs are compared.
        by_value: Whether to compare value by value, where most questions name a value that has four.
        seed: Of the swaps.
    """

    def __init__(
        self, records: Sequence[QARecord], vectors: FloatArray, what: Compared, *, by_value: bool, seed: int
    ) -> None:
        number = {identity: place for place, identity in enumerate(what.identities)}
        owners = [number[record.identity] for record in records]
        values = [record.value for record in records] if by_value else None
        self.what, self._seed = what, seed
        self.answers = np.bincount(owners, minlength=len(number))
        self.cells: Cells = cells_of(vectors, owners, shared_questions(records), values, authors=len(number))
        self.groups: list[Group] = groups_of(self.cells, what.pairs)
        self.pairs: list[Pairs] = [group.estimates() for group in self.groups]

    @property
    def readable(self) -> BoolArray:
        """(p,) which pairs can be compared."""
        known = [pairs.shared >= FEWEST_QUESTIONS for pairs in self.pairs]
        return np.any(known, axis=0) if known else np.zeros(len(self.what.pairs), dtype=bool)

    def found(self, only: BoolArray | None = None) -> tuple[Estimates, list[Estimates]]:
        """The c + 1 distances, of some of the pairs only if so asked, and the mean over all pairs for each group."""
        columns = self.what.columns if only is None else self.what.columns * only[:, None]
        return estimates(self.groups, self.pairs, columns, by_group=columns[:, -1], seed=self._seed)

    def counts(self, column: int, group: int | None = None) -> tuple[int, int]:
        """Questions and answers that a distance rests on, of all groups of questions or of one."""
        pairs = np.flatnonzero(self.what.columns[:, column])
        present = np.zeros(self.cells.counts.shape, dtype=bool)
        for place in range(len(self.groups)) if group is None else (group,):
            shared = self.groups[place].shared[pairs]
            shared = shared & (shared.sum(axis=1) >= FEWEST_QUESTIONS)[:, None]
            own = np.zeros((len(present), shared.shape[1]), dtype=bool)
            for side in self.what.pairs[pairs].T:
                np.logical_or.at(own, side, shared)
            present[:, self.cells.groups[place]] = own
        return int(present.any(axis=0).sum()), int(self.cells.counts[present].sum())

    def averaged(self, lengths: FloatArray) -> FloatArray:
        """`(r, c + 1)` distances from those of `(r, p)` pairs, of which some may be NaN."""
        known = np.isfinite(lengths).astype(np.float64) @ self.what.columns
        total = np.nan_to_num(lengths) @ self.what.columns
        return quotient(total, known)

    def drawn(self, draws: int) -> FloatArray:
        """`(r, c + 1)` distances by questions drawn anew, of each value as many as it has."""
        generator = np.random.default_rng([self._seed, 1])
        sizes = map(len, self.cells.groups)
        weights = [generator.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64) for n in sizes]
        return self.averaged(mean_lengths(self.groups, weights))

    def halves(self, halvings: int) -> tuple[FloatArray, FloatArray]:
        """`(s, c + 1)` distances by one half of the questions of each group, and by the other."""
        generator = np.random.default_rng([self._seed, 2])
        one = []
        for numbers in self.cells.groups:
            order = generator.permuted(np.tile(np.arange(len(numbers)), (halvings, 1)), axis=1)
            one.append((order < len(numbers) // 2).astype(np.float64))
        other = [1 - weights for weights in one]
        return self.averaged(mean_lengths(self.groups, one)), self.averaged(mean_lengths(self.groups, other))

    def products(self) -> FloatArray:
        """(p,) over how many products of two differences each pair's distance is a mean, as its variance counts."""
        numbers = np.array([pairs.shared for pairs in self.pairs], dtype=np.float64)
        known = numbers >= FEWEST_QUESTIONS
        shares = known / np.maximum(known.sum(axis=0), 1)
        inverse = (shares**2 / np.where(known, numbers * (numbers - 1), 1)).sum(axis=0)
        return quotient(np.ones_like(inverse), inverse, 0)

    def sampling(self) -> tuple[float, float]:
        """Answers of an identity to a question, and the share of the variation that comes with the sample.

        The share is NaN where nobody answered a question twice.
        """
        given = self.cells.counts[self.cells.counts > 0]
        samples = 1 / float(np.mean(1 / given)) if len(given) else math.nan
        spreads = [np.maximum(pairs.shared, 1) * (pairs.raw - pairs.squared) for pairs in self.pairs]
        spread = float(np.nanmean(spreads)) if np.isfinite(spreads).any() else 0.0
        if spread <= 0 or math.isnan(self.cells.scatter):
            return samples, math.nan
        return samples, min(2 * self.cells.scatter / samples / spread, 1.0)

    def missing(self, column: int) -> str:
        """Why a distance could not be computed."""
        pairs = np.flatnonzero(self.what.columns[:, column])
        if not len(pairs):
            return self.what.apart
        silent = sorted({str(self.what.identities[a]) for a in self.what.pairs[pairs].ravel() if not self.answers[a]})
        if silent:
            return f"no usable answer by {' and '.join(silent)}"
        shared = sum(int(group.shared[pairs].sum()) for group in self.groups)
        if not shared:
            return "no question in common"
        return f"{shared} {'question' if shared == 1 else 'questions'} in common, of no value two"

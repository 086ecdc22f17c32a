"""Squared distances of all pairs of authors at once, over the questions that both of a pair answered.

The distances are those of `univar.analysis.unbiased`: differences at different questions are multiplied, so that noise
adds nothing. Where most questions name a value, only differences at questions of one value are, and the mean is taken
over values: to be for one value and against another would else look like the reverse.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from univar.analysis.unbiased import question_means
from univar.corpus.records import QARecord

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

FEWEST_QUESTIONS = 2
"""That two authors must share, since differences at two questions are multiplied."""

FEWEST_OF_VALUE = 4
"""Questions that a value must have to be compared by itself: two in each half."""

_NUMBERS_AT_ONCE = 2**23


class Cells(NamedTuple):
    """Mean answers of m authors to the q questions that two of them or more answered.

    Nothing depends on what all authors share at a question, and it is taken out.
    """

    means: FloatArray
    """(m, q, d) zeros where there is no answer."""
    counts: IntArray
    """(m, q) answers behind each mean."""
    groups: tuple[IntArray, ...]
    """The numbers of the questions of each value, or all questions as one group."""
    values: tuple[str, ...]
    """The value of each group; empty where all questions are one group."""
    scatter: float
    """Mean squared length by which answers of one author to one question lie apart from their mean, as an estimate for
    one answer; NaN where nobody answered twice."""


class Pairs(NamedTuple):
    """What is known of p pairs of authors on one group of n questions; NaN for a pair that shares fewer than two."""

    squared: FloatArray
    """(p,) the unbiased squared distances."""
    raw: FloatArray
    """(p,) the plain squared distances of the means, noise and all."""
    influence: FloatArray
    """(n, p) how much the questions raise them: the mean product of each with the others, less the mean of these; 0
    for a question that is not shared."""
    shared: IntArray
    """(p,) how many questions are shared."""


def shared_questions(records: Sequence[QARecord]) -> list[str]:
    """What tells that two QAs answer the same question, in two languages too: its id or its English version.

    Ids may be numbered language by language, and English versions may be translations back that differ, so whichever
    the languages share more of is taken.
    """
    langs = [record.lang for record in records]

    def shared(names: Sequence[str]) -> int:
        spread = Counter(name for name, _ in set(zip(names, langs, strict=True)))
        return sum(number - 1 for number in spread.values())

    ids, keys = [record.question_id for record in records], [record.question_key for record in records]
    return ids if shared(ids) > shared(keys) else keys


def cells_of(
    vectors: npt.ArrayLike,
    owners: npt.ArrayLike,
    questions: Sequence[str],
    values: Sequence[str | None] | None = None,
    *,
    authors: int | None = None,
) -> Cells:
    """Answers as means by author and question; questions that one author alone answered are left out.

    Args:
        vectors: `(n, d)` of answers.
        owners: `(n,)` the author of each, numbered from 0.
        questions: `(n,)` the question that each answers.
        values: `(n,)` the value that each is about. Values with fewer than four questions are left out, unless that
            leaves fewer than half of the questions: then all questions are one group, as without values.
        authors: How many authors there are, those without an answer among them.

    Raises:
        ValueError: If lengths differ or a number is not finite.
    """
    rows, who = np.asarray(vectors, dtype=np.float64), np.asarray(owners, dtype=np.intp)
    lengths = {len(who), len(questions), len(who if values is None else values)}
    if rows.ndim != 2 or lengths != {len(rows)}:
        raise ValueError(f"give an owner, a question and a value for each vector, got {rows.shape} and {lengths}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{(~np.isfinite(rows)).any(axis=1).sum()} of {len(rows)} vectors are not finite")
    number = authors or int(who.max(initial=-1)) + 1
    names, places = np.unique(np.asarray(questions, dtype=object), return_inverse=True)
    counts = np.zeros((number, len(names)), dtype=np.intp)
    np.add.at(counts, (who, places), 1)
    groups, found = _groups(places, values, (counts > 0).sum(axis=0) > 1)
    kept = np.concatenate(groups) if groups else np.empty(0, dtype=np.intp)
    means = np.zeros((number, len(kept), rows.shape[1]))
    squares, freedom = 0.0, 0
    for author in range(number):
        own = np.flatnonzero(who == author)
        if not len(own):
            continue
        mean, _ = question_means(rows[own], places[own], len(names))
        squares += float(((rows[own] - mean[places[own]]) ** 2).sum())
        freedom += len(own) - len(np.unique(places[own]))
        means[author] = mean[kept]
    there = counts[:, kept] > 0
    if len(kept):
        means -= np.divide(means.sum(axis=0), np.maximum(there.sum(axis=0), 1)[:, None])
        means[~there] = 0
    ends = np.cumsum([0, *map(len, groups)])
    numbered = tuple(np.arange(low, high) for low, high in pairwise(ends))
    return Cells(means, counts[:, kept], numbered, found, squares / freedom if freedom else float("nan"))


def _groups(
    places: IntArray, values: Sequence[str | None] | None, several: BoolArray
) -> tuple[list[IntArray], tuple[str, ...]]:
    """The questions of each value among those that several authors answered, and the values; or all as one group."""
    of_value: dict[str, list[int]] = {}
    value_of = {int(place): value for place, value in zip(places[::-1], (values or ())[::-1], strict=False)}
    for place in np.flatnonzero(several):
        if (value := value_of.get(int(place))) is not None:
            of_value.setdefault(value, []).append(int(place))
    known = sorted(value for value, own in of_value.items() if len(own) >= FEWEST_OF_VALUE)
    if known and 2 * sum(len(of_value[value]) for value in known) >= several.sum():
        return [np.array(of_value[value]) for value in known], tuple(known)
    return ([np.flatnonzero(several)] if several.any() else []), ()


class Group:
    """The cells of one group of n questions, and p pairs of authors to compare on it.

    Args:
        means: (m, n, d) as in `Cells`.
        there: (m, n) whether there is an answer.
        pairs: (p, 2) numbers of authors.
    """

    def __init__(self, means: FloatArray, there: BoolArray, pairs: IntArray) -> None:
        self.means, self.there, self.pairs = means, there, pairs
        self.shared: BoolArray = there[pairs[:, 0]] & there[pairs[:, 1]]
        """(p, n) whether both of a pair answered a question."""

    def estimates(self) -> Pairs:
        """The squared distance of each pair, and how each question raises it."""
        numbers = self.shared.sum(axis=1)
        squared, raw = np.full(len(self.pairs), np.nan), np.full(len(self.pairs), np.nan)
        influence = np.zeros((self.means.shape[1], len(self.pairs)))
        for some, apart in self._differences():
            n = np.maximum(numbers[some], FEWEST_QUESTIONS)
            total = apart.sum(axis=1)
            lengths = np.einsum("pnd,pnd->pn", apart, apart)
            products = np.einsum("pnd,pd->pn", apart, total) - lengths
            squared[some] = products.sum(axis=1) / (n * (n - 1))
            raw[some] = np.einsum("pd,pd->p", total, total) / n**2
            centred = products / (n - 1)[:, None] - squared[some, None]
            influence[:, some] = np.where(self.shared[some], centred, 0).T
        few = numbers < FEWEST_QUESTIONS
        squared[few], raw[few], influence[:, few] = np.nan, np.nan, 0
        return Pairs(squared, raw, influence, numbers)

    def lengths(self, weights: FloatArray) -> FloatArray:
        """`(r, p)` the squared distances where questions count as in each row of `(r, n)` weights; NaN for none."""
        sides = self.shared.T.astype(np.float64)
        ordered = (weights @ sides) ** 2 - weights**2 @ sides
        return quotient(self.crossed(weights), ordered)

    def crossed(self, weights: FloatArray) -> FloatArray:
        """`(r, p)` sums of products of the differences at any two shared questions, in single precision.

        A product counts as often as the product of the `(r, n)` weights of its questions says; with signs for weights
        the answers of a pair change places at some of the questions.
        """
        authors, n, d = self.means.shape
        # Both give the same; which is quicker depends on whether there are more questions or more dimensions.
        by_products, by_sums = n**2 * (8 + len(self.pairs)), 2 * n * d * authors + 32 * d * len(self.pairs)
        return self._by_products(weights) if by_products < by_sums else self._by_sums(weights)

    def _by_products(self, weights: FloatArray) -> FloatArray:
        rows, columns = np.triu_indices(self.means.shape[1], k=1)
        products = np.empty((len(self.pairs), len(rows)), dtype=np.float32)
        for some, apart in self._differences():
            single = apart.astype(np.float32)
            products[some] = (single @ single.transpose(0, 2, 1))[:, rows, columns]
        found = np.empty((len(weights), len(self.pairs)))
        for some in _batches(len(weights), len(rows)):
            both = weights[some].astype(np.float32)
            found[some] = 2 * (both[:, rows] * both[:, columns]) @ products.T
        return found

    def _by_sums(self, weights: FloatArray) -> FloatArray:
        """The square of the sum has each product, and the square of each difference, which is taken off again."""
        authors, n, d = self.means.shape
        squares = np.empty((n, len(self.pairs)))
        for some, apart in self._differences():
            squares[:, some] = np.einsum("pnd,pnd->pn", apart, apart).T
        flat = self.means.transpose(1, 0, 2).reshape(n, -1).astype(np.float32)
        found: FloatArray = -(weights**2 @ squares)
        for some in _batches(len(weights), authors * d):
            part = weights[some].astype(np.float32)
            sums = (part @ flat).reshape(len(part), authors, d)
            for pair, (one, other) in enumerate(self.pairs):
                both = self._shared_sum(sums, part, one, other) - self._shared_sum(sums, part, other, one)
                found[some, pair] += np.einsum("rd,rd->r", both, both)
        return found

    def _shared_sum(
        self, sums: npt.NDArray[np.float32], weights: npt.NDArray[np.float32], one: int, other: int
    ) -> npt.NDArray[np.float32]:
        """(r, d) the weighted sum of what one author answered, but for questions that another did not answer."""
        alone = self.there[one] & ~self.there[other]
        found: npt.NDArray[np.float32] = sums[:, one]
        return found - weights[:, alone] @ self.means[one, alone].astype(np.float32) if alone.any() else found

    def _differences(self) -> Iterator[tuple[slice, FloatArray]]:
        """Some of the pairs after others, and `(p, n, d)` their differences at each question, 0 where not shared."""
        for some in _batches(len(self.pairs), int(np.prod(self.means.shape[1:]))):
            apart = self.means[self.pairs[some, 0]] - self.means[self.pairs[some, 1]]
            apart[~self.shared[some]] = 0
            yield some, apart


def groups_of(cells: Cells, pairs: IntArray) -> list[Group]:
    """The groups of questions of cells, with the pairs of authors to compare on them."""
    return [Group(cells.means[:, own], cells.counts[:, own] > 0, pairs) for own in cells.groups]


def mean_lengths(groups: Sequence[Group], weights: Sequence[FloatArray]) -> FloatArray:
    """`(r, p)` the mean over groups of the squared distances under `(r, n)` weights of each group's questions.

    A group that no two questions of a pair are drawn of does not count for it; NaN where that is so of all.
    """
    total = np.zeros((len(weights[0]), len(groups[0].pairs)))
    number = np.zeros_like(total)
    for group, own in zip(groups, weights, strict=True):
        found = group.lengths(own)
        number += np.isfinite(found)
        total += np.nan_to_num(found)
    return quotient(total, number)


def quotient(over: FloatArray, under: FloatArray, otherwise: float = np.nan) -> FloatArray:
    """One over the other, both of one shape, and another number where the other is not above 0."""
    return np.asarray(np.divide(over, under, out=np.full(under.shape, float(otherwise)), where=under > 0))


def _batches(number: int, width: int) -> Iterator[slice]:
    size = max(1, _NUMBERS_AT_ONCE // max(width, 1))
    for start in range(0, number, size):
        yield slice(start, min(start + size, number))

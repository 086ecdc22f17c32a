"""How far apart languages lie in what LLMs answer in them: the same LLM, the same question, in two languages."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Self

import numpy as np
import numpy.typing as npt

from univar.analysis.distances.pairwise import shared_questions
from univar.analysis.people.matrices import FEWEST, subset, things_of
from univar.analysis.unbiased import question_means, squared_lengths
from univar.corpus.records import QARecord

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

HALVINGS = 30
"""Ways of halving the questions that the reliability of the distances rests on."""

FEWEST_QUESTIONS = 4
"""That two languages must share, two a half, and that a value must have to be compared by itself."""

_ALL_ALIKE = 1e-12


@dataclass(frozen=True, eq=False, slots=True)
class LanguageDistances:
    """Distances between languages; those from elsewhere, as of a paper, have `languages` and `squared` alone.

    Attributes:
        languages: ISO 639-3, sorted.
        squared: `(pairs,)` condensed squared distances between them; unbiased ones may be negative.
        halves: `(2, s, pairs)` those by one half of the questions and by the other, for s ways of halving them.
        qas: How many answers they rest on.
        questions: To how many questions.
        models: Of how many LLMs.
        models_a_pair: Least and most LLMs that two languages are compared in.
        within: Whether each LLM is compared with itself; otherwise LLMs differ between languages too.
        values: How many values are compared one by one; 0 where all questions are taken together.
        left_out: Languages that could not be compared, and why.
    """

    languages: tuple[str, ...]
    squared: FloatArray
    halves: FloatArray = field(default_factory=lambda: np.empty((2, 0, 0)))
    qas: int = 0
    questions: int = 0
    models: int = 0
    models_a_pair: tuple[int, int] = (0, 0)
    within: bool = True
    values: int = 0
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = len(self.languages)
        if known < FEWEST or self.squared.ndim != 1 or things_of(self.squared) != known:
            raise ValueError(
                f"distances between at least {FEWEST} languages are needed, one a pair, got {self.squared.shape} for "
                f"{known} ({', '.join(self.languages)}); ask in more languages"
            )
        if np.ptp(self.squared) < _ALL_ALIKE:
            raise ValueError("all languages lie equally far apart, as where all answers are equal; nothing is related")

    def of(self, kept: Sequence[str]) -> Self:
        """Those between some of the languages."""
        places = [self.languages.index(lang) for lang in kept]
        halves = self.halves
        if halves.size:
            halves = np.array([[subset(side, places) for side in half] for half in halves])
        return replace(self, languages=tuple(kept), squared=subset(self.squared, places), halves=halves)


def language_distances(
    records: Sequence[QARecord], vectors: npt.ArrayLike, *, halvings: int = HALVINGS, seed: int = 0
) -> LanguageDistances:
    """Unbiased squared distances between languages, over the questions that both were asked.

    Of each LLM the answers in two languages to one question are subtracted, which takes question and LLM out; the
    squared length of the mean difference is taken without the noise in it, value by value where most questions name one
    with four questions or more (to be for one value and against another would else look like the reverse), and averaged
    over LLMs. Where too few languages have an LLM in common, all LLMs are taken together, and their differences count
    as those of languages: `within` tells.

    Args:
        records: n QAs.
        vectors: `(n, d)` their embeddings.
        halvings: Ways of halving the questions.
        seed: Of the halvings.

    Raises:
        ValueError: If fewer than four languages can be compared (the message says why), shapes differ, a number is not
            finite, or nothing lies apart.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(records) or not np.isfinite(rows).all():
        raise ValueError(f"vectors must be finite, one a record, got {rows.shape} for {len(records)} records")
    if len(found := sorted({record.lang for record in records})) < FEWEST:
        raise ValueError(
            f"languages are compared with societies where there are {FEWEST} or more, and these answers are in "
            f"{', '.join(found) or 'none'}; ask in more languages"
        )
    names, places = np.unique(np.array(shared_questions(records), dtype=object), return_inverse=True)
    groups, values = _groups(records, places, len(names))
    weights = _halves(groups, len(names), halvings, seed)
    for within in (True, False):
        compared = _compared(records, rows, places, groups, weights, within=within)
        kept, left_out = _connected(found, compared)
        if len(kept) >= FEWEST:
            break
    else:
        raise ValueError(
            f"fewer than {FEWEST} languages can be compared: {'; '.join(f'{k}: {v}' for k, v in left_out.items())}"
        )
    pairs = list(combinations(kept, 2))
    means = np.array([np.mean([row for _, row in compared[pair]], axis=0) for pair in pairs])
    used = {model for pair in pairs for model, _ in compared[pair]}
    numbers = [len(compared[pair]) for pair in pairs]
    counted = [
        place for place, record in enumerate(records) if record.lang in kept and (record.model in used or not within)
    ]
    return LanguageDistances(
        languages=tuple(kept),
        squared=means[:, 0],
        halves=np.stack([means[:, 1::2].T, means[:, 2::2].T]),
        qas=len(counted),
        questions=len({int(places[place]) for place in counted}),
        models=len({records[place].model for place in counted}),
        models_a_pair=(min(numbers), max(numbers)),
        within=within,
        values=values,
        left_out=left_out,
    )


def _groups(records: Sequence[QARecord], places: IntArray, questions: int) -> tuple[list[IntArray], int]:
    """The questions of each value, and how many values; all as one, and 0, where few are of a value that has four."""
    value_of: dict[int, str] = {}
    for record, place in zip(records, places, strict=True):
        if record.value is not None:
            value_of.setdefault(int(place), record.value)
    of_value: dict[str, list[int]] = {}
    for place, value in sorted(value_of.items()):
        of_value.setdefault(value, []).append(place)
    groups = [np.array(own) for own in of_value.values() if len(own) >= FEWEST_QUESTIONS]
    if 2 * sum(map(len, groups)) >= questions:
        return groups, len(groups)
    return [np.arange(questions)], 0


def _halves(groups: Sequence[IntArray], questions: int, halvings: int, seed: int) -> FloatArray:
    """`(1 + 2 s, questions)` weights: all questions, then one half and the other, each value halved by itself."""
    generator = np.random.default_rng(seed)
    weights = np.zeros((1 + 2 * halvings, questions))
    weights[0] = 1
    for halving in range(halvings):
        for group in groups:
            order = generator.permutation(group)
            weights[1 + 2 * halving, order[::2]] = weights[2 + 2 * halving, order[1::2]] = 1
    return weights


def _compared(
    records: Sequence[QARecord],
    rows: FloatArray,
    places: IntArray,
    groups: Sequence[IntArray],
    weights: FloatArray,
    *,
    within: bool,
) -> dict[tuple[str, str], list[tuple[str, FloatArray]]]:
    """By pair of languages, the LLMs that can be compared in them and their squared distances under each weighting."""
    owners: dict[str, dict[str, list[int]]] = {}
    for row, record in enumerate(records):
        owners.setdefault(record.model if within else "", {}).setdefault(record.lang, []).append(row)
    compared: dict[tuple[str, str], list[tuple[str, FloatArray]]] = {}
    for model, langs in sorted(owners.items()):
        if len(langs) < 2:
            continue
        cells = {lang: question_means(rows[own], places[own], weights.shape[1]) for lang, own in langs.items()}
        for one, other in combinations(sorted(cells), 2):
            shared = cells[one][1] & cells[other][1]
            found = _squared(cells[one][0] - cells[other][0], [group[shared[group]] for group in groups], weights)
            if np.isfinite(found).all():
                compared.setdefault((one, other), []).append((model, found))
    return compared


def _squared(apart: FloatArray, groups: Sequence[IntArray], weights: FloatArray) -> FloatArray:
    """The mean over values of the unbiased squared lengths, a weighting each; NaN where all have too few questions."""
    lengths = [squared_lengths(apart[group], weights[:, group]) for group in groups if len(group) > 1]
    readable = np.isfinite(lengths) if lengths else np.zeros((0, len(weights)), dtype=bool)
    total = np.where(readable, lengths, 0).sum(axis=0) if lengths else np.zeros(len(weights))
    counts = readable.sum(axis=0)
    return np.asarray(np.divide(total, counts, out=np.full(len(weights), np.nan), where=counts > 0))


def _connected(langs: Sequence[str], compared: Mapping[tuple[str, str], object]) -> tuple[list[str], dict[str, str]]:
    """The languages of which each two can be compared, and those that had to be left out for it, with the reason."""
    kept, left_out = list(langs), {}
    while apart := Counter(lang for pair in combinations(kept, 2) if pair not in compared for lang in pair):
        last = max(apart, key=lambda lang: (apart[lang], lang))
        strangers = [lang for lang in kept if lang != last and tuple(sorted((last, lang))) not in compared]
        left_out[last] = f"too few questions of one LLM in common with {', '.join(strangers)}"
        kept.remove(last)
    return kept, left_out

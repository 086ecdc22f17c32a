"""Whether distances keep what they promise, on simulated vectors whose truth is known.

    python benchmarks/calibration_distances.py [--corpora 500]

Prints how many of 95 % intervals hold the truth, how often something is found where there is nothing, how often a pure
change of style is called one of values, and what a plan promised beside what came. Vectors are those of authors and
values, with noise whose size falls from direction to direction, as that of embeddings does.
"""

import argparse
import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from univar.analysis.distances.estimates import estimates, limits
from univar.analysis.distances.noise import smallest, width_of
from univar.analysis.distances.pairwise import Cells, cells_of, groups_of
from univar.analysis.distances.reading import distances_of
from univar.analysis.distances.reliability import split_half
from univar.analysis.statistics import holm
from univar.corpus.records import QARecord

DIMENSIONS = 48
SPECTRUM = 1 / np.arange(1, DIMENSIONS + 1) ** 0.7
SCALES = np.sqrt(SPECTRUM / SPECTRUM.sum())
REACH = 1.959964


class Truth(NamedTuple):
    cells: Cells
    pairs: np.ndarray
    squared: np.ndarray
    """(p, v) true squared distances of each pair on each value."""


def simulated(
    seed: int, *, authors: int, questions: int, values: int, squared: float, missing: float = 0, skewed: bool = False
) -> Truth:
    """Authors whose means differ by `squared` in expectation on each value; a difference has noise of length 1."""
    generator = np.random.default_rng([seed, 3])  # a stream that no swap is drawn from
    number = max(values, 1)
    means = generator.normal(size=(authors, number, DIMENSIONS)) * SCALES * math.sqrt(squared / 2)
    shape = (authors, questions, DIMENSIONS)
    noise = generator.exponential(size=shape) - 1 if skewed else generator.normal(size=shape)
    about = np.arange(questions) % number
    rows = means[:, about] + noise * SCALES * math.sqrt(0.5)
    owners, places = np.nonzero(generator.random((authors, questions)) >= missing)
    names = [f"value {value}" for value in about[places]] if values else None
    cells = cells_of(rows[owners, places], owners, [f"{k:05d}" for k in places], names, authors=authors)
    pairs = np.array(list(combinations(range(authors), 2)))
    return Truth(cells, pairs, ((means[pairs[:, 0]] - means[pairs[:, 1]]) ** 2).sum(axis=2))


def coverage(corpora: int) -> Iterator[tuple[str, ...]]:
    """Intervals of a pair, of the mean over all pairs and of values, and p, over corpora."""
    settings = [
        {"authors": 2, "questions": 6, "values": 0},
        {"authors": 2, "questions": 12, "values": 0},
        {"authors": 3, "questions": 40, "values": 0, "missing": 0.3},
        {"authors": 3, "questions": 40, "values": 0, "skewed": True},
        {"authors": 3, "questions": 60, "values": 10, "missing": 0.1},
        {"authors": 2, "questions": 150, "values": 0},
    ]
    for setting in settings:
        for squared in (0, 0.05, 0.3):
            held: dict[str, list[bool]] = {name: [] for name in ("pair", "all", "value", "plain", "found", "any")}
            for seed in range(corpora):
                truth = simulated(seed, squared=squared, **setting)
                _tally(truth, seed, held)
            cells = [f"{100 * np.mean(one):.1f}" if one else "-" for one in held.values()]
            extra = "missing" if "missing" in setting else "skewed" if "skewed" in setting else ""
            yield (
                f"{setting['authors']} authors, {setting['questions']} questions, {setting['values'] or 'no'} values"
                + (f", {extra}" if extra else ""),
                f"{squared:g}",
                *cells,
            )


def _tally(truth: Truth, seed: int, held: dict[str, list[bool]]) -> None:
    columns = np.hstack([np.eye(len(truth.pairs)), np.ones((len(truth.pairs), 1))])
    groups = groups_of(truth.cells, truth.pairs)
    found, by_value = estimates(
        groups, [group.estimates() for group in groups], columns, by_group=columns[:, -1], seed=seed
    )
    low, high = limits(found, REACH)
    known = np.append(truth.squared.mean(axis=1), truth.squared.mean())
    inside = (low <= known) & (known <= high)
    held["pair"].append(bool(inside[0]))
    held["all"].append(bool(inside[-1]))
    held["found"].append(bool(found.p[0] <= 0.05))
    held["any"].append(min(holm(found.p[:-1])) <= 0.05)
    for value, one in zip(truth.cells.values, by_value, strict=False):
        ends = one.interval(0)
        if math.isnan(ends.low):
            continue
        held["value"].append(ends.low <= truth.squared.mean(axis=0)[int(value.split()[1])] <= ends.high)
    if not truth.cells.values:
        generator, n = np.random.default_rng([seed, 4]), groups[0].shared.shape[1]
        drawn = groups[0].lengths(generator.multinomial(n, np.full(n, 1 / n), size=500).astype(float))[:, 0]
        ends = np.nanquantile(drawn, [0.025, 0.975])
        held["plain"].append(bool(ends[0] <= known[0] <= ends[1]))


def answers(
    seed: int,
    *,
    models: int = 2,
    langs: int = 1,
    questions: int = 60,
    values: int = 0,
    style: float = 0,
    apart: float = 0,
    language: float = 0,
    samples: int = 1,
    about: str = "v",
) -> tuple[list[QARecord], np.ndarray]:
    """Answers of models in languages: style moves all of a model's answers, `apart` those about each value by itself.

    The same seed gives the same styles, whatever the answers are about.
    """
    shared, generator = np.random.default_rng([seed, 0]), np.random.default_rng([seed, ord(about)])
    styles = shared.normal(size=(models, DIMENSIONS)) * SCALES * math.sqrt(style / 2)
    tongues = shared.normal(size=(langs, DIMENSIONS)) * SCALES * math.sqrt(language / 2)
    stances = generator.normal(size=(models, max(values, 1), DIMENSIONS)) * SCALES * math.sqrt(apart / 2)
    records, rows = [], []
    for model in range(models):
        for lang in range(langs):
            for k in range(questions):
                value = k % values if values else None
                own = styles[model] + tongues[lang] + stances[model, value or 0]
                own = own + generator.normal(size=DIMENSIONS) * SCALES * 0.5
                for sample in range(samples):
                    name = f"{about}{k}"
                    records.append(
                        QARecord(
                            name, name, "", f"m{model}", f"l{lang}", f"value {value}" if values else None, sample=sample
                        )
                    )
                    rows.append(own + generator.normal(size=DIMENSIONS) * SCALES * 0.5)
    return records, np.array(rows)


def style_and_values(corpora: int) -> Iterator[tuple[str, ...]]:
    """How often values are said to differ, and whether the interval of the excess holds its truth."""
    for models, values in ((2, 0), (3, 8)):
        for style, apart in ((0, 0), (0.1, 0), (0.5, 0), (0.1, 0.3)):
            overall, any_pair, held, found = [], [], [], []
            for seed in range(corpora):
                given = {"models": models, "style": style, "questions": 64}
                asked = answers(seed, values=values, apart=apart, **given)
                result = distances_of(*asked, answers(seed, about="c", **given), seed=seed)
                overall.append(result.overall.finding == "values")
                any_pair.append(any(row.finding == "values" for row in result.rows))
                found.append(result.overall.finding != "no difference seen")
                if not apart:
                    ends = result.overall.control.excess_interval
                    held.append(ends.low <= 0 <= ends.high)
            name = f"{models} models, {values or 'no'} values"
            numbers = (100 * np.mean(one) if one else math.nan for one in (found, overall, any_pair, held))
            yield name, f"{style:g}", f"{apart:g}", *(f"{number:.1f}" for number in numbers)


def halves_of_one(corpora: int) -> tuple[str, ...]:
    """Two samples of one LLM to each question, as if they were two LLMs."""
    held, found, sizes = [], [], []
    for seed in range(corpora):
        records, rows = answers(seed, models=1, questions=60, values=6, apart=0.3, samples=2)
        names = [QARecord(r.question_id, r.question, "", f"m{r.sample}", r.lang, r.value) for r in records]
        (row,) = distances_of(names, rows, seed=seed).rows
        held.append(row.interval.low <= 0 <= row.interval.high)
        found.append(row.p <= 0.05)
        sizes.append(row.squared)
    return f"{100 * np.mean(held):.1f}", f"{100 * np.mean(found):.1f}", f"{np.mean(sizes):.4f}"


def languages(corpora: int) -> Iterator[tuple[str, ...]]:
    """Distances between languages, averaged over three models."""
    for language in (0, 0.1):
        held, found = [], []
        for seed in range(corpora):
            records, rows = answers(seed, models=3, langs=3, questions=40, language=language, style=0.2)
            shared = np.random.default_rng([seed, 0])
            shared.normal(size=(3, DIMENSIONS))
            tongues = shared.normal(size=(3, DIMENSIONS)) * SCALES * math.sqrt(language / 2)
            result = distances_of(records, rows, between="languages", seed=seed)
            row = result.rows[0]
            held.append(row.interval.low <= float(((tongues[0] - tongues[1]) ** 2).sum()) <= row.interval.high)
            found.append(row.p <= 0.05)
        yield f"{language:g}", f"{100 * np.mean(held):.1f}", f"{100 * np.mean(found):.1f}"


def plans(corpora: int) -> Iterator[tuple[str, ...]]:
    """What a plan from 40 questions says of other numbers, beside what they give."""
    plan = [distances_of(*answers(seed, models=4, questions=40, style=0.15), seed=seed).noise for seed in range(20)]
    for questions in (20, 40, 80, 160):
        promised = float(np.median([width_of(noise, questions, 1) for noise in plan]))
        least = float(np.median([smallest(noise, questions, 1) for noise in plan]))
        widths, seen = [], []
        for seed in range(corpora):
            result = distances_of(*answers(10_000 + seed, models=4, questions=questions, style=0.15), seed=seed)
            widths += [row.interval.high - row.interval.low for row in result.rows]
            seen.append(_of_size(seed, questions, least))
        yield (
            str(questions),
            f"{promised:.3f}",
            f"{np.median(widths):.3f}",
            f"{least:.3f}",
            f"{100 * np.mean(seen):.1f}",
        )


def _of_size(seed: int, questions: int, squared: float) -> bool:
    """Whether a pair that is so far apart is seen to be."""
    records, rows = answers(seed, models=2, questions=questions)
    direction = np.random.default_rng([seed, 7]).normal(size=DIMENSIONS) * SCALES
    rows[[record.model == "m1" for record in records]] += direction * math.sqrt(squared) / np.linalg.norm(direction)
    return distances_of(records, rows, seed=seed).rows[0].p <= 0.05


def reliabilities(corpora: int) -> Iterator[tuple[str, ...]]:
    """Whether the interval holds the reliability that very many authors show."""
    for authors in (6, 12):
        truth = np.mean([_split(50_000 + seed, 60)[0] for seed in range(10)])
        found = [_split(seed, authors) for seed in range(corpora)]
        held = np.mean([low <= truth <= high for _, (low, high) in found])
        yield str(authors), f"{truth:.2f}", f"{np.mean([r for r, _ in found]):.2f}", f"{100 * held:.1f}"


def _split(seed: int, authors: int) -> tuple[float, tuple[float, float]]:
    truth = simulated(seed, authors=authors, questions=24, values=0, squared=0.1)
    (group,) = groups_of(truth.cells, truth.pairs)
    order = np.random.default_rng([seed, 5]).permuted(np.tile(np.arange(24), (10, 1)), axis=1)
    one = (order < 12).astype(float)
    return split_half(group.lengths(one), group.lengths(1 - one), authors)


def table(title: str, header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=int, default=500)
    corpora = parser.parse_args().corpora
    print(f"{corpora} corpora a row; percent.")
    table(
        "95 % intervals that hold the truth, and what is found (a pair, any pair after Holm)",
        ("corpus", "squared", "pair", "all pairs", "values", "plain bootstrap", "p <= .05", "any"),
        coverage(corpora),
    )
    table("Two samples of one LLM", ("interval holds 0", "p <= .05", "mean"), iter([halves_of_one(corpora)]))
    table(
        "Differences called values, and intervals of the excess that hold 0",
        ("corpus", "style", "values", "found", "values: overall", "any pair", "interval"),
        style_and_values(corpora),
    )
    table("Languages", ("squared", "interval", "p <= .05"), languages(corpora))
    table(
        "What a plan promised, and what came",
        ("questions", "width", "came", "seen 4 times in 5", "seen"),
        plans(corpora // 2),
    )
    table("Reliability", ("authors", "truth", "mean", "interval"), reliabilities(corpora))


if __name__ == "__main__":
    main()

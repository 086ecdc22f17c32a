"""Whether what `univar people` says of languages and societies can be trusted, on simulated ones whose truth is known.

    OMP_NUM_THREADS=1 python benchmarks/calibration_people.py [--simulations 1000]

Prints tables: p where nothing is related (Kolmogorov-Smirnov against uniform), power against planted relations, false
positives where geography drives both sides, coverage of the intervals, the ceiling against the truth; and what the
distances of the paper's first version (arXiv 2404.07900v1, table 2, means) say of seven languages.
"""

import argparse
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import kstest, rankdata, spearmanr

from univar.analysis.people.languages import LanguageDistances, language_distances
from univar.analysis.people.matrices import ceiling, mantel, procrustes_test
from univar.analysis.people.reading import compare_with_people
from univar.analysis.people.societies import geographic_distances
from univar.corpus.languages import languages
from univar.corpus.records import QARecord

ORDERS = 999
CODES = tuple(languages())
PAPER = (
    "arb-ind .242 arb-jpn .247 zho-jpn .304 deu-fra .324 fra-ind .370 arb-zho .376 ind-jpn .413 deu-ind .424 "
    "arb-fra .429 arb-deu .487 zho-ind .534 arb-eng .584 fra-jpn .606 deu-jpn .620 eng-ind .626 eng-deu .657 "
    "eng-fra .660 deu-zho .702 fra-zho .704 eng-jpn .732 eng-zho .774"
)


class World(NamedTuple):
    """Languages' places in the answers and their societies' scores."""

    answers: np.ndarray
    societies: np.ndarray


def world(generator: np.random.Generator, count: int, share: float, axes: int = 3) -> World:
    """`share` of the variance of the societies' scores is that of the languages' places in the answers."""
    answers = generator.normal(size=(count, axes))
    return World(answers, np.sqrt(share) * answers + np.sqrt(1 - share) * generator.normal(size=answers.shape))


def squared(generator: np.random.Generator, places: np.ndarray, noise: float = 0.3) -> np.ndarray:
    """Squared distances with noise of their own, some of them negative, as unbiased ones have."""
    exact = pdist(places, "sqeuclidean")
    return exact + noise * exact.mean() * generator.normal(size=exact.size)


def uniform(simulations: int) -> None:
    """p where nothing is related."""
    print("\nNothing is related: p over simulations, Kolmogorov-Smirnov against uniform, share at or below .05\n")
    print("| languages | test | KS | its p | at or below .05 |\n|---:|---|---:|---:|---:|")
    for count in (8, 12, 25):
        found: dict[str, list[float]] = {"Mantel": [], "partial Mantel": [], "Procrustes": []}
        generator = np.random.default_rng(count)
        for seed in range(simulations):
            made = world(generator, count, 0)
            held = [
                pdist(generator.normal(size=(count, 2))),
                rankdata(generator.integers(3, size=count * (count - 1) // 2)),
            ]
            sides = squared(generator, made.answers), pdist(made.societies)
            found["Mantel"].append(mantel(*sides, orders=ORDERS, seed=seed).p)
            found["partial Mantel"].append(mantel(*sides, held, orders=ORDERS, seed=seed).p)
            fit = procrustes_test(made.answers[:, :2], made.societies[:, :2], orders=ORDERS, seed=seed)
            found["Procrustes"].append(fit.p)
        for name, p in found.items():
            test = kstest(p, "uniform")
            print(
                f"| {count} | {name} | {test.statistic:.3f} | {test.pvalue:.2f} | {np.mean(np.array(p) <= 0.05):.3f} |"
            )


def power(simulations: int) -> None:
    """How often a planted relation is seen."""
    print("\nA planted relation: share of simulations with p at or below .05, and mean r\n")
    print("| languages | shared variance | Mantel | Procrustes | mean r |\n|---:|---:|---:|---:|---:|")
    for count in (6, 10, 18, 25):
        for share in (0.25, 0.5, 0.75):
            generator, hits, rs = np.random.default_rng(count), [], []
            for seed in range(simulations // 4):
                made = world(generator, count, share)
                found = mantel(squared(generator, made.answers), pdist(made.societies), orders=ORDERS, seed=seed)
                fit = procrustes_test(made.answers[:, :2], made.societies[:, :2], orders=ORDERS, seed=seed)
                hits.append((found.p <= 0.05, fit.p <= 0.05))
                rs.append(found.r)
            one, other = np.mean(hits, axis=0)
            print(f"| {count} | {share:.2f} | {one:.2f} | {other:.2f} | {np.mean(rs):.2f} |")


def geography(simulations: int) -> None:
    """False positives where places on the map drive the answers and the societies, which are not related otherwise."""
    print("\nPlaces on the map drive both sides, nothing else is shared: share with p at or below .05\n")
    print("| languages | driven by the map | what is held fixed | Mantel | partial Mantel |\n|---:|---:|---|---:|---:|")
    for count in (10, 25):
        for share in (0.25, 0.5, 0.75):
            generator, hits = np.random.default_rng(count), []
            for seed in range(simulations // 2):
                ground = generator.normal(size=(count, 2))
                sides = [
                    np.sqrt(share) * ground @ generator.normal(size=(2, 3)) / np.sqrt(2)
                    + np.sqrt(1 - share) * generator.normal(size=(count, 3))
                    for _ in range(2)
                ]
                pair = squared(generator, sides[0]), pdist(sides[1])
                plain = mantel(*pair, orders=ORDERS, seed=seed).p
                held = mantel(*pair, [pdist(ground)], orders=ORDERS, seed=seed).p
                hits.append((plain <= 0.05, held <= 0.05))
            one, other = np.mean(hits, axis=0)
            print(f"| {count} | {share:.2f} | the map itself | {one:.3f} | {other:.3f} |")


def coverage(simulations: int) -> None:
    """How often intervals hold the correlation that infinitely many languages would have."""
    print("\nShare of the 95 % intervals that hold the r of 6,000 languages\n")
    print("| languages | shared variance | true r | held | held, partial |\n|---:|---:|---:|---:|---:|")
    for share in (0, 0.5, 0.75):
        many = np.random.default_rng(1)
        worlds = [world(many, 300, share) for _ in range(20)]
        rs = [spearmanr(squared(many, made.answers), pdist(made.societies)).statistic for made in worlds]
        truth = float(np.mean(rs))
        for count in (6, 10, 18, 25):
            generator, held = np.random.default_rng(count), []
            for _ in range(simulations // 2):
                made = world(generator, count, share)
                sides = squared(generator, made.answers), pdist(made.societies)
                beside = [pdist(generator.normal(size=(count, 2)))]
                ends = mantel(*sides, orders=1).interval, mantel(*sides, beside, orders=1).interval
                held.append([low <= truth <= high for low, high in ends])
            one, other = np.mean(held, axis=0)
            print(f"| {count} | {share:.2f} | {truth:.2f} | {one:.3f} | {other:.3f} |")


def answers(
    generator: np.random.Generator, places: np.ndarray, questions: int, noise: float
) -> tuple[list[QARecord], np.ndarray]:
    """Answers of two LLMs to questions about values, in the languages whose places are given."""
    about = np.arange(questions) % max(questions // 8, 1)
    turns = generator.normal(size=(about.max() + 1, places.shape[1], 24)) / np.sqrt(24)
    records, rows = [], []
    for model in ("one", "other"):
        for number, lang in enumerate(CODES[: len(places)]):
            for question in range(questions):
                records.append(QARecord(f"q{question}", f"q{question}?", "", model, lang, value=f"v{about[question]}"))
                rows.append(places[number] @ turns[about[question]] + noise * generator.normal(size=24))
    return records, np.array(rows)


def noise(simulations: int) -> None:
    """The ceiling, from halves of the questions, against the correlation of the distances found with the true ones."""
    print(
        "\nThe ceiling that halves of the questions give, and the correlation with the true distances that it is of\n"
    )
    print("| questions | noise | ceiling | true | interval holds it |\n|---:|---:|---:|---:|---:|")
    for questions in (32, 96):
        for strength in (1, 3, 6):
            generator, rows = np.random.default_rng(questions), []
            for seed in range(max(simulations // 20, 10)):
                places = generator.normal(size=(12, 3))
                found = language_distances(*answers(generator, places, questions, strength), seed=seed)
                exact = np.sqrt(pdist(places[np.argsort(CODES[:12])], "sqeuclidean"))
                highest, (low, high) = ceiling(*found.halves)
                true = spearmanr(found.squared, exact).statistic
                rows.append((highest, true, low <= true <= high))
            one, other, held = np.mean(rows, axis=0)
            print(f"| {questions} | {strength} | {one:.2f} | {other:.2f} | {held:.2f} |")


def paper() -> None:
    """What the distances between seven languages that the paper prints say."""
    words = PAPER.split()
    apart = {
        frozenset(pair.split("-")): float(distance) for pair, distance in zip(words[::2], words[1::2], strict=True)
    }
    known = tuple(sorted({lang for pair in apart for lang in pair}))
    made = LanguageDistances(known, np.array([apart[frozenset(pair)] ** 2 for pair in combinations(known, 2)]))
    print("\nThe paper's table 2 (v1), seven languages\n")
    print(compare_with_people(made).to_markdown())
    map_of = geographic_distances(known)
    print(f"Their societies lie {map_of.min():,.0f} to {map_of.max():,.0f} km apart.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    given = parser.parse_args().simulations
    for table in (uniform, power, geography, coverage, noise):
        table(given)
    paper()

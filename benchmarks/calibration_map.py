"""Whether axes between identities are calibrated: on corpora of identities that differ in nothing.

    python benchmarks/calibration_map.py [CORPORA]

Prints a table: how often the 95 % ellipse of a mean holds the common mean (with two identities along the first axis
alone, since the second is blind), and how often a map says that the identities differ, which is never true here.
"""

import sys

import numpy as np

from univar.analysis.map.reading import build_map
from univar.corpus.records import QARecord

WIDTH = 48
# 95 % quantiles of chi squared with one and two degrees of freedom.
LIMITS = {1: 3.841, 2: 5.991}


def within(m: int, questions: int, seed: int) -> tuple[bool, bool]:
    """Whether the ellipse of the first of m identities holds the common mean, and whether they are said to differ."""
    rng = np.random.default_rng(seed)
    records = [QARecord(f"q{q}", f"Is {q} good?", "Yes.", f"m{k}", "eng") for k in range(m) for q in range(questions)]
    vectors = 3 * rng.normal(size=(1, questions, WIDTH)) + rng.normal(size=(m, questions, WIDTH))
    drawn = build_map(records, vectors.reshape(-1, WIDTH), axes="between", seed=seed)
    axes = min(2, m - 1)
    mean, spread = drawn.centroids[0, :axes], drawn.covariances[0, :axes, :axes]
    return bool(mean @ np.linalg.solve(spread, mean) < LIMITS[axes]), drawn.held.share is not None


def main(corpora: int) -> None:
    """Prints the table."""
    print(f"| identities | questions | corpora | in the 95 % ellipse, % | said to differ, % |\n|{'---:|' * 5}")
    for m in (2, 5, 10):
        for questions in (20, 60):
            found = np.mean([within(m, questions, seed) for seed in range(corpora)], axis=0)
            print(f"| {m} | {questions} | {corpora} | {100 * found[0]:.1f} | {100 * found[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)

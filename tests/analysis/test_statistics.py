"""The cluster bootstrap: values one can derive, then what must hold for any rows, then errors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.analysis import statistics
from univar.analysis.statistics import cluster_bootstrap, holm


def test_two_clusters_give_the_three_means_that_can_be_drawn() -> None:
    # Clusters of one row, right and wrong: a resample is {wrong twice, one each, right twice} with probabilities
    # 1/4, 1/2, 1/4, so the means are 0, 1/2, 1. The middle 40 % of them is 1/2, the middle 95 % reaches both ends.
    assert cluster_bootstrap([1, 0], ["a", "b"], confidence=0.4) == (0.5, 0.5)
    assert cluster_bootstrap([1, 0], ["a", "b"]) == (0.0, 1.0)


def test_the_mean_is_over_rows_not_over_clusters() -> None:
    # Three right rows in one cluster, one wrong row in the other: both once gives 3/4, the mean of the rows.
    assert cluster_bootstrap([1, 1, 1, 0], ["a", "a", "a", "b"], confidence=0.4) == (0.75, 0.75)


def test_rows_of_one_cluster_are_drawn_together() -> None:
    # 20 questions of 50 equal rows, half of them right, hold what 20 rows hold. How many right ones are drawn is
    # binomial (20, 1/2): P(5 or fewer) = 0.021, P(6 or fewer) = 0.058, so the ends are 6/20 and 14/20. A thousand
    # independent rows would give 2 * 1.96 * sqrt(1/4 / 1000) = 0.062.
    correct = np.repeat([0, 1], 500)
    clustered = cluster_bootstrap(correct, np.repeat(np.arange(20), 50), resamples=4000)
    independent = cluster_bootstrap(correct, np.arange(1000), resamples=4000)
    assert clustered == pytest.approx((0.3, 0.7))
    assert independent.high - independent.low == pytest.approx(0.062, abs=0.005)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # 200 samples of 40 questions of 3 rows with success 0.6: coverage of a 90 % interval is 0.9 give or take
    # 3 * sqrt(0.9 * 0.1 / 200) = 0.064.
    generator = np.random.default_rng(1)
    clusters = np.repeat(np.arange(40), 3)
    covered = 0
    for seed in range(200):
        interval = cluster_bootstrap(generator.random(120) < 0.6, clusters, seed=seed, resamples=300, confidence=0.9)
        covered += interval.low <= 0.6 <= interval.high
    assert covered / 200 == pytest.approx(0.9, abs=0.064)


def test_equal_clusters_leave_no_width() -> None:
    assert cluster_bootstrap([True, True, True], ["a", "b", "b"]) == (1.0, 1.0)


def test_the_seed_decides_and_batches_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    correct, clusters = np.arange(30) % 3 == 0, np.arange(30) // 2
    first = cluster_bootstrap(correct, clusters, seed=3)
    assert cluster_bootstrap(correct, clusters, seed=3) == first
    assert cluster_bootstrap(correct, clusters, seed=4) != first
    monkeypatch.setattr(statistics, "_WEIGHTS_PER_BATCH", 7 * 15)
    assert cluster_bootstrap(correct, clusters, seed=3) == first


@given(
    rows=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2).filter(
        lambda rows: len({cluster for _, cluster in rows}) > 1
    ),
    confidence=st.floats(0.01, 0.99),
)
def test_the_interval_is_ordered_and_within_the_clusters_means(rows: list[tuple[bool, int]], confidence: float) -> None:
    correct, clusters = zip(*rows, strict=True)
    interval = cluster_bootstrap(correct, clusters, resamples=50, confidence=confidence)
    means = [np.mean([right for right, of in rows if of == cluster]) for cluster in set(clusters)]
    assert min(means) - 1e-12 <= interval.low <= interval.high <= max(means) + 1e-12


@pytest.mark.parametrize(
    ("correct", "clusters", "options", "message"),
    [
        ([1, 0], ["a"], {}, "as long as each other"),
        ([[1, 0]], ["a"], {}, "as long as each other"),
        ([1, math.nan], ["a", "b"], {}, "1 numbers that are not finite, of 2"),
        ([1, 0], ["a", "a"], {}, "at least 2 clusters, got 1"),
        ([], [], {}, "at least 2 clusters, got 0"),
        ([1, 0], ["a", "b"], {"resamples": 0}, "resamples must be at least 1"),
        ([1, 0], ["a", "b"], {"confidence": 1.0}, "confidence in"),
    ],
)
def test_what_cannot_be_resampled_is_refused(
    correct: list[float], clusters: list[str], options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_bootstrap(correct, clusters, **options)  # type: ignore[arg-type]


def test_holm_by_hand() -> None:
    # In order: 0.01 * 3, then the larger of 0.03 and 0.02 * 2, then the larger of 0.04 and 0.2 * 1.
    assert holm([0.2, 0.01, 0.02]) == pytest.approx([0.2, 0.03, 0.04])
    # Of three tests that were made: 0.01 * 3, 0.03 * 2, then the larger of that and 0.04 * 1.
    assert holm([0.04, 0.01, math.nan, 0.03]) == pytest.approx([0.06, 0.03, math.nan, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []

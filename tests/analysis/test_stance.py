"""What vectors hold of stances: scores derived by hand, what must hold for any vectors, chance, refusals."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import RidgeCV

from univar.analysis import stance
from univar.analysis.stance import (
    CONTRASTS,
    Measured,
    contrasted,
    correlation,
    lacking,
    lacking_probe,
    pairs,
    retrieval,
    triplets,
)

STANCES = [1, 1, -1, -1]
AUTHORS = ["ada", "bob"] * 2


def at(*degrees: float) -> np.ndarray[Any, Any]:
    """Unit vectors in the plane."""
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


def two(*groups: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], list[str], list[int]]:
    """Groups of four, for, for, against, against."""
    return np.concatenate(groups), [f"g{number // 4}" for number in range(4 * len(groups))], STANCES * len(groups)


# For at 0 and 10 degrees, against at 25 and 90. The nearest to 0 is 10 and to 10 is 0: right. The nearest to 25 is 10
# and to 90 is 25, the one wrong and the other right: (1 + 1/2) / 2. Of the pairs both of 0 and both of 10 are won; 25
# is nearer to 10 (15) and to 0 (25) than to 90 (65), none; 90 is nearer to 25 (65) than to 10 (80) and 0 (90), both.
MIXED = at(0, 10, 25, 90)
APART = at(0, 10, 90, 100)


def test_nearest_answers_and_pairs_are_counted_side_by_side_and_group_by_group() -> None:
    found = retrieval(*two(MIXED, APART))
    assert (found.score, found.n, list(found.groups)) == (pytest.approx((0.75 + 1) / 2), 8, ["g0", "g1"])
    assert found.chance == pytest.approx(1 / 3)  # of three others one is on the same side
    # Two groups: both once, or one of them twice.
    assert found.interval() == pytest.approx((0.75, 1.0))
    found = pairs(*two(MIXED, APART))
    assert (found.score, found.chance, found.n) == (pytest.approx((0.75 + 1) / 2), 0.5, 8)


def test_each_side_weighs_the_same() -> None:
    # Three for, which lie together, and two against, one on either side of them: 3 of 5 are right, and one side of two.
    vectors = np.concatenate([at(0, 1, 2, -50, 50)] * 2)
    found = retrieval(vectors, ["a"] * 5 + ["b"] * 5, [1, 1, 1, -1, -1] * 2)
    assert found.score == 0.5
    assert found.chance == pytest.approx((2 / 4 + 1 / 4) / 2)


@pytest.mark.parametrize(
    ("weight", "nearest", "nearer", "hard"),
    # By side and author, each a dimension of its own, at these weights. Another author's answer of the same side is
    # always nearer than another author's of the other side. Of the two of the other side the one by the same author
    # is nearer than the same side where the author weighs more, farther where the side does, and as near where both
    # weigh the same.
    [((2.0, 1.0), 1.0, 1.0, 1.0), ((1.0, 2.0), 1.0, 0.5, 0.0), ((1.0, 1.0), 1.0, 0.75, 0.5)],
)
def test_triplets_tell_sides_from_authors(weight: Any, nearest: float, nearer: float, hard: float) -> None:
    group = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * np.array(weight)
    vectors, groups, stances = two(group, group)
    scores = [measure(vectors, groups, stances, AUTHORS * 2).score for measure in (retrieval, pairs, triplets)]
    assert scores == [nearest, nearer, hard]
    assert retrieval(vectors, groups, stances, AUTHORS * 2).chance == 0.5


def test_without_authors_the_nearest_may_be_by_anyone() -> None:
    group = np.array([[1, 2], [1, -2], [-1, 2], [-1, -2]])
    assert retrieval(*two(group, group)).score == 0.0
    # One author of all of a group is as if none were named.
    assert retrieval(*two(group, group), ["ada"] * 8).score == 0.0


def test_equal_vectors_reach_chance_and_no_more() -> None:
    same = np.ones((8, 3))
    groups, stances = ["a"] * 4 + ["b"] * 4, STANCES * 2
    for measure in CONTRASTS:
        found = contrasted(measure, same, groups, stances, AUTHORS * 2)
        assert found.score == found.chance == 0.5
    alone = retrieval(same, groups, stances)
    assert alone.score == alone.chance == pytest.approx(1 / 3)
    four = np.repeat(list("abcd"), 4)
    nothing = correlation(np.ones((16, 3)), four, STANCES * 4, four < "c")
    assert (nothing.score, *nothing.interval()) == (0.0, 0.0, 0.0)


def test_random_vectors_reach_chance() -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(400), 4)
    vectors, stances = generator.normal(size=(1600, 16)), STANCES * 400
    for measure in CONTRASTS:
        for authors in (AUTHORS * 400, None):
            if measure == "triplets" and authors is None:
                continue
            found = contrasted(measure, vectors, groups, stances, authors)
            low, high = found.interval()
            assert low < found.chance < high, (measure, authors is None)
    low, high = correlation(vectors, groups, stances, groups < 200).interval()
    assert low < 0 < high


seeds = st.integers(min_value=0, max_value=10_000)


def drawn(seed: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Vectors of 12 groups of five to eight, stances from -1 to 1, zero among them, and three authors."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(12), generator.integers(5, 9, size=12))
    stances = generator.choice([-1, -0.5, 0, 0.5, 1], size=len(groups))
    authors = generator.choice(["ada", "bob", "cyd"], size=len(groups))
    return generator.normal(size=(len(groups), 6)), groups, stances, authors


def scores(vectors: Any, groups: Any, stances: Any, authors: Any) -> list[float]:
    taken = [m for m in CONTRASTS if lacking(m, groups, stances, authors) is None]
    values = [contrasted(m, vectors, groups, stances, authors).score for m in taken]
    return [*values, correlation(vectors, groups, stances, groups < 6).score]


@given(seeds)
def test_turning_stretching_and_ordering_vectors_changes_nothing(seed: int) -> None:
    vectors, groups, stances, authors = drawn(seed)
    generator = np.random.default_rng(seed + 1)
    turn, _ = np.linalg.qr(generator.normal(size=(6, 6)))
    order = generator.permutation(len(groups))
    other = (vectors @ turn * generator.uniform(0.5, 2, size=(len(groups), 1)))[order]
    expected = scores(vectors, groups, stances, authors)
    assert scores(other, groups[order], stances[order], authors[order]) == pytest.approx(expected, abs=1e-6)
    assert all(-1 <= score <= 1 for score in expected)


@given(seeds)
def test_for_and_against_may_change_places(seed: int) -> None:
    vectors, groups, stances, authors = drawn(seed)
    expected = scores(vectors, groups, stances, authors)
    assert scores(vectors, groups, -stances, authors) == pytest.approx(expected, abs=1e-6)


@given(seeds)
def test_sparse_vectors_and_blocks_of_any_size_are_measured_alike(seed: int) -> None:
    vectors, groups, stances, authors = drawn(seed)
    expected = scores(vectors, groups, stances, authors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stance, "_ANCHORS_AT_ONCE", 2)
        assert scores(sparse.csr_array(vectors), groups, stances, authors) == pytest.approx(expected, abs=1e-6)


def test_the_correlation_is_pearsons_of_a_ridge_probe_within_groups() -> None:
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), 5)
    stances = generator.uniform(-1, 1, size=300)
    vectors = generator.normal(size=(300, 8)) + generator.normal(size=(60, 8))[groups]
    vectors[:, 0] += 2 * stances
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    learned = groups < 40

    def centred(values: Any) -> Any:
        return values - np.stack([values[groups == group].mean(axis=0) for group in range(60)])[groups]

    x, y = centred(vectors), centred(stances)
    read = RidgeCV(np.logspace(-3, 3, 13)).fit(x[learned], y[learned]).predict(x[~learned])
    found = correlation(vectors, groups, stances, learned)
    assert found.score == pytest.approx(np.corrcoef(read, y[~learned])[0, 1], abs=1e-6)
    assert (found.n, len(found.groups), found.chance) == (100, 20, 0.0)
    low, high = found.interval()
    assert 0.3 < low < found.score < high < 1
    assert low != found.interval(seed=1).low


def test_a_correlation_and_a_difference_by_hand() -> None:
    # Products 1 + 0, squares 2 + 2 and 2 + 2: 1 / sqrt(16). The other has products 2 + 2: 4 / 4.
    groups = np.array(["a", "b"], dtype=object)
    found = Measured("correlation", groups, np.array([[1.0, 2, 2], [0, 2, 2]]), 4, 0.0)
    other = Measured("correlation", groups[::-1], np.array([[2.0, 2, 2], [2, 2, 2]]), 4, 0.0)
    assert (found.score, other.score) == (0.25, 1.0)
    # a twice: 1/2 of 1; b twice: 0 of 1.
    assert found.difference(other) == (-0.75, pytest.approx((-1.0, -0.5)))


def test_a_difference_is_paired_and_of_shared_groups() -> None:
    groups = np.array(list("abc"), dtype=object)
    one = Measured("pairs", groups, np.array([[0.9, 1.0], [0.5, 1], [0.1, 1]]), 12, 0.5)
    other = Measured("pairs", groups[:2], np.array([[0.8, 1.0], [0.4, 1]]), 8, 0.5)
    # In each of the two shared groups it is a tenth more: the interval has no width, however far apart the groups are.
    score, ends = one.difference(other)
    assert (score, *ends) == pytest.approx((0.1, 0.1, 0.1))
    with pytest.raises(ValueError, match="pairs and triplets cannot be compared"):
        one.difference(Measured("triplets", groups, one.sums, 12, 0.5))


def test_what_a_group_lacks_is_said_before_any_vector() -> None:
    groups = ["a"] * 4 + ["b"] * 4
    assert lacking("pairs", groups, STANCES * 2) is None
    assert lacking("retrieval", groups, [1, 1, 1, -1] * 2) == (
        "retrieval: 0 groups have on both sides an answer with others to choose from, by another author where authors "
        "differ; at least 2 are needed"
    )
    assert lacking("triplets", groups, STANCES * 2) is not None
    assert lacking("triplets", groups, STANCES * 2, ["ada", "ada", "bob", "bob"] * 2) is not None
    assert lacking("triplets", groups, STANCES * 2, AUTHORS * 2) is None
    assert lacking_probe(groups, STANCES * 2, [True] * 4 + [False] * 4) == (
        "correlation: 1 groups of differing stances to learn from; at least 2 are needed"
    )
    # 0 takes no side, and a group of one stance has nothing to read.
    assert lacking("pairs", groups, [1, 1, -1, 0] * 2) is not None
    with pytest.raises(ValueError, match="triplets: 0 groups have two authors, one of whom took both sides"):
        triplets(np.ones((8, 2)), groups, STANCES * 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": np.ones((7, 2))}, r"vectors \(7, 2\), 8 groups, stances \(8,\): give one of each an answer"),
        ({"authors": ["ada"]}, "authors must name one an answer: 1 for 8"),
        ({"vectors": np.full((8, 2), np.nan)}, "16 numbers in the vectors are not finite"),
        ({"stances": [2, *STANCES, *STANCES[1:]]}, r"a stance lies in \[-1, 1\], got 2"),
        ({"stances": [np.nan, *STANCES, *STANCES[1:]]}, r"a stance lies in \[-1, 1\], got nan"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes: dict[str, Any], message: str) -> None:
    given = {"vectors": np.ones((8, 2)), "groups": ["a"] * 4 + ["b"] * 4, "stances": STANCES * 2, "authors": None}
    with pytest.raises(ValueError, match=message):
        retrieval(**given | changes)


def test_no_group_is_learned_from_and_tested() -> None:
    vectors, groups, stances = two(MIXED, APART, MIXED, APART)
    with pytest.raises(ValueError, match="1 groups are learned from and tested, the first is 'g2'"):
        correlation(vectors, groups, stances, [True] * 9 + [False] * 7)
    with pytest.raises(ValueError, match=r"learned must mark every row: \(2,\) marks for 16 rows"):
        correlation(vectors, groups, stances, [True, False])
    with pytest.raises(ValueError, match="correlation: 0 groups of differing stances to learn from"):
        correlation(vectors, groups, stances, [False] * 16)

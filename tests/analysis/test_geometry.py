import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from univar.analysis import geometry
from univar.analysis.geometry import centroids, geometry_agreement, identity_distances
from univar.corpus.records import Identity
from univar.corpus.simulation import Simulation, simulate


def simulation_of(stances: object, styles: object) -> Simulation:
    stances, styles = np.asarray(stances, dtype=float), np.asarray(styles, dtype=float)
    names = [Identity(f"model-{row:02d}", "eng") for row in range(len(stances))]
    return Simulation([], names, ["a"] * stances.shape[1], stances, styles)


ONE_VALUE = ["peace"] * 40

# Centroids


def test_a_centroid_is_the_mean_of_its_rows():
    # Identity 0: the mean of (1, 0) and (0, 1). Identity 1: its only row.
    found = centroids([[1, 0], [0, -1], [0, 1]], [0, 1, 0])
    np.testing.assert_allclose(found, [[0.5, 0.5], [0, -1]])


@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        ([[1.0, 0.0]], [0, 1], r"got \(1, 2\) and \(2,\)"),
        ([1.0, 0.0], [0, 1], r"must be \(n, d\)"),
        ([[1.0, np.nan]], [0], "finite"),
        (np.empty((0, 2)), np.empty(0, dtype=int), "at least one, got 0 rows"),
        ([[1.0, 0.0], [0.0, 1.0]], [0, 2], "no embedding has label 1"),
        ([[1.0, 0.0], [0.0, 1.0]], [0, -1], "whole numbers from 0"),
        ([[1.0, 0.0]], [0.5], "whole numbers from 0"),
    ],
)
def test_what_has_no_centroids_is_refused(embeddings, labels, message):
    with pytest.raises(ValueError, match=message):
        centroids(embeddings, labels)


# Distances


def test_distances_by_hand():
    # About peace the two are at 1 and -1 on an axis, about wealth at -1 and 1: distances 2 and 2, root mean square 2.
    # The plain centroids of all answers are both 0, at distance 0.
    places, labels, values = [[1.0], [-1.0], [-1.0], [1.0]], [0, 1, 0, 1], ["peace", "peace", "wealth", "wealth"]
    np.testing.assert_allclose(identity_distances(places, labels, values), [2])
    np.testing.assert_allclose(identity_distances(places, labels, ["all"] * 4), [0])


def test_several_answers_about_a_value_are_averaged_first():
    # Identity 0 about peace: the mean of 0 and 4 is 2, and identity 1 is at 5: 3. About wealth: 0 and 4, so 4.
    places, labels = [[0.0], [4.0], [5.0], [0.0], [4.0]], [0, 0, 1, 0, 1]
    found = identity_distances(places, labels, ["peace", "peace", "peace", "wealth", "wealth"])
    np.testing.assert_allclose(found, [np.sqrt((9 + 16) / 2)])


def test_an_identity_without_answers_about_a_value_is_an_error():
    with pytest.raises(ValueError, match="not every identity has answers about 'wealth'"):
        identity_distances(np.eye(3), [0, 1, 0], ["peace", "peace", "wealth"])


def test_lengths_that_differ_are_an_error():
    with pytest.raises(ValueError, match="got 3 embeddings, 3 labels and 2 values"):
        identity_distances(np.eye(3), [0, 1, 0], ["peace", "peace"])


# Agreement


def test_agreement_by_hand():
    # On a line at 0, 1, 3, 7 the six distances are 1, 3, 7, 2, 6, 4 in the order of pdist: ranks 1, 3, 6, 2, 5, 4.
    # Stances at 0, 1, 3, 7 give the same ranks: correlation 1. Styles at 0, 3, 1, 7 (the second and third swapped) give
    # 3, 1, 7, 2, 4, 6: ranks 3, 1, 6, 2, 4, 5. The differences of ranks are -2, 2, 0, 0, 1, -1, their squares add up
    # to 10, and Spearman is 1 - 6 * 10 / (6 * 35) = 5/7.
    places = np.array([[0.0], [1.0], [3.0], [7.0]])
    simulation = simulation_of(places / 7, places[[0, 2, 1, 3]] / 7)
    found = geometry_agreement(places, [0, 1, 2, 3], ONE_VALUE[:4], simulation)
    assert found.stances == pytest.approx(1)
    assert found.style == pytest.approx(5 / 7)
    assert (found.n_identities, found.n_pairs) == (4, 6)


def test_opposite_order_gives_minus_one():
    # Distances from a regular order turned around: d -> 1 / d keeps no rank but their reverse.
    stances = np.random.default_rng(0).random((5, 4))
    found, truth = squareform(1 / pdist(stances)), squareform(pdist(stances))
    assert geometry._spearman(found, truth, np.arange(5)) == pytest.approx(-1)


@given(st.integers(0, 100), st.integers(4, 9))
def test_the_correlation_is_that_of_scipy(seed, count):
    generator = np.random.default_rng(seed)
    found, truth = (pdist(generator.integers(0, 4, (count, 3))) for _ in range(2))  # with ties
    expected = spearmanr(found, truth).statistic if found.std() and truth.std() else np.nan
    actual = geometry._spearman(squareform(found), squareform(truth), np.arange(count))
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_a_pair_of_an_identity_with_itself_does_not_count():
    generator = np.random.default_rng(1)
    found, truth = (squareform(pdist(generator.random((4, 2)))) for _ in range(2))
    # Drawn as 0, 0, 1, 2: the pairs are (0, 1), (0, 2), twice, and (1, 2), but never (0, 0) at distance 0.
    pairs = [(0, 1), (0, 2), (0, 1), (0, 2), (1, 2)]
    expected = spearmanr([found[pair] for pair in pairs], [truth[pair] for pair in pairs]).statistic
    assert geometry._spearman(found, truth, np.array([0, 0, 1, 2])) == pytest.approx(expected)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    # Centroids that know nothing of the stances: the 95 % interval should contain 0. With n = 40 corpora of 12
    # identities the standard error of the coverage is 3 %; a bootstrap of so few may fall a little short.
    covered = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        simulation = simulation_of(generator.random((12, 5)), generator.random((12, 3)))
        found = geometry_agreement(
            generator.random((12, 6)), range(12), ONE_VALUE[:12], simulation, resamples=100, seed=seed
        )
        covered += found.stances_interval.low <= 0 <= found.stances_interval.high
    assert covered >= 34


def test_an_embedding_of_stances_agrees_with_stances_and_one_of_styles_with_styles():
    simulation = simulate(12, 24, seed=2)
    index = {identity: row for row, identity in enumerate(simulation.identities)}
    labels = np.array([index[record.identity] for record in simulation.records])
    values = [record.value for record in simulation.records]
    of_stances = geometry_agreement(simulation.stances[labels], labels, values, simulation)
    of_style = geometry_agreement(simulation.styles[labels], labels, values, simulation)
    assert of_stances.stances == pytest.approx(1)
    assert of_style.style == pytest.approx(1)
    assert of_stances.stances_interval.low > of_stances.style_interval.high
    assert of_style.style_interval.low > of_style.stances_interval.high


def test_the_same_seed_gives_the_same_interval():
    simulation = simulate(12, 1)
    places = np.random.default_rng(0).random((12, 3))
    first, again, other = (
        geometry_agreement(places, range(12), ONE_VALUE[:12], simulation, resamples=100, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.stances == other.stances
    assert first.stances_interval != other.stances_interval


def test_equal_centroids_have_no_correlation():
    found = geometry_agreement(np.ones((5, 2)), range(5), ONE_VALUE[:5], simulate(5, 1), resamples=20)
    assert np.isnan([found.stances, found.style, *found.stances_interval, *found.style_interval]).all()


def test_too_few_identities_are_refused():
    with pytest.raises(ValueError, match="at least 4 identities, got 3"):
        geometry_agreement(np.eye(3), range(3), ONE_VALUE[:3], simulate(3, 1))


def test_an_identity_without_embeddings_is_an_error():
    with pytest.raises(ValueError, match="labels name 4 identities and the simulation has 5"):
        geometry_agreement(np.eye(4), range(4), ONE_VALUE[:4], simulate(5, 1))

"""Squared lengths without noise: one way of adding them up is as good as the other."""

import numpy as np
from scipy import sparse

from univar.analysis.unbiased import squared_lengths


def test_few_weightings_and_many_are_added_up_in_two_ways_that_agree():
    generator = np.random.default_rng(0)
    apart = generator.normal(size=(5, 3))
    weights = generator.multinomial(5, np.full(5, 0.2), size=9).astype(float)
    many = squared_lengths(apart, weights)
    few = np.concatenate([squared_lengths(apart, row[None]) for row in weights])
    np.testing.assert_allclose(many, few)
    np.testing.assert_allclose(squared_lengths(sparse.csr_array(apart), weights[:1]), few[:1])
    # Differences 1 and 3 at two questions: the product of the two, whichever comes first.
    assert squared_lengths(np.array([[1.0], [3.0]]), np.ones((1, 2))).tolist() == [3]
    assert np.isnan(squared_lengths(apart, np.eye(1, 5))).all()

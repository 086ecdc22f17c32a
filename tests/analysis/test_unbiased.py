"""Squared lengths that sampling noise does not lengthen."""

import numpy as np
import pytest
from scipy import sparse

from univar.analysis.unbiased import question_means, squared_lengths


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_differences_are_multiplied_across_questions_alone(kind):
    apart = kind(np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]]))
    # The products of different questions are 2, 0 and 3; their mean is 5/3. With the first drawn twice and the third
    # not at all, 2 * 2 of the pairs of different draws and questions are 2, and the 2 of the first with itself are left
    # out of the sum but counted as draws: ordered pairs are 3 * 3 - (4 + 1) = 4, their total 2 * 2 * 2 = 8.
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0], [3.0, 0.0, 0.0]])
    found = squared_lengths(apart, weights)
    assert found[:2] == pytest.approx([5 / 3, 2.0])
    assert np.isnan(found[2])  # one question alone says nothing


def test_noise_alone_has_no_length():
    generator = np.random.default_rng(0)
    found = [squared_lengths(generator.normal(size=(40, 8)), np.ones((1, 40)))[0] for _ in range(400)]
    # The biased one is 8 / 40 = 0.2; the mean of 400 unbiased ones has a standard error of about 0.0035.
    assert abs(np.mean(found)) < 0.015
    assert min(found) < 0 < max(found)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_answers_to_one_question_are_averaged(kind):
    means, answered = question_means(kind(np.array([[2.0], [4.0], [5.0]])), np.array([0, 0, 2]), 3)
    dense = means.toarray() if sparse.issparse(means) else means
    assert dense.tolist() == [[3.0], [0.0], [5.0]]
    assert answered.tolist() == [True, False, True]


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

"""Squared distances between answers that sampling noise does not lengthen: crossed between questions.

The squared distance of two means is too large by the noise in them. Here the difference at one question is multiplied
with that at another, whose noise is another; what is left is about 0, as often below as above, where nothing differs.

Source: Walther et al., Reliability of dissimilarity measures for multi-voxel pattern analysis (2016), on
cross-validated distances.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from univar.analysis.identification import Matrix

FloatArray = npt.NDArray[np.float64]


def question_means(rows: Any, places: npt.NDArray[np.intp], number: int) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """The mean vector of the answers to each question.

    Args:
        rows: `(n, d)` vectors, dense or sparse.
        places: `(n,)` the number of the question that each answers, in `[0, number)`.
        number: How many questions there are.

    Returns:
        `(number, d)` means, zeros where there is no answer, and `(number,)` whether there is one.
    """
    counts = np.bincount(places, minlength=number)
    shares = sparse.csr_array((1 / counts[places], (places, np.arange(len(places)))), (number, len(places)))
    return shares @ rows, counts > 0


def squared_lengths(apart: Any, weights: FloatArray) -> FloatArray:
    """The unbiased squared length of a mean difference, over all halvings of the questions.

    Over all of them, any two different questions are in different halves equally often, so the mean of the products is
    that over all pairs of different questions. It may come out negative and is never clipped.

    Args:
        apart: `(q, d)` the difference between two sets of answers at each question, dense or sparse.
        weights: `(r, q)` how often each question counts, a row an estimate: ones for the estimate itself, draws with
            replacement for its bootstrap. A question drawn twice is never multiplied with itself.

    Returns:
        `(r,)` float64; NaN where fewer than two questions are drawn.
    """
    ordered = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    if sparse.issparse(apart) or len(weights) > apart.shape[0]:
        products = apart @ apart.T
        products = products.toarray() if sparse.issparse(products) else np.array(products, dtype=np.float64)
        np.fill_diagonal(products, 0)
        total = ((weights @ products) * weights).sum(axis=1)
    else:  # the same, without the products of all pairs of questions: that of the sum with itself, less each one's own
        total = ((weights @ apart) ** 2).sum(axis=1) - weights**2 @ (apart**2).sum(axis=1)
    found: FloatArray = np.divide(total, ordered, out=np.full(len(weights), np.nan), where=ordered > 0)
    return found

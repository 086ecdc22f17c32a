"""The share of each question in embeddings, by which QAs of one question lie together, and taking it out."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from univar.corpus.records import QARecord, normalised_question

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.intp]


class Placed(NamedTuple):
    """Rows that are placed on the map: embeddings (n, d), identity and question of each, and the record it is."""

    embeddings: FloatArray
    labels: IntArray
    questions: IntArray
    rows: IntArray

    def take(self, which: IntArray | npt.NDArray[np.bool_]) -> "Placed":
        """Some of the rows, by index or mask."""
        return Placed(self.embeddings[which], self.labels[which], self.questions[which], self.rows[which])


def placed_rows(records: Sequence[QARecord], vectors: FloatArray, labels: Sequence[int]) -> Placed:
    """All records with their embeddings `(n, d)`, each with the number of its question and of its identity."""
    keys: dict[str, int] = {}
    questions = [keys.setdefault(normalised_question(record.question_key), len(keys)) for record in records]
    return Placed(vectors, np.asarray(labels, dtype=np.intp), np.asarray(questions), np.arange(len(records)))


def without_questions(corpus: Placed, m: int, wanted: bool | None) -> tuple[Placed, bool]:
    """The corpus with the share of each question removed, and whether that was done (see `build_map`)."""
    if wanted is False or (wanted is None and m < 2):
        return corpus, False
    answered = _pair_counts(corpus.labels, corpus.questions, m)
    shared = ((answered > 0).sum(axis=0) > 1)[corpus.questions]
    kept = corpus.take(shared)
    if (wanted or shared.mean() >= 0.5) and _connected(kept.labels, kept.questions, m):
        return kept._replace(embeddings=_residuals(kept, m)), True
    reason = "the identities are not connected by enough questions that several of them answered"
    if wanted:
        raise ValueError(f"cannot centre questions: {reason}; set question_eng in every language, or pass None")
    logger.warning("the map shows topics as well as identities: %s", reason)
    return corpus, False


def _pair_counts(labels: IntArray, questions: IntArray, m: int) -> FloatArray:
    """(m, q) how many QAs each identity has to each question."""
    shape = (m, int(questions.max(initial=-1)) + 1)
    return np.asarray(sparse.coo_array((np.ones(len(labels)), (labels, questions)), shape).toarray())


def _connected(labels: IntArray, questions: IntArray, m: int) -> bool:
    """Whether shared questions lead from every identity to every other one."""
    answered = _pair_counts(labels, questions, m) > 0
    components: int = sparse.csgraph.connected_components(answered @ answered.T, directed=False)[0]
    return len(labels) > 0 and components == 1 and bool(answered.any(axis=1).all())


def _residuals(corpus: Placed, m: int) -> FloatArray:
    """Embeddings (n, d) less the share of their question, by least squares on embedding = identity + question.

    Where every identity answered every question this is the embedding less the question's mean. Where some did not,
    the mean would depend on who happened to answer; the joint fit does not.
    """
    _, questions = np.unique(corpus.questions, return_inverse=True)
    counts = _pair_counts(corpus.labels, questions, m)
    answers = counts.sum(axis=0)
    of_identity = sums_of(corpus.embeddings, corpus.labels, m)
    of_question = sums_of(corpus.embeddings, questions, len(answers))
    # The normal equations with the questions eliminated: an m by m Laplacian, singular by one common constant.
    weights = counts / answers
    laplacian = np.diag(counts.sum(axis=1)) - weights @ counts.T
    identity_share = np.linalg.pinv(laplacian, hermitian=True) @ (of_identity - weights @ of_question)
    question_share = (of_question - counts.T @ identity_share) / answers[:, None]
    residuals = corpus.embeddings - question_share.astype(corpus.embeddings.dtype)[questions]
    # Equal answers differ from their mean by rounding alone; a projection would blow that up to a picture.
    noise = 16 * np.finfo(residuals.dtype).eps * np.abs(corpus.embeddings).max()
    return np.where(np.abs(residuals) <= noise, 0, residuals)


def sums_of(values: FloatArray, groups: IntArray, number: int) -> FloatArray:
    """(number, d) sums of the rows of each group."""
    members = sparse.coo_array((np.ones(len(groups)), (groups, np.arange(len(groups)))), (number, len(groups)))
    return np.asarray(members.tocsr() @ values)

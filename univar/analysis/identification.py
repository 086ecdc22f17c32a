"""Value identification: given the embedding of one QA, name the identity that wrote it.

The gallery holds the QAs whose identity is known, the query those to be named; the two share no question. Two
methods read the same embeddings: k nearest neighbours and a linear probe (paper, section 4).
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from .statistics import Interval, cluster_bootstrap

if TYPE_CHECKING:
    import pandas as pd

Matrix: TypeAlias = npt.NDArray[Any] | sparse.sparray | sparse.spmatrix
Strings: TypeAlias = Sequence[str] | npt.NDArray[np.object_]
Method: TypeAlias = Literal["knn", "linear"]

_NOT_NAMED = -1
# One setting for every representation. On unit vectors, dense or TF-IDF, 10 lies on the flat top of the accuracy.
_PROBE_C = 10.0
_PROBE_ITERATIONS = 10_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identification:
    """How well identities were named. Every share lies in 0..1.

    Attributes:
        method: `knn` or `linear`.
        n: Query QAs that were scored.
        questions: Distinct questions among them: the clusters of the interval.
        excluded: Query QAs left out because the gallery lacks their identity, which no method could have named.
        identities: Identities in the gallery: the names to choose from.
        k: Neighbours that voted; None for the linear probe.
        chance: What guessing reaches: 1 / identities, or the share of the gallery's most frequent identity among the
            queries where that is more.
        accuracy: Share of the queries that were named right.
        interval: 95 % interval of the accuracy, by bootstrap over questions.
        accuracy_at_5: Share with the right identity among the first five; None with five identities or fewer, where
            it says nothing.
        accuracy_at_10: The same for ten.
        f1_weighted: F1 averaged over identities, weighted by their queries.
    """

    method: Method
    n: int
    questions: int
    excluded: int
    identities: int
    k: int | None
    chance: float
    accuracy: float
    interval: Interval
    accuracy_at_5: float | None
    accuracy_at_10: float | None
    f1_weighted: float

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values, the interval as `low` and `high`."""
        return asdict(self) | {"interval": self.interval._asdict()}

    def to_pandas(self) -> "pd.DataFrame":
        """One row of the fields; the ends of the interval are `low` and `high`."""
        import pandas as pd

        fields = asdict(self) | self.interval._asdict()
        del fields["interval"]
        return pd.DataFrame([fields])

    def to_markdown(self) -> str:
        """One row: method, n, questions, identities, chance, accuracy with its interval, F1; in percent."""
        cells = (self.method, self.n, self.questions, self.identities, *map(_percent, (self.chance, self.accuracy)))
        ends = f"{_percent(self.interval.low)} to {_percent(self.interval.high)}"
        head = "| method | n | questions | identities | chance | accuracy | 95 % interval | F1 |"
        rule = "|---|---:|---:|---:|---:|---:|---:|---:|"
        return f"{head}\n{rule}\n| {' | '.join(map(str, cells))} | {ends} | {_percent(self.f1_weighted)} |\n"

    def __str__(self) -> str:
        how = "by a linear probe" if self.k is None else f"by {self.k} nearest neighbours"
        return (
            f"{_percent(self.accuracy)} % of {self.n:,} answers to {self.questions:,} questions were named right {how} "
            f"(95 % interval {_percent(self.interval.low)} to {_percent(self.interval.high)}, by bootstrap over "
            f"questions; chance {_percent(self.chance)}, {self.identities:,} identities)."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def gallery_query_masks(
    fractions: npt.ArrayLike, *, threshold: float = 0.5
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which rows are gallery (fraction below the threshold) and which are query (the others).

    Args:
        fractions: `(n,)` a fixed number in [0, 1) for the question of each row, equal for equal questions.
        threshold: In (0, 1): about the share of the questions that becomes the gallery.

    Raises:
        ValueError: If a number is out of range, or no question is left on one side.
    """
    places = np.asarray(fractions, dtype=np.float64)
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must lie between 0 and 1, got {threshold}")
    if places.ndim != 1 or not ((places >= 0) & (places < 1)).all():
        raise ValueError("fractions must be one number in [0, 1) a row; see question_fraction")
    gallery = places < threshold
    for side, mask in (("gallery", gallery), ("query", ~gallery)):
        if not mask.any():
            raise ValueError(
                f"no question is left on the {side} side of {threshold} ({len(np.unique(places))} questions in all); "
                "add questions, of which each falls on a side by its text"
            )
    return gallery, ~gallery


def identify_knn(
    gallery: Matrix,
    gallery_labels: Strings,
    query: Matrix,
    query_labels: Strings,
    questions: Strings,
    *,
    k: int = 50,
    seed: int = 0,
) -> Identification:
    """Identification by the vote of the k gallery QAs with the highest cosine similarity.

    Identities are ranked by votes, equal votes by the summed similarity of those who cast them; one without a vote is
    not named at all, so it is no hit at 5 or 10. Which of several equally near neighbours is the k-th is arbitrary
    but repeatable.

    Args:
        gallery: `(g, d)` embeddings, dense or sparse; rows need not be unit vectors.
        gallery_labels: `(g,)` the identity of each.
        query: `(q, d)` embeddings.
        query_labels: `(q,)` the identity of each; rows of identities that the gallery lacks are left out and counted.
        questions: `(q,)` the question of each query row, for the interval.
        k: Neighbours at most; never more than the QAs of the gallery's smallest identity. The same gallery rows thus
            give every representation the same k.
        seed: Of the bootstrap.

    Raises:
        ValueError: If lengths or widths differ, an embedding is not finite, a side is empty, the gallery has fewer
            than two identities or an identity of fewer than two QAs, fewer than two questions are left to score, or
            k is below 1.
    """
    if not is_whole(k, 1):
        raise ValueError(f"k must be at least 1 and a whole number, got {k!r}")
    task = _task(gallery, gallery_labels, query, query_labels, questions)
    k = min(k, int(np.bincount(task.gallery_codes).min()))
    ranking = _ranking(task.gallery, task.gallery_codes, task.query, k)
    return _scored(task, ranking, "knn", k, seed)


def names_by_knn(gallery: Matrix, gallery_labels: Strings, query: Matrix, *, k: int = 50) -> npt.NDArray[np.object_]:
    """`(q,)` the name that `identify_knn` gives each query row, whoever it is by.

    Args:
        gallery: `(g, d)` embeddings, dense or sparse.
        gallery_labels: `(g,)` the name of each.
        query: `(q, d)` embeddings.
        k: Neighbours that vote; at most g.

    Raises:
        ValueError: If lengths differ, an embedding is not finite, or k is out of range.
    """
    names, codes = np.unique(np.asarray(gallery_labels, dtype=object), return_inverse=True)
    if not is_whole(k, 1) or k > len(codes):
        raise ValueError(f"k must be a whole number of at least 1, and at most the {len(codes)} of the gallery: {k!r}")
    rows, asked = _unit_rows("gallery", gallery, gallery_labels), _unit_rows("query", query, [""] * query.shape[0])
    named = _ranking(rows, codes, asked, k)[:, 0]
    found: npt.NDArray[np.object_] = names[named]
    return found


def _ranking(gallery: Matrix, codes: npt.NDArray[np.int64], query: Matrix, k: int) -> npt.NDArray[np.int64]:
    """`(q, identities)` codes of identities, those with more of the k votes first; one without a vote is not named."""
    identities = int(codes.max()) + 1
    neighbours = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(gallery)
    distances, indices = neighbours.kneighbors(query)
    shape = (query.shape[0], identities)
    votes, similarity = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    cells = np.arange(len(indices))[:, np.newaxis], codes[indices]
    np.add.at(votes, cells, 1)
    np.add.at(similarity, cells, 1 - distances)
    order = np.lexsort((-similarity, -votes), axis=-1)
    ranked: npt.NDArray[np.int64] = np.where(np.take_along_axis(votes, order, axis=1) > 0, order, _NOT_NAMED)
    return ranked


def identify_linear(
    gallery: Matrix,
    gallery_labels: Strings,
    query: Matrix,
    query_labels: Strings,
    questions: Strings,
    *,
    seed: int = 0,
) -> Identification:
    """Identification by a linear probe: multinomial logistic regression on the rows scaled to unit length.

    The setting (L2 penalty, C = 10, trained until it converges) is the same for every representation and has no
    randomness. Arguments, treatment of unknown identities and errors are those of `identify_knn`.
    """
    task = _task(gallery, gallery_labels, query, query_labels, questions)
    probe = LogisticRegression(C=_PROBE_C, max_iter=_PROBE_ITERATIONS).fit(task.gallery, task.gallery_codes)
    ranking = np.argsort(-probe.predict_proba(task.query), axis=1, kind="stable")
    return _scored(task, ranking, "linear", None, seed)


def is_whole(number: Any, least: int) -> bool:
    """Whether this is a whole number, of Python or numpy, and at least so much."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool) and bool(number >= least)


@dataclass(frozen=True, slots=True)
class _Task:
    """Checked input: unit rows, identities as codes 0..identities - 1, unknown identities taken out of the query."""

    gallery: Matrix
    gallery_codes: npt.NDArray[np.int64]
    query: Matrix
    query_codes: npt.NDArray[np.int64]
    questions: npt.NDArray[np.object_]
    identities: int
    excluded: int


def check_labels(gallery_labels: Strings, query_labels: Strings, questions: Strings) -> None:
    """Raises the ValueErrors of `identify_knn` that no embeddings could avert, so that none need be made first."""
    for side, labels in (("gallery", gallery_labels), ("query", query_labels)):
        if not len(labels):
            raise ValueError(f"no QA on the {side} side; move the split or add questions")
    if len(questions) != len(query_labels):
        raise ValueError(f"questions must name one question a query row: {len(questions)} for {len(query_labels)} rows")
    names, counts = np.unique(np.asarray(gallery_labels, dtype=object), return_counts=True)
    if len(names) < 2:
        raise ValueError(f"nothing to tell apart: the gallery has one identity, {names[0]!r}; give two or more")
    if counts.min() < 2:
        raise ValueError(
            f"identity {names[counts.argmin()]!r} has 1 QA in the gallery; at least 2 are needed: "
            "collect more answers or leave the identity out"
        )
    known = set(names)
    scored = {question for question, label in zip(questions, query_labels, strict=True) if label in known}
    if not scored:
        raise ValueError(f"the gallery has none of the query's identities: {', '.join(sorted(set(query_labels)))}")
    if len(scored) < 2:
        raise ValueError("the query has one question, and the interval over questions needs at least 2; add questions")


def _task(
    gallery: Matrix,
    gallery_labels: Strings,
    query: Matrix,
    query_labels: Strings,
    questions: Strings,
) -> _Task:
    check_labels(gallery_labels, query_labels, questions)
    gallery, query = _unit_rows("gallery", gallery, gallery_labels), _unit_rows("query", query, query_labels)
    if gallery.shape[1] != query.shape[1]:
        raise ValueError(f"gallery and query differ in width: {gallery.shape[1]} and {query.shape[1]} dimensions")
    names, codes = np.unique(np.asarray(gallery_labels, dtype=object), return_inverse=True)
    index = {name: code for code, name in enumerate(names)}
    known = np.array([label in index for label in query_labels])
    if not known.all():
        unknown = sorted(set(query_labels) - set(index))
        logger.warning("%d query QAs left out, identities not in the gallery: %s", (~known).sum(), ", ".join(unknown))
    return _Task(
        gallery=gallery,
        gallery_codes=codes,
        query=query[known],
        query_codes=np.array([index[label] for label in query_labels if label in index]),
        questions=np.asarray(questions, dtype=object)[known],
        identities=len(names),
        excluded=int((~known).sum()),
    )


def _unit_rows(side: str, embeddings: Matrix, labels: Strings) -> Matrix:
    """Embeddings in double precision and of unit length (a row of zeros stays one)."""
    rows: Any = sparse.csr_array(embeddings) if sparse.issparse(embeddings) else np.asarray(embeddings)
    if rows.ndim != 2 or rows.shape[0] != len(labels):
        raise ValueError(f"{side}: embeddings of shape {rows.shape} for {len(labels)} labels; give one row a label")
    rows = rows.astype(np.float64)
    finite = np.isfinite(rows.data if sparse.issparse(rows) else rows)
    if not finite.all():
        raise ValueError(f"{side}: {int((~finite).sum())} numbers in the embeddings are not finite; encode those again")
    return normalize(rows)


def _scored(task: _Task, ranking: npt.NDArray[np.int64], method: Method, k: int | None, seed: int) -> Identification:
    """The record of a `(n, identities)` ranking of identity codes, best first."""
    matches = ranking == task.query_codes[:, np.newaxis]

    def accuracy_at(depth: int) -> float | None:
        return float(matches[:, :depth].any(axis=1).mean()) if task.identities > depth else None

    most_frequent = np.bincount(task.gallery_codes).argmax()
    return Identification(
        method=method,
        n=len(matches),
        questions=len(np.unique(task.questions)),
        excluded=task.excluded,
        identities=task.identities,
        k=k,
        chance=max(1 / task.identities, float((task.query_codes == most_frequent).mean())),
        accuracy=float(matches[:, 0].mean()),
        interval=cluster_bootstrap(matches[:, 0], task.questions, seed=seed),
        accuracy_at_5=accuracy_at(5),
        accuracy_at_10=accuracy_at(10),
        f1_weighted=float(f1_score(task.query_codes, ranking[:, 0], average="weighted", zero_division=0)),
    )

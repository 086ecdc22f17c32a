"""The value map: QAs and the identities that wrote them, placed in two dimensions (paper, "value map").

What a place on the map means, and why it was made so:

* **The question is taken out.** QA embeddings are dominated by what the question is about: projected as they are,
  QAs cluster by question and every identity's mean falls on the same spot. So the share of each question is removed
  first (`centre_questions`), and a place shows what an identity says beyond the topic.
* **The projection never sees who wrote a QA.** PCA is fitted on all QAs and not on the identities' means: with a few
  dozen identities in hundreds of dimensions, axes fitted on means pull identities apart that do not differ at all.
* **A centroid is the mean of its QAs' places**, with a 95 % ellipse from a bootstrap over questions. The ellipse
  holds the axes (PCA) or the layout (t-SNE) fixed: it says how far the mean would move with other questions.

PCA is the default: its axes are directions of the embedding space, its distances are distances, and groups that do not
differ land on each other. t-SNE shows neighbourhoods of QAs; its axes and the gaps between its clusters mean nothing.
UMAP is left out, since numba is heavy to carry.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from univar.analysis.names import printable, provider, short_names
from univar.analysis.question_share import FloatArray, IntArray, Placed, placed_rows, sums_of, without_questions
from univar.analysis.results import markdown_table
from univar.corpus.records import Identity, QARecord, identity_labels
from univar.model.embedded import Corpus, embed

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

logger = logging.getLogger(__name__)

Method = Literal["pca", "tsne"]
ColorBy = Literal["auto", "lang", "model"]

RESAMPLES = 1000
"""Bootstrap resamples behind an ellipse."""

CAVEAT = (
    "Not for ranking LLMs, for judging people or nations, or for certifying that an LLM is safe:"
    " the map shows how answers differ, in content and in style, as one encoder sees them."
)
"""What a value map may not be used for. It stands beside every one."""

_CHI2_95 = 5.991464547107979
"""95 % quantile of chi squared with two degrees of freedom: the squared radius of a 95 % ellipse."""


@dataclass(frozen=True, eq=False)
class ValueMap:
    """Everything a drawing of the value map needs.

    The arrays `points`, `identity_index` and `rows` have one entry a drawn QA; `centroids`, `covariances`, `counts`
    and `question_counts` one entry an identity, in the order of `identities`.
    """

    points: FloatArray
    """(p, 2) places of the drawn QAs, in an order that mixes the identities (no one is painted over by the last)."""
    identity_index: IntArray
    """(p,) who wrote each drawn QA, an index into `identities`."""
    rows: IntArray
    """(p,) which of the records given to `build_map` each drawn QA is."""
    texts: tuple[str, ...]
    """(p,) `Q: ... A: ...` of each drawn QA, plain and untrusted: to be escaped wherever it is shown."""
    identities: tuple[Identity, ...]
    centroids: FloatArray
    """(m, 2) mean place of each identity's QAs."""
    covariances: FloatArray
    """(m, 2, 2) bootstrap covariance of each centroid; NaN for an identity with QAs to a single question."""
    counts: IntArray
    """(m,) n of each identity: the QAs its centroid rests on."""
    question_counts: IntArray
    """(m,) different questions among them."""
    total: int
    """All QAs given to `build_map`; those that are neither drawn nor part of a centroid included."""
    method: Method
    seed: int
    question_centred: bool
    explained_variance: tuple[float, float] | None
    """Share (0..1) of the variance of the QAs that each axis shows; None for t-SNE or where nothing varies."""
    explained_between: float | None
    """Share (0..1) of the variance of the identities' means that both axes show together; None likewise."""
    unread: str | None = None
    """What is to be said of QAs in languages that the model does not read; None if there are none."""

    def __str__(self) -> str:
        shown = ""
        if self.explained_between is not None:
            shown = f", on two axes that show {100 * self.explained_between:.0f} % of the variance of their means"
        return (
            f"{len(self.identities):,} identities, n = {_span(self.counts)} QAs each to {_span(self.question_counts)} "
            f"questions, with 95 % ellipses by bootstrap over questions{shown}."
        )

    def to_pandas(self) -> "pd.DataFrame":
        """A row an identity: `x`, `y`, the half axes of its 95 % ellipse along them, its QAs `n` and its questions."""
        import pandas as pd

        return pd.DataFrame(self._rows())

    def to_dict(self) -> dict[str, Any]:
        """The identities' places as plain JSON values, and how the map was made."""
        return {
            "identities": self._rows(),
            "qas": self.total,
            "method": self.method,
            "seed": self.seed,
            "question_centred": self.question_centred,
            "explained_variance": self.explained_variance,
            "explained_between": self.explained_between,
            "unread": self.unread,
        }

    def to_markdown(self) -> str:
        """A row an identity, how the map was made and what it may not be used for below."""
        places = ("x", "y", "x_95", "y_95")
        rows = [
            (
                f"{row['model']} ({row['lang']})",
                f"{row['n']:,}",
                f"{row['questions']:,}",
                *("-" if row[name] is None else f"{row[name]:.3f}" for name in places),
            )
            for row in self._rows()
        ]
        table = markdown_table(("identity", "n", "questions", "x", "y", "± x", "± y"), rows)
        return f"{table}\n- {caption(self)}\n- {CAVEAT}\n"

    def plot(self, *, color_by: ColorBy = "auto") -> "go.Figure":
        """The interactive map; `univar.analysis.pictures` writes it as a page or a picture for papers."""
        from univar.analysis.pictures.map_page import map_plot
        from univar.analysis.pictures.notes import with_notes

        return with_notes(map_plot(self, color_by=color_by), [self.unread])

    def _rows(self) -> list[dict[str, Any]]:
        radii = np.sqrt(_CHI2_95 * np.diagonal(self.covariances, axis1=1, axis2=2))
        return [
            {
                "model": identity.model,
                "lang": identity.lang,
                "n": int(self.counts[number]),
                "questions": int(self.question_counts[number]),
                "x": float(x),
                "y": float(y),
                "x_95": None if np.isnan(radii[number, 0]) else float(radii[number, 0]),
                "y_95": None if np.isnan(radii[number, 1]) else float(radii[number, 1]),
            }
            for number, (identity, (x, y)) in enumerate(zip(self.identities, self.centroids, strict=True))
        ]


def project(embeddings: npt.ArrayLike, *, method: Method = "pca", seed: int = 0) -> FloatArray:
    """Places of embeddings in two dimensions, the same for the same input and seed.

    PCA takes the two directions of largest variance (the seed plays no part); distances on the map are never larger
    than in the space. t-SNE (van der Maaten & Hinton 2008) starts from the first 50 principal components, with
    perplexity 30 or a third of the other points where there are fewer than 91. If all rows are equal, every place is
    the origin.

    Args:
        embeddings: (n, d) finite numbers, n >= 2, d >= 2.
        method: "pca" or "tsne".
        seed: Of the random steps inside t-SNE.

    Returns:
        (n, 2) places, centred on the origin.

    Raises:
        ValueError: If the array has another shape, is not finite, or the method is unknown.
    """
    vectors = _checked(embeddings)
    if method not in get_args(Method):
        raise ValueError(f"unknown method {method!r}; allowed: {', '.join(get_args(Method))}")
    if not np.ptp(vectors, axis=0).any():
        return np.zeros((len(vectors), 2), dtype=vectors.dtype)
    if method == "pca":
        # Exact, and the same on every machine; the randomised solver is what PCA would pick for most corpora.
        return np.asarray(PCA(2, svd_solver="covariance_eigh").fit_transform(vectors))
    reduced = PCA(min(50, *vectors.shape), svd_solver="covariance_eigh").fit_transform(vectors)
    perplexity = min(30.0, max(1.0, (len(vectors) - 1) / 3))
    places = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    return np.asarray(places - places.mean(axis=0))


def build_map(
    records: Sequence[QARecord],
    embeddings: npt.ArrayLike,
    *,
    method: Method = "pca",
    seed: int = 0,
    max_points: int = 5000,
    centre_questions: bool | None = None,
) -> ValueMap:
    """The value map of QAs and their embeddings; the module's docstring says what a place means.

    PCA is fitted on all QAs, and centroids are means over all of them; `max_points` only limits what is drawn. t-SNE
    would take hours on a large corpus, so it, and its centroids, use the drawn QAs alone. The QAs to draw are chosen
    at random, as many of each identity as of the others as far as it has them.

    Args:
        records: n QAs.
        embeddings: (n, d) their embeddings, row by row.
        method: See `project`.
        seed: Of the choice of QAs to draw, the bootstrap and t-SNE.
        max_points: Most QAs to draw, at least 2 and one an identity.
        centre_questions: Whether to remove each question's share of the embeddings. By default it is done where it
            means something: at least half of the QAs answer questions that two identities or more answered, and
            these questions connect all identities. The other QAs are then left out.

    Raises:
        ValueError: If records and rows differ in number, an array is unusable (see `project`), `max_points` is too
            small, or `centre_questions` is asked for where no questions connect the identities.
    """
    vectors = _checked(embeddings)
    if len(records) != len(vectors):
        raise ValueError(f"{len(records)} records but {len(vectors)} embeddings; give one row a record")
    identities, labels = identity_labels(records)
    if max_points < max(2, len(identities)):
        raise ValueError(f"max_points must be at least 2 and one an identity ({len(identities)}), got {max_points}")
    corpus, centred = without_questions(placed_rows(records, vectors, labels), len(identities), centre_questions)
    drawn = _balanced_rows(corpus.labels, max_points, seed)
    if method == "tsne":
        corpus = corpus.take(drawn)
        drawn = np.arange(len(drawn))
    places = project(corpus.embeddings, method=method, seed=seed)
    centroids, covariances = _centroids(places, corpus.labels, corpus.questions, len(identities), seed)
    shares = _explained(places, corpus, centroids) if method == "pca" else (None, None)
    return ValueMap(
        points=places[drawn],
        identity_index=corpus.labels[drawn],
        rows=corpus.rows[drawn],
        texts=tuple(records[row].text for row in corpus.rows[drawn]),
        identities=tuple(identities),
        centroids=centroids,
        covariances=covariances,
        counts=np.bincount(corpus.labels, minlength=len(identities)),
        question_counts=np.array([len(set(corpus.questions[corpus.labels == k])) for k in range(len(identities))]),
        total=len(records),
        method=method,
        seed=seed,
        question_centred=centred,
        explained_variance=shares[0],
        explained_between=shares[1],
    )


def value_map(
    corpus: Corpus,
    *,
    model: str | None = None,
    method: Method = "pca",
    seed: int = 0,
    max_points: int = 5000,
    untranslated: bool = False,
    **options: Any,
) -> ValueMap:
    """The value map of a corpus: every QA and the identities that wrote them, placed in two dimensions.

    Args:
        corpus: Answers, or an embedded corpus, of which nothing is encoded again; see `univar.embed`.
        model: What embeds the answers; by default `univar`, of an embedded corpus the model that it is of.
        method: `pca` keeps distances, `tsne` neighbours.
        seed: Of the choice of QAs to draw, the bootstrap and t-SNE.
        max_points: Most QAs to draw.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        options: For `univar.read_corpus`.

    Raises:
        CorpusError: If the answers cannot be read.
        EmbeddedCorpusError: If they are embedded by another model.
        UntranslatedError: If they are in languages that the model does not read, and `untranslated` is not said.
        ValueError: If there are fewer than two QAs; see also `build_map`.
    """
    embedded = embed(corpus, model, untranslated=untranslated, **options)
    if len(embedded) < 2:
        raise ValueError(f"a map needs two QAs or more, got {len(embedded)}; add answers")
    drawn = build_map(embedded.records, embedded.embeddings, method=method, seed=seed, max_points=max_points)
    return replace(drawn, unread=embedded.unread)


def ellipse_outline(value_map: ValueMap, identity: int, *, vertices: int = 72) -> FloatArray:
    """The closed outline (vertices, 2) of a centroid's 95 % ellipse; all NaN where a single question gives none."""
    covariance = value_map.covariances[identity]
    if not np.isfinite(covariance).all():
        return np.full((vertices, 2), np.nan)
    variances, directions = np.linalg.eigh(covariance)
    angles = np.linspace(0, 2 * np.pi, vertices)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    radii = np.sqrt(_CHI2_95 * np.clip(variances, 0, None))
    return np.asarray(value_map.centroids[identity] + (circle * radii) @ directions.T)


def frame(value_map: ValueMap) -> tuple[FloatArray, FloatArray]:
    """Lower left and upper right corner (2,) of what to show: all ellipses and nearly all QAs.

    A few QAs far out would press the identities into one spot.
    """
    marks = [value_map.centroids, *(ellipse_outline(value_map, number) for number in range(len(value_map.identities)))]
    edges = np.concatenate([*marks, np.quantile(value_map.points, [0.04, 0.96], axis=0)])
    low, high = np.nanmin(edges, axis=0), np.nanmax(edges, axis=0)
    # Where nothing varies, a frame still has a size.
    least = 1e-6 + 1e-3 * (high - low).max()
    return low - least, high + least


def colour_groups(identities: Sequence[Identity], color_by: ColorBy = "auto") -> list[str]:
    """The name of the group whose colour each identity takes.

    By "lang" that is the language. By "model" it is the model, or with more than ten models, which no palette tells
    apart, its provider where there are several: what stands before "/", else the letters its name begins with ("gpt",
    "llama"). By "auto" it is the language where there are several, else the model.

    Raises:
        ValueError: If `color_by` is none of these.
    """
    if color_by not in get_args(ColorBy):
        raise ValueError(f"unknown color_by {color_by!r}; allowed: {', '.join(get_args(ColorBy))}")
    if color_by == "lang" or (color_by == "auto" and len({identity.lang for identity in identities}) > 1):
        return [printable(identity.lang) for identity in identities]
    if len({identity.model for identity in identities}) > 10:
        providers = [provider(printable(identity.model)) for identity in identities]
        if len(set(providers)) > 1:
            return providers
    return short_names([identity._replace(lang="") for identity in identities])


def caption(value_map: ValueMap) -> str:
    """What is drawn, how many there are of it and how it was made; `CAVEAT` is for beside it."""
    counts, questions = value_map.counts, value_map.question_counts
    placed, drawn, total = int(counts.sum()), len(value_map.points), value_map.total
    langs = sorted({printable(identity.lang) for identity in value_map.identities})
    single = int((questions < 2).sum())
    return " ".join(
        [
            f"{placed:,}{f' of {total:,}' if placed < total else ''} QAs"
            f" by {len(counts):,} {'identity' if len(counts) == 1 else 'identities'},"
            f" each n = {_span(counts)} QAs to {_span(questions)} questions,"
            f" in {', '.join(langs) if len(langs) <= 6 else f'{len(langs)} languages'}.",
            f"Dots: {f'{drawn:,} of the' if drawn < placed else 'the'} QAs.",
            "Large marks: mean of an identity, with 95\u00a0% ellipse"
            f" (bootstrap over questions, {RESAMPLES:,} resamples, seed {value_map.seed}"
            f"{f'; none for {single} with one question' if single else ''}).",
            "Each question's share of the embeddings is removed: a place is what was answered beyond the topic."
            if value_map.question_centred
            else "Questions are not removed: a place shows topics as well as identities.",
            _method_sentence(value_map),
            *([value_map.unread] if value_map.unread else []),
        ]
    )


def _method_sentence(value_map: ValueMap) -> str:
    if value_map.method == "tsne":
        return f"t-SNE (seed {value_map.seed}): near means alike; axes and gaps between clusters mean nothing."
    if value_map.explained_variance is None or value_map.explained_between is None:
        return "PCA of the QAs."
    first, second = (f"{100 * share:.1f}\u00a0%" for share in value_map.explained_variance)
    return (
        f"PCA of the QAs, blind to who answered: the axes show {first} and {second} of the variance of the QAs,"
        f" together {100 * value_map.explained_between:.0f}\u00a0% of that of the identities' means."
    )


def _span(numbers: IntArray) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _checked(embeddings: npt.ArrayLike) -> FloatArray:
    vectors = np.asarray(embeddings)
    if vectors.ndim != 2 or vectors.shape[0] < 2 or vectors.shape[1] < 2:
        raise ValueError(f"embeddings must be (n, d) with n >= 2 and d >= 2, got shape {vectors.shape}")
    # Single precision is enough for a picture and half the memory; half precision is not.
    vectors = vectors.astype(np.result_type(vectors.dtype, np.float32), copy=False)
    if unusable := int((~np.isfinite(vectors)).any(axis=1).sum()):
        raise ValueError(f"{unusable} of {len(vectors)} embeddings are not finite; encode these QAs again")
    return vectors


def _balanced_rows(labels: IntArray, limit: int, seed: int) -> IntArray:
    """At most `limit` rows in random order, dealt out one an identity and round."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.intp)
    for label in np.unique(labels):
        own = labels[shuffled] == label
        turn[own] = np.arange(own.sum())
    return np.asarray(shuffled[np.argsort(turn, kind="stable")][:limit])


def _centroids(
    places: FloatArray, labels: IntArray, questions: IntArray, m: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Mean place (m, 2) of each identity and its covariance (m, 2, 2) over draws of the identity's questions."""
    rng = np.random.default_rng(seed)
    centroids, covariances = np.empty((m, 2)), np.full((m, 2, 2), np.nan)
    for label in range(m):
        own = labels == label
        centroids[label] = places[own].mean(axis=0)
        names, members = np.unique(questions[own], return_inverse=True)
        if len(names) > 1:
            draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
            sums = sums_of(places[own].astype(np.float64), members, len(names))
            means = (draws @ sums) / (draws @ np.bincount(members))[:, None]
            covariances[label] = np.cov(means, rowvar=False)
    return centroids, covariances


def _explained(
    places: FloatArray, corpus: Placed, centroids: FloatArray
) -> tuple[tuple[float, float] | None, float | None]:
    """Shares of variance the axes show: of the QAs, an axis each, and of the identities' means, both together."""
    m = len(centroids)
    means = sums_of(corpus.embeddings, corpus.labels, m) / np.bincount(corpus.labels, minlength=m)[:, None]
    whole, between = float(corpus.embeddings.var(axis=0).sum()), float(means.var(axis=0).sum())
    first, second = (float(share) for share in places.var(axis=0))
    return (
        (first / whole, second / whole) if whole > 0 else None,
        float(centroids.var(axis=0).sum()) / between if between > 0 else None,
    )

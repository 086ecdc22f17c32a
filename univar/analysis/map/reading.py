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

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from univar.analysis.map.axes import (
    Held,
    Projection,
    along,
    between,
    blind_places,
    held_share,
    known_axes,
)
from univar.analysis.map.naming import Followed, ValuePoles, correlation, followed, typical, value_poles
from univar.analysis.map.results import RESAMPLES, AxesBy, MapAxis, Method, Said, ValueMap, value_title
from univar.analysis.question_share import FloatArray, IntArray, Placed, placed_rows, sums_of, without_questions
from univar.analysis.values.questions import asked
from univar.analysis.values.reading import check_values
from univar.corpus.questions.poles import poles as written_poles
from univar.corpus.records import Identity, QARecord, identity_labels
from univar.model.embedded import Corpus, EmbeddedCorpus, EmbeddedCorpusError, embed
from univar.model.pole_vectors import embedded_poles

Axes = Literal["blind", "between"] | Sequence[str]
"""What the axes of a map are found by; a sequence of two ids of values makes these the axes."""

_AXIS_NAMES = {
    ("pca", "blind"): ("component 1", "component 2"),
    ("pca", "between"): ("difference 1", "difference 2"),
    ("tsne", "blind"): ("t-SNE 1", "t-SNE 2"),
}


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
    if method == "pca" or not np.ptp(vectors, axis=0).any():
        return blind_places(vectors)
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
    axes: Axes = "blind",
    poles: ValuePoles | None = None,
) -> ValueMap:
    """The value map of QAs and their embeddings; the module's docstring says what a place means.

    Axes are found on all QAs, and centroids are means over all of them; `max_points` only limits what is drawn. t-SNE
    would take hours on a large corpus, so it, and its centroids, use the drawn QAs alone. The QAs to draw are chosen
    at random, as many of each identity as of the others as far as it has them.

    Args:
        records: n QAs.
        embeddings: (n, d) their embeddings, row by row.
        method: See `project`.
        seed: Of the choice of QAs to draw, the bootstrap, the halves of the questions, chance in naming, and t-SNE.
        max_points: Most QAs to draw, at least 2 and one an identity.
        centre_questions: Whether to remove each question's share of the embeddings. By default it is done where it
            means something: at least half of the QAs answer questions that two identities or more answered, and
            these questions connect all identities. The other QAs are then left out.
        axes: `blind` to who answered; `between` the identities, in what they differ; or the ids of two values.
        poles: The axes of the values, by the encoder of the embeddings; then axes are named by the values that they
            follow. Axes of two values need them.

    Raises:
        ValueError: If records and rows differ in number, an array is unusable (see `project`), `max_points` is too
            small, `centre_questions` is asked for where no questions connect the identities, the axes are unknown or
            asked for with t-SNE, there is no such value or its axis does not carry, or too few answers are there for
            axes between identities.
    """
    vectors = _checked(embeddings)
    if len(records) != len(vectors):
        raise ValueError(f"{len(records)} records but {len(vectors)} embeddings; give one row a record")
    identities, labels = identity_labels(records)
    m = len(identities)
    if max_points < max(2, m):
        raise ValueError(f"max_points must be at least 2 and one an identity ({m}), got {max_points}")
    by = check_axes(axes, method)
    corpus, centred = without_questions(placed_rows(records, vectors, labels), m, centre_questions)
    drawn = _balanced_rows(corpus.labels, max_points, seed)
    if method == "tsne":
        corpus = corpus.take(drawn)
        drawn = np.arange(len(drawn))
    if by == "values":
        directions = _value_directions((axes[0], axes[1]), poles)
        projection = along(corpus, directions)
    elif by == "between":
        projection = between(corpus._replace(embeddings=vectors[corpus.rows]), m, centred=centred, seed=seed)
    else:
        projection = known_axes(corpus, project(corpus.embeddings, method=method, seed=seed))
    corpus, places = projection.corpus, projection.places
    centroids, covariances = _centroids(places, corpus.labels, corpus.questions, m, seed)
    covariances *= np.sqrt(np.outer(projection.widened, projection.widened))
    shares = _explained(places, corpus, centroids) if method == "pca" else (None, None)
    named = poles is not None and method == "pca" and by != "values"
    names = followed(projection, poles, seed) if poles is not None and named else [None, None]
    titles = [value_title(value) for value in axes] if by == "values" else _AXIS_NAMES[method, by]
    return ValueMap(
        points=places[drawn],
        identity_index=corpus.labels[drawn],
        rows=corpus.rows[drawn],
        texts=tuple(records[row].text for row in corpus.rows[drawn]),
        questions=tuple(records[row].question_key for row in corpus.rows[drawn]),
        values=_values_of([records[row] for row in corpus.rows[drawn]]),
        identities=tuple(identities),
        centroids=centroids,
        covariances=covariances,
        counts=np.bincount(corpus.labels, minlength=m),
        question_counts=np.array([len(set(corpus.questions[corpus.labels == k])) for k in range(m)]),
        total=len(records),
        method=method,
        seed=seed,
        question_centred=centred,
        explained_variance=shares[0],
        explained_between=shares[1],
        axes_by=by,
        axes=(
            _axis(projection, 0, titles[0], names[0], records if method == "pca" else None),
            _axis(projection, 1, titles[1], names[1], records if method == "pca" else None),
        ),
        named=named,
        held=held_share(projection, m, seed) if method == "pca" else Held(None, None, None, 0),
        together=correlation(projection, directions) if by == "values" else None,
    )


def value_map(
    corpus: Corpus,
    *,
    after: Mapping[str, Corpus] | None = None,
    model: str | None = None,
    method: Method = "pca",
    axes: Axes = "blind",
    named: bool = False,
    poles: EmbeddedCorpus | None = None,
    seed: int = 0,
    max_points: int = 5000,
    untranslated: bool = False,
    **options: Any,
) -> ValueMap:
    """The value map of a corpus: every QA and the identities that wrote them, placed in two dimensions.

    Args:
        corpus: Answers, or an embedded corpus, of which nothing is encoded again; see `univar.embed`.
        after: Later answers of the same LLMs by what they are called, as of checkpoints, in their order: placed on the
            same axes, with an arrow from each identity to itself in the next corpus.
        model: What embeds the answers; by default `univar`, of an embedded corpus the model that it is of.
        method: `pca` keeps distances, `tsne` neighbours.
        axes: `blind` to who answered; `between` the identities, in what they differ, found on one half of the
            questions and shown on the other; or the ids of two values, such as `("thrift", "freedom")`.
        named: Name the axes by the values that they follow beyond chance; axes of two values have their names anyway.
        poles: The written poles with their vectors, for names and axes of values; by default they are encoded once
            and kept in the cache of huggingface_hub. Given, axes are named.
        seed: Of the choice of QAs to draw, the bootstrap, the halves of the questions, chance in naming, and t-SNE.
        max_points: Most QAs to draw.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        options: For `univar.read_corpus`.

    Raises:
        CorpusError: If the answers cannot be read.
        EmbeddedCorpusError: If they are embedded by another model, or the poles cannot be embedded.
        UntranslatedError: If they are in languages that the model does not read, and `untranslated` is not said.
        ValueError: If there are fewer than two QAs, or no identity answers in a later corpus too; see also
            `build_map`.
    """
    by = check_axes(axes, method)
    parts = [embed(one, model, untranslated=untranslated, **options) for one in (corpus, *(after or {}).values())]
    embedded, path = _joined(parts, list(after or {}))
    if len(embedded) < 2:
        raise ValueError(f"a map needs two QAs or more, got {len(embedded)}; add answers")
    known = None
    if poles is not None or by == "values" or (named and method == "pca"):
        known = _known_poles(embedded, model, poles, seed)
    drawn = build_map(
        embedded.records, embedded.embeddings, method=method, seed=seed, max_points=max_points, axes=axes, poles=known
    )
    places = {identity: number for number, identity in enumerate(drawn.identities)}
    moves = tuple((places[start], places[end]) for start, end in path)
    return replace(drawn, moves=moves, unread=embedded.unread)


def _joined(parts: list[EmbeddedCorpus], names: list[str]) -> tuple[EmbeddedCorpus, list[tuple[Identity, Identity]]]:
    """Corpora as one, in which the identities of later ones bear their names too, and who became whom."""
    first = parts[0]
    records, path = list(first.records), []
    latest = {record.identity: record.identity for record in records}
    for name, later in zip(names, parts[1:], strict=True):
        _check_same_model(first, later, name)
        renamed = {identity: identity._replace(model=f"{identity.model} · {name}") for identity in _identities(later)}
        path += [(latest[identity], named) for identity, named in renamed.items() if identity in latest]
        latest |= renamed
        records += [replace(record, model=renamed[record.identity].model) for record in later.records]
    if names and not path:
        raise ValueError(
            "no identity of the first corpus answers in a later one; give them the same model and language, as with "
            "--set model=NAME"
        )
    if not names:
        return first, []
    return EmbeddedCorpus(tuple(records), np.concatenate([one.embeddings for one in parts]), first.provenance), path


def _identities(corpus: EmbeddedCorpus) -> list[Identity]:
    return sorted({record.identity for record in corpus.records})


def _check_same_model(first: EmbeddedCorpus, later: EmbeddedCorpus, name: str) -> None:
    """Raises EmbeddedCorpusError unless both are embedded by one model."""
    one, other = first.provenance, later.provenance
    if one.fingerprint != other.fingerprint:
        raise EmbeddedCorpusError(
            f"{name} is embedded by {other.model} ({other.fingerprint[:12]}…), the first corpus by {one.model} "
            f"({one.fingerprint[:12]}…): embed both by one model"
        )


def check_axes(axes: Axes, method: Method = "pca") -> AxesBy:
    """What axes are found by.

    Raises:
        ValueError: If they are none of those that there are, or are asked of t-SNE.
    """
    if isinstance(axes, str):
        if axes not in ("blind", "between"):
            raise ValueError(f"unknown axes {axes!r}; allowed: blind, between, or the ids of two values")
        by: AxesBy = "blind" if axes == "blind" else "between"
    else:
        names = check_values(axes)
        if len(names) != 2 or names[0] == names[1]:
            raise ValueError(f"axes are blind, between, or two different values, got {', '.join(names) or 'none'}")
        by = "values"
    if method == "tsne" and by != "blind":
        raise ValueError("t-SNE has no axes of its own; take the method pca, or the axes blind")
    return by


def _known_poles(answers: EmbeddedCorpus, model: str | None, poles: EmbeddedCorpus | None, seed: int) -> ValuePoles:
    known = embedded_poles(answers.provenance, model) if poles is None else poles
    if known.provenance.fingerprint != answers.provenance.fingerprint:
        raise EmbeddedCorpusError(
            f"the poles are embedded by {known.provenance.model} ({known.provenance.fingerprint[:12]}…), the answers "
            f"by {answers.provenance.model} ({answers.provenance.fingerprint[:12]}…): give poles by the same model"
        )
    return value_poles(known.embeddings, written_poles(), trained_on=known.provenance.trained_on, seed=seed)


def _value_directions(values: tuple[str, str], poles: ValuePoles | None) -> FloatArray:
    """(2, d) the axes of two values, each from against to for."""
    if poles is None:
        raise ValueError("axes of values are made of their written poles; give poles")
    for value in values:
        if value not in poles.carrying:
            carrying = ", ".join(sorted(poles.carrying)) or "none"
            raise ValueError(
                f"the axis of {value} does not carry to questions that it is not made of, so places along it would "
                f"mean nothing; those that do: {carrying}"
            )
    return poles.rulers.axes[[poles.rulers.values.index(value) for value in values]]


def _axis(
    projection: Projection, number: int, name: str, follows: Followed | None, records: Sequence[QARecord] | None
) -> MapAxis:
    """An axis with its typical answers; without records it has none, since its ends mean nothing."""
    if records is None:
        return MapAxis(name, follows, (), ())

    def said(towards: int) -> tuple[Said, ...]:
        rows = typical(projection, number, towards)
        found = [(records[projection.corpus.rows[row]], float(projection.places[row, number])) for row in rows]
        return tuple(Said(one.identity, one.question_key, one.answer, place) for one, place in found)

    return MapAxis(name, follows, said(-1), said(1))


def _values_of(records: Sequence[QARecord]) -> tuple[str | None, ...]:
    """The value that each QA is about; of a question that is not of the bank, what its record names."""
    return tuple(one.value or record.value for one, record in zip(asked(records), records, strict=True))


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

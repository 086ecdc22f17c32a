"""Which known identities a set of QAs is nearest to, among references of LLMs whose answers were embedded before.

The mean embedding of any set of QAs lies close to that of any other: what they share (being answers at all) and what
varies within one identity (what the question was about) outweigh who answered. Two steps take these out before a
similarity is computed, both fixed when the reference is built:

* **Centring.** The mean of the references, each corpus weighing the same, becomes the origin: a similarity of 0 means
  no more alike than any two references.
* **Whitening.** Directions in which the QAs of one identity differ from each other are scaled down, by the inverse
  square root of their covariance: within-class covariance normalisation as speaker recognition does it before the
  same cosine scoring (Hatch et al. 2006; Dehak et al. 2011).

Answers to other kinds of questions are far from every reference. How near QAs of known authorship come is measured
when the reference is built (`Recognition`), so that a reading can say when the order of the references means nothing.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest
from sklearn.covariance import ledoit_wolf

from univar.analysis.geometry import centroids
from univar.analysis.statistics import Interval, cluster_bootstrap
from univar.corpus.records import Identity, QARecord, question_hash
from univar.files import replacing
from univar.model.encoding import as_read

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

SHIPPED_REFERENCE = Path(__file__).parent.parent / "assets" / "reference" / "centroids.parquet"
"""The reference that belongs to the shipped weights. It holds figures, no answers."""

VIEW_SIZES = (1, 5, 20, 80)
"""QAs in the views whose authors are named when a reference is built."""

RESAMPLES = 1000
"""Bootstrap resamples of the QAs behind an interval."""

_IDENTITY, _CENTRE, _WHITENING = "identity", "centre", "whitening"


class Recognition(NamedTuple):
    """How well a reference names the author of views it knows nothing of: answers to questions it was not built on."""

    corpus: str
    """What the questions are from."""
    qas: int
    """QAs in a view."""
    views: int
    """Views that were tried, without a QA in common."""
    right: int
    """Views whose author came first among all references."""
    floor: float
    """Similarity to the nearest reference that 95 % of the views reach."""
    strangers: int
    """Views that reach it even when their author is taken out: an LLM that is no reference may come as near."""

    by_identity: tuple[tuple[int, int, int], ...] = ()
    """Views, right and strangers of each identity; empty where only their sums are known, as in the shipped file."""

    @property
    def interval(self) -> Interval:
        """95 % interval of the share that was right.

        By bootstrap over identities, for the views of one are alike, and never narrower than Wilson's over views: a
        bootstrap of nothing but successes has no width. Where identities are not known apart it is Wilson's alone,
        which says nothing of other LLMs and can be several times narrower.
        """
        return self._interval(1)

    @property
    def strangers_interval(self) -> Interval:
        """95 % interval of the share of `strangers`, as `interval`."""
        return self._interval(2)

    @property
    def over_identities(self) -> bool:
        """Whether the intervals are over identities, and not over views."""
        return len(self.by_identity) > 1

    def _interval(self, place: int) -> Interval:
        over_views = _wilson((self.views, self.right, self.strangers)[place], self.views)
        if not self.over_identities:
            return over_views
        views, hits = np.array(self.by_identity)[:, [0, place]].T
        clusters = np.repeat(np.arange(len(views)), views)
        first = np.concatenate([np.arange(number) for number in views])
        drawn = cluster_bootstrap(first < np.repeat(hits, views), clusters)
        return Interval(min(drawn.low, over_views.low), max(drawn.high, over_views.high))


@dataclass(frozen=True, eq=False, slots=True)
class Reference:
    """Known identities in the embedding space of one model; m identities, d dimensions.

    The same LLM in two corpora is two references: how it was asked changes what it answers.
    """

    identities: tuple[Identity, ...]
    """(m,) who answered."""
    corpora: tuple[str, ...]
    """(m,) the corpus that each was asked."""
    counts: IntArray
    """(m,) QAs behind each."""
    centroids: FloatArray
    """(m, d) float32, mean embedding of the QAs of each; shorter than 1."""
    centre: FloatArray
    """(d,) float32, the origin of similarities."""
    whitening: FloatArray
    """(d, d) float32, symmetric."""
    recognitions: tuple[Recognition, ...]
    """A row a corpus and view size; empty where an identity answered too few questions to set some apart."""
    weights: str
    """sha256 of the weights of the model; see `weights_sha256`."""

    def placed(self, embeddings: npt.ArrayLike) -> FloatArray:
        """Embeddings (n, d) after centring and whitening, (n, d) float64."""
        return np.asarray((np.asarray(embeddings, dtype=np.float64) - self.centre) @ self.whitening)

    @property
    def directions(self) -> FloatArray:
        """(m, d) unit vectors: where each identity lies after centring and whitening."""
        return _unit(self.placed(self.centroids))


class Neighbour(NamedTuple):
    """One reference and how similar a set of QAs is to it."""

    identity: Identity
    corpus: str
    similarity: float
    """Cosine in [-1, 1] after centring and whitening; 0 is no more alike than any two references."""
    low: float | None
    """Lower end of its 95 % interval; None for a single question."""
    high: float | None
    first: float | None
    """Share of the resamples, in 0..1, in which no other reference is more similar; None for a single question."""


class View(NamedTuple):
    """A set of QAs after centring and whitening; d dimensions."""

    place: FloatArray
    """(d,) the direction of their mean, of length 1."""
    draws: FloatArray | None
    """(RESAMPLES, d) the same for questions drawn anew; None for a single question.

    All are divided by the length of the mean itself and not by their own: a resample repeats QAs, so its mean is
    longer than that of as many different ones and every cosine with it smaller. Intervals would lie beside what they
    belong to. The order of the references does not depend on the length.
    """


def build_reference(
    corpora: Mapping[str, Sequence[QARecord]], model: "SentenceTransformer", *, held_out: bool = True, seed: int = 0
) -> Reference:
    """The reference of the identities of some corpora.

    Args:
        corpora: Records by the name of their corpus.
        model: What embeds them.
        held_out: Leave out QAs to questions that the model was trained on, as its training record names them. These
            lie nearer to their identity than the QAs of any visitor will, which would make recognition look better
            than it is. A model without a record was trained on none.
        seed: Of the choice of QAs for the views of `Recognition`.

    Raises:
        ValueError: If a corpus has no QA left, an identity has fewer than two, or there are fewer than two identities.
    """
    trained_on = set(getattr(model, "training_record", {}).get("questions", ())) if held_out else set()
    records, asked = [], []
    for corpus, given in corpora.items():
        kept = [record for record in given if question_hash(record.question_key) not in trained_on]
        if not kept:
            raise ValueError(
                f"no QA of {corpus} is left: the model was trained on all questions of its {len(given):,} QAs; "
                "add others, or use them all with held_out=False"
            )
        records += kept
        asked += [corpus] * len(kept)
    owners = [(corpus, *record.identity) for corpus, record in zip(asked, records, strict=True)]
    names = sorted(set(owners))
    index = {name: number for number, name in enumerate(names)}
    labels = np.array([index[owner] for owner in owners])
    counts = np.bincount(labels)
    if len(names) < 2 or counts.min() < 2:
        raise ValueError(
            f"a reference needs two identities or more with two QAs or more each, got {len(names)} identities, "
            f"the smallest ({' '.join(names[counts.argmin()])}) with {counts.min()}; add answers or leave it out"
        )
    embeddings = np.asarray(model.encode(as_read(model, [record.text for record in records])), dtype=np.float64)
    members = np.array([name[0] for name in names], dtype=object)
    space = _space(embeddings, labels, members)
    questions = [f"{corpus} {question_hash(r.question_key)}" for corpus, r in zip(asked, records, strict=True)]
    return Reference(
        identities=tuple(Identity(model, lang) for _, model, lang in names),
        corpora=tuple(members),
        counts=counts,
        recognitions=_recognitions(embeddings, labels, members, questions, seed),
        weights=weights_sha256(model),
        **space._asdict(),
    )


def view_of(
    reference: Reference, embeddings: npt.ArrayLike, *, questions: Sequence[str] | None = None, seed: int = 0
) -> View:
    """Where a set of QAs lies in the space of a reference, and how far that depends on the questions.

    Args:
        reference: What to compare with.
        embeddings: (n, d) unit vectors of QAs by one identity, from the model of the reference.
        questions: (n,) the question of each QA; answers to one question are drawn together. By default each QA has
            its own.
        seed: Of the bootstrap.

    Raises:
        ValueError: If there is no QA, the widths differ, a number is not finite, or questions and QAs differ in number.
    """
    vectors = np.asarray(embeddings, dtype=np.float64)
    width = reference.centroids.shape[1]
    if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != width or not np.isfinite(vectors).all():
        raise ValueError(f"embeddings must be finite, (n, {width}) with n of at least 1, got {vectors.shape}")
    if questions is not None and len(questions) != len(vectors):
        raise ValueError(f"{len(questions)} questions for {len(vectors)} QAs; give one a QA")
    places = reference.placed(vectors)
    mean = places.mean(axis=0)
    length = float(np.linalg.norm(mean)) or 1.0
    draws = _resampled_means(places, questions, seed)
    return View(mean / length, None if draws is None else draws / length)


def nearest(
    reference: Reference, embeddings: npt.ArrayLike, *, questions: Sequence[str] | None = None, seed: int = 0
) -> list[Neighbour]:
    """All references, the most similar to a set of QAs first, with percentile intervals; arguments as for `view_of`."""
    view = view_of(reference, embeddings, questions=questions, seed=seed)
    directions = reference.directions
    similarities = directions @ view.place
    m = len(similarities)
    lows, highs, firsts = [None] * m, [None] * m, [None] * m
    if view.draws is not None:
        drawn = view.draws @ directions.T
        lows, highs = np.clip(np.quantile(drawn, [0.025, 0.975], axis=0), -1, 1).tolist()
        firsts = (np.bincount(drawn.argmax(axis=1), minlength=m) / len(drawn)).tolist()
    return [
        Neighbour(reference.identities[i], reference.corpora[i], float(similarities[i]), lows[i], highs[i], firsts[i])
        for i in np.argsort(-similarities, kind="stable")
    ]


def recognition_of(reference: Reference, corpus: str, qas: int) -> Recognition | None:
    """What is known of views of as many QAs as these, or of the next smaller size, by identities of a corpus."""
    fitting = [row for row in reference.recognitions if row.corpus == corpus and row.qas <= qas]
    return max(fitting, key=lambda row: row.qas, default=None)


def write_reference(reference: Reference, path: str | os.PathLike[str] = SHIPPED_REFERENCE) -> None:
    """Writes a reference as parquet: a row a vector, sha256 of the weights and recognitions in the file's metadata."""
    m, d = reference.centroids.shape
    vectors = np.concatenate([reference.centroids, reference.centre[np.newaxis], reference.whitening])
    others = 1 + d
    columns: dict[str, Any] = {
        "kind": pa.array([_IDENTITY] * m + [_CENTRE] + [_WHITENING] * d),
        "corpus": pa.array([*reference.corpora, *[None] * others], pa.string()),
        "model": pa.array([*(identity.model for identity in reference.identities), *[None] * others], pa.string()),
        "lang": pa.array([*(identity.lang for identity in reference.identities), *[None] * others], pa.string()),
        "qas": pa.array([*reference.counts.tolist(), *[None] * others], pa.int32()),
        "vector": pa.FixedSizeListArray.from_arrays(vectors.astype(np.float32).ravel(), d),
    }
    metadata = {
        "weights_sha256": reference.weights,
        "recognitions": json.dumps([row._asdict() for row in reference.recognitions]),
    }
    with replacing(path) as temporary:
        # Of numbers, bytes of one rank are alike, and no two values are.
        vectorwise = {"use_dictionary": False, "use_byte_stream_split": ["vector.list.element"]}
        pq.write_table(pa.table(columns, metadata=metadata), temporary, compression="zstd", **vectorwise)


def read_reference(
    path: str | os.PathLike[str] = SHIPPED_REFERENCE, *, model: "SentenceTransformer | None" = None
) -> Reference:
    """The reference of a file that `write_reference` wrote.

    Args:
        path: Where it is.
        model: The model whose embeddings will be compared with it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no reference, or was computed with other weights than the model's.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no reference at {path}: reinstall this package, or build one with build_reference")
    try:
        table = pq.read_table(path)
        metadata = table.schema.metadata or {}
        weights = metadata[b"weights_sha256"].decode()
        recognitions = tuple(_read_recognition(row) for row in json.loads(metadata[b"recognitions"]))
        kinds = np.array(table["kind"].to_pylist(), dtype=object)
        vectors = np.stack(table["vector"].to_numpy()).astype(np.float32)
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no reference ({error}); write one with write_reference") from error
    if model is not None and (found := weights_sha256(model)) != weights:
        raise ValueError(
            f"{path} belongs to weights with sha256 {weights[:12]}…, this model has {found[:12]}…: embeddings of one "
            "cannot be compared with those of the other. Use the model the reference was built with, or build one "
            "with build_reference and write_reference"
        )
    named = table.filter(pa.array(kinds == _IDENTITY))
    return Reference(
        identities=tuple(map(Identity, named["model"].to_pylist(), named["lang"].to_pylist())),
        corpora=tuple(named["corpus"].to_pylist()),
        counts=np.array(named["qas"].to_pylist(), dtype=np.int64),
        centroids=vectors[kinds == _IDENTITY],
        centre=vectors[kinds == _CENTRE][0],
        whitening=vectors[kinds == _WHITENING],
        recognitions=recognitions,
        weights=weights,
    )


def _read_recognition(row: Mapping[str, Any]) -> Recognition:
    return Recognition(**{**row, "by_identity": tuple(map(tuple, row.get("by_identity", ())))})


def weights_sha256(model: "SentenceTransformer") -> str:
    """What tells the weights of a model from others.

    The sha256 of their file where they are the weights of `univar`, that of the graph of an `OnnxEncoder`, else
    `univar.model.weights.tensors_sha256` of the loaded tensors.
    """
    from univar.model.modeling import has_shipped_weights  # here, not above: torch takes seconds, figures need none
    from univar.model.onnx_encoder import OnnxEncoder
    from univar.model.weights import shipped_record, tensors_sha256

    if isinstance(model, OnnxEncoder):
        return model.graph_sha256()
    # The shipped weights are computed from their file, and the last bits of that depend on the machine.
    if has_shipped_weights(model):
        return str(shipped_record()["adapter_sha256"])
    return tensors_sha256(model.state_dict())


class _Space(NamedTuple):
    """What `Reference` documents under the same names."""

    centroids: FloatArray
    centre: FloatArray
    whitening: FloatArray


def _space(embeddings: FloatArray, labels: IntArray, corpora: npt.NDArray[np.object_]) -> _Space:
    """Centroids of the labelled embeddings (n, d), the origin and the whitening; `corpora` (m,) has one a label."""
    means = centroids(embeddings, labels)
    centre = np.mean([means[corpora == corpus].mean(axis=0) for corpus in np.unique(corpora)], axis=0)
    covariance, _ = ledoit_wolf(embeddings - means[labels], assume_centered=True)
    variances, directions = np.linalg.eigh(covariance)
    largest = variances.max()
    # Equal answers everywhere vary in no direction, and then none is to be scaled down.
    scales = np.sqrt(np.maximum(variances, 1e-9 * largest)) if largest > 0 else np.ones_like(variances)
    whitening = (directions / scales) @ directions.T
    return _Space(means.astype(np.float32), centre.astype(np.float32), whitening.astype(np.float32))


def _recognitions(
    embeddings: FloatArray,
    labels: IntArray,
    corpora: npt.NDArray[np.object_],
    questions: Sequence[str],
    seed: int,
) -> tuple[Recognition, ...]:
    """Names views of QAs to one half of each corpus' questions by a reference built on the other half, both ways."""
    # Hashes are random, so every other one in their order is a random half, and no half of a corpus is much smaller.
    halves = np.unique(np.asarray(questions, dtype=object), return_inverse=True)[1] % 2
    if any(len(np.unique(labels[halves == half])) < len(corpora) for half in (0, 1)):
        return ()
    rng = np.random.default_rng(seed)
    trials: dict[tuple[str, int], list[FloatArray]] = {}
    for half in (0, 1):
        known, asked = halves == half, np.flatnonzero(halves != half)
        space = _space(embeddings[known], labels[known], corpora)
        directions = _unit((space.centroids - space.centre) @ space.whitening)
        places = (embeddings - space.centre) @ space.whitening
        for label, corpus in enumerate(corpora):
            own = rng.permutation(asked[labels[asked] == label])
            for qas in VIEW_SIZES:
                whole = own[: len(own) // qas * qas].reshape(-1, qas)
                scores = _unit(places[whole].mean(axis=1)) @ directions.T
                others = np.delete(scores, label, axis=1).max(axis=1)
                trials.setdefault((corpus, qas), []).append(
                    np.column_stack([scores[:, label], others, np.full(len(others), label)])
                )
    tried = {view: np.concatenate(parts) for view, parts in trials.items()}
    return tuple(_recognition(corpus, qas, *rows.T) for (corpus, qas), rows in tried.items() if len(rows))


def _recognition(
    corpus: str, qas: int, author: FloatArray, others: FloatArray, labels: npt.NDArray[np.number]
) -> Recognition:
    """The record of views with these similarities (n,) to their author and to the nearest other reference.

    `labels` (n,) tell the authors apart.
    """
    floor = float(np.quantile(np.maximum(author, others), 0.05))
    right, strange = author > others, others >= floor
    by_identity = tuple(
        (int(own.sum()), int(right[own].sum()), int(strange[own].sum()))
        for own in (labels == label for label in np.unique(labels))
    )
    return Recognition(corpus, qas, len(author), int(right.sum()), floor, int(strange.sum()), by_identity)


def _resampled_means(rows: FloatArray, questions: Sequence[str] | None, seed: int) -> FloatArray | None:
    """(RESAMPLES, k) means of rows (n, k) with questions drawn anew; None for a single question."""
    names = np.arange(len(rows)) if questions is None else np.asarray(questions, dtype=object)
    _, members, sizes = np.unique(names, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return None
    sums = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(sums, members, rows)
    draws = np.random.default_rng(seed).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=RESAMPLES)
    return np.asarray((draws @ sums) / (draws @ sizes)[:, np.newaxis])


def _wilson(successes: int, trials: int) -> Interval:
    low, high = binomtest(successes, trials).proportion_ci(method="wilson")
    return Interval(float(low), float(high))


def _unit(rows: FloatArray) -> FloatArray:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))

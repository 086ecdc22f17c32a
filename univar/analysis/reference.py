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
from univar.model.encoding import as_read, unit_rows
from univar.model.unread import check_read, languages_read, text_languages

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

SHIPPED_REFERENCE = Path(__file__).parent.parent / "assets" / "reference" / "centroids.parquet"
"""The reference that belongs to the shipped weights. It holds figures, no answers."""

VIEW_SIZES = (1, 5, 20, 80)
"""QAs in the views whose authors are named when a reference is built."""

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
    """sha256 of the weights of the model; see `univar.model.modeling.weights_sha256`."""

    def placed(self, embeddings: npt.ArrayLike) -> FloatArray:
        """Embeddings (n, d) after centring and whitening, (n, d) float64."""
        return np.asarray((np.asarray(embeddings, dtype=np.float64) - self.centre) @ self.whitening)

    @property
    def directions(self) -> FloatArray:
        """(m, d) unit vectors: where each identity lies after centring and whitening."""
        return unit_rows(self.placed(self.centroids))


def build_reference(
    corpora: Mapping[str, Sequence[QARecord]],
    model: "SentenceTransformer",
    *,
    held_out: bool = True,
    seed: int = 0,
    untranslated: bool = False,
) -> Reference:
    """The reference of the identities of some corpora.

    Args:
        corpora: Records by the name of their corpus.
        model: What embeds them.
        held_out: Leave out QAs to questions that the model was trained on, as its training record names them. These
            lie nearer to their identity than the QAs of any visitor will, which would make recognition look better
            than it is. A model without a record was trained on none.
        seed: Of the choice of QAs for the views of `Recognition`.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.

    Raises:
        UntranslatedError: If there are such answers, and `untranslated` is not said.
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
    check_read(text_languages(records), {type(model).__name__: languages_read(model)}, untranslated=untranslated)
    embeddings = np.asarray(model.encode(as_read(model, [record.text for record in records])), dtype=np.float64)
    members = np.array([name[0] for name in names], dtype=object)
    space = _space(embeddings, labels, members)
    questions = [f"{corpus} {question_hash(r.question_key)}" for corpus, r in zip(asked, records, strict=True)]
    return Reference(
        identities=tuple(Identity(model, lang) for _, model, lang in names),
        corpora=tuple(members),
        counts=counts,
        recognitions=_recognitions(embeddings, labels, members, questions, seed),
        weights=_fingerprint(model),
        **space._asdict(),
    )


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
    if model is not None and (found := _fingerprint(model)) != weights:
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


def _fingerprint(model: "SentenceTransformer") -> str:
    from univar.model.modeling import weights_sha256  # here, not above: torch takes seconds, figures need none

    return weights_sha256(model)


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
        directions = unit_rows((space.centroids - space.centre) @ space.whitening)
        places = (embeddings - space.centre) @ space.whitening
        for label, corpus in enumerate(corpora):
            own = rng.permutation(asked[labels[asked] == label])
            for qas in VIEW_SIZES:
                whole = own[: len(own) // qas * qas].reshape(-1, qas)
                scores = unit_rows(places[whole].mean(axis=1)) @ directions.T
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


def _wilson(successes: int, trials: int) -> Interval:
    low, high = binomtest(successes, trials).proportion_ci(method="wilson")
    return Interval(float(low), float(high))

"""Where answers lie among known LLMs: the nearest references, with intervals, and what they say in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from univar.analysis.map.results import CAVEAT
from univar.analysis.names import printable
from univar.analysis.reference import FloatArray, Recognition, Reference, read_reference
from univar.analysis.results import markdown_table
from univar.analysis.statistics import Interval
from univar.corpus.records import Identity
from univar.model.embedded import Corpus, EmbeddedCorpusError, embed

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

RESAMPLES = 1000
"""Bootstrap resamples of the questions behind an interval."""

FEW_QAS = 20
"""Fewer QAs than this are called few."""

_SHOWN_NEIGHBOURS = 5
_OVER_LLMS = "These intervals are by bootstrap over the LLMs that were tried."
_OVER_SETS = (
    "These intervals are over sets of QAs by the same LLMs; LLMs differ by more, so that for one that was not among "
    "them they are too narrow."
)
_ALWAYS = (
    "Style, length and form of the answers count as well as values, and only answers to questions of one kind can be "
    "compared: being near is no proof of who wrote a text, nor that its values are shared."
)


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


@dataclass(frozen=True, slots=True)
class Placed:
    """One identity among the references.

    Attributes:
        identity: Who answered.
        n: QAs.
        questions: Distinct questions among them.
        neighbours: All references, the most similar first.
    """

    identity: Identity
    n: int
    questions: int
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Placement:
    """Every identity of a corpus among the references of one model.

    Attributes:
        placed: The identities, in sorted order.
        reference: What they were compared with.
        seed: Of the intervals.
        unread: What is to be said of QAs in languages that the model does not read; None if there are none.
    """

    placed: tuple[Placed, ...]
    reference: Reference
    seed: int
    unread: str | None = None

    def __str__(self) -> str:
        nearest_of = [self._sentence_of(one) for one in self.placed[:3]]
        more = [f"and {len(self.placed) - 3} more"] if len(self.placed) > 3 else []
        return (
            f"Among {len(self.reference.identities)} references (95 % intervals by bootstrap over questions): "
            f"{'; '.join([*nearest_of, *more])}."
        )

    def is_near(self, one: Placed) -> bool:
        """Whether an identity comes as near to its nearest reference as the references' own answers usually do."""
        return _is_near(self.reference, one.neighbours, one.n)

    def notes(self) -> list[str]:
        """What the nearest references say, how sure that is and what it may not be used for, a paragraph each."""
        unread = [self.unread] if self.unread else []
        if len(self.placed) > 1:
            return [*unread, f"{_ALWAYS} {CAVEAT}"]
        (one,) = self.placed
        return [*in_words(self.reference, one.neighbours, one.n), *unread]

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each identity and reference: similarity, its 95 % interval, rank, `first` (see `Neighbour`).

        `near` tells whether the identity is near any reference at all; see `is_near`.
        """
        import pandas as pd

        return pd.DataFrame(self._rows())

    def to_dict(self) -> dict[str, Any]:
        """All similarities by identity as plain JSON values."""
        return {"placed": self._rows(), "weights": self.reference.weights, "seed": self.seed, "unread": self.unread}

    def to_markdown(self) -> str:
        """The five nearest references of each identity."""
        rows = [
            (
                str(one.identity),
                f"{one.n:,}",
                str(near.identity),
                near.corpus,
                f"{near.similarity:.2f}",
                "-" if near.low is None else f"{near.low:.2f} to {near.high:.2f}",
                "-" if near.first is None else _percent(near.first),
            )
            for one in self.placed
            for near in one.neighbours[:_SHOWN_NEIGHBOURS]
        ]
        header = ("identity", "n", "reference", "asked", "similarity", "95 % interval", "came first")
        return "\n".join([markdown_table(header, rows), *(f"- {note}" for note in self.notes())]) + "\n"

    def plot(self) -> "go.Figure":
        """Bars of the nearest references; of several identities a heat map."""
        from univar.analysis.pictures.notes import with_notes
        from univar.analysis.pictures.placement_figure import bar_plot, similarity_plot

        figure = bar_plot(self.placed[0].neighbours) if len(self.placed) == 1 else similarity_plot(self)
        return with_notes(figure, [self.unread])

    def _sentence_of(self, one: Placed) -> str:
        first = one.neighbours[0]
        where = "nearest to" if self.is_near(one) else "near none, least far from"
        ends = "" if first.low is None else f" [{first.low:.2f}, {first.high:.2f}]"
        return (
            f"{printable(str(one.identity))} {where} {printable(str(first.identity))}, {first.similarity:.2f}{ends}, "
            f"n = {one.n:,}"
        )

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "model": one.identity.model,
                "lang": one.identity.lang,
                "n": one.n,
                "questions": one.questions,
                "rank": rank,
                "reference": near.identity.model,
                "reference_lang": near.identity.lang,
                "reference_corpus": near.corpus,
                "similarity": near.similarity,
                "low": near.low,
                "high": near.high,
                "first": near.first,
                "near": self.is_near(one),
            }
            for one in self.placed
            for rank, near in enumerate(one.neighbours, start=1)
        ]


def place(
    corpus: Corpus,
    *,
    reference: Reference | None = None,
    model: str | None = None,
    seed: int = 0,
    untranslated: bool = False,
    **options: Any,
) -> Placement:
    """The nearest known LLMs of every identity of a corpus, with 95 % intervals by bootstrap over questions.

    Args:
        corpus: Answers, or an embedded corpus, of which nothing is encoded again; see `univar.embed`.
        reference: Known LLMs; by default those that belong to the weights of `univar`.
        model: What embeds the answers; it must be the model of the reference. By default `univar`.
        seed: Of the intervals.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        options: For `univar.read_corpus`.

    Raises:
        UntranslatedError: If there are such answers, and `untranslated` is not said.
        EmbeddedCorpusError: If the vectors are of another model than the reference.
        CorpusError: If the answers cannot be read.
    """
    known = reference or read_reference()
    embedded = embed(corpus, model, untranslated=untranslated, **options)
    made = embedded.provenance
    if made.fingerprint != known.weights:
        raise EmbeddedCorpusError(
            f"the answers were embedded by {made.model} ({made.fingerprint[:12]}…), the references by other weights "
            f"({known.weights[:12]}…): embed the answers with univar, or build a reference of your model with "
            "univar.analysis.reference.build_reference"
        )
    placed = []
    for identity in sorted({record.identity for record in embedded.records}):
        rows = [row for row, record in enumerate(embedded.records) if record.identity == identity]
        questions = [embedded.records[row].question_key for row in rows]
        neighbours = nearest(known, embedded.embeddings[rows], questions=questions, seed=seed)
        placed.append(Placed(identity, len(rows), len(set(questions)), tuple(neighbours)))
    return Placement(tuple(placed), known, seed, embedded.unread)


def in_words(reference: Reference, neighbours: Sequence[Neighbour], qas: int) -> list[str]:
    """What the nearest references say, how sure that is and what it may not be used for: plain text, not escaped.

    Args:
        reference: What the QAs were compared with.
        neighbours: What `nearest` found, the most similar first.
        qas: How many QAs were compared.

    Returns:
        Paragraphs, the first of them a heading.
    """
    first = neighbours[0]
    known = recognition_of(reference, first.corpus, qas)
    near = _is_near(reference, neighbours, qas)
    name = f"{printable(str(first.identity))} as it answered {printable(first.corpus)}"
    similarity = f"{first.similarity:.2f}{interval_words(first)}, n = {qas:,} {_qas(qas)}"
    finding = f"Similarity {similarity}" if near else f"The nearest is {name}: similarity {similarity}"
    draws = f"; first in {_percent(first.first)} of {RESAMPLES:,} draws of your questions" if first.first else ""
    few = f" {qas} {_qas(qas)} {'is' if qas == 1 else 'are'} few: give {FEW_QAS} or more." if qas < FEW_QAS else ""
    return [
        f"Nearest is {name}" if near else "No reference is near",
        f"{finding}{draws}.",
        _sureness(known, near) + few,
        f"{_ALWAYS} {CAVEAT}",
    ]


def _is_near(reference: Reference, neighbours: Sequence[Neighbour], qas: int) -> bool:
    known = recognition_of(reference, neighbours[0].corpus, qas)
    return known is None or neighbours[0].similarity >= known.floor


def _sureness(known: Recognition | None, near: bool) -> str:
    """What was measured on QAs whose author is known, and how these compare."""
    if known is None:
        return "How far this can be trusted was not measured: the reference has too few questions."
    tried = (
        f"{known.views:,} sets of {known.qas} {_qas(known.qas)} by known LLMs to questions of "
        f"{printable(known.corpus)} that were kept apart"
    )
    if not near:
        return (
            f"Answers by the references themselves are nearer: of {tried}, {_percent(0.95)} reach {known.floor:.2f}. "
            "Yours are by another LLM, or answer other questions, or in another form; the order of the references "
            "then says little."
        )
    return (
        f"How sure is that, if the author is one of the references? Of {tried}, "
        f"{_share(known.right, known.views, known.interval)} had their author first. And if it is none? With their "
        f"author taken out of the references, {_share(known.strangers, known.views, known.strangers_interval)} still "
        f"come as near as those usually are ({known.floor:.2f}). "
        + (_OVER_LLMS if known.over_identities else _OVER_SETS)
    )


def _share(count: int, total: int, interval: Interval) -> str:
    low, high = interval
    return f"{_percent(count / total)} ({_percent(0.95)} interval {_percent(low)} to {_percent(high)})"


def _qas(number: int) -> str:
    return "QA" if number == 1 else "QAs"


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


def interval_words(neighbour: Neighbour) -> str:
    """The interval of a similarity, to stand behind it; empty for a single question."""
    if neighbour.low is None:
        return ""
    return f" ({_percent(0.95)} interval {neighbour.low:.2f} to {neighbour.high:.2f}, by bootstrap over questions)"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"

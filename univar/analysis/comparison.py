"""Representations side by side: the same QAs, the same k, the same probe, chance and control beside every score."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from univar.analysis.identification import (
    Identification,
    Matrix,
    check_labels,
    gallery_query_masks,
    identify_knn,
    identify_linear,
)
from univar.corpus.records import Identity, QARecord, passage_characters, passages, question_fraction, question_hash
from univar.model.encoding import as_read, passage_read

Encoder: TypeAlias = Callable[[list[str], list[str]], tuple[Matrix, Matrix]]
"""From the texts of the gallery and of the query to their embeddings, `(g, d)` and `(q, d)`, dense or sparse."""

Corpus: TypeAlias = Literal["values", "control"]

UNTRAINED_THRESHOLD = 0.5
TRAINED_THRESHOLD = 0.9
OPENING = 1000
"""Characters of a QA that a window of 256 tokens holds, about, in English."""
MAX_CHARACTERS = 8000
"""Characters of a QA that are compared: of nine in ten essays all."""

_HEADER = ("corpus", "representation", "identities", "n", "k", "chance", "k-NN", "k-NN F1", "linear @1", "@5", "@10")

logger = logging.getLogger(__name__)


class SentenceModel(Protocol):
    """What encodes sentences, such as a `SentenceTransformer`."""

    @property
    def encode(self) -> Callable[..., Any]:
        """From a list of texts, and options, to their embeddings `(n, d)`."""


def sentence_encoder(model: SentenceModel, **options: Any) -> Encoder:
    """An encoder from a sentence model; every distinct text is encoded once.

    A model that was trained on passages reads as it was trained to, see `univar.model.encoding.as_read`. So that any
    other reads as much, a text that is longer than its window is the mean of the unit vectors of its passages.

    Args:
        model: Has `encode(list of str, **options)`, which gives `(n, d)` numbers, and may have `max_seq_length`, its
            window in tokens; without one it is given every text as a whole.
        options: For `encode`, such as `batch_size=16` or `show_progress_bar=True`.
    """

    def encode(gallery: list[str], query: list[str]) -> tuple[Matrix, Matrix]:
        row_of = {text: row for row, text in enumerate(dict.fromkeys(gallery + query))}
        if passage_read(model) is not None:
            embeddings = np.asarray(model.encode(as_read(model, list(row_of)), **options))
        else:
            window = getattr(model, "max_seq_length", None) or MAX_CHARACTERS  # a token has at least one
            characters = passage_characters(min(window, MAX_CHARACTERS))
            parts = [passages(text, characters=characters) for text in row_of]
            units = normalize(model.encode(list(chain.from_iterable(parts)), **options))
            embeddings = normalize(np.add.reduceat(units, np.cumsum([0, *map(len, parts[:-1])])))
        return embeddings[[row_of[text] for text in gallery]], embeddings[[row_of[text] for text in query]]

    return encode


def tfidf() -> Encoder:
    """The surface baseline: TF-IDF of words and word pairs, fitted on the gallery alone.

    It knows wording and style and nothing else, so a representation of values should do better on value questions
    and worse on control questions. Scripts that put no space between words are hardly covered.
    """

    def encode(gallery: list[str], query: list[str]) -> tuple[Matrix, Matrix]:
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=1)
        return vectorizer.fit_transform(gallery), vectorizer.transform(query)

    return encode


def representations(
    names: Iterable[str], *, load: Callable[[str], SentenceModel] | None = None, **options: Any
) -> tuple[dict[str, Encoder], frozenset[str]]:
    """Encoders by name, and `question_hash` of every question that any of them is known to be trained on.

    Args:
        names: `tfidf`, or what `load` takes. Only UniVaR models record their questions.
        load: From a name to its model; `univar.model.modeling.load_model` if None.
        options: For `sentence_encoder`, and by it for every model's `encode`.
    """
    if load is None:
        # Here, not above: torch takes seconds, and comparing other encoders needs none of it.
        from univar.model.modeling import load_model

        load = load_model
    encoders: dict[str, Encoder] = {}
    trained_on: set[str] = set()
    for name in names:
        if name == "tfidf":
            encoders[name] = tfidf()
            continue
        model = load(name)
        encoders[name] = sentence_encoder(model, **options)
        trained_on.update(getattr(model, "training_record", {}).get("questions", ()))
    return encoders, frozenset(trained_on)


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a corpus was compared.

    Attributes:
        corpus: `values` or `control`.
        threshold: Questions whose fixed hash fraction lies below it are the gallery.
        gallery: QAs in the gallery.
        query: QAs in the query.
        gallery_questions: Distinct questions in the gallery.
        query_questions: Distinct questions in the query.
        trained_on: QAs dropped because a compared model was trained on their question.
        other_identities: QAs of the control corpus dropped because the value corpus lacks their identity.
        uncontrolled: Identities of the value corpus that the control corpus lacks.
    """

    corpus: Corpus
    threshold: float
    gallery: int
    query: int
    gallery_questions: int
    query_questions: int
    trained_on: int
    other_identities: int
    uncontrolled: tuple[str, ...]

    def sentence(self) -> str:
        """The selection in words."""
        parts = [
            f"{self.corpus}: {self.gallery} QAs to {self.gallery_questions} questions as gallery, {self.query} to "
            f"{self.query_questions} as query, split by a hash of the question at {self.threshold:g}",
            f"{self.trained_on} QAs dropped whose questions were trained on",
        ]
        if self.corpus == "control":
            parts.append(f"{self.other_identities} QAs dropped of identities that the value corpus lacks")
        if self.uncontrolled:
            parts.append(f"no control QAs of {', '.join(self.uncontrolled)}")
        return "; ".join(parts) + "."


@dataclass(frozen=True, slots=True)
class Row:
    """One representation on one corpus, by both methods."""

    corpus: Corpus
    representation: str
    knn: Identification
    linear: Identification

    def cells(self) -> tuple[str, ...]:
        """The row as text, shares in percent, in the order of the table's header."""
        knn, linear = self.knn, self.linear
        counts = (str(knn.identities), str(knn.n), str(knn.k))
        neighbours = (_with_interval(knn), _percent(knn.f1_weighted))
        probe = (_with_interval(linear), _percent(linear.accuracy_at_5), _percent(linear.accuracy_at_10))
        return self.corpus, self.representation, *counts, _percent(knn.chance), *neighbours, *probe


@dataclass(frozen=True, slots=True)
class Comparison:
    """The table of a comparison: its rows, and how the QAs were selected and split."""

    rows: tuple[Row, ...]
    selections: tuple[Selection, ...]
    max_characters: int
    seed: int

    def notes(self) -> list[str]:
        """What one must know to read the table, a sentence each."""
        uncontrolled = ["No control answers were compared: style may account for any of this."]
        deeper = "; @5 and @10 are of the linear probe" if any(row.knn.identities > 5 for row in self.rows) else ""
        return [
            *(selection.sentence() for selection in self.selections),
            *(uncontrolled if len(self.selections) == 1 else []),
            f"Texts were cut to {self.max_characters} characters for every representation. Percent; in brackets "
            f"95 % intervals by bootstrap over questions (seed {self.seed}){deeper}.",
        ]

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values; shares in 0..1."""
        rows = [
            {
                "corpus": row.corpus,
                "representation": row.representation,
                "knn": row.knn.to_dict(),
                "linear": row.linear.to_dict(),
            }
            for row in self.rows
        ]
        selections = [asdict(selection) for selection in self.selections]
        return {"rows": rows, "selections": selections, "max_characters": self.max_characters, "seed": self.seed}

    def to_json(self) -> str:
        """`to_dict` as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_markdown(self) -> str:
        """The table in GitHub's Markdown, its notes as a list below."""
        lines = [_markdown_row(_HEADER), _markdown_row(("---", "---", *["---:"] * (len(_HEADER) - 2)))]
        lines += [_markdown_row(row.cells()) for row in self.rows]
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes())]) + "\n"


def compare(
    records: Iterable[QARecord],
    representations: Mapping[str, Encoder],
    *,
    control: Iterable[QARecord] | None = None,
    k: int = 50,
    seed: int = 0,
    trained_on: AbstractSet[str] = frozenset(),
    max_characters: int = MAX_CHARACTERS,
) -> Comparison:
    """Value identification by every representation on the same QAs of a value corpus and of a control corpus.

    QAs whose question was trained on by any of the models are dropped for all of them. A corpus is split at 0.5, or at
    0.9, the border of the test split, where that leaves more questions on the smaller side: as of a corpus that was
    trained on, whose queries are then questions that neither training nor the choice of a checkpoint has seen. Of the
    control corpus only the identities of the value corpus are kept.

    Args:
        records: The value corpus.
        representations: Name to encoder; see `sentence_encoder` and `tfidf`.
        control: QAs that elicit no values, of the same identities.
        k: Neighbours at most; within a corpus every representation gets the same.
        seed: Of the bootstrap.
        trained_on: `question_hash` of every question that any compared model was trained on.
        max_characters: Every text is cut to so many characters, so that no representation reads more of an answer
            than another; see `sentence_encoder` for how a window that is shorter reads them.

    Raises:
        ValueError: If there is no representation, or a corpus is too small after the drops, before anything is
            encoded: see `gallery_query_masks` and `identify_knn`; the message names the corpus.
    """
    if not representations:
        raise ValueError("no representation to compare; give at least one, such as {'TF-IDF': tfidf()}")
    if max_characters < 1:
        raise ValueError(f"max_characters must be at least 1, got {max_characters}")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    splits = [_split("values", records, trained_on, identities=None)]
    if control is not None:
        splits.append(_split("control", control, trained_on, identities=splits[0].identities))
    rows = [
        _row(split, name, encode, k=k, seed=seed, max_characters=max_characters)
        for split in splits
        for name, encode in representations.items()
    ]
    return Comparison(tuple(rows), tuple(split.selection for split in splits), max_characters, seed)


@dataclass(frozen=True, slots=True)
class _Split:
    gallery: list[QARecord]
    query: list[QARecord]
    identities: frozenset[Identity]
    selection: Selection


def _split(
    corpus: Corpus,
    records: Iterable[QARecord],
    trained_on: AbstractSet[str],
    identities: frozenset[Identity] | None,
) -> _Split:
    """The gallery and the query of a corpus, restricted to the identities unless they are None."""
    given = list(records)
    listed = [record for record in given if identities is None or record.identity in identities]
    kept = [record for record in listed if question_hash(record.question_key) not in trained_on]
    if not kept:
        raise ValueError(
            f"{corpus}: no QA is left of {len(given)} ({len(given) - len(listed)} of other identities, "
            f"{len(listed) - len(kept)} trained on); give QAs of the same identities to other questions"
        )
    fractions = [question_fraction(record.question_key) for record in kept]
    threshold = _threshold(set(fractions))
    with _naming(corpus):
        masks = gallery_query_masks(fractions, threshold=threshold)
    gallery, query = ([record for record, chosen in zip(kept, mask, strict=True) if chosen] for mask in masks)
    with _naming(corpus):
        check_labels(_labels(gallery), _labels(query), _questions(query))
    found = frozenset(record.identity for record in kept)
    selection = Selection(
        corpus=corpus,
        threshold=threshold,
        gallery=len(gallery),
        query=len(query),
        gallery_questions=len(set(_questions(gallery))),
        query_questions=len(set(_questions(query))),
        trained_on=len(listed) - len(kept),
        other_identities=len(given) - len(listed),
        uncontrolled=tuple(sorted(str(identity) for identity in (identities or found) - found)),
    )
    logger.info("%s", selection.sentence())
    return _Split(gallery, query, found, selection)


def _threshold(fractions: AbstractSet[float]) -> float:
    """Where gallery and query are divided, of the two places that are allowed."""

    def smaller_side(threshold: float) -> int:
        below = sum(fraction < threshold for fraction in fractions)
        return min(below, len(fractions) - below)

    return max((UNTRAINED_THRESHOLD, TRAINED_THRESHOLD), key=smaller_side)


def _row(split: _Split, name: str, encode: Encoder, *, k: int, seed: int, max_characters: int) -> Row:
    corpus = split.selection.corpus
    logger.info("%s: encoding with %s", corpus, name)
    texts = [[record.text[:max_characters] for record in side] for side in (split.gallery, split.query)]
    gallery, query = encode(*texts)
    task = gallery, _labels(split.gallery), query, _labels(split.query), _questions(split.query)
    with _naming(f"{corpus}, {name}"):
        row = Row(corpus, name, identify_knn(*task, k=k, seed=seed), identify_linear(*task, seed=seed))
    return row


def _labels(records: Iterable[QARecord]) -> list[str]:
    return [str(record.identity) for record in records]


def _questions(records: Iterable[QARecord]) -> list[str]:
    """Which question each record answers; variants of one question are one cluster, as they are in the split."""
    return [question_hash(record.question_key) for record in records]


@contextmanager
def _naming(subject: str) -> Iterator[None]:
    """Puts a subject before the message of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{subject}: {error}") from error


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _with_interval(result: Identification) -> str:
    return f"{_percent(result.accuracy)} [{_percent(result.interval.low)}, {_percent(result.interval.high)}]"


def _markdown_row(cells: Iterable[str]) -> str:
    # A name may hold what would end the cell or the row.
    escaped = (" ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"

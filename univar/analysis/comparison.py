"""Representations side by side: the same QAs, the same k, the same probe, chance and control beside every score."""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from univar.analysis.identification import (
    Identification,
    check_labels,
    gallery_query_masks,
    identify_knn,
    identify_linear,
)
from univar.analysis.representations import Encoder, chosen, opened
from univar.analysis.results import markdown_table, percent
from univar.corpus.records import Identity, QARecord, question_fraction, question_hash
from univar.model.embedded import Corpus, EmbeddedCorpus
from univar.model.encoding import SentenceModel

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

CorpusName: TypeAlias = Literal["values", "control"]

UNTRAINED_THRESHOLD = 0.5
TRAINED_THRESHOLD = 0.9
OPENING = 1000
"""Characters of a QA that a window of 256 tokens holds, about, in English."""
MAX_CHARACTERS = 8000
"""Characters of a QA that are compared: of nine in ten essays all."""

_HEADER = ("corpus", "representation", "identities", "n", "k", "chance", "k-NN", "k-NN F1", "linear @1", "@5", "@10")

logger = logging.getLogger(__name__)


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

    corpus: CorpusName
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

    corpus: CorpusName
    representation: str
    knn: Identification
    linear: Identification

    def cells(self) -> tuple[str, ...]:
        """The row as text, shares in percent, in the order of the table's header."""
        knn, linear = self.knn, self.linear
        counts = (str(knn.identities), str(knn.n), str(knn.k))
        neighbours = (_with_interval(knn), percent(knn.f1_weighted))
        probe = (_with_interval(linear), percent(linear.accuracy_at_5), percent(linear.accuracy_at_10))
        return self.corpus, self.representation, *counts, percent(knn.chance), *neighbours, *probe


@dataclass(frozen=True, slots=True)
class Comparison:
    """The table of a comparison: its rows, and how the QAs were selected and split.

    Attributes:
        rows: A row for each corpus and representation.
        selections: What of each corpus was compared.
        max_characters: Of a QA that every representation was given.
        seed: Of the intervals.
        stored: Representations whose vectors were read and not made: of whole QAs.
        unread: What is to be said of QAs in languages that some representations do not read, a sentence each.
    """

    rows: tuple[Row, ...]
    selections: tuple[Selection, ...]
    max_characters: int
    seed: int
    stored: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def __str__(self) -> str:
        values = [row for row in self.rows if row.corpus == "values"]
        found = ", ".join(f"{row.representation} {_with_interval(row.knn)}" for row in values)
        knn = self.rows[0].knn
        control = "" if len(self.selections) > 1 else ", not controlled for style"
        return (
            f"Of {knn.n:,} answers to {knn.questions:,} questions by {knn.identities:,} identities, the author is "
            f"named right in percent (k-NN, k = {knn.k}, 95 % intervals{control}): {found}; by chance "
            f"{percent(knn.chance)}."
        )

    def notes(self) -> list[str]:
        """What one must know to read the table, a sentence each."""
        uncontrolled = ["No control answers were compared: style may account for any of this."]
        deeper = "; @5 and @10 are of the linear probe" if any(row.knn.identities > 5 for row in self.rows) else ""
        return [
            *(selection.sentence() for selection in self.selections),
            *(uncontrolled if len(self.selections) == 1 else []),
            *self.unread,
            *([f"The vectors of {', '.join(self.stored)} were stored; they are of whole QAs."] if self.stored else []),
            f"Texts were cut to {self.max_characters} characters for every representation. Percent; in brackets "
            f"95 % intervals by bootstrap over questions (seed {self.seed}){deeper}.",
        ]

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each corpus, representation and method, with the fields of its `Identification`."""
        import pandas as pd

        return pd.concat(
            [
                found.to_pandas().assign(corpus=row.corpus, representation=row.representation)
                for row in self.rows
                for found in (row.knn, row.linear)
            ],
            ignore_index=True,
        )

    def plot(self) -> "go.Figure":
        """Accuracies with their intervals beside chance, value and control answers apart."""
        from univar.analysis.pictures.identification_figure import identification_plot
        from univar.analysis.pictures.notes import with_notes

        return with_notes(identification_plot(self), self.unread)

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
        how = {
            "max_characters": self.max_characters,
            "seed": self.seed,
            "stored": list(self.stored),
            "unread": list(self.unread),
        }
        return {"rows": rows, "selections": selections, **how}

    def to_json(self) -> str:
        """`to_dict` as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_markdown(self) -> str:
        """The table in GitHub's Markdown, its notes as a list below."""
        table = markdown_table(_HEADER, (row.cells() for row in self.rows), text_columns=2)
        return "\n".join([table, *(f"- {note}" for note in self.notes())]) + "\n"


def compare(
    corpus: Corpus,
    *,
    models: Iterable[str | os.PathLike[str] | EmbeddedCorpus] | None = None,
    control: Corpus | None = None,
    k: int = 50,
    max_characters: int = MAX_CHARACTERS,
    seed: int = 0,
    load: Callable[[str], SentenceModel] | None = None,
    show_progress_bar: bool = False,
    untranslated: bool = False,
    **options: Any,
) -> Comparison:
    """Who wrote this answer? Identification by every model on the same answers, beside chance and control answers.

    Args:
        corpus: Answers, or an embedded corpus, whose vectors are compared and none made anew; see `univar.embed`.
        models: `univar`, `univar-static`, `base` (the untouched base encoder), `tfidf` (words alone), any
            SentenceTransformer folder or Hub name, or an embedded corpus, or its file, of the same QAs. By default
            `univar`, `base` and `tfidf`; of an embedded corpus its own vectors and `tfidf`.
        control: Answers of the same LLMs that elicit no values. Where vectors are stored, they must be for these too.
        k: Neighbours, at most.
        max_characters: Of a QA that every model is given.
        seed: Of the intervals.
        load: From a name to its model; `univar.model.modeling.load_model` if None.
        show_progress_bar: Of the encoding.
        untranslated: Encode answers in languages that a model does not read as they are; see `univar.embed`.
        options: For `univar.read_corpus`, such as `columns=` and `lang=`.

    Raises:
        CorpusError: If answers cannot be read.
        EmbeddedCorpusError: If QAs have no vector by a model whose vectors are stored, or a model is named that is not
            the one that they are by.
        UntranslatedError: If answers are in languages that a model does not read, and `untranslated` is not said.
        ValueError: See `side_by_side`.
    """
    answers = opened(corpus, options)
    controls = None if control is None else opened(control, options)
    given = chosen(
        models,
        [answers] if controls is None else [answers, controls],
        max_characters=max_characters,
        load=load,
        show_progress_bar=show_progress_bar,
        untranslated=untranslated,
    )
    compared = side_by_side(
        answers.records if isinstance(answers, EmbeddedCorpus) else answers,
        given.encoders,
        control=controls.records if isinstance(controls, EmbeddedCorpus) else controls,
        k=k,
        seed=seed,
        trained_on=given.trained_on,
        max_characters=max_characters,
    )
    return replace(compared, stored=given.stored, unread=given.unread)


def side_by_side(
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
    corpus: CorpusName,
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


def _with_interval(result: Identification) -> str:
    return f"{percent(result.accuracy)} [{percent(result.interval.low)}, {percent(result.interval.high)}]"

"""Representations side by side: how much of what answers stand for each of them holds, on the same answers."""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from univar.analysis.comparison import MAX_CHARACTERS
from univar.analysis.representations import Encoder, chosen, opened
from univar.analysis.results import markdown_table
from univar.analysis.stance import (
    CONTRASTS,
    Matrix,
    Measure,
    Measured,
    correlation,
    lacking,
    lacking_probe,
    pairs,
    retrieval,
    triplets,
)
from univar.analysis.statistics import Interval
from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord, Split, normalised_question, question_hash, split_of
from univar.model.embedded import Corpus, EmbeddedCorpus
from univar.model.encoding import SentenceModel

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Part: TypeAlias = Literal["validation", "test", "all"]
PARTS: tuple[Part, ...] = get_args(Part)

BASELINES = ("base", "tfidf")
"""What every other representation is compared to, where they are among those measured."""

QUESTIONS: Mapping[Measure, str] = {
    "retrieval": "is the nearest other answer on the same side",
    "pairs": "is an answer nearer to one of its side than to one of the other side",
    "triplets": "is an answer nearer to its side by another author than to the other side by the same author",
    "correlation": "how well does a linear probe read the stance, r",
}
"""What each measure asks, in words."""

_HEADER = ("measure", "representation", "n", "groups", "chance", "score", "over base", "over tfidf")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gain:
    """How much higher a score is than that of a baseline on the same groups, and its 95 % interval."""

    over: str
    score: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class StanceRow:
    """One measure of one representation.

    Attributes:
        measure: `retrieval`, `pairs`, `triplets` or `correlation`; `QUESTIONS` says what each asks.
        representation: Its name.
        n: Answers that were measured.
        groups: Questions or claims that they are about: the clusters of the interval.
        chance: What vectors that hold nothing reach.
        score: A share in 0..1; of the correlation Pearson's r.
        interval: 95 % interval of the score, by bootstrap over groups.
        gains: Over each of the baselines that were measured, but for itself.
    """

    measure: Measure
    representation: str
    n: int
    groups: int
    chance: float
    score: float
    interval: Interval
    gains: tuple[Gain, ...]

    def cells(self) -> tuple[str, ...]:
        """The row as text, shares in percent, in the order of the table's header."""
        gained = {gain.over: self._text(gain.score, gain.interval, "+") for gain in self.gains}
        counts = (str(self.n), str(self.groups), self._number(self.chance))
        over = (gained.get(baseline, "-") for baseline in BASELINES)
        return self.measure, self.representation, *counts, self._text(self.score, self.interval), *over

    def with_interval(self) -> str:
        """The score and its interval as text, a share in percent."""
        return self._text(self.score, self.interval)

    def _text(self, score: float, ends: Interval, sign: str = "") -> str:
        low, high = (self._number(end, sign) for end in ends)
        return f"{self._number(score, sign)} [{low}, {high}]"

    def _number(self, number: float, sign: str = "") -> str:
        return f"{number:{sign}.2f}" if self.measure == "correlation" else f"{100 * number:{sign}.1f}"


@dataclass(frozen=True, slots=True)
class StanceSelection:
    """Which answers were measured.

    Attributes:
        source: `poles`, those that ship, or `corpus`.
        part: Of which split; `all` of them.
        n: QAs.
        groups: Questions or claims that they are about.
        learned: QAs of the train split that the probe of the correlation learned from; 0 where that was left out.
        no_stance: QAs left out because they have no stance.
        other_parts: QAs left out because they are of another part.
        trained_on: QAs left out because a compared model was trained on their question.
    """

    source: Literal["poles", "corpus"]
    part: Part
    n: int
    groups: int
    learned: int
    no_stance: int
    other_parts: int
    trained_on: int

    def sentence(self) -> str:
        """The selection in words."""
        what = "the poles that ship" if self.source == "poles" else "answers with a stance"
        which = "all parts" if self.part == "all" else f"the {self.part} part"
        probe = f", a probe fitted to {self.learned:,} of the train part" if self.learned else ""
        return (
            f"{what[0].upper()}{what[1:]}, {which}: {self.n:,} to {self.groups:,} questions or claims{probe}; left out: "
            f"{self.no_stance:,} without a stance, {self.other_parts:,} of other parts, {self.trained_on:,} whose "
            "questions were trained on."
        )


@dataclass(frozen=True, slots=True)
class StanceComparison:
    """How much of what answers stand for representations hold, measured in up to four ways.

    Attributes:
        rows: A row for each measure and representation.
        selection: Which answers were measured.
        left_out: Why a measure was not taken, a sentence each.
        max_characters: Of a QA that every representation was given.
        seed: Of the intervals.
        stored: Representations whose vectors were read and not made: of whole QAs.
    """

    rows: tuple[StanceRow, ...]
    selection: StanceSelection
    left_out: tuple[str, ...]
    max_characters: int
    seed: int
    stored: tuple[str, ...] = ()

    def of(self, measure: Measure) -> list[StanceRow]:
        """The rows of one measure."""
        return [row for row in self.rows if row.measure == measure]

    @property
    def measures(self) -> list[Measure]:
        """Those that were taken."""
        return list(dict.fromkeys(row.measure for row in self.rows))

    def __str__(self) -> str:
        # The hardest question that could be asked.
        measure = next(one for one in ("triplets", "pairs", "retrieval", "correlation") if one in self.measures)
        rows = self.of(measure)
        found = ", ".join(f"{row.representation} {row.with_interval()}" for row in rows)
        unit = "" if measure == "correlation" else " (percent)"
        return (
            f"Of {rows[0].n:,} answers to {rows[0].groups:,} questions or claims: {QUESTIONS[measure]}?{unit} {found} "
            f"with 95 % intervals; by chance {rows[0].cells()[4]}."
        )

    def notes(self) -> list[str]:
        """What one must know to read the table, a sentence each."""
        return [
            *(f"{measure}: {QUESTIONS[measure]}?" for measure in self.measures),
            self.selection.sentence(),
            *(f"Left out: {reason}." for reason in self.left_out),
            *([f"The vectors of {', '.join(self.stored)} were stored; they are of whole QAs."] if self.stored else []),
            f"Texts were cut to {self.max_characters} characters for every representation. Percent, the correlation "
            f"apart; in brackets 95 % intervals by bootstrap over questions or claims (seed {self.seed}).",
        ]

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each measure and representation; the ends of the intervals are `low` and `high`."""
        import pandas as pd

        rows = []
        for row in self.rows:
            fields = {name: value for name, value in asdict(row).items() if name not in ("interval", "gains")}
            over = {
                f"over_{gain.over}{end}": value
                for gain in row.gains
                for end, value in (("", gain.score), ("_low", gain.interval.low), ("_high", gain.interval.high))
            }
            rows.append(fields | row.interval._asdict() | over)
        return pd.DataFrame(rows)

    def plot(self) -> "go.Figure":
        """Scores with their intervals beside chance, a panel for each measure."""
        from univar.analysis.pictures.stance_figure import stance_plot

        return stance_plot(self)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values; shares in 0..1."""
        rows = [
            asdict(row)
            | {"interval": row.interval._asdict()}
            | {"gains": [asdict(gain) | {"interval": gain.interval._asdict()} for gain in row.gains]}
            for row in self.rows
        ]
        how = {"max_characters": self.max_characters, "seed": self.seed, "stored": list(self.stored)}
        return {"rows": rows, "selection": asdict(self.selection), "left_out": list(self.left_out), **how}

    def to_json(self) -> str:
        """`to_dict` as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_markdown(self) -> str:
        """The table in GitHub's Markdown, its notes as a list below."""
        table = markdown_table(_HEADER, (row.cells() for row in self.rows), text_columns=2)
        return "\n".join([table, *(f"- {note}" for note in self.notes())]) + "\n"


def compare_stances(
    corpus: Corpus | None = None,
    *,
    part: Part | None = None,
    models: Iterable[str | os.PathLike[str] | EmbeddedCorpus] | None = None,
    max_characters: int = MAX_CHARACTERS,
    seed: int = 0,
    load: Callable[[str], SentenceModel] | None = None,
    show_progress_bar: bool = False,
    **options: Any,
) -> StanceComparison:
    """What does this answer stand for? How much of it every model holds, on the same answers, beside chance.

    Args:
        corpus: Answers with stances, or an embedded corpus of them, whose vectors are measured and none made anew;
            None for the poles that ship, whose authors are their voices.
        part: `validation`, `test` or `all`; by default all of a corpus, and of the poles `test`, whose values or
            voices nothing that is learned from train has met.
        models: As for `univar.compare`: by default `univar`, `base` and `tfidf`.
        max_characters: Of a QA that every model is given.
        seed: Of the intervals.
        load: From a name to its model; `univar.model.modeling.load_model` if None.
        show_progress_bar: Of the encoding.
        options: For `univar.read_corpus`, such as `columns=` and `lang=`.

    Raises:
        CorpusError: If answers cannot be read.
        EmbeddedCorpusError: As for `univar.compare`.
        ValueError: See `stances_side_by_side`.
    """
    if corpus is None:
        shipped = poles()
        answers: Any = [pole.record for pole in shipped]
        splits: list[Split] | None = [pole.split for pole in shipped]
    else:
        answers, splits = opened(corpus, options), None
    given = chosen(models, (answers,), max_characters=max_characters, load=load, show_progress_bar=show_progress_bar)
    compared = stances_side_by_side(
        answers.records if isinstance(answers, EmbeddedCorpus) else answers,
        given.encoders,
        part=part or ("test" if corpus is None else "all"),
        splits=splits,
        seed=seed,
        trained_on=given.trained_on,
        max_characters=max_characters,
    )
    source: Literal["poles", "corpus"] = "poles" if corpus is None else "corpus"
    return replace(compared, selection=replace(compared.selection, source=source), stored=given.stored)


def stances_side_by_side(
    records: Iterable[QARecord],
    representations: Mapping[str, Encoder],
    *,
    part: Part = "all",
    splits: Sequence[Split] | None = None,
    seed: int = 0,
    trained_on: AbstractSet[str] = frozenset(),
    max_characters: int = MAX_CHARACTERS,
) -> StanceComparison:
    """The four measures by every representation on the same QAs; the author of a QA is its model.

    QAs whose question was trained on by any of the models are measured for none of them. The probe of the correlation
    learns from groups of the train part, trained on or not, and is tested on others: those measured that are of the
    test part, or of the part asked for. Every representation is given all texts at once.

    Args:
        records: QAs with stances; those without are left out.
        representations: Name to encoder.
        part: Of which split the QAs are that are measured.
        splits: Of each record; by default that of its group, by `split_of`.
        seed: Of the bootstrap.
        trained_on: `question_hash` of every question that any compared model was trained on.
        max_characters: Every text is cut to so many characters.

    Raises:
        ValueError: If there is no representation, or nothing that could be measured, before anything is encoded.
    """
    if not representations:
        raise ValueError("no representation to compare; give at least one, such as {'TF-IDF': tfidf()}")
    if max_characters < 1:
        raise ValueError(f"max_characters must be at least 1, got {max_characters}")
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}")
    task = _task(list(records), part, splits, trained_on)
    logger.info("%s", task.selection.sentence())
    found: dict[str, dict[Measure, Measured]] = {}
    for name, encode in representations.items():
        logger.info("encoding with %s", name)
        texts = [record.text[:max_characters] for record in task.records]
        # TF-IDF knows only the words of its gallery, and no label is learned from here: the gallery is all of them.
        vectors, _ = encode(texts, texts[:1])
        found[name] = task.measured(vectors, seed)
    rows = [_row(measure, name, found, seed) for measure in task.measures for name in representations]
    return StanceComparison(tuple(rows), task.selection, task.left_out, max_characters, seed)


@dataclass(frozen=True, slots=True)
class _Task:
    """The QAs to encode, what they are about, stand for and are by, and which are measured, tested and learned from."""

    records: list[QARecord]
    groups: npt.NDArray[np.object_]
    stances: npt.NDArray[np.float64]
    authors: npt.NDArray[np.object_]
    measured_rows: npt.NDArray[np.intp]
    probed_rows: npt.NDArray[np.intp]
    learned: npt.NDArray[np.bool_]
    measures: tuple[Measure, ...]
    left_out: tuple[str, ...]
    selection: StanceSelection

    def measured(self, vectors: Matrix, seed: int) -> dict[Measure, Measured]:
        """Every measure that can be taken, of vectors of all records."""
        at, probed = self.measured_rows, self.probed_rows
        found: dict[Measure, Measured] = {}
        for take in (retrieval, pairs, triplets):
            if take.__name__ in self.measures:
                one = take(vectors[at], self.groups[at], self.stances[at], self.authors[at])
                found[one.measure] = one
        if "correlation" in self.measures:
            found["correlation"] = correlation(
                vectors[probed], self.groups[probed], self.stances[probed], self.learned[probed], seed=seed
            )
        return found


def _task(records: list[QARecord], part: Part, splits: Sequence[Split] | None, trained_on: AbstractSet[str]) -> _Task:
    """Which of the records are measured, and how."""
    groups = np.array([normalised_question(r.claim or r.question_key) for r in records], dtype=object)
    split = np.array(splits or [split_of(group) for group in groups], dtype=object)
    given = np.array([record.stance is not None for record in records], dtype=np.bool_)
    new = np.array([question_hash(record.question_key) not in trained_on for record in records], dtype=np.bool_)
    of_part = np.full(len(records), True) if part == "all" else split == part
    measured = given & of_part & new
    tested = measured & (split == ("test" if part == "all" else part))
    learned = given & (split == "train") & ~np.isin(groups, groups[tested])
    stances = np.array([record.stance or 0.0 for record in records], dtype=np.float64)
    authors = np.array([record.model for record in records], dtype=object)
    reasons: dict[Measure, str | None] = {
        measure: lacking(measure, groups[measured], stances[measured], authors[measured]) for measure in CONTRASTS
    }
    probed = tested | learned
    reasons["correlation"] = lacking_probe(groups[probed], stances[probed], learned[probed])
    measures = tuple(measure for measure, reason in reasons.items() if reason is None)
    left_out = tuple(reason for reason in reasons.values() if reason is not None)
    learned &= "correlation" in measures
    selection = StanceSelection(
        source="corpus",
        part=part,
        n=int(measured.sum()),
        groups=len(set(groups[measured])),
        learned=int(learned.sum()),
        no_stance=int((~given).sum()),
        other_parts=int((given & ~of_part).sum()),
        trained_on=int((given & of_part & ~new).sum()),
    )
    if not measures:
        raise ValueError(f"nothing can be measured. {selection.sentence()} {'; '.join(left_out)}")
    kept = np.flatnonzero(measured | learned)
    return _Task(
        records=[records[row] for row in kept],
        groups=groups[kept],
        stances=stances[kept],
        authors=authors[kept],
        measured_rows=np.flatnonzero(measured[kept]),
        probed_rows=np.flatnonzero((tested | learned)[kept]),
        learned=learned[kept],
        measures=measures,
        left_out=left_out,
        selection=selection,
    )


def _row(measure: Measure, name: str, found: Mapping[str, Mapping[Measure, Measured]], seed: int) -> StanceRow:
    one = found[name][measure]
    gains = [
        Gain(baseline, *one.difference(found[baseline][measure], seed))
        for baseline in BASELINES
        if baseline in found and baseline != name
    ]
    return StanceRow(
        measure=measure,
        representation=name,
        n=one.n,
        groups=len(one.groups),
        chance=one.chance,
        score=one.score,
        interval=one.interval(seed),
        gains=tuple(gains),
    )

"""Representations side by side: how much of what answers stand for each of them holds, on the same answers."""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from univar.analysis.comparison import MAX_CHARACTERS
from univar.analysis.representations import Encoder, chosen, opened
from univar.analysis.results import markdown_table
from univar.analysis.stance import Measure, Measured
from univar.analysis.stance_selection import Part, StanceSelection, select
from univar.analysis.statistics import Interval
from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord, Split
from univar.model.embedded import Corpus, EmbeddedCorpus
from univar.model.encoding import SentenceModel

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

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
        gained = {gain.over: self.gained(gain) for gain in self.gains}
        counts = (str(self.n), str(self.groups), self._number(self.chance))
        over = (gained.get(baseline, "-") for baseline in BASELINES)
        return self.measure, self.representation, *counts, self._text(self.score, self.interval), *over

    def with_interval(self) -> str:
        """The score and its interval as text, a share in percent."""
        return self._text(self.score, self.interval)

    def gained(self, gain: Gain) -> str:
        """What is gained over a baseline and its interval as text, in percentage points but for the correlation."""
        return self._text(gain.score, gain.interval, "+")

    def _text(self, score: float, ends: Interval, sign: str = "") -> str:
        low, high = (self._number(end, sign) for end in ends)
        return f"{self._number(score, sign)} [{low}, {high}]"

    def _number(self, number: float, sign: str = "") -> str:
        return f"{number:{sign}.2f}" if self.measure == "correlation" else f"{100 * number:{sign}.1f}"


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
        unread: What is to be said of QAs in languages that some representations do not read, a sentence each.
    """

    rows: tuple[StanceRow, ...]
    selection: StanceSelection
    left_out: tuple[str, ...]
    max_characters: int
    seed: int
    stored: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def of(self, measure: Measure) -> list[StanceRow]:
        """The rows of one measure."""
        return [row for row in self.rows if row.measure == measure]

    @property
    def measures(self) -> list[Measure]:
        """Those that were taken."""
        return list(dict.fromkeys(row.measure for row in self.rows))

    @property
    def baselines(self) -> list[str]:
        """Those of the baselines that were measured."""
        names = {row.representation for row in self.rows}
        return [name for name in BASELINES if name in names]

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
            *([f"Warning: {self.selection.warning}."] if self.selection.warning else []),
            *(f"Left out: {reason}." for reason in self.left_out),
            *self.unread,
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
        from univar.analysis.pictures.notes import with_notes
        from univar.analysis.pictures.stance_figure import stance_plot

        return with_notes(stance_plot(self), self.unread)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values; shares in 0..1."""
        rows = [
            asdict(row)
            | {"interval": row.interval._asdict()}
            | {"gains": [asdict(gain) | {"interval": gain.interval._asdict()} for gain in row.gains]}
            for row in self.rows
        ]
        how = {
            "max_characters": self.max_characters,
            "seed": self.seed,
            "stored": list(self.stored),
            "unread": list(self.unread),
        }
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
    untranslated: bool = False,
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
        untranslated: Encode answers in languages that a model does not read as they are; see `univar.embed`.
        options: For `univar.read_corpus`, such as `columns=` and `lang=`.

    Raises:
        CorpusError: If answers cannot be read.
        EmbeddedCorpusError: As for `univar.compare`.
        UntranslatedError: As for `univar.compare`.
        ValueError: See `stances_side_by_side`.
    """
    if corpus is None:
        shipped = poles()
        answers: Any = [pole.record for pole in shipped]
        splits: list[Split] | None = [pole.split for pole in shipped]
    else:
        answers, splits = opened(corpus, options), None
    given = chosen(
        models,
        [answers],
        max_characters=max_characters,
        load=load,
        show_progress_bar=show_progress_bar,
        untranslated=untranslated,
    )
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
    return replace(
        compared, selection=replace(compared.selection, source=source), stored=given.stored, unread=given.unread
    )


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
        StanceError: If the stances can measure nothing; see `univar.corpus.stances.stances_of`.
        ValueError: If there is no representation, or nothing to measure is left, before anything is encoded.
    """
    if not representations:
        raise ValueError("no representation to compare; give at least one, such as {'TF-IDF': tfidf()}")
    if max_characters < 1:
        raise ValueError(f"max_characters must be at least 1, got {max_characters}")
    task = select(list(records), part, splits, trained_on)
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

"""What distances between identities, languages or models say, in words and tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from univar.analysis.distances.noise import Noise
from univar.analysis.results import figure, markdown_table, p_cell, p_words, percent, plain, span, with_interval
from univar.analysis.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Between = Literal["identities", "languages", "models"]
Finding = Literal["values", "different answers", "no difference seen", "-"]
Table = Literal["pairs", "values", "nearest", "told"]

LEVEL = 0.05
"""Of every test; over pairs and over values after Holm's correction."""

HEADER = (
    "between",
    "and",
    "squared distance",
    "95 % interval",
    "p (Holm)",
    "on controls",
    "more by",
    "finding",
    "questions",
    "n",
)


@dataclass(frozen=True, slots=True)
class BesideControl:
    """The same distance on control questions, and by how much that on value questions exceeds it.

    Attributes:
        squared: On control questions.
        interval: Its 95 % interval.
        excess: By how much the distance on value questions is larger.
        excess_interval: Its 95 % interval.
        excess_p: Of the excess, two-sided.
        excess_adjusted: The same after Holm's correction.
        questions: Control questions that are shared.
        n: Answers to them.
        pairs: Pairs of identities that have both; the excess is theirs alone.
    """

    squared: float
    interval: Interval
    excess: float
    excess_interval: Interval
    excess_p: float
    excess_adjusted: float
    questions: int
    n: int
    pairs: int

    @property
    def exceeded(self) -> bool:
        """Whether the distance on value questions is larger beyond doubt."""
        return self.excess > 0 and self.excess_adjusted <= LEVEL


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two lie apart; what is not a number could not be computed, and `reason` says why.

    Attributes:
        first: Name of the one.
        second: Name of the other.
        squared: The unbiased squared distance: about 0 where nothing differs, then as often below as above.
        interval: Its 95 % interval over questions.
        p: Share of the swaps of their answers within questions that leave it as large.
        adjusted: The same after Holm's correction over all pairs.
        questions: Shared questions that it rests on.
        n: Answers to them.
        pairs: Pairs of identities that it is the mean of.
        control: On control questions; None where there are none.
        reason: Why something is missing; empty where nothing is.
    """

    first: str
    second: str
    squared: float
    interval: Interval
    p: float
    adjusted: float
    questions: int
    n: int
    pairs: int
    control: BesideControl | None = None
    reason: str = ""

    @property
    def finding(self) -> Finding:
        """`values` only where the distance on value questions exceeds that on control questions, tested."""
        if math.isnan(self.squared):
            return "-"
        if not self.adjusted <= LEVEL:
            return "no difference seen"
        return "values" if self.control is not None and self.control.exceeded else "different answers"

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `HEADER`."""
        control, more = "-", "-"
        if self.control is not None:
            control = figure(self.control.squared)
            more = with_interval(self.control.excess, self.control.excess_interval)
        return (
            self.first,
            self.second,
            figure(self.squared),
            span(self.interval),
            p_cell(self.adjusted),
            control,
            more,
            f"- ({self.reason})" if self.finding == "-" else self.finding,
            f"{self.questions:,}",
            f"{self.n:,}",
        )


@dataclass(frozen=True, slots=True)
class ValueDistance:
    """How far all pairs lie apart in their answers about one value, in the mean over pairs.

    Attributes are those of `Distance`; Holm's correction is over values.
    """

    value: str
    squared: float
    interval: Interval
    p: float
    adjusted: float
    questions: int
    n: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Nearest:
    """Which other lies nearest to one.

    Attributes:
        name: Whose neighbour it is.
        nearest: The neighbour.
        squared: Their squared distance.
        interval: Its 95 % interval.
        first: Share of the draws of the questions, in 0..1, in which it is the nearest.
        others: How many it was chosen from.
        n: Answers that this distance rests on.
    """

    name: str
    nearest: str
    squared: float
    interval: Interval
    first: float
    others: int
    n: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well the distances by one half of the questions follow those by the other.

    Attributes:
        r: Their correlation over pairs after Spearman-Brown, at most 1: that of distances by all questions with those
            by as many others. No correlation of the distances with anything else is to be expected above its root.
        interval: Its 95 % interval, by leaving out one after the other of those that are compared.
        pairs: How many distances were compared.
        halvings: Ways of halving the questions, which the mean is taken over.
    """

    r: float
    interval: Interval
    pairs: int
    halvings: int


@dataclass(frozen=True, slots=True)
class Told:
    """How well a language is told from answers by LLMs that were not seen, or an LLM from other languages.

    Attributes:
        what: `language` or `model`: what is named.
        held_out: The other of the two, of which the one that answers is not in the gallery.
        corpus: `values` or `control`.
        accuracy: Share of the answers that were named right, by k nearest neighbours.
        interval: Its 95 % bootstrap interval over questions.
        chance: What naming the most frequent one, or any, reaches.
        names: How many there were to choose from.
        k: Neighbours at most.
        questions: Whose answers were named; none of them is in the gallery.
        n: Answers that were named.
    """

    what: Literal["language", "model"]
    held_out: Literal["model", "language"]
    corpus: Literal["values", "control"]
    accuracy: float
    interval: Interval
    chance: float
    names: int
    k: int
    questions: int
    n: int

    def sentence(self) -> str:
        """The finding in words."""
        which = "" if self.corpus == "values" else " to control questions"
        return (
            f"The {self.what} of an answer{which} is told right in {percent(self.accuracy)} % (95 % interval "
            f"{percent(self.interval.low)} to {percent(self.interval.high)}, n = {self.n:,} answers to "
            f"{self.questions:,} questions, {self.names:,} {self.what}s, chance {percent(self.chance)}) by answers in "
            f"which neither its {self.held_out} nor its question is found."
        )


@dataclass(frozen=True, slots=True)
class Distances:
    """How far identities, languages or models lie apart in what they answer.

    Attributes:
        between: What is compared: `identities`, `languages` (each LLM with itself, then the mean over LLMs) or `models`
            (within each language).
        names: Of those compared, sorted.
        short: The same as they are drawn.
        rows: A distance for each two.
        overall: The mean over all pairs of identities.
        values: One for each value, where values are compared one by one, the largest first; empty otherwise.
        nearest: Whom each lies nearest to, where there are three or more.
        reliability: Of all distances together; None where too few can be halved, and a note says so.
        told: Of languages and models, how well each is told where the other is held out.
        noise: What a plan of questions is made from.
        questions: Questions that the distances rest on.
        n: Answers to them.
        controlled: Whether control answers were given.
        remarks: What was left out or could not be computed, a sentence each.
        seed: Of swaps, draws and halvings.
        unread: What is to be said of answers in languages that the model does not read; None if there are none.
    """

    between: Between
    names: tuple[str, ...]
    short: tuple[str, ...]
    rows: tuple[Distance, ...]
    overall: Distance
    values: tuple[ValueDistance, ...]
    nearest: tuple[Nearest, ...]
    reliability: Reliability | None
    told: tuple[Told, ...]
    noise: Noise
    questions: int
    n: int
    controlled: bool
    remarks: tuple[str, ...]
    seed: int
    unread: str | None = None

    def __str__(self) -> str:
        one = self.overall
        who = f"{self.rows[0].first} and {self.rows[0].second}" if len(self.rows) == 1 else self._all()
        counts = f"n = {self.n:,} answers to {self.questions:,} questions"
        mean = "mean squared distance" if one.pairs > 1 else "squared distance"
        ends = "too few for an interval" if math.isnan(one.interval.low) else f"95 % interval {span(one.interval)}"
        size = f"the {mean} is {figure(one.squared)} ({ends}, {counts}, {p_words(one.p)})"
        if one.finding == "no difference seen":
            return f"No difference between {who} is seen: {size}{self._pairs()}."
        if one.control is None:
            return f"{_capital(who)} give different answers: {size}{self._pairs()}."
        beside = f"the {figure(one.control.squared)} ({span(one.control.interval)}) on control questions"
        more = with_interval(one.control.excess, one.control.excess_interval)
        if one.control.pairs < one.pairs:
            more += f" over the {one.control.pairs:,} of {one.pairs:,} pairs that have control answers"
        if one.finding == "values":
            return f"{_capital(who)} differ in values: {size}, more than {beside} by {more}{self._pairs()}."
        return (
            f"{_capital(who)} give different answers, to value questions not beyond doubt more so than to others: "
            f"{size}, against {beside}, a difference of {more}{self._pairs()}."
        )

    def notes(self) -> list[str]:
        """What one must know to read the table, a sentence each."""
        by_value = (
            f"Answers are compared value by value ({len(self.values):,} values with four questions or more), and the "
            "mean is taken."
            if self.values
            else "All questions are taken together: too few name a value that has four of them."
        )
        style = (
            "`values` is said where the distance on value questions exceeds that on control questions of the same "
            "identities; it shows no more than that style, as it is in control answers, does not account for it."
            if self.controlled
            else "Style differs as well as values, and a swap tells one as soon as the other: give control answers of "
            "the same LLMs (--control) to tell them apart."
        )
        averaged = {
            "identities": [],
            "languages": ["Languages are compared within each LLM that answers in both, and the mean is over LLMs."],
            "models": ["LLMs are compared within each language that both answer in, and the mean is over languages."],
        }[self.between]
        return [
            *([self.unread] if self.unread else []),
            f"Squared distances of unit vectors, unbiased: about 0 where nothing differs, below as often as above. "
            f"Intervals are over questions; p by swapping the two's answers within questions (seed {self.seed}), after "
            f"Holm's correction over {len(self.rows):,} {'pair' if len(self.rows) == 1 else 'pairs'}. {by_value}",
            *averaged,
            style,
            *self._of_reliability(),
            *(one.sentence() for one in self.told),
            *self.remarks,
        ]

    def nearest_lines(self) -> list[str]:
        """Whom each lies nearest to, a line each."""
        return [
            f"{one.name}: nearest is {one.nearest}, {with_interval(one.squared, one.interval)}, first of "
            f"{one.others:,} in {percent(one.first)} % of the draws of questions"
            for one in self.nearest
        ]

    def to_pandas(self, table: Table = "pairs") -> "pd.DataFrame":
        """A row for each pair, or of another table for each value, nearest neighbour, or what was told."""
        import pandas as pd

        rows: dict[Table, Sequence[Any]] = {
            "pairs": self.rows,
            "values": self.values,
            "nearest": self.nearest,
            "told": self.told,
        }
        if table not in rows:
            raise ValueError(f"no table {table!r}; there are {', '.join(rows)}")
        return pd.DataFrame([_flat(row) for row in rows[table]])

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values; what is not a number is None."""
        described: dict[str, Any] = plain(self)
        for row, found in zip((*self.rows, self.overall), (*described["rows"], described["overall"]), strict=True):
            found["finding"] = row.finding
        return {"sentence": str(self), **described, "notes": self.notes()}

    def to_markdown(self) -> str:
        """A row a pair, then one for each value; nearest neighbours and notes below."""
        rows = [row.cells() for row in (*self.rows, *([self.overall] if len(self.rows) > 1 else []))]
        rows += [
            (
                f"value: {one.value}",
                "all pairs",
                figure(one.squared),
                span(one.interval),
                p_cell(one.adjusted),
                "-",
                "-",
                "different answers" if one.adjusted <= LEVEL else "no difference seen",
                f"{one.questions:,}",
                f"{one.n:,}",
            )
            for one in self.values
        ]
        table = markdown_table(HEADER, rows, text_columns=2)
        return "\n".join([table, *(f"- {note}" for note in (str(self), *self.nearest_lines(), *self.notes()))]) + "\n"

    def plot(self) -> "go.Figure":
        """A heat map of the distances, with a dendrogram where there are three or more."""
        from univar.analysis.pictures.distances_figure import distances_plot
        from univar.analysis.pictures.notes import with_notes

        return with_notes(distances_plot(self), [self.unread])

    def _all(self) -> str:
        return f"the {len(self.names):,} {self.between}"

    def _pairs(self) -> str:
        """How many pairs differ."""
        if len(self.rows) == 1:
            return ""
        findings = [row.finding for row in self.rows]
        known = len(findings) - findings.count("-")
        apart = known - findings.count("no difference seen")
        values = f", {findings.count('values'):,} of them in values" if self.controlled and apart else ""
        return f"; {apart:,} of {known:,} pairs differ after Holm's correction{values}"

    def _of_reliability(self) -> list[str]:
        if self.reliability is None:
            return []
        one = self.reliability
        found = (
            f"reliability {one.r:.2f}, 95 % interval {span(one.interval, '.2f')} over {self.between}, n = "
            f"{one.pairs:,} distances, {one.halvings:,} halvings"
        )
        if one.r <= 0:
            return [
                "Which lie further apart than others cannot be said from these questions: the distances by one half "
                f"of them do not follow those by the other ({found})."
            ]
        return [
            f"The distances by one half of the questions follow those by the other ({found}); no correlation of theirs "
            f"with anything else is to be expected above {one.r**0.5:.2f}."
        ]


def _flat(row: Any) -> dict[str, Any]:
    """The fields of a row, the ends of its interval as `low` and `high`, those on controls with a prefix."""
    found: dict[str, Any] = {}
    for name, content in ((field.name, getattr(row, field.name)) for field in fields(row)):
        if isinstance(content, Interval):
            before = name.removesuffix("interval")
            found |= {f"{before}low": content.low, f"{before}high": content.high}
        elif isinstance(content, BesideControl):
            found |= {
                key if key.startswith("excess") else f"control_{key}": part for key, part in _flat(content).items()
            }
        elif content is not None or name != "control":
            found[name] = content
    return found | ({"finding": row.finding} if isinstance(row, Distance) else {})


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:] if words.startswith("the ") else words

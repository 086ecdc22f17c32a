"""What is style and what may be values in the answers of a corpus, in words and tables."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from univar.analysis.identification import Identification
from univar.analysis.results import figure, markdown_table, p_words, percent, plain, span, with_interval
from univar.analysis.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Kind = Literal[
    "as written",
    "restyled",
    "equal length",
    "whole answers",
    "all three",
    "control",
    "control, all three",
    "style alone",
]
Verdict = Literal[
    "mostly values",
    "partly values",
    "not more than style",
    "mostly style",
    "partly style",
    "not this style",
    "no difference seen",
    "-",
]

LEVEL = 0.05
"""Of both tests: that identities differ at all, and that they do so more on value than on control questions."""

HEADER = ("answers", "k-NN", "linear", "chance", "squared distance", "left", "questions", "n", "changed")

_ENDINGS: dict[Verdict, str] = {
    "mostly values": "the distance is mostly more than style",
    "partly values": "the distance is partly more than style",
    "not more than style": "the distance is not shown to be more than style",
    "mostly style": "the distance is mostly style",
    "partly style": "the distance is partly style, and whether the rest is takes control answers to tell",
    "not this style": "Markdown, length and refusals do not make the distance, and whether style of other kinds does "
    "takes control answers to tell",
    "no difference seen": "no difference is seen that could be style or values",
    "-": "how much of the distance is style could not be computed",
}


@dataclass(frozen=True, slots=True)
class StyleRow:
    """What is found in one version of the answers; what could not be computed is None or not a number.

    Attributes:
        kind: Which version; `all three` is restyled, cut and without refusals, `style alone` has no vectors but
            features of style.
        knn: How well identities are named by nearest neighbours.
        linear: By a linear probe.
        squared: The mean unbiased squared distance between two identities.
        interval: Its 95 % interval over questions.
        p: Share of the swaps of answers within questions that leave it as large.
        left: How much of the distance as written it is, a ratio.
        left_interval: Its 95 % bootstrap interval over questions, drawn alike for both where they are the same.
        questions: Questions that the distance rests on; of `style alone` those of its answers.
        n: Answers.
        changed: Answers that differ from those as written, or are left out.
        reason: Why something is missing; empty where nothing is.
    """

    kind: Kind
    knn: Identification | None
    linear: Identification | None
    squared: float
    interval: Interval
    p: float
    left: float
    left_interval: Interval
    questions: int
    n: int
    changed: int
    reason: str = ""

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `HEADER`."""
        named = next((one for one in (self.knn, self.linear) if one is not None), None)
        return (
            f"{self.kind} ({self.reason})" if self.reason else self.kind,
            *(named_share(one) for one in (self.knn, self.linear)),
            percent(named.chance) if named else "-",
            with_interval(self.squared, self.interval),
            percent_left(self.left, self.left_interval),
            f"{self.questions:,}",
            f"{self.n:,}",
            f"{self.changed:,}",
        )


@dataclass(frozen=True, slots=True)
class BeyondStyle:
    """By how much the distance on value questions exceeds that on control questions, both without their looks.

    Attributes:
        excess: In squared distance.
        interval: Its 95 % interval.
        p: Two-sided.
        share: Of the distance as written, a ratio.
        share_interval: Its 95 % bootstrap interval over questions.
        looks: Whether Markdown, length and refusals are taken out of both first; else both are as written.
        pairs: Pairs of identities that have both.
    """

    excess: float
    interval: Interval
    p: float
    share: float
    share_interval: Interval
    looks: bool
    pairs: int

    @property
    def shown(self) -> bool:
        """Whether the distance on value questions is larger beyond doubt."""
        return self.excess > 0 and self.p <= LEVEL


@dataclass(frozen=True, slots=True)
class StyleVerdict:
    """How much of what sets the identities of a corpus apart is style.

    Attributes:
        identities: Those compared, sorted.
        rows: A version of the answers each: those of the corpus first.
        beyond: Against control answers; None where there are none to compare with.
        characters: To which answers are cut for equal length.
        controlled: Whether control answers were given.
        remarks: What was left out or could not be computed, a sentence each.
        seed: Of swaps and draws.
    """

    identities: tuple[str, ...]
    rows: tuple[StyleRow, ...]
    beyond: BeyondStyle | None
    characters: int
    controlled: bool
    remarks: tuple[str, ...]
    seed: int

    def row(self, kind: Kind) -> StyleRow:
        """The row of one version.

        Raises:
            KeyError: If there is none.
        """
        found = {row.kind: row for row in self.rows}
        if kind not in found:
            raise KeyError(f"no row {kind!r}; there are {', '.join(found)}")
        return found[kind]

    @property
    def verdict(self) -> Verdict:
        """What the distance is, by rules that hold for every corpus.

        Where answers as written show no difference (p above 0.05), nothing is said. With control answers of the same
        identities, it is `values` only where the distance left without Markdown, length and refusals is larger than
        that left of control answers, tested at 0.05: `mostly` where this excess is half of the distance as written or
        more by the lower end of its interval, else `partly`. Otherwise it is `not more than style`. Without
        control answers it is never values: `mostly style` where less than half is left by the upper end of the
        interval, `partly style` where less than all is left by it, else `not this style`.
        """
        written = self.row("as written")
        if not written.p <= LEVEL:
            return "no difference seen" if math.isfinite(written.squared) else "-"
        if self.beyond is not None and not math.isnan(self.beyond.p):
            if not self.beyond.shown:
                return "not more than style"
            return "mostly values" if self.beyond.share_interval.low >= 0.5 else "partly values"
        high = self.row("all three").left_interval.high
        if math.isnan(high):
            return "-"
        return "mostly style" if high < 0.5 else "partly style" if high < 1 else "not this style"

    def __str__(self) -> str:
        written = self.row("as written")
        who = f"{len(self.identities):,} identities"
        if self.verdict == "no difference seen":
            size = f"{_sized(written)}, {p_words(written.p)}"
            said = f"Between {who} {_ENDINGS[self.verdict]}: the squared distance is {size}"
            return f"{said}{self._named()}, n = {_counted(written)}."
        return f"{self._left(who)}{self._named()}, n = {_counted(written)}: {_ENDINGS[self.verdict]}."

    def notes(self) -> list[str]:
        """What one must know to read the table, a sentence each."""
        return [
            "Shares are percent with 95 % intervals over questions. k-NN and linear: answers whose identity is named "
            "right, by answers to other questions. Left: the squared distance over that as written; it may exceed 100.",
            "Restyled: Markdown and code gone, headings and items in one paragraph, plain punctuation. Equal length: "
            f"cut to {self.characters:,} characters. Whole answers: refusals and answers that break off left out, as "
            "patterns and the last sign tell. Style alone: length, punctuation, Markdown, capitals, English words of "
            "grammar and hedges, in no vector.",
            self._of_control(),
            *(f"{_capital(row.kind)}: {row.reason}." for row in self.rows if row.reason),
            *self.remarks,
            f"Seed {self.seed}.",
        ]

    def to_pandas(self) -> "pd.DataFrame":
        """A row a version; the ends of each interval beside what they are of."""
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values; what is not a number is None."""
        return {"sentence": str(self), "verdict": self.verdict, **plain(self), "notes": self.notes()}

    def to_markdown(self) -> str:
        """A row a version, the sentence and notes below."""
        table = markdown_table(HEADER, [row.cells() for row in self.rows])
        return "\n".join([table, *(f"- {note}" for note in (str(self), *self.notes()))]) + "\n"

    def plot(self) -> "go.Figure":
        """What is left of the distance in each version, and how well identities are named by it."""
        from univar.analysis.pictures.style_figure import style_plot

        return style_plot(self)

    def _of_control(self) -> str:
        """By how much value answers lie further apart than control answers, or that there are none."""
        one = self.beyond
        if self.controlled and (one is None or math.isnan(one.p)):
            return "Value and control answers could not be compared: too few questions are shared, or by nobody alike."
        if one is None:
            return (
                "Nothing tells whether what is left is style of another kind, such as tone and wording: give control "
                "answers of the same LLMs (--control)."
            )
        looks = "Markdown, length and refusals out of both" if one.looks else "both as written"
        found = f"{with_interval(one.excess, one.interval)}, {p_words(one.p)}, {one.pairs:,} pairs"
        meaning = (
            "which shows no more than that style, as it is in control answers, does not account for it"
            if one.shown
            else "which is not beyond doubt"
        )
        return (
            f"Beside control answers, {looks}, the squared distance on value questions is larger by {found}, "
            f"{meaning}; control answers have the style of their LLM and none of the values that are asked for."
        )

    def _left(self, who: str) -> str:
        """How much is left, and how much of it control answers do not have."""
        left = self.row("all three")
        parts = []
        if not math.isnan(left.left):
            parts.append(f"{_whole(left.left, left.left_interval)} is left once Markdown, length and refusals are gone")
        if self.beyond is not None and not math.isnan(self.beyond.share):
            size = _whole(self.beyond.share, self.beyond.share_interval)
            parts.append(f"{size} exceeds that of control answers{' as they are left' * self.beyond.looks}")
        if not parts:
            return f"{who} lie {_sized(self.row('as written'))} apart in squared distance"
        return f"Of the squared distance between {who}, {', and '.join(parts)}"

    def _named(self) -> str:
        """How well style alone and vectors name identities."""
        alone, written = self.row("style alone").linear, self.row("as written").linear
        if alone is None or written is None:
            return ""
        return (
            f"; style alone names the identity of {_whole(alone.accuracy, alone.interval)} of answers (chance "
            f"{100 * alone.chance:.0f} %), vectors of {_whole(written.accuracy, written.interval)}"
        )


def named_share(one: Identification | None) -> str:
    """Percent named right, with the interval."""
    return "-" if one is None else f"{100 * one.accuracy:.0f} ({_ends(one.interval)})"


def percent_left(ratio: float, interval: Interval) -> str:
    """A ratio in percent, with the interval."""
    if math.isnan(ratio):
        return "-"
    return f"{100 * ratio:.0f}" if math.isnan(interval.low) else f"{100 * ratio:.0f} ({_ends(interval)})"


def _ends(interval: Interval) -> str:
    return f"{100 * interval.low:.0f} to {100 * interval.high:.0f}"


def _whole(ratio: float, interval: Interval) -> str:
    ends = "" if math.isnan(interval.low) else f" (95 % interval {_ends(interval)})"
    return f"{100 * ratio:.0f} %{ends}"


def _sized(row: StyleRow) -> str:
    ends = (
        "too few questions for an interval" if math.isnan(row.interval.low) else f"95 % interval {span(row.interval)}"
    )
    return f"{figure(row.squared)} ({ends})"


def _capital(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def _counted(row: StyleRow) -> str:
    return f"{row.n:,} answers to {row.questions:,} questions"


def _flat(row: StyleRow) -> dict[str, Any]:
    """The fields of a row, those of its identifications with a prefix."""
    flat: dict[str, Any] = {"kind": row.kind}
    for method, one in (("knn", row.knn), ("linear", row.linear)):
        ends = Interval(math.nan, math.nan) if one is None else one.interval
        accuracy = math.nan if one is None else one.accuracy
        flat |= {method: accuracy, f"{method}_low": ends.low, f"{method}_high": ends.high}
    named = row.linear or row.knn
    return flat | {
        "chance": math.nan if named is None else named.chance,
        "named": 0 if named is None else named.n,
        "squared": row.squared,
        "low": row.interval.low,
        "high": row.interval.high,
        "p": row.p,
        "left": row.left,
        "left_low": row.left_interval.low,
        "left_high": row.left_interval.high,
        "questions": row.questions,
        "n": row.n,
        "changed": row.changed,
        "reason": row.reason,
    }

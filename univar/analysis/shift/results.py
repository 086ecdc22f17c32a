"""What a shift is told as: a sentence, tables, a picture."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from univar.analysis.names import printable, shortened
from univar.analysis.results import figure, markdown_table, p_cell, p_words, plain, span, with_interval
from univar.analysis.shift.moved_values import ValueShift
from univar.analysis.shift.paired import FEWEST, LEVEL, Beyond, Movement
from univar.analysis.shift.pairs import AnswerPair, UnitOf
from univar.analysis.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

UNITS: Mapping[UnitOf, str] = {
    "samples": "the distance between two of its answers to one question",
    "questions": "the distance between two of its answers to one question, told from halves of the questions",
}
"""What a shift is measured in, in words."""

_UNIT_NOTES: Mapping[UnitOf, str] = {
    "samples": "Sizes are in units of the distance between two samples of the same LLM: two answers to one question.",
    "questions": "Sizes are in units of the distance between two samples of the same LLM. Each question was answered "
    "once, so that distance is told from how far the differences at one half of the questions lie from those at the "
    "other: it is right where the shift is the same at every question, else too large, and sizes too small. Give "
    "several answers a question (`sample`, as `univar elicit --samples 2` does) to measure it.",
}
_NAMED = 5
_CUT = 240
_SCALE = (
    "The change of a value is what `univar values` reads after less what it reads before, on its scale: 2 is the way "
    "from the pole against to the pole for. A value moved where it changed beyond what the answers to all other "
    "questions moved along its rulers, as a change of style moves all; p is of that, by Holm over values."
)
_HEADER = (
    "answers", "value", "finding", "estimate", "95 % interval", "beyond others", "p", "p (Holm)", "questions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shifted:
    """What became of the answers in one set after.

    Attributes:
        name: Of the set.
        n: QAs of both sets that were compared.
        movement: Of the answers to shared questions that elicit values.
        adjusted: Its p after Holm's correction over all sets after.
        unit: Square of the unit of sizes, a distance of vectors; NaN where no two answers differ.
        unit_of: What it was told from: `samples` or `questions`.
        control: The movement of the answers to control questions, in the same unit; None without them.
        beyond: By how much the first is longer than the second.
        values: Those that could be read, the surest first.
        unread: Why values could not be read, by their ids.
        pairs: The pairs of answers that moved most along the shift, the furthest first.
    """

    name: str
    n: int
    movement: Movement
    adjusted: float
    unit: float
    unit_of: UnitOf
    control: Movement | None
    beyond: Beyond | None
    values: tuple[ValueShift, ...]
    unread: Mapping[str, str]
    pairs: tuple[AnswerPair, ...]

    @property
    def seen(self) -> bool:
        """Whether the answers moved further than chance moves them."""
        return self.adjusted < LEVEL

    @property
    def of_values(self) -> bool:
        """Whether its values moved: the answers did, and those to value questions further than those to controls."""
        return self.seen and self.beyond is not None and self.beyond.holds

    @property
    def moved(self) -> list[ValueShift]:
        """The values that moved further than the others, after Holm's correction, the furthest first."""
        return sorted((one for one in self.values if one.moved), key=lambda one: -abs(one.change))


@dataclass(frozen=True, eq=False, slots=True)
class Shifts:
    """How the answers of one LLM moved, in one set of answers after or in several.

    Attributes:
        before: Name of the answers that the others are compared with.
        shifts: One a set after, in the order in which they were given.
        model: What embedded the answers.
        seed: Of intervals and tests.
        unread: What is to be said of answers in languages that the model does not read; None if there are none.
    """

    before: str
    shifts: tuple[Shifted, ...]
    model: str
    seed: int
    unread: str | None = None

    def __str__(self) -> str:
        if len(self.shifts) == 1:
            return _capital(f"{_sentence(self.before, self.shifts[0])}.")
        seen = sum(one.seen for one in self.shifts)
        each = "; ".join(_sentence(self.before, one) for one in self.shifts[:3])
        more = f"; and {len(self.shifts) - 3} more" if len(self.shifts) > 3 else ""
        return f"{seen} of {len(self.shifts)} shifts from {_name(self.before)} are seen after Holm: {each}{more}."

    def notes(self) -> list[str]:
        """What one must know to read the numbers, a paragraph each."""
        said = [self.unread] if self.unread else []
        said += [_UNIT_NOTES[kind] for kind in dict.fromkeys(one.unit_of for one in self.shifts)]
        if any(one.control is None for one in self.shifts):
            said.append(
                "A shift of answers is one of values only where answers to control questions, which elicit none, moved "
                "less: give --control-before and --control-after, answers of the same LLM to `univar elicit "
                "--questions controls`. Without them style, length and form count as well."
            )
        if any(one.values for one in self.shifts):
            said.append(_SCALE)
        for reason, values in _grouped(self.shifts).items():
            named = ", ".join(map(_name, values[:_NAMED])) + (", …" if len(values) > _NAMED else "")
            said.append(
                f"Not readable: {len(values):,} {'value' if len(values) == 1 else 'values'} ({named}): {reason}."
            )
        return said

    def to_pandas(self) -> "pd.DataFrame":
        """A row a finding: of each set after its `shift`, that on `control`s and what is `beyond` them, then values.

        Estimates are sizes in the unit for `shift` and `control`, squared distances for `beyond control`, and for a
        `value` the change of its stance, of which `beyond` is more than the others moved. `n` counts QAs.
        """
        import pandas as pd

        return pd.DataFrame([row for one in self.shifts for row in _rows(one)])

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values; what is not a number is None. Answers are as the LLM gave them."""
        shifts = [
            {**plain(one), "seen": one.seen, "of_values": one.of_values, "moved": [value.value for value in one.moved]}
            for one in self.shifts
        ]
        return {"sentence": str(self), **plain(self), "shifts": shifts, "notes": self.notes()}

    def to_markdown(self) -> str:
        """A row a finding, of values the surest, and the answers that moved most, side by side."""
        rows = [
            [str(row["after"]), str(row["value"] or ""), str(row["finding"]), *_cells(row)]
            for one in self.shifts
            for row in _rows(replace(one, values=shown_values(one)))
        ]
        parts = [markdown_table(_HEADER, rows, text_columns=3)]
        for one in self.shifts:
            if one.pairs:
                cells = [[_shown(pair.question), _shown(pair.before), _shown(pair.after)] for pair in one.pairs]
                parts.append(f"Moved most, {_name(self.before)} to {_name(one.name)}:\n")
                parts.append(markdown_table(("question", "before", "after"), cells, text_columns=3))
        return "\n".join([*parts, *(f"- {note}" for note in (str(self), *self.notes()))]) + "\n"

    def plot(self) -> "go.Figure":
        """Sizes with their intervals beside those of controls, and the values that moved."""
        from univar.analysis.pictures.notes import with_notes
        from univar.analysis.pictures.shift_figure import shift_plot

        return with_notes(shift_plot(self), [self.unread])


def shown_values(one: Shifted, most: int = 10) -> tuple[ValueShift, ...]:
    """The values that moved, or at least as many of the surest as have room."""
    return one.values[: max(most, len(one.moved))]


def _sentence(before: str, one: Shifted) -> str:
    """One shift in words, without capital and full stop."""
    way = f"from {_name(before)} to {_name(one.name)}"
    found, count = one.movement, f"{one.movement.questions:,} questions"
    if not one.unit > 0:
        told = f"(n = {one.n:,}, {p_words(one.adjusted)}, no interval)"
        if found.squared == 0:
            return f"no shift is seen {way}: all answers to {count} are the same {told}"
        moved = "its answers moved" if one.seen else "no shift is seen"
        return f"{moved} {way}: answers to all of {count} differ in the same way, so nothing tells how far {told}"
    size = (
        f"{found.size:.2f} (95 % interval {span(found.interval, '.2f')} by bootstrap over {count}, n = {one.n:,}, "
        f"{p_words(one.adjusted)}) of {UNITS[one.unit_of]}"
    )
    if not one.seen:
        return f"no shift is seen {way}: {size}; {_would_show(found)}{_of_values(one)}"
    subject = "values" if one.of_values else "answers"
    return f"its {subject} moved {way} by {size}{_beside_controls(one)}; {_would_show(found)}{_of_values(one)}"


def _of_values(one: Shifted) -> str:
    """The values that moved, unless all answers moved and those to control questions as far."""
    moved = one.moved
    if not moved or (one.seen and one.beyond is not None and not one.beyond.holds):
        return ""
    named = ", ".join(f"{_name(value.value)} {value.change:+.2f} ({value.direction})" for value in moved[:_NAMED])
    more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
    return f"; between the poles of {len(moved)} of {len(one.values)} values: {named}{more}"


def _rows(one: Shifted) -> list[dict[str, Any]]:
    """A row a finding."""
    shared: dict[str, Any] = {"after": one.name, "n": one.n}
    found = [
        _row("shift", one.movement.size, one.movement.interval, one.movement.p, one.adjusted, one.movement.questions)
    ]
    if one.control is not None and one.beyond is not None:
        control, further = one.control, one.beyond
        found.append(_row("control", control.size, control.interval, control.p, None, control.questions))
        counts = one.movement.questions + control.questions
        found.append(_row("beyond control, squared", further.squared, further.interval, further.p, None, counts))
    for value in one.values:
        row = _row("change of stance", value.change, value.interval, value.p, value.adjusted, value.questions)
        further = dict(
            zip(("beyond", "beyond_low", "beyond_high"), (value.beyond, *value.beyond_interval), strict=True)
        )
        found.append({**row, **further, "value": value.value})
    return [{**shared, **row} for row in found]


def _row(
    finding: str, estimate: float, interval: Interval, p: float, adjusted: float | None, questions: int
) -> dict[str, Any]:
    return {
        "value": None, "finding": finding, "estimate": estimate, **interval._asdict(), "beyond": np.nan,
        "beyond_low": np.nan, "beyond_high": np.nan, "p": p, "adjusted": adjusted, "questions": questions,
    }  # fmt: skip


def _cells(row: Mapping[str, Any]) -> list[str]:
    adjusted = "-" if row["adjusted"] is None else p_cell(row["adjusted"])
    ends = span(Interval(row["low"], row["high"]), ".2f")
    further = with_interval(row["beyond"], Interval(row["beyond_low"], row["beyond_high"]), ".2f")
    return [figure(row["estimate"], ".2f"), ends, further, p_cell(row["p"]), adjusted, f"{row['questions']:,}"]


def _grouped(shifts: Sequence[Shifted]) -> dict[str, list[str]]:
    """Values that could not be read, by the reason."""
    grouped: dict[str, list[str]] = {}
    for value, reason in {value: reason for one in shifts for value, reason in one.unread.items()}.items():
        grouped.setdefault(reason, []).append(value)
    return grouped


def _beside_controls(one: Shifted) -> str:
    """How far answers to control questions moved beside it."""
    if one.control is None or one.beyond is None:
        return ""
    more = "more than" if one.beyond.holds else "not seen to be more than"
    return (
        f", {more} on {one.control.questions:,} control questions ({one.control.size:.2f}, "
        f"{span(one.control.interval, '.2f')}; {p_words(one.beyond.p)} of the difference)"
    )


def _would_show(found: Movement) -> str:
    """The smallest shift that as many questions would have shown."""
    if np.isnan(found.smallest):
        return f"fewer than {FEWEST} questions show none"
    return f"{found.questions:,} questions would have shown one of {found.smallest:.2g}"


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _name(name: str) -> str:
    return shortened(printable(name), 40)


def _shown(text: str) -> str:
    """An answer for a table: one line, cut, no markup; LLMs wrote it."""
    line = printable(text)
    return html.escape(line if len(line) <= _CUT else f"{line[:_CUT].rstrip()} …", quote=False)

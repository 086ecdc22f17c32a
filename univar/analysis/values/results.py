"""What values were read: profiles of identities, as a result that is printed, tabulated, stored and drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from univar.analysis.names import printable
from univar.analysis.results import markdown_table, p_cell
from univar.analysis.values.profile import Level, Profile, Reading, Telling
from univar.corpus.records import Identity

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

PLURAL: dict[Level, str] = {"value": "values", "family": "families", "schwartz": "Schwartz values"}

_NAMED = 3
"""Values named on either side in the sentence, and identities."""

CAVEAT = (
    "Not for ranking LLMs, for judging people or nations, or for certifying that an LLM is safe: a reading shows what "
    "answers say of a value to these questions, as one encoder sees them, and not what an LLM does."
)
"""What readings of values may not be used for. It stands beside every one."""

_UNIT = (
    "1 is where people are read who hold the value dear, -1 people who do not, in voices that no ruler was made of; "
    "0.3 is the mean of 65 answers at the pole for and 35 at the pole against. Intervals (95 %) hold other questions, "
    "the unit and the manner of speaking; p by Holm's rule over the readings of an identity"
)


@dataclass(frozen=True, slots=True)
class Counts:
    """What there was of answers.

    Attributes:
        answers: All.
        read: Along a ruler or an axis.
        not_readable: Of a value or family whose poles are not told apart, and whose axis does not carry.
        elsewhere: Of a value that belongs to nothing of the level that is shown.
        control: To control questions of the bank.
        no_value: To no known question, and naming no value.
        other_values: By name, those that are none of the reference values.
    """

    answers: int
    read: int
    not_readable: int
    elsewhere: int
    control: int
    no_value: int
    other_values: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        others = sum(number for _, number in self.other_values)
        named = ", ".join(printable(name) for name, _ in self.other_values[:3])
        parts = [
            (self.not_readable, "of what is not readable"),
            (self.elsewhere, "of values that belong to none of these"),
            (self.control, "to control questions"),
            (self.no_value, "to no known question and of no value"),
            (others, f"of other values than the 87 ({named}{', …' if len(self.other_values) > 3 else ''})"),
        ]
        left = [f"{number:,} {what}" for number, what in parts if number]
        return f"{self.read:,} of {self.answers:,} answers were read" + (f"; {', '.join(left)}" if left else "")


@dataclass(frozen=True, slots=True)
class ValueProfiles:
    """What each identity stands for.

    Attributes:
        profiles: One an identity, in sorted order.
        by: The level that is shown: `value`, `family` or `schwartz`; all are held.
        model: By which the answers were embedded.
        counts: What there was of answers.
        carrying: By level, how many values or families are readable by this model, by rulers of questions and along
            axes, and how many there are.
        seed: Of the test of the axes.
        unread: What is to be said of answers in languages that the model does not read; None if there are none.
        remarks: What speaks against the readings of an identity, a sentence each.
    """

    profiles: tuple[Profile, ...]
    by: Level
    model: str
    counts: Counts
    carrying: Mapping[Level, tuple[int, int, int]]
    seed: int
    unread: str | None = None
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        read = [one.readable(self.by) for one in self.profiles]
        if len(read) > _NAMED and all(read) and not any(one.differs for of in read for one in of):
            return self._none()
        shown = [self._sentence_of(one) for one in self.profiles[:_NAMED]]
        more = [f"and {len(self.profiles) - _NAMED:,} more identities"] if len(self.profiles) > _NAMED else []
        return f"{'; '.join([*shown, *more])} (by 95 % intervals, and Holm's rule over {PLURAL[self.by]})."

    def _none(self) -> str:
        """Of more identities than are named, none of which shows anything."""
        readable = max(len(one.readable(self.by)) for one in self.profiles)
        n = sum(one.read[self.by][0] for one in self.profiles)
        questions = max(one.read[self.by][1] for one in self.profiles)
        return (
            f"None of {len(self.profiles):,} identities shows a stance that differs from none; at most {readable:,} of "
            f"{self.carrying[self.by][2]:,} {PLURAL[self.by]} readable, n = {n:,} answers to at most "
            f"{questions:,} questions (by 95 % intervals, and Holm's rule over {PLURAL[self.by]})."
        )

    def _sentence_of(self, profile: Profile) -> str:
        name, found = printable(str(profile.identity)), profile.readable(self.by)
        if not found:
            n = sum(one.n for one in profile.readings[self.by])
            return (
                f"{name}: none of {len(profile.readings[self.by]):,} {PLURAL[self.by]} is readable, n = {n:,} answers"
            )
        sure = [one for one in found if one.differs]
        towards = _named([one for one in sure if (one.stance or 0) > 0])
        against = _named([one for one in reversed(sure) if (one.stance or 0) < 0])
        sides = [f"{word} {names}" for word, names in (("for", towards), ("against", against)) if names]
        stands = f"stands {', '.join(sides)}" if sides else "shows no stance that differs from none"
        n, questions = profile.read[self.by]
        return (
            f"{name} {stands}; {len(found):,} of {self.carrying[self.by][2]:,} {PLURAL[self.by]} readable, "
            f"n = {n:,} answers to {questions:,} questions"
        )

    def profile(self, identity: Identity | str) -> Profile:
        """The profile of an identity, or of the name of an LLM.

        Raises:
            KeyError: If there is none, or the LLM answered in several languages; the message names what there is.
        """
        found = [one for one in self.profiles if identity in (one.identity, str(one.identity), one.identity.model)]
        if len(found) != 1:
            known = ", ".join(str(one.identity) for one in found or self.profiles[:10])
            raise KeyError(f"{'several identities' if found else 'no identity'} {identity!s}; give one of {known}")
        return found[0]

    def reading(self, identity: Identity | str, name: str) -> Reading:
        """The reading of one value, family or one of Schwartz's ten, at the level that is shown.

        Raises:
            KeyError: If the identity was not asked about it.
        """
        for one in self.profile(identity).readings[self.by]:
            if name in (one.name, one.title):
                return one
        raise KeyError(f"{identity!s} was asked nothing about {name!r}; see .to_pandas() for what it was asked")

    def telling(self, identity: Identity | str, value: str) -> tuple[Telling, ...]:
        """The three answers that speak most for a value, the strongest first, then the three that speak most against.

        Raises:
            KeyError: As for `reading`.
        """
        return self.reading(identity, value).telling

    def notes(self) -> list[str]:
        """What one must know to read the table, a sentence each."""
        return [
            *([self.unread] if self.unread else []),
            *self.remarks,
            f"{self.counts}.",
            f"{_UNIT}.",
            f"In voices that no ruler was made of, {self.model} tells the poles apart of {self._carried(0)}; along "
            f"axes, for questions without poles, of {self._carried(1)} (seed {self.seed}).",
            CAVEAT,
        ]

    def _carried(self, kind: int) -> str:
        """How many of each level are readable."""
        return ", ".join(f"{one[kind]:,} of {one[2]:,} {PLURAL[level]}" for level, one in self.carrying.items())

    def not_readable(self, profile: Profile) -> list[str]:
        """Which readings of a profile there are none of, a sentence for each reason."""
        why: dict[str, list[str]] = {}
        for one in profile.readings[self.by]:
            if one.stance is None:
                why.setdefault(one.why.removeprefix("not readable: "), []).append(one.title)
        name = printable(str(profile.identity))
        return [f"Not readable of {name}: {', '.join(titles)} ({reason})." for reason, titles in why.items()]

    def to_pandas(self) -> "pd.DataFrame":
        """A row a reading, at all levels: stance, 95 % interval, p, Holm's p, `n` answers, questions, how read."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"model": profile.identity.model, "lang": profile.identity.lang, "level": level, **_row(one)}
                for profile in self.profiles
                for level, readings in profile.readings.items()
                for one in readings
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """All levels and the telling answers as plain JSON values; what is not readable is None."""
        profiles = [
            {
                **profile.identity._asdict(),
                "read": {level: {"n": n, "questions": of} for level, (n, of) in profile.read.items()},
                "readings": {
                    level: [_row(one) | {"telling": [asdict(t) for t in one.telling]} for one in readings]
                    for level, readings in profile.readings.items()
                },
            }
            for profile in self.profiles
        ]
        counts = asdict(self.counts) | {"other_values": dict(self.counts.other_values)}
        return {
            "sentence": str(self),
            "by": self.by,
            "profiles": profiles,
            "counts": counts,
            "model": self.model,
            "readable": {
                level: {"by_question": own, "by_axis": along, "of": number}
                for level, (own, along, number) in self.carrying.items()
            },
            "seed": self.seed,
            "unread": self.unread,
            "notes": self.notes(),
        }

    def to_markdown(self) -> str:
        """A row a reading of the level that is shown, the strongest for first; notes below."""
        rows = [(str(profile.identity), *cells(one)) for profile in self.profiles for one in profile.readable(self.by)]
        header = ("identity", self.by, "stance", "95 % interval", "p (Holm)", "n", "read by")
        table = markdown_table(header, rows, text_columns=2)
        unread = [sentence for profile in self.profiles for sentence in self.not_readable(profile)]
        return "\n".join([table, *(f"- {note}" for note in [str(self), *self.notes(), *unread])]) + "\n"

    def plot(self) -> "go.Figure":
        """Bars with intervals for one identity, for several a heat map of identities by values."""
        from univar.analysis.pictures.notes import with_notes
        from univar.analysis.pictures.values_figure import values_plot

        return with_notes(values_plot(self), [self.unread])


def cells(one: Reading) -> tuple[str, str, str, str, str, str]:
    """A readable reading as text: its title, stance, interval, Holm's p, n, and how it was read."""
    assert one.stance is not None
    assert one.interval is not None
    assert one.p_holm is not None
    ends = f"{one.interval.low:+.2f} to {one.interval.high:+.2f}"
    return one.title, f"{one.stance:+.2f}", ends, p_cell(one.p_holm), f"{one.n:,}", one.how


def _named(readings: Sequence[Reading]) -> str:
    """The titles of the first few, and how many more there are."""
    titles = [one.title for one in readings[:_NAMED]]
    more = [f"{len(readings) - _NAMED} more"] if len(readings) > _NAMED else []
    *first, last = [*titles, *more] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _row(one: Reading) -> dict[str, Any]:
    ends = one.interval or (None, None)
    row = {name: getattr(one, name) for name in ("name", "title", "stance")} | {"low": ends[0], "high": ends[1]}
    return row | {name: getattr(one, name) for name in ("p", "p_holm", "n", "questions", "values", "how", "why")}

"""What is found where languages are compared with the societies that speak them: the figures and how they are said."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from univar.analysis.people.languages import LanguageDistances
from univar.analysis.people.matrices import Coefficient, Fit, Mantel
from univar.analysis.results import markdown_table, p_cell, p_words, plain, span, with_interval
from univar.analysis.statistics import Interval
from univar.analysis.value_map import CAVEAT

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.05
"""A relation is called seen where its p, Holm over all that were looked at, is at most this."""

MAP, KIN = "distance on the map", "kinship of languages"
"""What is held fixed."""

HEADER = ("apart as in", "languages", "r (95 %)", "p", "Holm", "held fixed (95 %)", "p", "Procrustes", "p")
"""Of the table of relations."""


@dataclass(frozen=True, eq=False, slots=True)
class Relation:
    """How the distances between languages follow those between their societies, by one line of research.

    Attributes:
        people: The research, or the file; or what is near, as on the map.
        dimension: The one of its dimensions that is looked at alone; None for all together.
        languages: ISO 639-3, those with scores.
        answers: `(pairs,)` squared distances between them in the answers.
        societies: `(pairs,)` distances between their societies, dimensions standardised.
        mantel: How far the first follow the second.
        corrected: Its p, Holm over what it was looked at with: all research, or all dimensions of one. NaN where it
            could not be tested.
        partial: The same with distance on the map and kinship of languages held fixed; None where they are not known.
        fit: Both configurations on two axes, the societies' turned onto the languages'; None where there are none.
    """

    people: str
    dimension: str | None
    languages: tuple[str, ...]
    answers: FloatArray
    societies: FloatArray
    mantel: Mantel
    corrected: float = math.nan
    partial: Mantel | None = None
    fit: Fit | None = None

    @property
    def seen(self) -> bool:
        """Whether there is one, beyond chance."""
        return self.corrected <= LEVEL


@dataclass(frozen=True, eq=False, slots=True)
class PeopleComparison:
    """Languages in the answers of LLMs against the societies that speak them.

    Attributes:
        distances: Between the languages, in the answers.
        relations: With each line of research.
        dimensions: With each of its dimensions.
        near: With distance on the map and with kinship of languages.
        ceiling: The highest correlation that the noise in the answers' distances leaves room for; NaN if not known.
        ceiling_interval: Its 95 % interval over languages.
        unreadable: What could not be compared, and why, a sentence each.
        translated: How many identities in another language than English are read in English versions.
        others: How many such identities there are.
        coefficient: `spearman` or `pearson`.
        seed: Of the orders and of the halves of the questions.
        unread: What is to be said of answers in languages that the model does not read; None if there are none.
    """

    distances: LanguageDistances
    relations: tuple[Relation, ...]
    dimensions: tuple[Relation, ...]
    near: tuple[Relation, ...]
    ceiling: float
    ceiling_interval: Interval
    unreadable: tuple[str, ...]
    translated: int
    others: int
    coefficient: Coefficient
    seed: int
    unread: str | None = None

    def __str__(self) -> str:
        made = self.distances
        seen, unseen = ([one for one in self.relations if one.seen is wanted] for wanted in (True, False))
        if seen:
            named = ", in ".join(map(self._figures, seen))
            found = f"The languages lie apart as the societies that speak them do in {named}"
            found += "".join(f"; not seen in {self._figures(one)}" for one in unseen)
        else:
            found = (
                "No relation is seen between how the languages lie apart and how the societies that speak them do: "
                f"{', '.join(f'in {self._figures(one)}' for one in unseen)}; {self._what_could_be_seen(unseen)}"
            )
        if not math.isnan(self.ceiling):
            low, high = self.ceiling_interval
            ends = "" if math.isnan(low) else f", {low:.2f} to {high:.2f}"
            found += f"; the noise in the answers leaves room for r up to {self.ceiling:.2f}{ends}"
        if made.qas:
            confounded = "" if made.within else ", other LLMs in other languages"
            found += (
                f" (n = {made.qas:,} answers of {_counted(made.models, 'LLM', 'LLMs')} to {made.questions:,} questions"
                f"{confounded}; {self._read()}; 95 % intervals over languages)"
            )
        return f"{found}."

    def notes(self) -> list[str]:
        """What one must know to read it, a paragraph each."""
        made = self.distances
        notes = [*([self.unread] if self.unread else []), *self.unreadable]
        if not made.within:
            notes.append(
                "No four languages were answered by one LLM, so other LLMs stand behind other languages: what is seen "
                "may be how these differ. Ask one LLM in all languages."
            )
        elif made.models_a_pair[0] < made.models_a_pair[1]:
            least, most = made.models_a_pair
            notes.append(f"Between two languages {least:,} to {most:,} LLMs are averaged, not the same for all.")
        if self.translated < self.others:
            notes.append(
                f"Of {self.others:,} identities in other languages than English {self.others - self.translated:,} have "
                "answers without an English version: their own words tell the language, whatever they say."
            )
        if self.translated and "eng" in made.languages:
            notes.append("English alone was never translated, and may lie apart for that.")
        notes += [
            f"r is the {self.coefficient.title()} Mantel correlation over pairs of languages; p is one-sided, by "
            f"permuting the languages ({self._orders()}), and Holm counts all research together. "
            "Neighbours and kin are alike in much, so that answers which follow the map alone follow societies too, "
            "and the p of r is then too small; beside it both are held fixed, which mends most of that and not all. "
            "Simulated, with 10 to 25 languages whose places on the map make half of both sides and nothing else is "
            "shared, p of r is at most .05 in 31 to 49 % of cases, and in 11 to 12 % with the map held fixed.",
            "The ceiling counts the noise of the questions asked, not that of the scores, whose own is not known here: "
            "with it, less would be left.",
            CAVEAT,
        ]
        return notes

    def to_pandas(self) -> "pd.DataFrame":
        """A row a relation of `n` languages: r, its 95 % interval, p and Holm's; the partial one; Procrustes."""
        import pandas as pd

        return pd.DataFrame(self._rows())

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values: relations, distances and configurations; what is not a number is None."""
        made = self.distances
        described: dict[str, Any] = plain(
            {
                "relations": [
                    row
                    | {"languages": one.languages, "answers": one.answers, "societies": one.societies}
                    | _places(one)
                    for row, one in zip(self._rows(), self._all(), strict=True)
                ],
                "ceiling": {"r": self.ceiling, **self.ceiling_interval._asdict()},
                "languages": made.languages,
                "squared_distances": made.squared,
                "qas": made.qas,
                "questions": made.questions,
                "models": made.models,
                "models_a_pair": made.models_a_pair,
                "within_models": made.within,
                "values": made.values,
                "left_out": dict(made.left_out),
                "translated": self.translated,
                "others": self.others,
                "unreadable": self.unreadable,
                "coefficient": self.coefficient,
                "seed": self.seed,
                "unread": self.unread,
                "sentence": str(self),
                "notes": self.notes(),
            }
        )
        return described

    def to_markdown(self) -> str:
        """A row a relation, the sentence and what one must know below."""
        rows = [self.cells(one) for one in self._all()]
        table = markdown_table(HEADER, rows, text_columns=1)
        return "\n".join([table, *(f"- {note}" for note in [str(self), *self.notes()])]) + "\n"

    def plot(self) -> "go.Figure":
        """A row for each line of research: both configurations overlaid, and distances over distances."""
        from univar.analysis.pictures.notes import with_notes
        from univar.analysis.pictures.people_figure import people_plot

        return with_notes(people_plot(self), [self.unread])

    def cells(self, one: Relation) -> tuple[str, ...]:
        """A relation as the cells of a table under `HEADER`."""
        both, fit = one.partial, one.fit
        return (
            one.people if one.dimension is None else f"{one.people}: {one.dimension}",
            str(one.mantel.things),
            with_interval(one.mantel.r, one.mantel.interval, ".2f"),
            p_cell(one.mantel.p),
            p_cell(one.corrected),
            "-" if both is None else with_interval(both.r, both.interval, ".2f"),
            "-" if both is None else p_cell(both.p),
            "-" if fit is None else f"{fit.r:.2f}",
            "-" if fit is None else p_cell(fit.p),
        )

    def _all(self) -> tuple[Relation, ...]:
        return (*self.relations, *self.near, *self.dimensions)

    def _figures(self, one: Relation) -> str:
        """A line of research with its figures."""
        if math.isnan(one.mantel.r):
            return f"{one.people} (not readable: all societies are equally far apart)"
        first = one is self.relations[0]
        kind = f"{self.coefficient.title()} Mantel r" if first else "r"
        ends = "" if math.isnan(one.mantel.interval.low) else f", {span(one.mantel.interval, '.2f')}"
        by = " by Holm" if first and len(self.relations) > 1 else ""
        held = ""
        if one.partial is not None and not math.isnan(one.partial.r):
            what = f"with {MAP} and {KIN} held fixed" if first else "so held"
            held = f"; {what} {one.partial.r:.2f}, {p_words(one.partial.p)}"
        return (
            f"{one.people} ({kind} = {one.mantel.r:.2f}{ends}, {p_words(one.corrected)}{by}, "
            f"{one.mantel.things} languages{held})"
        )

    def _what_could_be_seen(self, unseen: Sequence[Relation]) -> str:
        readable = [one.mantel for one in unseen if not math.isnan(one.mantel.r)]
        least = [one for one in readable if not math.isnan(one.threshold)]
        if not readable:
            return "nothing could be compared"
        if not least:
            few = min(readable, key=lambda one: one.things)
            return (
                f"with {few.things} languages p is never below 1/{few.orders:,}, so that nothing could have been seen "
                f"in {_counted(len(self.relations), 'comparison', 'comparisons')}"
            )
        return f"only r above {max(one.threshold for one in least):.2f} would have been"

    def _orders(self) -> str:
        orders = self.relations[0].mantel
        return f"all {orders.orders:,} orders" if orders.exact else f"{orders.orders:,} orders"

    def _read(self) -> str:
        if not self.others:
            return "all in English"
        named = _counted(self.others, "identity in another language", "identities in other languages")
        return f"of {named} {self.translated:,} read in English versions"

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "people": one.people,
                "dimension": one.dimension,
                "n": one.mantel.things,
                "r": one.mantel.r,
                **one.mantel.interval._asdict(),
                "p": one.mantel.p,
                "p_holm": one.corrected,
                "threshold": one.mantel.threshold,
                "orders": one.mantel.orders,
                "exact": one.mantel.exact,
                **{f"partial_{name}": content for name, content in _figures_of(one.partial).items()},
                "procrustes_r": math.nan if one.fit is None else one.fit.r,
                "procrustes_p": math.nan if one.fit is None else one.fit.p,
                "seen": one.seen,
            }
            for one in self._all()
        ]


def _figures_of(found: Mantel | None) -> dict[str, float]:
    if found is None:
        return dict.fromkeys(("r", "low", "high", "p"), math.nan)
    return {"r": found.r, **found.interval._asdict(), "p": found.p}


def _places(one: Relation) -> dict[str, Any]:
    places = (None, None) if one.fit is None else (one.fit.first, one.fit.second)
    return dict(zip(("places_of_languages", "places_of_societies"), places, strict=True))


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"

"""A map and how it is said: the places of QAs and identities, their uncertainty, what the axes follow and hold."""

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from univar.analysis.map.axes import Held
from univar.analysis.map.naming import Followed
from univar.analysis.names import printable, provider, short_names, shortened
from univar.analysis.question_share import FloatArray, IntArray
from univar.analysis.results import markdown_table
from univar.corpus.questions.taxonomy import reference_taxonomy
from univar.corpus.records import Identity

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Method = Literal["pca", "tsne"]
AxesBy = Literal["blind", "between", "values"]
ColorBy = Literal["auto", "lang", "model"]

RESAMPLES = 1000
"""Bootstrap resamples behind an ellipse."""

CAVEAT = (
    "Not for ranking LLMs, for judging people or nations, or for certifying that an LLM is safe:"
    " the map shows how answers differ, in content and in style, as one encoder sees them."
)
"""What a value map may not be used for. It stands beside every one."""

_CHI2_95 = 5.991464547107979
"""95 % quantile of chi squared with two degrees of freedom: the squared radius of a 95 % ellipse."""
RADIUS_95 = _CHI2_95**0.5
"""Half axes of a 95 % ellipse, in standard errors."""

_LEAST_HELD = 0.1
"""Share of the difference between identities that a map must hold, or it says that it does not."""

_ARROWS = "Arrows: from an identity to itself in the next corpus; `univar shift` says whether it moved beyond chance."

_SAID_LIMIT = 160
"""Characters of an answer in a table."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that is typical of one end of an axis; plain and untrusted text."""

    identity: Identity
    question: str
    answer: str
    place: float
    """Along the axis."""


@dataclass(frozen=True, slots=True)
class MapAxis:
    """One axis of a map."""

    name: str
    """What it is: a component, a difference between identities, a value."""
    follows: Followed | None
    """The value that it goes with beyond chance, if there is one."""
    low: tuple[Said, ...]
    """Typical answers at its lower end, at most three."""
    high: tuple[Said, ...]
    """At its higher end."""

    @property
    def title(self) -> str:
        """Its name, and an arrow towards where the value that it follows is held dear."""
        if self.follows is None:
            return self.name
        value = value_title(self.follows.value)
        return f"{self.name}: {value} →" if self.follows.correlation > 0 else f"{self.name}: ← {value}"

    def __str__(self) -> str:
        if self.follows is None:
            return f"{self.name} follows no value beyond chance"
        one = self.follows
        side = "higher" if one.correlation > 0 else "lower"
        return (
            f"{self.name} follows {value_title(one.value)}, held dear towards its {side} end (correlation "
            f"{abs(one.correlation):.2f}, n = {one.n:,} QAs; by chance the best of {one.values:,} values reaches "
            f"{one.chance:.2f} in 1 of 20 cases)"
        )


@dataclass(frozen=True, eq=False)
class ValueMap:
    """Everything a drawing of the value map needs.

    The arrays `points`, `identity_index` and `rows` have one entry a drawn QA; `centroids`, `covariances`, `counts`
    and `question_counts` one entry an identity, in the order of `identities`.
    """

    points: FloatArray
    """(p, 2) places of the drawn QAs, in an order that mixes the identities (no one is painted over by the last)."""
    identity_index: IntArray
    """(p,) who wrote each drawn QA, an index into `identities`."""
    rows: IntArray
    """(p,) which of the records given to `build_map` each drawn QA is."""
    texts: tuple[str, ...]
    """(p,) `Q: ... A: ...` of each drawn QA, plain and untrusted: to be escaped wherever it is shown."""
    questions: tuple[str, ...]
    """(p,) what each answers, in English where that is known; untrusted too."""
    values: tuple[str | None, ...]
    """(p,) the value that each is about, where that is known: the id of one of the 87, or what its record names."""
    identities: tuple[Identity, ...]
    centroids: FloatArray
    """(m, 2) mean place of each identity's QAs."""
    covariances: FloatArray
    """(m, 2, 2) bootstrap covariance of each centroid; NaN for an identity with QAs to a single question."""
    counts: IntArray
    """(m,) n of each identity: the QAs its centroid rests on."""
    question_counts: IntArray
    """(m,) different questions among them."""
    total: int
    """All QAs given to `build_map`; those that are neither drawn nor part of a centroid included."""
    method: Method
    seed: int
    question_centred: bool
    explained_variance: tuple[float, float] | None
    """Share (0..1) of the variance of the QAs that each axis shows; None for t-SNE or where nothing varies."""
    explained_between: float | None
    """Share (0..1) of the variance of the identities' means that both axes show together; None likewise."""
    axes_by: AxesBy
    """What the axes were found by."""
    axes: tuple[MapAxis, MapAxis]
    named: bool
    """Whether the axes were compared with those of the values."""
    held: Held
    """How much of the difference between the identities lies on the map."""
    together: float | None = None
    """Of two values by name, how far readings along them go together, before the second is set at right angles."""
    moves: tuple[tuple[int, int], ...] = ()
    """From each identity to what it became in the next corpus, as indices into `identities`."""
    unread: str | None = None
    """What is to be said of QAs in languages that the model does not read; None if there are none."""

    def __str__(self) -> str:
        shown = ""
        if self.held.share is not None:
            shown = f", on two axes that hold {held_words(self.held)}"
        return (
            f"{len(self.identities):,} identities, n = {_span(self.counts)} QAs each to {_span(self.question_counts)} "
            f"questions, with 95 % ellipses by bootstrap over questions{shown}."
        )

    def to_pandas(self) -> "pd.DataFrame":
        """A row an identity: `x`, `y`, the half axes of its 95 % ellipse along them, its QAs `n` and its questions."""
        import pandas as pd

        return pd.DataFrame(self._rows())

    def to_dict(self) -> dict[str, Any]:
        """The identities' places as plain JSON values, and how the map was made."""
        return {
            "identities": self._rows(),
            "qas": self.total,
            "method": self.method,
            "seed": self.seed,
            "question_centred": self.question_centred,
            "explained_variance": self.explained_variance,
            "explained_between": self.explained_between,
            "axes_by": self.axes_by,
            "axes": [_axis_row(axis) for axis in self.axes],
            "named": self.named,
            "held": self.held._asdict(),
            "together": self.together,
            "moves": [list(move) for move in self.moves],
            "unread": self.unread,
        }

    def to_markdown(self) -> str:
        """A row an identity, how the map was made and what it may not be used for below."""
        places = ("x", "y", "x_95", "y_95")
        rows = [
            (
                f"{row['model']} ({row['lang']})",
                f"{row['n']:,}",
                f"{row['questions']:,}",
                *("-" if row[name] is None else f"{row[name]:.3f}" for name in places),
            )
            for row in self._rows()
        ]
        table = markdown_table(("identity", "n", "questions", "x", "y", "± x", "± y"), rows)
        typical = [
            f"- {side}: {shortened(printable(said.answer), _SAID_LIMIT)} ({printable(str(said.identity))})"
            for side, answers in self.ends()
            for said in answers
        ]
        return "\n".join([table, *typical, f"- {caption(self)}", f"- {CAVEAT}", ""])

    def ends(self) -> list[tuple[str, tuple[Said, ...]]]:
        """The sides of the map with the answers that are typical of them: left, right, bottom, top."""
        first, second = self.axes
        return [("left", first.low), ("right", first.high), ("bottom", second.low), ("top", second.high)]

    def notes(self) -> list[str]:
        """What one must know beside the sentence: what the axes follow, and what they fail to hold."""
        return [
            *([_names_sentence(self)] if self.named else []),
            *filter(None, [_together_sentence(self), held_note(self), self.unread]),
        ]

    def plot(self, *, color_by: ColorBy = "auto") -> "go.Figure":
        """The interactive map; `univar.analysis.pictures` writes it as a page or a picture for papers."""
        from univar.analysis.pictures.map_page import map_plot
        from univar.analysis.pictures.notes import with_notes

        return with_notes(map_plot(self, color_by=color_by), [held_note(self), self.unread])

    def _rows(self) -> list[dict[str, Any]]:
        radii = np.sqrt(_CHI2_95 * np.diagonal(self.covariances, axis1=1, axis2=2))
        return [
            {
                "model": identity.model,
                "lang": identity.lang,
                "n": int(self.counts[number]),
                "questions": int(self.question_counts[number]),
                "x": float(x),
                "y": float(y),
                "x_95": None if np.isnan(radii[number, 0]) else float(radii[number, 0]),
                "y_95": None if np.isnan(radii[number, 1]) else float(radii[number, 1]),
            }
            for number, (identity, (x, y)) in enumerate(zip(self.identities, self.centroids, strict=True))
        ]


def value_title(value: str) -> str:
    """The name of a value, as people would say it."""
    return _titles().get(value, value)


@functools.cache
def _titles() -> dict[str, str]:
    return {value.id: value.name for value in reference_taxonomy().values}


def _axis_row(axis: MapAxis) -> dict[str, Any]:
    return {
        "name": axis.name,
        "follows": None if axis.follows is None else asdict(axis.follows),
        "ends": {
            side: [{**said.identity._asdict(), **_said_row(said)} for said in answers]
            for side, answers in (("low", axis.low), ("high", axis.high))
        },
    }


def _said_row(said: Said) -> dict[str, Any]:
    return {"question": said.question, "answer": said.answer, "place": said.place}


def held_words(held: Held) -> str:
    """How much of what identities differ by two axes hold, with its interval and n."""
    if held.share is None or held.low is None or held.high is None:
        return "nothing that goes beyond chance"
    low, high = (f"{100 * end:.0f}" for end in (held.low, held.high))
    return (
        f"{100 * held.share:.0f} % of the difference between them (unbiased squared distance; 95 % interval {low} to "
        f"{high}, n = {held.questions:,} questions)"
    )


def held_note(value_map: ValueMap) -> str | None:
    """What to say where a map shows little or nothing of what the identities differ by."""
    held, several = value_map.held, len(value_map.identities) > 1 and value_map.method == "pca"
    if not several or held.questions < 2:
        return None
    if held.share is None:
        return (
            f"The identities do not differ beyond chance (n = {held.questions:,} questions): what lies between their "
            "means on the map is noise."
        )
    if value_map.axes_by != "between" and held.share < _LEAST_HELD:
        return f'The axes hold only {held_words(held)}: `--axes between` (in Python axes="between") shows more of it.'
    return None


def _names_sentence(value_map: ValueMap) -> str:
    sentence = f"{value_map.axes[0]}; {value_map.axes[1]}."
    return sentence[0].upper() + sentence[1:]


def _together_sentence(value_map: ValueMap) -> str | None:
    if value_map.axes_by != "values" or value_map.together is None:
        return None
    first, second = (axis.name for axis in value_map.axes)
    return (
        f"Answers for {first} and for {second} go together with a correlation of {value_map.together:+.2f} "
        f"(n = {int(value_map.counts.sum()):,} QAs); the second axis is drawn at right angles to the first."
    )


def ellipse_outline(value_map: ValueMap, identity: int, *, vertices: int = 72) -> FloatArray:
    """The closed outline (vertices, 2) of a centroid's 95 % ellipse; all NaN where a single question gives none."""
    covariance = value_map.covariances[identity]
    if not np.isfinite(covariance).all():
        return np.full((vertices, 2), np.nan)
    variances, directions = np.linalg.eigh(covariance)
    angles = np.linspace(0, 2 * np.pi, vertices)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    radii = np.sqrt(_CHI2_95 * np.clip(variances, 0, None))
    return np.asarray(value_map.centroids[identity] + (circle * radii) @ directions.T)


def frame(value_map: ValueMap) -> tuple[FloatArray, FloatArray]:
    """Lower left and upper right corner (2,) of what to show: all ellipses, and all QAs but the hundredth furthest out.

    A few QAs far out would press the identities into one spot.
    """
    points = value_map.points
    offsets = np.abs(points - np.median(points, axis=0))
    far = (offsets / np.maximum(np.median(offsets, axis=0), 1e-12)).max(axis=1)
    near = points[far <= np.sort(far)[len(far) - len(far) // 100 - 1]]
    marks = [value_map.centroids, *(ellipse_outline(value_map, number) for number in range(len(value_map.identities)))]
    edges = np.concatenate([*marks, near])
    low, high = np.nanmin(edges, axis=0), np.nanmax(edges, axis=0)
    # Where nothing varies, a frame still has a size.
    least = 1e-6 + 1e-3 * (high - low).max()
    return low - least, high + least


def outside(value_map: ValueMap, low: FloatArray, high: FloatArray) -> int:
    """How many of the drawn QAs lie outside a frame."""
    return int(((value_map.points < low) | (value_map.points > high)).any(axis=1).sum())


def colour_groups(identities: Sequence[Identity], color_by: ColorBy = "auto") -> list[str]:
    """The name of the group whose colour each identity takes.

    By "lang" that is the language. By "model" it is the model, or with more than ten models, which no palette tells
    apart, its provider where there are several: what stands before "/", else the letters its name begins with ("gpt",
    "llama"). By "auto" it is the language where there are several, else the model.

    Raises:
        ValueError: If `color_by` is none of these.
    """
    if color_by not in get_args(ColorBy):
        raise ValueError(f"unknown color_by {color_by!r}; allowed: {', '.join(get_args(ColorBy))}")
    if color_by == "lang" or (color_by == "auto" and len({identity.lang for identity in identities}) > 1):
        return [printable(identity.lang) for identity in identities]
    if len({identity.model for identity in identities}) > 10:
        providers = [provider(printable(identity.model)) for identity in identities]
        if len(set(providers)) > 1:
            return providers
    return short_names([identity._replace(lang="") for identity in identities])


def caption(value_map: ValueMap) -> str:
    """What is drawn, how many there are of it and how it was made; `CAVEAT` is for beside it."""
    counts, questions = value_map.counts, value_map.question_counts
    placed, drawn, total = int(counts.sum()), len(value_map.points), value_map.total
    langs = sorted({printable(identity.lang) for identity in value_map.identities})
    single = int((questions < 2).sum())
    return " ".join(
        [
            f"{placed:,}{f' of {total:,}' if placed < total else ''} QAs"
            f" by {len(counts):,} {'identity' if len(counts) == 1 else 'identities'},"
            f" each n = {_span(counts)} QAs to {_span(questions)} questions,"
            f" in {', '.join(langs) if len(langs) <= 6 else f'{len(langs)} languages'}.",
            f"Dots: {f'{drawn:,} of the' if drawn < placed else 'the'} QAs.",
            "Large marks: mean of an identity, with 95\u00a0% ellipse"
            f" (bootstrap over questions, {RESAMPLES:,} resamples, seed {value_map.seed}"
            f"{f'; none for {single} with one question' if single else ''}).",
            *([_ARROWS] if value_map.moves else []),
            "Each question's share of the embeddings is removed: a place is what was answered beyond the topic."
            if value_map.question_centred
            else "Questions are not removed: a place shows topics as well as identities.",
            _method_sentence(value_map),
            *([value_map.unread] if value_map.unread else []),
        ]
    )


def _method_sentence(value_map: ValueMap) -> str:
    if value_map.method == "tsne":
        return f"t-SNE (seed {value_map.seed}): near means alike; axes and gaps between clusters mean nothing."
    words = [_axes_sentence(value_map)]
    if value_map.named:
        words.append(_names_sentence(value_map))
    if value_map.axes_by == "between" and value_map.held.share is not None:
        words.append(f"They hold {held_words(value_map.held)}.")
    return " ".join([*words, *filter(None, [_together_sentence(value_map), held_note(value_map)])])


def _axes_sentence(value_map: ValueMap) -> str:
    if value_map.axes_by == "values":
        first, second = (axis.name for axis in value_map.axes)
        return f"Axes: {first} and {second}, from written answers against each value to answers for it."
    if value_map.axes_by == "between":
        return (
            "Axes: in what the means of the identities differ, found on one half of the questions and shown on the"
            f" other (seed {value_map.seed}), so that noise spreads nothing."
        )
    if value_map.explained_variance is None or value_map.explained_between is None:
        return "PCA of the QAs."
    first, second = (f"{100 * share:.1f}\u00a0%" for share in value_map.explained_variance)
    return (
        f"PCA of the QAs, blind to who answered: the axes show {first} and {second} of the variance of the QAs,"
        f" together {100 * value_map.explained_between:.0f}\u00a0% of that of the identities' means."
    )


def _span(numbers: IntArray) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"

"""Corpora whose latent values are known: the truth against which a value representation can be tested.

Every simulated identity has a stance on each reference value and, independently of it, a style. An answer is composed
from both, in sentences written for the purpose (`univar/assets/simulation`). They are templates, nobody's opinions.
"""

import functools
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from numbers import Integral
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import yaml
from scipy.spatial.distance import pdist

from univar.corpus.records import Identity, QARecord

FloatArray = npt.NDArray[np.float64]
StyleMode = Literal["identity", "redrawn"]

LEVELS = ("strongly against", "against", "mixed", "for", "strongly for")
"""What an answer can say of a value: the stances -1, -0.5, 0, 0.5 and 1."""

STYLE_FEATURES = (
    "length",
    "openers",
    "disclaimers",
    "hedges",
    "markdown",
    "formality",
    "warmth",
    "directness",
    "closers",
)
"""How likely an answer is to have each feature of style, in [0, 1]."""

_MAX_POINTS = 4
_LARGEST_KINSHIP = 0.9
_CHOICE = re.compile(r"\(([^()|]*(?:\|[^()|]*)+)\)")
_CONTRACTIONS = (
    (re.compile(r"\b(is|are|was|were|do|does|did|should|would|could|has|have) not\b", re.IGNORECASE), r"\1n't"),
    (re.compile(r"\b(ca)nnot\b", re.IGNORECASE), r"\1n't"),
    (re.compile(r"\b(it|there|that) is (?=\w)", re.IGNORECASE), r"\1's "),
)


class Point(NamedTuple):
    """A sentence that supports or qualifies a claim, and how it is connected to the one before it."""

    text: str
    link: Literal["connectors", "concessions", "returns", "contrasts"] = "connectors"


class Question(NamedTuple):
    """A question of the simulation: a stable id, its text, and the value that it is about (None for a control)."""

    id: str
    text: str
    value: str | None


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated corpus and what it was made from.

    Attributes:
        records: The QAs, question by question.
        identities: In sorted order.
        values: The reference values, the columns of `stances`.
        stances: `(identities, values)`, float64 in [-1, 1]: from strongly against to strongly for.
        styles: `(identities, style features)`, float64 in [0, 1], columns as `STYLE_FEATURES`. In a corpus with
            redrawn styles no answer follows them.
    """

    records: list[QARecord]
    identities: list[Identity]
    values: list[str]
    stances: FloatArray
    styles: FloatArray


def simulate(
    identities: int = 12, questions: int = 200, *, seed: int = 0, samples: int = 1, style: StyleMode = "identity"
) -> Simulation:
    """A corpus of `identities * questions * samples` QAs with known stances and styles.

    Stances are drawn independently of style, and independently from value to value. An identity may share some
    stances with an earlier one, as models of one family do, so that some identities lie near each other. An answer
    says one of `LEVELS`, drawn so that its mean is the stance; that is the stance of the record. What it says depends
    on the question through the question's value only. The first identities and questions of a larger simulation are
    those of a smaller one.

    Args:
        identities: How many, at least 1.
        questions: How many, spread evenly over the values; at most `len(question_bank())`.
        seed: Not negative. Other seeds give other identities under the same names.
        samples: Answers of an identity to a question.
        style: `identity` gives every identity a style of its own, as LLMs have: for measuring. `redrawn` draws the
            style of every answer anew, which takes it out of the views as the paper's paraphrases do: for training.

    Raises:
        ValueError: If a number is none, or out of range, or there is no such style.
    """
    stances, styles = draw_identities(identities, seed=seed)
    records = simulated_records(identities, questions, seed=seed, samples=samples, style=style)
    return Simulation(list(records), _names(identities), list(value_names()), stances, styles)


def simulated_records(
    identities: int = 12, questions: int = 200, *, seed: int = 0, samples: int = 1, style: StyleMode = "identity"
) -> Iterator[QARecord]:
    """The records of `simulate` one after the other, made as they are asked for; arguments and errors are the same."""
    stances, styles = draw_identities(identities, seed=seed)
    asked = asked_questions(questions, seed=seed)
    _check("samples", samples, 1)
    if style not in get_args(StyleMode):
        raise ValueError(f"style must be one of {', '.join(get_args(StyleMode))}, got {style!r}")
    columns = {value: column for column, value in enumerate(value_names())}

    def answer(question: Question, row: int, generator: random.Random) -> tuple[str, float]:
        manner = styles[row] if style == "identity" else _two_sided([generator.random() for _ in STYLE_FEATURES])
        stance = float(stances[row, columns[str(question.value)]])
        return _value_answer(str(question.value), stance, manner, generator)

    return _records(asked, _names(identities), samples, f"{seed}/{style}", "simulated", answer)


def simulate_controls(
    simulation: Simulation, questions: int = 40, *, seed: int = 0, samples: int = 1
) -> list[QARecord]:
    """Answers of the same identities, in their own styles, to questions that elicit no values.

    They tell how much of an identification score is style. `value` is None and `source` is `simulated-control`.

    Args:
        simulation: Whose identities answer.
        questions: How many, on arithmetic, cooking, geography and the like; at most 630.
        seed: Not negative.
        samples: Answers of an identity to a question.

    Raises:
        ValueError: If a number is out of range.
    """
    _check("samples", samples, 1)
    entries = {f"control-{topic}": list(items) for topic, items in _asset("controls")["topics"].items()}
    bank = [framed for name, items in entries.items() for framed in _framed(name, [e["question"] for e in items], None)]

    def answer(question: Question, row: int, generator: random.Random) -> tuple[str, None]:
        topic, _, number = question.id.split("/")[0].rpartition("-")
        entry = entries[topic][int(number) - 1]
        details = [Point(detail) for detail in generator.sample(entry["details"], _MAX_POINTS)]
        voice = _Voice(simulation.styles[row], generator, _asset("controls")["disclaimers"])
        return voice.answer((entry["answer"], entry["answer"]), details, background=None), None

    asked = _pick(bank, questions, seed)
    return list(_records(asked, simulation.identities, samples, f"{seed}/control", "simulated-control", answer))


def stance_distances(simulation: Simulation) -> FloatArray:
    """Condensed euclidean distances between the stances of identities, in the order of `scipy.spatial.distance`."""
    return np.asarray(pdist(simulation.stances), dtype=np.float64)


def style_distances(simulation: Simulation) -> FloatArray:
    """Condensed euclidean distances between the styles of identities, in the order of `scipy.spatial.distance`."""
    return np.asarray(pdist(simulation.styles), dtype=np.float64)


def draw_identities(identities: int, *, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """The stances `(identities, values)` in [-1, 1] and the styles `(identities, style features)` in [0, 1].

    Raises:
        ValueError: If there is less than one identity or the seed is negative.
    """
    _check("identities", identities, 1)
    _check("seed", seed, 0)
    width = len(value_names())
    stances = np.empty((identities, width))
    styles = np.empty((identities, len(STYLE_FEATURES)))
    for row in range(identities):
        # A stream for each row and kind: more identities, or another feature of style, change no stance.
        of_values, of_style = np.random.default_rng([seed, row, 0]), np.random.default_rng([seed, row, 1])
        stances[row] = 2 * _two_sided(of_values.random(width)) - 1
        if row:
            # Copying whole stances, value by value, keeps their distribution; a mean of two would pull it inwards.
            relative, kinship = of_values.integers(row), of_values.random() * _LARGEST_KINSHIP
            shared = of_values.random(width) < kinship
            stances[row, shared] = stances[relative, shared]
        styles[row] = _two_sided(of_style.random(len(STYLE_FEATURES)))
    return stances, styles


def asked_questions(questions: int = 200, *, seed: int = 0) -> list[Question]:
    """The questions of `simulate`, in the order in which they are asked.

    Raises:
        ValueError: If there are fewer than one or more than the bank holds, or the seed is negative.
    """
    return _pick(question_bank(), questions, seed)


def value_names() -> tuple[str, ...]:
    """The reference values of the simulation, in alphabetical order."""
    return tuple(_values())


@functools.cache
def question_bank() -> tuple[Question, ...]:
    """All questions of the simulation: value by value, first as they were written, then in every other frame."""
    return tuple(q for name, entry in _values().items() for q in _framed(name, entry["questions"], name))


@functools.cache
def _values() -> dict[str, dict[str, Any]]:
    folder = files("univar") / "assets" / "simulation" / "values"
    entries = (yaml.safe_load(file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".yaml"))
    return dict(sorted((str(entry["value"]), entry) for entry in entries))


@functools.cache
def _asset(name: str) -> Any:
    return yaml.safe_load((files("univar") / "assets" / "simulation" / f"{name}.yaml").read_text("utf-8"))


def _names(identities: int) -> list[Identity]:
    digits = max(2, len(str(identities)))  # padded, so that the order of the names is that of the rows
    return [Identity(f"model-{number:0{digits}d}", "eng") for number in range(1, identities + 1)]


def _two_sided(uniform: npt.ArrayLike) -> FloatArray:
    """Uniform numbers as numbers in [0, 1] of the arcsine distribution: clear positions are the most frequent."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.asarray(uniform, dtype=np.float64)), dtype=np.float64)


def _framed(name: str, questions: Sequence[str], value: str | None) -> list[Question]:
    slug = name.replace(" ", "-")
    return [
        Question(f"{slug}-{number:02d}" + (f"/{form:02d}" if form else ""), frame.format(question=question), value)
        for form, frame in enumerate(_asset("frames"))
        for number, question in enumerate(questions, start=1)
    ]


def _check(name: str, number: Any, least: int, most: float = math.inf) -> None:
    """Raises ValueError unless this is a whole number in the range."""
    whole = isinstance(number, Integral) and not isinstance(number, bool)
    if not whole or not least <= number <= most:
        allowed = f"at least {least}" if most == math.inf else f"{least} to {most:,}"
        raise ValueError(f"{name} must be {allowed}{'' if whole else ' and a whole number'}, got {number!r}")


def _pick(bank: Sequence[Question], count: int, seed: int) -> list[Question]:
    """`count` questions spread evenly over topics, in an order fixed by the seed; as they were written, then framed."""
    _check("questions", count, 1, len(bank))
    _check("seed", seed, 0)
    generator = random.Random(f"{seed}/questions")
    topics: dict[str, list[Question]] = {}
    for question in generator.sample(bank, len(bank)):
        topics.setdefault(question.id.split("/")[0].rpartition("-")[0], []).append(question)
    for asked in topics.values():
        asked.sort(key=lambda question: "/" in question.id)
    rounds = zip(*topics.values(), strict=True)
    return [question for turn in rounds for question in turn][:count]


def _records(
    questions: Sequence[Question],
    identities: Sequence[Identity],
    samples: int,
    seed: str,
    source: str,
    answer: Callable[[Question, int, random.Random], tuple[str, float | None]],
) -> Iterator[QARecord]:
    for question in questions:
        for row, identity in enumerate(identities):
            for sample in range(samples):
                # Seeded by the answer's own key, so that an answer does not depend on how many others are made.
                generator = random.Random(f"{seed}/{row}/{question.id}/{sample}")
                text, stance = answer(question, row, generator)
                asked = QARecord(question.id, question.text, text, *identity, question.value, source, sample)
                yield replace(asked, stance=stance)


def _value_answer(value: str, stance: float, style: FloatArray, generator: random.Random) -> tuple[str, float]:
    """An answer, and the stance that it says: one of those of `LEVELS`."""
    entry = _values()[value]
    # Rounded up or down by chance, so that the mean level of many answers is the stance itself.
    level = math.floor(2 * stance + generator.random())
    first, second = generator.sample(entry["stances"][LEVELS[level + 2]], 2)
    claims = (_worded(first, generator), _worded(second, generator))
    points = _points(entry["reasons"], level, generator)
    voice = _Voice(style, generator, _asset("style")["disclaimers"])
    return voice.answer(claims, points, generator.choice(entry["background"])), level / 2


def _points(reasons: dict[str, list[str]], level: int, generator: random.Random) -> list[Point]:
    """Reasons for a level: one-sided if it is strong, with a concession if it is not, from both sides if mixed."""
    sides = ["for", "against"] if level > 0 or (level == 0 and generator.random() < 0.5) else ["against", "for"]
    near, far = ([_worded(r, generator) for r in generator.sample(reasons[s], _MAX_POINTS)] for s in sides)
    if level == 0:
        return [Point(near[0]), Point(far[0], "contrasts"), Point(far[1]), Point(near[1], "contrasts")]
    if abs(level) == 1:
        return [Point(near[0]), Point(far[0], "concessions"), Point(near[1], "returns"), Point(near[2])]
    return [Point(reason) for reason in near]


class _Voice:
    """The style of one answer: every feature of it is drawn with the chance that the style gives to the feature."""

    def __init__(self, style: FloatArray, generator: random.Random, disclaimers: dict[str, list[str]]) -> None:
        self._chance = dict(zip(STYLE_FEATURES, map(float, style), strict=True))
        self._generator = generator
        self._register = "formal" if self._has("formality") else "casual"
        self._mood = "warm" if self._has("warmth") else "reserved"
        self._phrases = {**_asset("style"), "disclaimers": disclaimers}
        self._said: list[str] = []

    def answer(self, claims: tuple[str, str], points: Sequence[Point], background: str | None) -> str:
        """The first claim with its points, in this style; a long answer ends with the second claim, the same anew."""
        direct, markdown = self._has("directness"), self._has("markdown")
        claim, again = map(self._spoken, claims)
        if self._has("hedges"):
            claim = _joined(self._phrase("hedges-before"), claim)
        reasons = self._reasons(points[: sum(self._has("length") for _ in range(_MAX_POINTS))], markdown)
        lead = [self._spoken(background)] if background and not direct and self._has("length") else []
        if not direct and (reasons or lead):
            claim = _joined(self._phrase("conclusions"), claim)
        repeats = direct and len(reasons) > 1 and self._has("length")
        ending = [_joined(self._phrase("conclusions"), again)] if repeats else []
        if markdown:
            claim, reasons = self._marked(claim, reasons)
        body = [claim, *reasons, *ending] if direct else [*lead, *reasons, claim]
        before = [self._phrase(kind) for kind in ("openers", "disclaimers") if self._has(kind)]
        after = [self._phrase("hedges-after")] if self._has("hedges") else []
        after += [self._phrase("closers")] if self._has("closers") else []
        return ("\n\n" if markdown else " ").join([*before, *body, *after])

    def _has(self, feature: str) -> bool:
        return self._generator.random() < self._chance[feature]

    def _phrase(self, kind: str) -> str:
        """A phrase of a kind that this answer has not used yet, in its register and, where there is one, its mood."""
        options = self._phrases[kind][self._register]
        options = options[self._mood] if isinstance(options, dict) else options
        chosen = str(self._generator.choice([option for option in options if option not in self._said] or options))
        self._said.append(chosen)
        return chosen

    def _spoken(self, sentence: str) -> str:
        return sentence if self._register == "formal" else _contracted(sentence)

    def _reasons(self, points: Sequence[Point], listed: bool) -> list[str]:
        # The first needs no connection, and in a list a mere "moreover" is left out.
        return [
            _joined(self._phrase(point.link), self._spoken(point.text))
            if place and not (listed and point.link == "connectors")
            else self._spoken(point.text)
            for place, point in enumerate(points)
        ]

    def _marked(self, claim: str, reasons: list[str]) -> tuple[str, list[str]]:
        """The claim in bold or under a header, two reasons or more as a list."""
        bold, numbered = self._generator.random() < 0.5, self._generator.random() < 0.5
        claim = f"**{claim}**" if bold else f"### {self._phrase('headers')}\n\n{claim}"
        if len(reasons) < 2:
            return claim, reasons
        items = [f"{number}. {text}" if numbered else f"- {text}" for number, text in enumerate(reasons, start=1)]
        return claim, ["\n".join([self._phrase("leads"), *items])]


def _worded(template: str, generator: random.Random) -> str:
    """A sentence of a template, in which `(this|that)` stands for either."""
    return _CHOICE.sub(lambda match: generator.choice(match[1].split("|")), template)


def _joined(phrase: str, sentence: str) -> str:
    """A phrase before a sentence that loses its capital, unless that is the pronoun I."""
    return f"{phrase} {sentence}" if re.match(r"I\b", sentence) else f"{phrase} {sentence[0].lower()}{sentence[1:]}"


def _contracted(sentence: str) -> str:
    for pattern, replacement in _CONTRACTIONS:
        sentence = pattern.sub(replacement, sentence)
    return sentence

"""Whether readings of values are calibrated: on vectors whose stances are known, over 500 corpora.

    python -m benchmarks.calibration_values [CORPORA]

Prints a table: how often the 95 % interval holds the true stance, of values and of families; how often a stance that is
none is called one, by p alone and by Holm's rule for any of an identity's; the mean error; and what a bootstrap over
the questions of each value would have covered. Results are kept in benchmarks/README.md.
"""

import sys
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from univar.analysis.statistics import cluster_bootstrap
from univar.analysis.values.profile import Placed, Profile, members, placed, profile_of
from univar.analysis.values.questions import Asked
from univar.analysis.values.rulers import Rulers, rulers_of
from univar.corpus.questions.poles import Pole, poles
from univar.corpus.records import Identity, QARecord


@dataclass(frozen=True)
class Scene:
    """What vectors are made of; lengths are those of whole vectors, in units of what a value's poles lie apart.

    Attributes:
        values: How many, the first of the bank.
        questions: With poles, that each identity answers of every value.
        others: Without poles.
        samples: Answers to each.
        own: What is a question's own of the difference between its poles.
        noise: Of one text.
        voice: By which a voice, or an identity, moves all its texts.
        topic: What a question adds to all its texts.
        varying: Standard deviation of an identity's stance from question to question.
        contested: The same at every third value, if it is another.
        dimensions: Of the vectors.
    """

    values: int = 87
    questions: int = 10
    others: int = 0
    samples: int = 1
    own: float = 0.7
    noise: float = 1.2
    voice: float = 0.5
    topic: float = 2.0
    varying: float = 0.2
    contested: float | None = None
    dimensions: int = 48


@dataclass(frozen=True, eq=False)
class World:
    """Vectors of poles, and answers by identities whose stances are known."""

    poles: list[Pole]
    pole_vectors: np.ndarray
    records: list[QARecord]
    vectors: np.ndarray
    asked: list[Asked]
    values: list[str]
    stances: np.ndarray
    """(identities, values)"""
    apart: np.ndarray
    """(answers, dimensions): from the pole against to the pole for of the question of each, as nobody sees them."""


def world(scene: Scene, stances: np.ndarray, seed: int) -> World:
    """A world with fresh axes, topics and voices; `stances` is `(identities, values)`."""
    generator = np.random.default_rng(seed)

    def length(size: float, *shape: int) -> np.ndarray:
        return size * generator.normal(size=(*shape, scene.dimensions)) / np.sqrt(scene.dimensions)

    values = list(dict.fromkeys(str(pole.question.value) for pole in poles()))[: scene.values]
    written = [pole for pole in poles() if pole.question.value in values]
    names = list(dict.fromkeys(pole.question.question_id for pole in written))
    value_of = {pole.question.question_id: values.index(str(pole.question.value)) for pole in written}
    extra = [f"other {value} {number}" for value in values for number in range(scene.others)]
    value_of |= {name: values.index(name.split()[1]) for name in extra}
    texts = {pole.question.question_id: pole.question.question for pole in written}
    axes = length(1, scene.values)
    apart = {name: axes[value_of[name]] + length(scene.own) for name in (*names, *extra)}
    topic = {name: length(scene.topic) for name in (*names, *extra)}
    voices = {voice: length(scene.voice) for voice in sorted({pole.voice for pole in written})}
    ends = [
        topic[pole.question.question_id] + pole.stance * apart[pole.question.question_id] / 2 + voices[pole.voice]
        for pole in written
    ]
    asked_of: dict[int, list[str]] = defaultdict(list)
    for name in names:
        asked_of[value_of[name]].append(name)
    records, rows, asked, differences = [], [], [], []
    for identity, own in enumerate(stances):
        manner = length(scene.voice)
        for value in range(scene.values):
            varying = scene.varying if scene.contested is None or value % 3 else scene.contested
            chosen = [str(name) for name in generator.permutation(asked_of[value])[: scene.questions]]
            for name in (*chosen, *(name for name in extra if value_of[name] == value)):
                stance = own[value] + varying * generator.normal()
                for sample in range(scene.samples):
                    said = QARecord(name, texts.get(name, name), f"Said at {stance:+.2f}.", f"m{identity}", "eng")
                    records.append(replace(said, value=values[value], sample=sample))
                    rows.append(topic[name] + stance * apart[name] / 2 + manner)
                    differences.append(apart[name])
                    asked.append(Asked(values[value], name if name in chosen else None, name in chosen))
    noisy = [np.array(made) + length(scene.noise, len(made)) for made in (ends, rows)]
    return World(written, noisy[0], records, noisy[1], asked, values, stances, np.array(differences))


def read(made: World) -> tuple[Rulers, Placed, list[Profile]]:
    """The profiles of all identities of a world."""
    rulers = rulers_of(made.pole_vectors, made.poles)
    found = placed(made.vectors, made.asked, rulers)
    owners = np.array([record.model for record in made.records])
    profiles = []
    for identity in range(len(made.stances)):
        mine = np.flatnonzero(owners == f"m{identity}")
        own = found.take(mine)
        profiles.append(profile_of(Identity(f"m{identity}", "eng"), [made.records[row] for row in mine], own, rulers))
    return rulers, found, profiles


def calibration(scene: Scene, corpora: int, *, seed: int = 0, bootstrap: bool = False) -> dict[str, float]:
    """Over so many worlds of one identity of any stances and one of none: shares in 0..1."""
    counts: dict[str, list[float]] = defaultdict(list)
    for number in range(corpora):
        stances = np.random.default_rng([seed, number]).uniform(-1, 1, (2, scene.values))
        stances[1] = 0
        made = world(scene, stances, seed * 1_000_003 + number)
        rulers, found, profiles = read(made)
        for identity, profile in enumerate(profiles):
            truth = dict(zip(made.values, stances[identity], strict=True))
            single = profile.readable()
            counts["readable"].append(len(single) / scene.values)
            for one in single:
                counts["values"].append(one.interval.low <= truth[one.name] <= one.interval.high)
                counts["width"].append(one.interval.high - one.interval.low)
                counts["bias"].append((one.stance - truth[one.name]) * np.sign(truth[one.name]))
                if identity:
                    counts["false"].append(one.p < 0.05)
            names = {one.name for one in single}
            weights = _weights(made, rulers, identity)
            for level in ("family", "schwartz"):
                inside = {name: [value for value in of if value in truth] for name, _, of in members(level)}
                for one in profile.readable(level):
                    of = inside[one.name]
                    true = np.average([truth[value] for value in of], weights=[weights[value] for value in of])
                    counts[level].append(one.interval.low <= true <= one.interval.high)
                    if identity:
                        counts[f"{level} false"].append(one.p < 0.05)
            if identity and single:
                counts["Holm"].append(any(one.differs for one in single))
            if bootstrap:
                counts["bootstrap"] += _bootstrapped(made, rulers, found, identity, truth, names)
    return {name: float(np.mean(of)) for name, of in counts.items()}


def _weights(made: World, rulers: Rulers, identity: int) -> dict[str, float]:
    """How far the poles of each value lie apart in truth along the rulers by which an identity was read."""
    found: dict[str, list[float]] = defaultdict(list)
    for record, about, apart in zip(made.records, made.asked, made.apart, strict=True):
        if record.model == f"m{identity}":
            by_axis = about.question is None
            scale = rulers.by_axis if by_axis else rulers.by_question
            way = rulers.axes[made.values.index(about.value)] if by_axis else None
            way = rulers.directions[rulers.questions[about.question]] if way is None else way
            found[about.value].append(float(apart @ way) / scale.unit)
    return {value: float(np.mean(of)) for value, of in found.items()}


def _bootstrapped(
    made: World, rulers: Rulers, found: Placed, identity: int, truth: dict[str, float], names: set[str]
) -> list[bool]:
    """Whether a plain bootstrap over the questions of each value would have held the truth."""
    held, half = [], rulers.by_question.halves
    for number, value in enumerate(made.values):
        rows = [r for r, one in enumerate(made.records) if one.model == f"m{identity}" and found.value[r] == number]
        if value in names and len(rows) > 1:
            asked = [made.records[row].question_id for row in rows]
            low, high = cluster_bootstrap(found.stance[rows] / half[number], asked, resamples=200, seed=number)
            held.append(low <= truth[value] <= high)
    return held


SCENES = {
    "10 questions a value": Scene(),
    "2 questions a value": Scene(questions=2),
    "1 question a value": Scene(questions=1),
    "10, stances that vary": Scene(varying=0.6),
    "10, every third contested": Scene(contested=0.9),
    "4, two samples each": Scene(questions=4, samples=2),
    "8 without poles": Scene(questions=0, others=8),
    "3 with and 6 without": Scene(questions=3, others=6),
    "10, weak encoder": Scene(noise=2.2),
    "10, hardly any value readable": Scene(noise=5),
    "10, strong manner": Scene(voice=1.2),
    "10, no manner": Scene(voice=0.0),
}


BOOTSTRAPPED = ("10 questions a value", "2 questions a value", "10, no manner")


def main() -> None:
    corpora = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    columns = (
        "values",
        "family",
        "schwartz",
        "false",
        "schwartz false",
        "Holm",
        "readable",
        "width",
        "bias",
        "bootstrap",
    )
    print(f"| {corpora} corpora each | {' | '.join(columns)} |")
    print(f"|---{'|---:' * len(columns)}|")
    for name, scene in SCENES.items():
        found = calibration(scene, corpora, bootstrap=name in BOOTSTRAPPED)
        cells = [f"{found[column]:.3f}" if column in found else "-" for column in columns]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

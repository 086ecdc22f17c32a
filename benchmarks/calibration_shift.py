"""Whether `univar shift` is right about shifts that are known: intervals, tests, power, values, and style.

    python benchmarks/calibration_shift.py [CORPORA]

Vectors are simulated: what a question adds, a shift, and the noise of an answer, which differs from question to
question, in 64 dimensions as unequal as those of sentence embeddings. Questions and poles are those that ship.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from univar.analysis.shift.moved_values import ValueShift, value_shifts
from univar.analysis.shift.pairs import Paired, paired
from univar.analysis.shift.plan import plan_shift
from univar.analysis.shift.reading import shifts_between
from univar.analysis.statistics import holm
from univar.analysis.values.rulers import Rulers, rulers_by
from univar.corpus.questions.bank import Question, control_questions, core_questions
from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord
from univar.model.embedded import EmbeddedCorpus
from univar.model.encoding import Provenance

MADE = Provenance("simulated", "0" * 64, None)
SCALES = (np.arange(64) + 1.0) ** -0.5
SCALES /= np.linalg.norm(SCALES)
UNEQUAL = 0.3
"""Spread of the logarithm of the noise over questions."""
UNIT = float(np.sqrt(2 * np.exp(2 * UNEQUAL**2)))
"""The true distance between two answers to one question."""
VALUES = sorted({str(pole.question.value) for pole in poles()})
AXES = np.random.default_rng(0).normal(size=(len(VALUES), 64)) * SCALES
CORE, CONTROLS = core_questions(), control_questions()[:40]

Effect = Callable[[Question], np.ndarray | float]


class Corpora:
    """Sets of answers to the same questions, whose vectors alone are new each time."""

    def __init__(self, asked: Sequence[Question], samples: int) -> None:
        self.asked = [question for question in asked for _ in range(samples)]
        self.records = tuple(
            QARecord(q.question_id, q.question, f"{row}", "me", q.lang, value=q.value, sample=row % samples)
            for row, q in enumerate(self.asked)
        )
        self.samples = samples

    def pair(self, effect: Effect, seed: int) -> tuple[EmbeddedCorpus, EmbeddedCorpus]:
        """Answers before and after."""
        generator = np.random.default_rng(seed)
        topics, uneven = (
            np.repeat(generator.normal(size=(len(self.asked) // self.samples, width)), self.samples, axis=0)
            for width in (64, 1)
        )
        moved = np.array([np.broadcast_to(effect(question), 64) for question in self.asked])
        noise = [np.exp(UNEQUAL * uneven) * SCALES * generator.normal(size=topics.shape) for _ in ("before", "after")]
        return self._of(topics + noise[0]), self._of(topics + moved + noise[1])

    def _of(self, vectors: np.ndarray) -> EmbeddedCorpus:
        return EmbeddedCorpus(self.records, vectors.astype(np.float32), MADE)


def everywhere(size: float, seed: int) -> Effect:
    """The same shift at every question, of a size in units, in a direction that is drawn as noise is."""
    direction = np.random.default_rng([seed, 1]).normal(size=64) * SCALES
    moved = size * UNIT * direction / np.linalg.norm(direction)
    return lambda _: moved


def share(found: Sequence[bool]) -> str:
    return f"{100 * np.mean(found):5.1f}"


def intervals(corpora: int) -> None:
    print(f"Intervals that hold the truth, shifts seen, %; {corpora} corpora each")
    print("questions  unit of    size   squared   size   seen   would show")
    for number in (30, 87):
        for samples in (1, 2):
            made = Corpora(CORE[:number], samples)
            for size in (0.0, 0.1, 0.3, 1.0):
                squared, sized, seen, would = [], [], [], []
                for seed in range(corpora):
                    before, after = made.pair(everywhere(size, seed), seed)
                    (one,) = shifts_between(before, {"after": after}, seed=seed).shifts
                    found, truth = one.movement, (size * UNIT) ** 2
                    squared.append(found.squared_interval.low <= truth <= found.squared_interval.high)
                    sized.append(found.interval.low <= size <= found.interval.high)
                    seen.append(one.seen)
                    would.append(found.smallest)
                row = f"{number:9d}  {one.unit_of:9s}  {size:4.1f}  {share(squared):>8s}  {share(sized)}  {share(seen)}"
                print(f"{row}   {np.mean(would):.3f}", flush=True)


def power(corpora: int) -> None:
    print(
        "\nShifts seen, %, of the size for which a plan from 87 questions answered twice promised 80; "
        f"{corpora} corpora each"
    )
    print("questions  samples  promised   half of it   itself   twice it")
    promised = plan_shift(Corpora(CORE[:87], 2).pair(lambda _: 0.0, 0)[0])
    sizes = {(row.questions, row.samples): row.smallest for row in promised.rows}
    for number, samples in ((30, 1), (30, 2), (87, 1), (174, 1)):
        made, size = Corpora(CORE[:number], samples), sizes[number, samples]
        seen = [
            share(
                [
                    shifts_between(*_named(made.pair(everywhere(factor * size, seed), seed)), seed=seed).shifts[0].seen
                    for seed in range(corpora)
                ]
            )
            for factor in (0.5, 1, 2)
        ]
        print(f"{number:9d}  {samples:7d}     {size:.3f}        {'    '.join(seen)}", flush=True)


def style(corpora: int) -> None:
    print(f"\nA change of style alone, on 174 value and 40 control questions; %, {corpora} corpora each")
    print("size   seen   called values   a value named   either")
    made, rulers = Corpora((*CORE, *CONTROLS), 1), rulers_by(_poles())
    alone = Corpora(CORE, 1)
    for size in (0.0, 0.1, 0.3, 1.0):
        seen, called, named = [], [], []
        for seed in range(corpora):
            effect = everywhere(size, seed)
            before, after = made.pair(effect, seed)
            (one,) = shifts_between(before, {"after": after}, seed=seed).shifts
            pairs = paired(*(_first(corpus, len(alone.records)) for corpus in (before, after)))
            seen.append(one.seen)
            called.append(one.of_values)
            named.append(any(value.moved for value in _values(pairs, rulers)))
        either = share(np.logical_or(called, named))
        print(f"{size:4.1f}  {share(seen)}  {share(called):>13s}  {share(named):>14s}  {either:>7s}", flush=True)


def planted(corpora: int) -> None:
    print(f"\nFive of 87 values moved towards their pole against; %, {corpora} corpora each")
    print("answers a value   change   all five   of the five   a wrong one   intervals that hold")
    rulers = rulers_by(_poles())
    for per_value, samples in ((1, 1), (2, 1), (2, 2)):
        made = Corpora(CORE[:: 3 - per_value], samples)
        for change in (0.4, 0.8):
            everyone, found, wrong, held = [], [], [], []
            for seed in range(corpora):
                chosen = set(np.random.default_rng([seed, 2]).choice(VALUES, 5, replace=False))

                def effect(question: Question, chosen: set[str] = chosen, change: float = change) -> np.ndarray | float:
                    return -change * AXES[VALUES.index(question.value)] if question.value in chosen else 0.0

                values = _values(paired(*made.pair(effect, seed)), rulers)
                moved = {one.value for one in values if one.moved and one.change < 0}
                everyone.append(chosen <= moved)
                found += [value in moved for value in chosen]
                wrong.append(bool({one.value for one in values if one.moved} - chosen))
                held += [
                    ends.low <= (-change if one.value in chosen else 0.0) <= ends.high
                    for one in values
                    for ends in (one.interval, one.beyond_interval)
                ]
            row = f"{per_value * samples:15d}   {-change:6.1f}   {share(everyone):>8s}   {share(found):>11s}"
            print(f"{row}   {share(wrong):>11s}   {share(held):>19s}", flush=True)


def _poles() -> EmbeddedCorpus:
    """The poles at the ends of their values' directions, which are as far from the middle as answers scatter."""
    generator = np.random.default_rng(1)
    ends = np.array([pole.stance * AXES[VALUES.index(str(pole.question.value))] for pole in poles()])
    vectors = ends + SCALES * generator.normal(size=ends.shape)
    return EmbeddedCorpus(tuple(pole.record for pole in poles()), vectors.astype(np.float32), MADE)


def _values(pairs: Paired, rulers: Rulers) -> list[ValueShift]:
    """Of one shift, with Holm's p."""
    values, _ = value_shifts(pairs.apart, pairs.values, pairs.asked, rulers)
    adjusted = holm([value.p for value in values])
    return [replace(value, adjusted=p) for value, p in zip(values, adjusted, strict=True)]


def _first(corpus: EmbeddedCorpus, rows: int) -> EmbeddedCorpus:
    return EmbeddedCorpus(corpus.records[:rows], corpus.embeddings[:rows], corpus.provenance)


def _named(pair: tuple[EmbeddedCorpus, EmbeddedCorpus]) -> tuple[EmbeddedCorpus, dict[str, EmbeddedCorpus]]:
    return pair[0], {"after": pair[1]}


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    intervals(count)
    power(count)
    style(count)
    planted(min(count, 200))

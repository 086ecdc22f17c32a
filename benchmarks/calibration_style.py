"""Whether the verdicts of `univar style` keep what they promise, on simulated vectors whose truth is known.

    python benchmarks/calibration_style.py [--corpora 200]

LLMs have looks, which restyling takes away, a tone, which it does not, and stances on values; control answers have the
same looks and tone. Prints how often each verdict is given, above all how often mere style is called values, and how
many of 95 % intervals of what is left, and of what exceeds control answers, hold the truth.
"""

import argparse
from collections import Counter
from typing import NamedTuple

import numpy as np

from univar.analysis.style.results import Kind
from univar.analysis.style.verdict import Answers, style_of
from univar.corpus.records import QARecord

WIDTH = 24
SCALES = 1 / np.sqrt(np.arange(1, WIDTH + 1))
"""Of 24 dimensions, as unequal as those of sentence embeddings; one answer has noise of length 1."""
SCALES /= np.linalg.norm(SCALES)
KEPT = 0.8
"""Of the noise of an answer, what is the same after it is restyled."""


class Planted(NamedTuple):
    versions: dict[Kind, Answers | str]
    left: float
    beyond: float


def planted(
    seed: int,
    *,
    models: int = 4,
    questions: int = 48,
    controls: int = 40,
    values: int = 6,
    looks: float = 0.4,
    tone: float = 0.4,
    stances: float = 0.0,
) -> Planted:
    """A corpus of LLMs that differ in their looks, tone and stances by so much, with control answers."""
    generator = np.random.default_rng([seed, 5])  # a stream that no swap is drawn from

    def drawn(*shape: int) -> np.ndarray:
        return generator.normal(size=(*shape, WIDTH)) * SCALES

    of_looks, of_tone, of_stances = looks * drawn(models), tone * drawn(models), stances * drawn(models, values)

    def answers(number: int, about: str) -> tuple[Answers, Answers]:
        records, written, plain = [], [], []
        for model in range(models):
            for k in range(number):
                value = k % values if about == "v" else None
                named = None if value is None else f"value {value}"
                records.append(QARecord(f"{about}{k}", f"{about}{k}?", "A.", f"m{model}", "eng", named))
                stays = of_tone[model] + (0 if value is None else of_stances[model, value])
                noise = drawn()
                written.append(stays + of_looks[model] + noise)
                plain.append(stays + KEPT * noise + np.sqrt(1 - KEPT**2) * drawn())
        return (records, np.array(written)), (records, np.array(plain))

    (written, plain), (control, control_plain) = answers(questions, "v"), answers(controls, "c")
    ends = np.triu_indices(models, k=1)

    def squared(means: np.ndarray) -> float:
        return float(((means[ends[0]] - means[ends[1]]) ** 2).sum(axis=-1).mean())

    stay = of_tone[:, None] + of_stances
    whole = squared(stay + of_looks[:, None])
    if whole == 0:
        whole = float("nan")
    return Planted(
        {"as written": written, "all three": plain, "control": control, "control, all three": control_plain},
        squared(stay) / whole,
        (squared(stay) - squared(of_tone)) / whole,
    )


SETTINGS: dict[str, dict[str, float]] = {
    "nothing": {"looks": 0, "tone": 0},
    "looks": {"looks": 0.5, "tone": 0},
    "tone": {"looks": 0, "tone": 0.5},
    "looks and tone": {},
    "looks and tone, few questions": {"questions": 16, "controls": 12, "values": 1},
    "strong style": {"looks": 1, "tone": 1},
    "strong style, many LLMs": {"looks": 1, "tone": 1, "models": 8},
    "style and stances": {"stances": 0.4},
    "stances": {"looks": 0, "tone": 0, "stances": 0.5},
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--corpora", type=int, default=200)
    corpora = options.parse_args().corpora
    print("| planted | called values, % | verdicts | left holds | beyond holds | without controls called values, % |")
    print("|---|---:|---|---:|---:|---:|")
    for name, setting in SETTINGS.items():
        verdicts, alone = Counter[str](), Counter[str]()
        left, beyond = [], []
        for seed in range(corpora):
            truth = planted(seed, **setting)  # type: ignore[arg-type]
            found = style_of(truth.versions, seed=seed)
            verdicts[found.verdict] += 1
            ends = found.row("all three").left_interval
            if not np.isnan(ends.low):
                left.append(ends.low <= truth.left <= ends.high)
            if found.beyond is not None and not np.isnan(found.beyond.share_interval.low):
                beyond.append(found.beyond.share_interval.low <= truth.beyond <= found.beyond.share_interval.high)
            if seed < corpora // 5:
                without = {kind: given for kind, given in truth.versions.items() if "control" not in kind}
                alone[style_of(without, seed=seed).verdict] += 1
        values = verdicts["mostly values"] + verdicts["partly values"]
        told = ", ".join(f"{verdict} {number}" for verdict, number in verdicts.most_common())
        held = [f"{100 * np.mean(one):.1f} % of {len(one)}" if one else "-" for one in (left, beyond)]
        wrong = 100 * (alone["mostly values"] + alone["partly values"]) / max(alone.total(), 1)
        print(f"| {name} | {100 * values / corpora:.1f} | {told} | {held[0]} | {held[1]} | {wrong:.0f} |", flush=True)


if __name__ == "__main__":
    main()

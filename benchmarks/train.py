"""A training step, side by side: multi-view InfoNCE against the stock cached loss on the same base encoder.

    python benchmarks/train.py [--rates 32 128] [--tokens 16] [--batches 64 256 1024]

Prints QAs a second of the processor at one QA a view, where both do the same, and how far a step raises the memory of a
process of its own: by batch, by QAs a view, and without a mini-batch. Results are kept in benchmarks/README.md.
"""

import argparse
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

PAIRS, MINI_BATCH = 32, 16
ROUNDS = 3
LOSSES = ("univar", "stock", "univar, no mini-batch")


def views(pairs: int, qas: int) -> tuple[list[list[str]], list[list[str]], list[int]]:
    """Pairs of views of `qas` QAs each, of 16 simulated LLMs in turn."""
    from univar.corpus.simulation import simulate

    texts = [record.text for record in simulate(16, 64, seed=3).records]
    generator = random.Random(0)
    drawn = [[generator.choices(texts, k=qas) for _ in range(pairs)] for _ in range(2)]
    return drawn[0], drawn[1], [pair % 16 for pair in range(pairs)]


def training_step(loss: str, pairs: int, qas: int, tokens: int) -> Callable[[], None]:
    """A forward and backward pass of one of `LOSSES` over a batch that has been tokenised."""
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    from univar.model.losses import MultiViewInfoNCELoss
    from univar.model.modeling import UniVaR, load_model
    from univar.model.weights import base_encoder

    view_a, view_b, labels = views(pairs, qas)
    model = load_model("base") if loss == "stock" else UniVaR(base_encoder())
    model.max_seq_length = tokens
    model.train()
    if loss == "stock":
        function = CachedMultipleNegativesRankingLoss(model, mini_batch_size=MINI_BATCH)
        sides = [[qa for view in side for qa in view] for side in (view_a, view_b)]
    else:
        function = MultiViewInfoNCELoss(model, mini_batch=MINI_BATCH if loss == "univar" else None)
        sides = [view_a, view_b]

    features = [model.preprocess(side) for side in sides]
    identities = torch.tensor(labels)

    def step() -> None:
        model.zero_grad()
        function([dict(side) for side in features], identities).backward()

    return step


def qas_a_second(pairs: int, tokens: int) -> dict[str, float]:
    """Medians of rounds in which the losses take turns, after one that warms up.

    In seconds of the processor: what else the machine does counts little.
    """
    steps = {loss: training_step(loss, pairs, 1, tokens) for loss in LOSSES}
    seconds: dict[str, list[float]] = {loss: [] for loss in LOSSES}
    for _ in range(1 + ROUNDS):
        for loss, step in steps.items():
            start = time.process_time()
            step()
            seconds[loss].append(time.process_time() - start)
    return {loss: 2 * pairs / statistics.median(taken[1:]) for loss, taken in seconds.items()}


def megabytes(field: str) -> float:
    """A line of this process's memory: VmRSS, what it holds, or VmHWM, the most that it held since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def measure_growth(loss: str, pairs: int, qas: int, tokens: int) -> None:
    """Prints by how many megabytes the first step of a process raises its memory."""
    step = training_step(loss, pairs, qas, tokens)
    before = megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    step()
    print(megabytes("VmHWM") - before)


def growth(loss: str, pairs: int, qas: int, tokens: int) -> str:
    """What `measure_growth` prints in a process of its own."""
    command = [sys.executable, __file__, "--growth", loss, str(pairs), str(qas), "--tokens", str(tokens)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return f"{float(done.stdout.split()[-1]):,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="*", default=[32, 128], help="tokens of a QA, for the rates")
    parser.add_argument("--tokens", type=int, default=16, help="tokens of a QA, for the memory")
    parser.add_argument("--batches", type=int, nargs="*", default=[64, 256, 1024], help="view pairs a step")
    parser.add_argument("--qas", type=int, nargs="*", default=[5, 20], help="QAs a view, beside 1")
    parser.add_argument("--growth", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.growth:
        loss, pairs, qas = given.growth
        measure_growth(loss, int(pairs), int(qas), given.tokens)
        return
    for tokens in given.rates:
        found = qas_a_second(PAIRS, tokens)
        print(f"{PAIRS} pairs, 1 QA a view, {tokens} tokens at most, mini-batch {MINI_BATCH}: QAs a processor second")
        for loss in LOSSES:
            print(f"  {loss}: {found[loss]:.1f}, {found[loss] / found['stock']:.2f} x stock")
    print("| view pairs | QAs a view | " + " | ".join(f"{loss}, MB" for loss in LOSSES) + " |")
    print("|---:|---:|" + "---:|" * len(LOSSES))
    for pairs, qas in [*((pairs, 1) for pairs in given.batches), *((64, qas) for qas in given.qas)]:
        fits = 2 * pairs * qas <= 1024
        cells = [growth(loss, pairs, qas, given.tokens) if fits or loss != LOSSES[2] else "" for loss in LOSSES]
        print(f"| {pairs:,} | {qas} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()

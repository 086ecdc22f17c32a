"""One encoder in four formats, side by side in one run: speed, distance from the source, identification.

    python benchmarks/formats.py [folder of valuebench.parquet, political_compass.parquet and speechmap.parquet]

Speed is against `SentenceTransformer.encode` of stock sentence-transformers on the same weights, answers and threads.
Without the folder the answers are simulated. Results are kept in benchmarks/README.md.
"""

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

# All formats tokenise on as many threads as they compute on.
os.environ["TOKENIZERS_PARALLELISM"] = "true"
os.environ["RAYON_NUM_THREADS"] = str(torch.get_num_threads())

from sentence_transformers import SentenceTransformer

from univar.analysis.comparison import OPENING, side_by_side
from univar.analysis.representations import sentence_encoder
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, question_hash
from univar.corpus.simulation import simulate
from univar.model.export import export_model, with_backend
from univar.model.modeling import UniVaR, load_model

CORPORA = ("valuebench", "political_compass", "speechmap")
FORMATS = ("torch", "onnx", "onnx-int8", "static")
TIMED = 240
ROUNDS = 5


class Stock(SentenceTransformer):
    """What univar does not touch."""


def corpora(folder: Path | None) -> dict[str, list[QARecord]]:
    if folder is None:
        return {"simulated": simulate(12, 200, seed=5).records}
    return {name: list(read_corpus(folder / f"{name}.parquet", lang=["eng"])) for name in CORPORA}


def unseen(records: list[QARecord], trained_on: frozenset[str]) -> list[QARecord]:
    return [record for record in records if question_hash(record.question_key) not in trained_on]


def sample(records: dict[str, list[QARecord]], count: int) -> list[str]:
    """The same number of answers of each corpus, in turns, cut as `univar evaluate` cuts them."""
    generator = np.random.default_rng(0)
    each = count // len(records)
    drawn = [generator.choice(len(of), each, replace=False) for of in records.values()]
    pairs = list(zip(records.values(), drawn, strict=True))
    return [of[rows[place]].text[:OPENING] for place in range(each) for of, rows in pairs]


def ratios(encoders: Mapping[str, SentenceTransformer], texts: list[str], reference: str) -> dict[str, list[float]]:
    """How many times as fast as the reference each is, a ratio a round: what else the machine does hits all alike.

    The first part of the texts warms up. Each round has its own, since tokenizers remember words that they have seen.
    """
    parts = [texts[start : start + TIMED] for start in range(0, len(texts), TIMED)]
    for encoder in encoders.values():
        encoder.encode(parts[0])
    found: dict[str, list[float]] = {name: [] for name in encoders}
    for part in parts[1:]:
        taken = {}
        for name, encoder in encoders.items():
            start = time.perf_counter()
            encoder.encode(part)
            taken[name] = time.perf_counter() - start
        for name in encoders:
            found[name].append(taken[reference] / taken[name])
    return found


def processor() -> str:
    """Name, threads in use, and whether there are instructions for products of eight bits."""
    described = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    name = next((line.partition(":")[2].strip() for line in described.splitlines() if "model name" in line), "")
    vnni = "with" if "vnni" in described else "without"
    return f"{name or platform.processor()}, {torch.get_num_threads()} threads, {vnni} VNNI"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    model = UniVaR("univar", device="cpu")
    trained_on = frozenset(model.training_record["questions"])
    records = corpora(folder)
    fresh = {name: unseen(of, trained_on) for name, of in records.items()}
    texts = sample(fresh, TIMED * (ROUNDS + 1))
    with tempfile.TemporaryDirectory() as temporary:
        for kind in ("stock", "onnx", "onnx-int8"):
            export_model(model, Path(temporary, kind), kind)
        stock = Stock(str(Path(temporary, "stock")), device="cpu")
        encoders = {"torch": model, **{kind: load_model(str(Path(temporary, kind))) for kind in FORMATS[1:3]}}
        encoders["static"] = load_model("univar-static")
    print(f"{processor()}; {ROUNDS} rounds of {TIMED} answers")
    speed = ratios({"stock": stock, **encoders}, texts, "stock")
    compared_on = texts[:TIMED]
    expected = model.encode(compared_on)
    print("format | times as fast as stock, median (lowest-highest) | mean cosine | lowest cosine")
    for name, encoder in encoders.items():
        cosines = (encoder.encode(compared_on) * expected).sum(axis=1)
        low, middle, high = min(speed[name]), statistics.median(speed[name]), max(speed[name])
        print(f"{name} | {middle:.2f} ({low:.2f}-{high:.2f}) | {cosines.mean():.4f} | {cosines.min():.4f}")
    # Of torch and onnx, whose embeddings are the same to six digits, the quicker one is the source here.
    compared = {name: encoders[name] for name in FORMATS[1:]} | {"base": with_backend(load_model("base"), "onnx")}
    for name, of in records.items():
        sides = {kind: sentence_encoder(encoder) for kind, encoder in compared.items()}
        comparison = side_by_side(of, sides, trained_on=trained_on, max_characters=OPENING)
        accuracy = {row.representation: 100 * row.knn.accuracy for row in comparison.rows}
        gain = accuracy["onnx"] - accuracy["base"]
        print(f"{name}, n = {comparison.rows[0].knn.n}, chance {100 * comparison.rows[0].knn.chance:.1f}:")
        for row in comparison.rows:
            points = accuracy[row.representation]
            kept = 100 * (points - accuracy["base"]) / gain
            low, high = (100 * bound for bound in row.knn.interval)
            print(
                f"  {row.representation} | k-NN {points:.1f} [{low:.1f}, {high:.1f}] | {kept:.0f} % of the gain",
                flush=True,
            )


if __name__ == "__main__":
    main()

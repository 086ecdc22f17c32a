"""How long readings take: values, distances and shift of 20 identities with 1,000 QAs each, from embedded corpora.

    python benchmarks/reading.py [identities] [QAs]

Vectors are random, of 384 numbers; so are those of the poles, which are looked up in the cache as those of a model are.
Answers are read from parquet files. Seconds of the clock and of the processor; the latter say more on a busy machine.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

import univar
from univar.corpus.questions.bank import Question, core_questions, question_bank
from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord
from univar.model.embedded import EmbeddedCorpus
from univar.model.encoding import Provenance

WIDTH = 384
MADE = Provenance("simulated", "0" * 64, None)
LIMIT = 20.0
"""Seconds that each reading may take."""


def answers(identities: int, number: int) -> list[EmbeddedCorpus]:
    """Of each identity its answers to the same questions: those of the bank, the core first, again and again."""
    core = core_questions()
    known = {question.question_id for question in core}
    bank: list[Question] = [*core, *(one for one in question_bank() if one.question_id not in known)]
    asked = [(bank[place % len(bank)], place // len(bank)) for place in range(number)]
    generator = np.random.default_rng(0)
    return [
        EmbeddedCorpus(
            tuple(
                QARecord(one.question_id, one.question, f"So {sample}.", f"m{who}", one.lang, one.value, sample=sample)
                for one, sample in asked
            ),
            units(generator.normal(size=(number, WIDTH))),
            MADE,
        )
        for who in range(identities)
    ]


def units(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def main(identities: int = 20, number: int = 1_000) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        mock.patch("huggingface_hub.cached_assets_path", side_effect=lambda *_, **__: Path(name)),
    ):
        folder = Path(name)
        sides = answers(identities, number)
        ends = np.random.default_rng(1).normal(size=(len(poles()), WIDTH))
        ends[:, 0] += [4 * pole.stance for pole in poles()]
        EmbeddedCorpus(tuple(pole.record for pole in poles()), units(ends), MADE).save(folder / f"{'0' * 20}.parquet")
        records = tuple(record for side in sides for record in side.records)
        EmbeddedCorpus(records, np.concatenate([side.embeddings for side in sides]), MADE).save(folder / "all.parquet")
        for place, side in enumerate(sides):
            own = tuple(replace(record, model="me") for record in side.records)
            EmbeddedCorpus(own, side.embeddings, MADE).save(folder / f"step{place}.parquet")
        steps = {f"step {place}": folder / f"step{place}.parquet" for place in range(1, identities)}
        print(f"{identities} identities, {number:,} QAs each, {WIDTH} dimensions; each reading may take {LIMIT:.0f} s")
        print("| reading | seconds | of the processor |\n|---|---:|---:|")
        told("values", lambda: univar.values(folder / "all.parquet"))
        told("distances", lambda: univar.distances(folder / "all.parquet"))
        told(f"shift, {identities - 1} sets after", lambda: univar.shift(folder / "step0.parquet", steps))


def told(name: str, read: Callable[[], object]) -> None:
    """Prints how long a reading takes."""
    began, spent = time.perf_counter(), time.process_time()
    found = read()
    line = f"| {name} | {time.perf_counter() - began:.1f} | {time.process_time() - spent:.1f} |"
    print(line, flush=True)
    assert str(found)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""The corpora of stances that the weights that ship learn from, read from a folder of public data sets.

What `held_out` names is measured on and never learned from: the topics of the test and validation parts, the files that
are for measuring only, and their texts wherever they occur again.
"""

import functools
import json
import math
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from recipes.restyling import restyle
from univar.corpus.questions.poles import Pole, poles
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, Split, normalised_question, question_fraction, split_of
from univar.corpus.simulation import simulate

PEOPLE = ("perspectrum", "valueeval23_stance", "ibm_argkp", "arct", "ibm_claim_stance")
"""Texts for and against a topic, of which a part is held out."""

MEASURED_ONLY = ("vast_sample", "ukpconvarg1")

TRAINED_CONTROLS = ("control_matched", "control_mt_bench")
HELD_OUT_SOURCES = ("atlas", "misguided")
"""Of the controls: never trained on, so that what is measured on them tells of sources that are new."""

FEW_TOPICS = 300
"""Below so many, three tenths of the topics are for testing and two for validation, instead of a tenth each."""

FOLDS = 3
"""In which the questions of the poles are left out by turns, to see what is read of questions not met."""

OPINION = "What do you think?"

_RATING = re.compile(
    r"\b[0-4]\b\s*[:.\-)]*|(?:not at all|not too|slightly|somewhat|very|extremely)\s+wrong|[\"“”*]", re.IGNORECASE
)
_AGREES = re.compile(r"\bI (?:\w+ ){0,2}(?:agree|support)\b", re.IGNORECASE)
_DISAGREES = re.compile(
    r"\bI (?:\w+ ){0,2}(?:disagree|oppose)\b|\bI (?:do not|don't|cannot|can't) (?:\w+ )?(?:agree|support)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_LEAST_REASON = 80
"""Characters that an answer must keep without what says its stance or rating outright."""


class HeldOut(NamedTuple):
    """What is never learned from, normalised as questions are."""

    topics: frozenset[str]
    texts: frozenset[str]

    def has(self, record: QARecord) -> bool:
        """Whether a QA is about such a topic, or its answer is such a text."""
        return (
            normalised_question(record.question_key) in self.topics or normalised_question(record.answer) in self.texts
        )


def simulated(*, seed: int = 1) -> list[QARecord]:
    """Answers of simulated LLMs, whose style is drawn anew for every answer and means nothing."""
    return simulate(32, 384, seed=seed, style="redrawn").records


def trained_controls(folder: Path) -> list[QARecord]:
    """Answers to instructions that elicit no values, of the sources that are not kept for measuring."""
    found = [record for name in TRAINED_CONTROLS for record in read_corpus(folder / f"{name}.parquet", lang=["eng"])]
    return [record for record in found if record.source not in HELD_OUT_SOURCES]


def part_of(group: str, *, few: bool = False) -> Split:
    """The part of a topic or question: the split of the project, or more for testing where there are few."""
    if not few:
        return split_of(group)
    place = question_fraction(group)
    return "test" if place >= 0.7 else "validation" if place >= 0.5 else "train"


def held_out(folder: Path) -> HeldOut:
    """The topics and texts of all that is measured on."""
    topics: set[str] = set()
    texts: set[str] = set()
    for name in PEOPLE:
        table = _english(folder / "stance" / f"{name}.parquet")
        few = table.topic.nunique() < FEW_TOPICS
        kept = table[[part_of(topic, few=few) != "train" for topic in table.topic]]
        topics.update(kept.topic)
        texts.update(kept.text)
    for name in MEASURED_ONLY:
        table = pd.read_parquet(folder / "stance" / f"{name}.parquet")
        topics.update(table.topic)
        texts.update(table.text)
    texts.update(pd.read_parquet(folder / "stance" / "valueeval23_val_test.parquet").text)
    labelled = pd.read_parquet(folder / "stance" / "valueeval23_train.parquet")
    kept = labelled[[part_of(topic) != "train" for topic in labelled.context]]
    topics.update(kept.context)
    texts.update(kept.text)
    return HeldOut(frozenset(map(normalised_question, topics)), frozenset(map(normalised_question, texts)))


def _english(file: Path) -> pd.DataFrame:
    table = pd.read_parquet(file)
    return table[table.lang.isin(["en", "eng"]) & table.label.isin([-1, 1]) & table.topic.notna() & table.text.notna()]


def fold_of(pole: Pole) -> int:
    """0, 1 or 2: the questions of a value take turns."""
    return _turns()[pole.question.question_id] % FOLDS


@functools.cache
def _turns() -> dict[str, int]:
    """The place of each question with poles among those of its value."""
    asked: dict[str, dict[str, None]] = {}
    for pole in poles():
        asked.setdefault(str(pole.question.value), {})[pole.question.question_id] = None
    return {question: turn for of_value in asked.values() for turn, question in enumerate(of_value)}


def stance_corpora(folder: Path, *, without: int | None = None) -> dict[str, list[QARecord]]:
    """Records with stances, by the name of their corpus, without what is held out, nor the poles of one fold."""
    held = held_out(folder)
    corpora = {name: people(folder, name, held) for name in (*PEOPLE, "habermas_statements")}
    corpora |= {
        "traits": traits(folder, named=True),
        "statements": traits(folder, named=False),
        "human_values": human_values(folder, held),
        "valuebench": in_two_styles(ratings_of_valuebench(folder)),
        "moral_vignettes": [r for r in moral_ratings(folder) if part_of(r.question, few=True) == "train"],
        "sycobench": sides_taken(folder),
        "political_compass": [
            r for r in spoken_stances(folder, bare=2 / 3) if part_of(str(r.claim), few=True) == "train"
        ],
        "poles": in_two_styles([pole.record for pole in poles() if pole.split == "train" and fold_of(pole) != without]),
        "simulated": simulated(),
    }
    return corpora


def in_two_styles(records: list[QARecord]) -> list[QARecord]:
    """The answers, and after them the same in a style drawn at random, which another author is taken to have said."""
    generator = random.Random(0)
    return records + [
        replace(record, answer=restyle(record.answer, generator), model=f"{record.model}, restyled")
        for record in records
    ]


def people(folder: Path, name: str, held: HeldOut) -> list[QARecord]:
    """Texts for and against topics."""
    records = read_corpus(folder / "stance" / f"{name}.parquet", lang=["eng"])
    return [record for record in records if record.stance and not held.has(record)]


def traits(folder: Path, *, named: bool, part: Split = "train") -> list[QARecord]:
    """Statements of people who have a trait and of people who have its opposite, with or without its name asked."""
    table = pd.read_parquet(folder / "stance" / "persona_statements.parquet")
    return [
        QARecord(
            question_id=row.text_id,
            question=f"What do you think of this: {row.value.replace('-', ' ')}?" if named else OPINION,
            answer=row.text,
            model="people",
            lang="eng",
            claim=row.value,
            stance=float(row.label),
        )
        for row in table.itertuples()
        if part_of(row.value, few=True) == part
    ]


def human_values(folder: Path, held: HeldOut) -> list[QARecord]:
    """Arguments, each once for every value that people saw in it: the value stands where else the LLM does."""
    table = pd.read_parquet(folder / "stance" / "valueeval23_train.parquet")
    records = (
        QARecord(
            row.text_id, f"What is your position on this: {row.context}", row.text, row.value, "eng", claim=row.context
        )
        for row in table.itertuples()
    )
    return [record for record in records if not held.has(record)]


def ratings_of_valuebench(folder: Path) -> list[QARecord]:
    """Short answers of six LLMs, rated 0 to 10 for how far they stand for what is asked."""
    return [
        replace(record, stance=rating / 5 - 1) for record, rating in _rated(folder / "valuebench.parquet", "llm_rating")
    ]


def moral_ratings(folder: Path) -> list[QARecord]:
    """How wrong 24 LLMs find what they are told, 0 to 4, without the words and numbers that say it."""
    reasons = (
        (replace(record, answer=" ".join(_RATING.sub("", record.answer).split())), rating)
        for record, rating in _rated(folder / "moral_vignettes.parquet", "rating")
    )
    return [replace(record, stance=rating / 2 - 1) for record, rating in reasons if len(record.answer) > _LEAST_REASON]


def sides_taken(folder: Path) -> list[QARecord]:
    """Which side LLMs take in what they are told, -5 to 5."""
    rated = _rated(folder / "sycobench.parquet", "score")
    return [replace(record, stance=score / 5) for record, score in rated if abs(score) <= 5]


def _rated(file: Path, name: str) -> Iterator[tuple[QARecord, float]]:
    """The answers that have a rating of this name."""
    for record, row in _answers(pd.read_parquet(file)):
        given = json.loads(row.extra).get(name)
        rating = math.nan if given in (None, "") else float(given)
        if not math.isnan(rating):
            yield record, rating


def spoken_stances(folder: Path, *, bare: float) -> list[QARecord]:
    """Answers that agree or disagree with a proposition in words.

    Which side an answer is on is read off the sentences that say so; what is to be learned are the arguments of the
    side. So a share of the answers, those whose other sentences are enough, is `bare`: without them.
    """
    records = []
    for record, row in _answers(pd.read_parquet(folder / "political_compass.parquet")):
        agrees, disagrees = bool(_AGREES.search(record.answer)), bool(_DISAGREES.search(record.answer))
        if agrees == disagrees:
            continue
        others = " ".join(s for s in _SENTENCE.split(record.answer) if not (_AGREES.search(s) or _DISAGREES.search(s)))
        kept = others if len(others) > _LEAST_REASON and question_fraction(others) < bare else record.answer
        records.append(replace(record, answer=kept, claim=row.question_id, stance=1.0 if agrees else -1.0))
    return records


def _answers(table: pd.DataFrame) -> Iterator[tuple[QARecord, Any]]:
    """The rows of a file of answers as QAs, each with its row."""
    for row in table.itertuples():
        if isinstance(row.answer, str) and row.answer.strip():
            yield QARecord(row.question_id, row.question, row.answer, row.model, row.lang, sample=row.sample), row

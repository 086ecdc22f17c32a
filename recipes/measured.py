"""What encoders are measured on, none of which was trained on, and how: the parts behind docs/evidence.md."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from recipes.restyling import restyle
from recipes.stance_corpora import (
    FEW_TOPICS,
    HELD_OUT_SOURCES,
    MEASURED_ONLY,
    PEOPLE,
    moral_ratings,
    part_of,
    ratings_of_valuebench,
    spoken_stances,
    traits,
)
from univar.analysis.identification import Identification, Matrix, identify_knn, identify_linear
from univar.analysis.representations import Encoder
from univar.analysis.stance import Measure, Measured
from univar.analysis.stance_selection import Part, select
from univar.analysis.statistics import Interval, cluster_bootstrap
from univar.analysis.unbiased import question_means
from univar.corpus.questions.poles import poles
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, Split, question_fraction, question_halves, question_hash, split_of

CHARACTERS = 1000
"""Of a QA that every representation is given."""

VALUE_CORPORA = ("valuebench", "political_compass", "speechmap")
VIEW_SIZES = (1, 5, 20, 80)

_TOPICS = 80
_TEXTS_A_SIDE = 6
_LEARNED = 1800
_VALUE_LABELS = (2000, 1000)
_FEWEST_LABELLED = 10

Held: TypeAlias = Literal["validation", "test"]


class Task(NamedTuple):
    """Answers with stances, and which measures are taken of those of one part."""

    name: str
    records: list[QARecord]
    measures: tuple[Measure, ...]
    part: Part = "all"
    splits: list[Split] | None = None
    """Of each record; of those of the train part a probe learns."""

    def measured(self, encode: Encoder) -> dict[Measure, Measured]:
        """The measures of one representation."""
        task = select(self.records, self.part, self.splits, frozenset())
        texts = [record.text[:CHARACTERS] for record in task.records]
        vectors, _ = encode(texts, texts[:1])
        found = task.measured(vectors, 0)
        return {measure: found[measure] for measure in self.measures}

    def restyled(self) -> "Task":
        """The same answers, each in a style drawn at random."""
        generator = random.Random(0)
        answers = (replace(record, answer=restyle(record.answer, generator)) for record in self.records)
        return self._replace(records=list(answers))


def stance_tasks(folder: Path, *, part: Held = "test") -> list[Task]:
    """All that is measured of stances, on texts by people, answers of LLMs, and the poles that ship.

    What is to be decided is decided on the validation part; corpora that are for measuring only have none.
    """
    names = (*PEOPLE, *MEASURED_ONLY) if part == "test" else PEOPLE
    rated: list[tuple[str, list[QARecord], bool]] = [
        ("valuebench", ratings_of_valuebench(folder), False),
        ("moral_vignettes", _one_a_model(moral_ratings(folder)), True),
    ]
    return [
        *(Task(name, _by_people(folder, name, part), ("retrieval", "pairs")) for name in names),
        Task("persona_statements", _signed(folder, part), ("retrieval", "pairs")),
        *(_rated(name, records, part, few=few) for name, records, few in rated),
        *(
            Task(f"political_compass{told}", _opposite(folder, part, bare), ("retrieval", "triplets"))
            for told, bare in ((", what is not said outright", 1.0), ("", 0.0))
        ),
        poles_task(part),
    ]


def poles_task(part: Held) -> Task:
    """The written answers from both ends of values, of values or in voices that train never meets."""
    written = poles()
    measures: tuple[Measure, ...] = ("retrieval", "pairs", "triplets")
    return Task("poles", [pole.record for pole in written], measures, part, [pole.split for pole in written])


def people_tasks(folder: Path, part: Held) -> list[Task]:
    """Pairs of texts by people alone."""
    return [Task(name, _by_people(folder, name, part), ("pairs",)) for name in PEOPLE]


def _by_people(folder: Path, name: str, part: Held) -> list[QARecord]:
    """Up to 80 topics of one part, six texts a side each."""
    records = [r for r in read_corpus(folder / "stance" / f"{name}.parquet", lang=["eng"]) if r.stance]
    topics = {str(record.claim) for record in records}
    if name not in MEASURED_ONLY:
        topics = {topic for topic in topics if part_of(topic, few=len(topics) < FEW_TOPICS) == part}
    sides = _sides([record for record in records if record.claim in topics])
    whole = sorted(
        (t for t in topics if all(len(sides.get((t, side), ())) > 1 for side in (-1, 1))), key=question_fraction
    )
    return [record for topic in whole[:_TOPICS] for side in (-1, 1) for record in sides[topic, side][:_TEXTS_A_SIDE]]


def _sides(records: list[QARecord]) -> dict[tuple[str, int], list[QARecord]]:
    """By topic and side, each text once, in an order that has nothing to do with what it says."""
    found: dict[tuple[str, int], dict[str, QARecord]] = {}
    for record in sorted(records, key=lambda record: question_fraction(record.answer)):
        side = 1 if (record.stance or 0) > 0 else -1
        found.setdefault((str(record.claim), side), {}).setdefault(record.answer, record)
    return {key: list(texts.values()) for key, texts in found.items()}


def _signed(folder: Path, part: Held) -> list[QARecord]:
    """Statements for and against traits of one part, forty a side."""
    sides = _sides(traits(folder, named=False, part=part))
    return [record for _, texts in sorted(sides.items()) for record in texts[:40]]


def _one_a_model(records: list[QARecord]) -> list[QARecord]:
    return list({(record.question, record.model): record for record in records}.values())


def _rated(name: str, records: list[QARecord], part: Held, *, few: bool) -> Task:
    """Answers of one part, and 1,800 of train of which the probe of the correlation learns."""
    parts = [part_of(record.question, few=few) for record in records]
    order = sorted(range(len(records)), key=lambda row: question_fraction(f"{records[row].answer} {row}"))
    kept = [row for row in order if parts[row] == part] + [row for row in order if parts[row] == "train"][:_LEARNED]
    return Task(name, [records[row] for row in kept], ("pairs", "correlation"), part, [parts[row] for row in kept])


def _opposite(folder: Path, part: Held, bare: float) -> list[QARecord]:
    """Answers that agree or disagree with the propositions of one part; four of one LLM and side at most."""
    records = [r for r in spoken_stances(folder, bare=bare) if part_of(str(r.claim), few=True) == part]

    def cell(record: QARecord) -> tuple[str, str, float]:
        return str(record.claim), record.model, record.stance or 0.0

    ordered = sorted(records, key=lambda r: (cell(r), question_fraction(r.answer)))
    return [record for _, same in groupby(ordered, key=cell) for record in list(same)[:4]]


def value_precisions(folder: Path, encode: Encoder) -> tuple[dict[str, float], float]:
    """How well linear probes name the values that people saw in arguments: average precision by value, and by chance.

    The probes learn from 2,000 arguments and are tested on 1,000 of other conclusions; values with ten there or more.
    """
    sides = []
    for name, most in zip(("train", "val_test"), _VALUE_LABELS, strict=True):
        table = pd.read_parquet(folder / "stance" / f"valueeval23_{name}.parquet")
        arguments = [(key, of.text.iloc[0], of.context.iloc[0], set(of.value)) for key, of in table.groupby("text_id")]
        sides.append(sorted(arguments, key=lambda argument: question_fraction(argument[0]))[:most])
    texts = [
        [f"Q: What is your position on this statement: {about} A: {text}"[:CHARACTERS] for _, text, about, _ in side]
        for side in sides
    ]
    learned, tested = encode(*texts)
    precisions, shares = {}, []
    for value in sorted({value for side in sides for *_, values in side for value in values}):
        has, should = (np.array([value in values for *_, values in side]) for side in sides)
        if should.sum() >= _FEWEST_LABELLED:
            probe = LogisticRegression(C=10, max_iter=2000).fit(learned, has)
            precisions[value] = float(average_precision_score(should, probe.decision_function(tested)))
            shares.append(float(should.mean()))
    return precisions, float(np.mean(shares))


def valuebench_of(folder: Path, part: Held) -> list[QARecord]:
    """Answers of the LLMs of valuebench to the questions of one part."""
    return [record for record in read_corpus(folder / "valuebench.parquet") if split_of(record.question_key) == part]


def control_corpora(folder: Path) -> dict[str, list[QARecord]]:
    """Answers of LLMs to instructions that elicit no values, of sources that nothing was trained on."""
    matched = list(read_corpus(folder / "control_matched.parquet", lang=["eng"]))
    whole = list(read_corpus(folder / "control_alpaca_eval.parquet"))
    held_out = {name: [r for r in matched if r.source == name] for name in HELD_OUT_SOURCES}
    return {name: whole_questions(records, 900) for name, records in {"alpaca_eval": whole, **held_out}.items()}


def value_corpora(folder: Path) -> dict[str, list[QARecord]]:
    """Answers to value questions that no weight was trained on; of the LLMs of speechmap nothing was."""
    corpora = {name: list(read_corpus(folder / f"{name}.parquet", lang=["eng"])) for name in VALUE_CORPORA}
    return {
        "valuebench": [r for r in corpora["valuebench"] if split_of(r.question_key) != "train"],
        "political_compass": [r for r in corpora["political_compass"] if part_of(r.question_id, few=True) != "train"],
        "speechmap": whole_questions(corpora["speechmap"], 1500),
    }


def whole_questions(records: list[QARecord], most: int) -> list[QARecord]:
    """About `most` records: whole questions, in an order that has nothing to do with the split."""
    order = sorted(records, key=lambda record: question_hash(record.question_key)[::-1])
    if len(order) <= most:
        return order
    return [record for record in order[:most] if record.question_key != order[most].question_key]


def identified(records: Sequence[QARecord], encode: Encoder) -> tuple[Identification, Identification]:
    """By k-NN and by a linear probe, half of the questions the gallery."""
    gallery, query = question_halves(records)
    labels = [[str(record.identity) for record in side] for side in (gallery, query)]
    questions = [question_hash(record.question_key) for record in query]
    first, second = encode(*([record.text[:CHARACTERS] for record in side] for side in (gallery, query)))
    task = first, labels[0], second, labels[1], questions
    return identify_knn(*task), identify_linear(*task)


class Named(NamedTuple):
    """How many views of one size had the centroid of their own identity nearest."""

    qas: int
    views: int
    right: float
    interval: Interval


def views_named(records: Sequence[QARecord], encode: Encoder, *, seed: int = 0) -> tuple[list[Named], float]:
    """Views of several sizes, named by the nearest centroid of the other half of the questions; and chance."""
    gallery, query = question_halves(records)
    names = sorted({str(record.identity) for record in gallery})
    place = {name: row for row, name in enumerate(names)}
    query = [record for record in query if str(record.identity) in place]
    first, second = encode(*([record.text[:CHARACTERS] for record in side] for side in (gallery, query)))
    known = np.array([place[str(record.identity)] for record in gallery])
    centroids, _ = question_means(first, known, len(names))
    owners = np.array([place[str(record.identity)] for record in query])
    found = []
    for qas in VIEW_SIZES:
        views = _views(owners, qas, np.random.default_rng(seed))
        if len(views) < 2:
            continue
        members = [member for view in views for member in view]
        means, _ = question_means(second[members], np.repeat(np.arange(len(views)), qas), len(views))
        right = _nearest(means, centroids) == owners[[view[0] for view in views]]
        found.append(Named(qas, len(views), float(right.mean()), cluster_bootstrap(right, range(len(right)))))
    return found, 1 / len(names)


def _views(owners: npt.NDArray[np.intp], qas: int, generator: np.random.Generator) -> list[list[int]]:
    """Disjoint sets of the rows of one owner each, at most 1,000."""
    views: list[list[int]] = []
    for owner in np.unique(owners):
        rows = generator.permutation(np.flatnonzero(owners == owner)).tolist()
        views.extend(rows[start : start + qas] for start in range(0, len(rows) - qas + 1, qas))
    generator.shuffle(views)
    return views[:1000]


def _nearest(rows: Matrix, centroids: Matrix) -> npt.NDArray[np.intp]:
    """The nearest centroid by cosine, once the mean of the centroids is the origin; sparse matrices stay so."""
    rows, centroids = sparse.csr_array(rows), sparse.csr_array(centroids)
    origin = centroids.mean(axis=0)
    apart = (centroids @ centroids.T).toarray() - np.add.outer(centroids @ origin, centroids @ origin) + origin @ origin
    dots = (rows @ centroids.T).toarray() - (rows @ origin)[:, None] - (centroids @ origin)[None] + origin @ origin
    nearest: npt.NDArray[np.intp] = (dots / np.sqrt(np.diag(apart))).argmax(axis=1)
    return nearest

"""Languages named by answers of LLMs that were not seen, and LLMs by answers in languages that were not seen."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from univar.analysis.distances.results import Told
from univar.analysis.identification import gallery_query_masks, names_by_knn
from univar.analysis.statistics import cluster_bootstrap
from univar.corpus.records import QARecord, question_fraction

Labels: TypeAlias = npt.NDArray[np.object_]

K = 50
"""Neighbours at most."""

_MOST_ANSWERS = 40_000
"""Of a corpus, that are looked at: every query is compared with every answer of the gallery."""


def cross_named(
    records: Sequence[QARecord],
    vectors: npt.NDArray[np.float64],
    questions: Sequence[str],
    corpus: Literal["values", "control"],
    *,
    seed: int = 0,
) -> tuple[list[Told], list[str]]:
    """How well the language of an answer is told where its LLM is held out, and its LLM where its language is.

    The gallery holds neither the question of an answer nor what is held out, so that only what LLMs share in a
    language, or an LLM in its languages, can name it.

    Args:
        records: n QAs.
        vectors: `(n, d)` their vectors.
        questions: `(n,)` the question of each, the same in all languages.
        corpus: What the answers are.
        seed: Of the interval, and of the answers that are looked at where there are more than 40,000.

    Returns:
        What was told, and in a sentence each what could not be.

    Source: the paper's value identification, with whole LLMs or languages held out.
    """
    remarks: list[str] = []
    rows = np.arange(len(records))
    if len(rows) > _MOST_ANSWERS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_ANSWERS, replace=False))
        remarks.append(f"Languages and LLMs were named for {_MOST_ANSWERS:,} of the {len(records):,} {corpus} answers.")
    langs, models, asked = (
        np.asarray(column, dtype=object)[rows]
        for column in ([r.lang for r in records], [r.model for r in records], questions)
    )
    sides: tuple[tuple[Literal["language", "model"], Literal["model", "language"], Labels, Labels], ...] = (
        ("language", "model", langs, models),
        ("model", "language", models, langs),
    )
    try:
        gallery, query = gallery_query_masks([question_fraction(question) for question in asked])
    except ValueError as error:
        return [], [*remarks, f"Neither languages nor LLMs could be named: {error}."]
    told = []
    for what, held_out, labels, held in sides:
        found = _told(vectors[rows], asked, labels, held, gallery, query)
        if found is None:
            remarks.append(
                f"No {what} of {corpus} answers could be named with the {held_out} held out: it takes two {what}s that "
                f"a second {held_out} has too, and two questions."
            )
            continue
        right, chances, names, k, own = found
        told.append(
            Told(
                what=what,
                held_out=held_out,
                corpus=corpus,
                accuracy=float(right.mean()),
                interval=cluster_bootstrap(right, own, seed=seed),
                chance=float(chances.mean()),
                names=names,
                k=k,
                questions=len(set(own)),
                n=len(right),
            )
        )
    return told, remarks


def _told(
    vectors: npt.NDArray[np.float64],
    questions: Labels,
    labels: Labels,
    held: Labels,
    gallery: npt.NDArray[np.bool_],
    query: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], int, int, list[str]] | None:
    """Of every answer that could be named, whether it was named right, its chance and its question; names, and k."""
    right, chances, own, names, neighbours = [], [], [], 0, K
    for out in sorted(set(held)):
        known = gallery & (held != out)
        found, counts = np.unique(labels[known], return_counts=True)
        asked = query & (held == out) & np.isin(labels, found)
        if len(found) < 2 or not asked.any():
            continue
        k = min(K, int(counts.min()))
        named = names_by_knn(vectors[known], labels[known], vectors[asked], k=k)
        right.append(named == labels[asked])
        most = float((labels[asked] == found[counts.argmax()]).mean())
        chances.append(np.full(int(asked.sum()), max(1 / len(found), most)))
        own.extend(questions[asked])
        names, neighbours = max(names, len(found)), min(neighbours, k)
    if len(set(own)) < 2:
        return None
    return np.concatenate(right), np.concatenate(chances), names, neighbours, own

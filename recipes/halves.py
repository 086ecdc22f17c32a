"""Identification within a corpus that is small: half of its questions are the gallery, the other half the query."""

from collections.abc import Sequence

import torch

from univar.analysis.comparison import MAX_CHARACTERS, Encoder
from univar.analysis.identification import Identification, gallery_query_masks, identify_knn, identify_linear
from univar.corpus.records import QARecord, question_fraction, question_hash


def split(records: Sequence[QARecord]) -> tuple[list[QARecord], list[QARecord]]:
    """Gallery and query, about half of the questions each."""
    fractions = [question_fraction(record.question_key) for record in records]
    middle = sorted(set(fractions))[len(set(fractions)) // 2]
    masks = gallery_query_masks(fractions, threshold=middle)
    gallery, query = ([r for r, chosen in zip(records, mask, strict=True) if chosen] for mask in masks)
    return gallery, query


def identified(
    gallery: Sequence[QARecord], query: Sequence[QARecord], encoder: Encoder, questions: Sequence[str] | None = None
) -> list[Identification]:
    """By k-NN and by a linear probe; intervals over the questions, those of the query unless given."""
    labels = [[str(record.identity) for record in side] for side in (gallery, query)]
    questions = questions or [question_hash(record.question_key) for record in query]
    with torch.inference_mode():
        first, second = encoder(*([record.text[:MAX_CHARACTERS] for record in side] for side in (gallery, query)))
    task = first, labels[0], second, labels[1], questions
    return [identify_knn(*task), identify_linear(*task)]

"""Identification between two parts of a corpus that is too small for a gallery of validation questions."""

from collections.abc import Sequence

import torch

from univar.analysis.comparison import OPENING
from univar.analysis.identification import Identification, identify_knn, identify_linear
from univar.analysis.representations import Encoder
from univar.corpus.records import QARecord, question_hash


def identified(
    gallery: Sequence[QARecord], query: Sequence[QARecord], encoder: Encoder, questions: Sequence[str] | None = None
) -> list[Identification]:
    """By k-NN and by a linear probe; intervals over the questions, those of the query unless given."""
    labels = [[str(record.identity) for record in side] for side in (gallery, query)]
    questions = questions or [question_hash(record.question_key) for record in query]
    with torch.inference_mode():
        first, second = encoder(*([record.text[:OPENING] for record in side] for side in (gallery, query)))
    task = first, labels[0], second, labels[1], questions
    return [identify_knn(*task), identify_linear(*task)]

"""Whether the words of value-eliciting questions differ from those of control questions, measured."""

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from univar.analysis.identification import Identification, identify_linear
from univar.corpus.questions.bank import Question
from univar.corpus.records import split_of

FEWEST = 40
"""Questions of each kind below which nothing is measured."""


def probe_controls(
    questions: Sequence[Question], embeddings: npt.NDArray[np.float32], *, seed: int = 0
) -> Identification | None:
    """How well a linear probe tells value-eliciting from control questions, as many of the one as of the other.

    Args:
        questions: Of both kinds, all but the control questions being value-eliciting; of the larger kind a random part
            is taken.
        embeddings: `(n, d)` float32, of the base encoder.
        seed: Of that part and of the interval.

    Returns:
        Accuracy on the validation and test questions after a fit to the training questions, chance 0.5; None if there
        are fewer than 40 questions of a kind.
    """
    kinds = [[row for row, q in enumerate(questions) if q.control == control] for control in (False, True)]
    number = min(map(len, kinds))
    if number < FEWEST:
        return None
    chosen = sorted(row for kind in kinds for row in random.Random(seed).sample(kind, number))
    sides: dict[bool, list[int]] = {True: [], False: []}
    for row in chosen:
        sides[split_of(questions[row].question_key) == "train"].append(row)

    def labels(rows: list[int]) -> list[str]:
        return ["control" if questions[row].control else "value" for row in rows]

    return identify_linear(
        embeddings[sides[True]],
        labels(sides[True]),
        embeddings[sides[False]],
        labels(sides[False]),
        [questions[row].question_id for row in sides[False]],
        seed=seed,
    )

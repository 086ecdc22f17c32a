"""Control answers in training: where an answer that elicits no values lies must not depend on who gave it."""

import random
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import normalize

from univar.corpus.records import Identity, QARecord, normalised_question
from univar.model.views import Texts, whole_text

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer

AnswersByIdentity = dict[Identity, list[str]]


def control_pairs(
    records: Sequence[QARecord],
    pairs: int,
    model: "SentenceTransformer",
    *,
    seed: int = 0,
    texts: Texts = whole_text,
) -> "Dataset":
    """A training set of `pairs` pairs of answers that two identities gave to one control question, with their target.

    The target is the unit mean of where `model` has the answers of all identities to that question. Drawn to it, an
    answer keeps its topic and loses what is of its author. Contrasting questions instead does nothing: topics are far
    apart anyway.

    Args:
        records: QAs that elicit no values; questions that one identity answered alone are left out.
        pairs: How many rows; questions get turns.
        model: Not trained yet.
        seed: Same seed, same pairs.
        texts: What is encoded of a record, one of them at a time; the target is made of the first of each.

    Returns:
        Columns `view_a` and `view_b` (lists of one QA text), `label` (the target, a list of floats).

    Raises:
        ValueError: If no question was answered by two identities, or `pairs` is below 1.
    """
    from datasets import Dataset

    if pairs < 1:
        raise ValueError(f"pairs must be at least 1, got {pairs}")
    grouped: dict[str, AnswersByIdentity] = defaultdict(lambda: defaultdict(list))
    first: dict[str, AnswersByIdentity] = defaultdict(lambda: defaultdict(list))
    for record in records:
        question, read = normalised_question(record.question_key), texts(record)
        grouped[question][record.identity].extend(read)
        first[question][record.identity].append(read[0])
    usable = {question: answers for question, answers in sorted(grouped.items()) if len(answers) > 1}
    if not usable:
        raise ValueError(
            f"training on control answers needs questions that two identities answered, and none of {len(grouped)} "
            "was; add answers of other LLMs to the same questions"
        )
    generator = random.Random(seed)
    drawn: list[str] = []
    while len(drawn) < pairs:
        drawn += generator.sample(list(usable), min(len(usable), pairs - len(drawn)))
    targets = _targets({question: first[question] for question in dict.fromkeys(drawn)}, model)
    rows = []
    for question in drawn:
        two = generator.sample(sorted(usable[question]), 2)
        view_a, view_b = ([generator.choice(usable[question][identity])] for identity in two)
        rows.append({"view_a": view_a, "view_b": view_b, "label": targets[question].tolist()})
    return Dataset.from_list(rows)


def _targets(
    questions: Mapping[str, AnswersByIdentity], model: "SentenceTransformer"
) -> dict[str, npt.NDArray[np.float32]]:
    """For each question, the unit mean over identities of their mean embeddings."""
    texts = list(dict.fromkeys(qa for answers in questions.values() for of_one in answers.values() for qa in of_one))
    row_of = {qa: row for row, qa in enumerate(texts)}
    embeddings = np.asarray(model.encode(texts, show_progress_bar=sys.stderr.isatty()), dtype=np.float32)

    def target(answers: AnswersByIdentity) -> npt.NDArray[np.float32]:
        centres = [embeddings[[row_of[qa] for qa in of_one]].mean(axis=0) for of_one in answers.values()]
        unit: npt.NDArray[np.float32] = normalize(np.mean(centres, axis=0, keepdims=True))[0]
        return unit

    return {question: target(answers) for question, answers in questions.items()}

"""Views: sets of QAs of one identity, drawn in pairs that share no question (paper, section 3.2)."""

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sentence_transformers.base.sampler import DefaultBatchSampler

from univar.corpus.records import Identity, QARecord, normalised_question

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

ViewPair = tuple[list[str], list[str]]


def sample_view_pair(qas_by_question: Sequence[Sequence[str]], max_qas: int, generator: random.Random) -> ViewPair:
    """Two views of one identity, 1..`max_qas` QAs each, that share no question.

    The number of QAs is uniform and drawn for each view (paper, section 4.1); identities with few questions give
    smaller views.

    Args:
        qas_by_question: For each question, the QA texts that the identity has for it; at least two questions.
        max_qas: At least 1.
        generator: The source of chance.
    """
    size_a, size_b = (generator.randint(1, max_qas) for _ in range(2))
    while size_a + size_b > len(qas_by_question):
        size_a, size_b = (size_a - 1, size_b) if size_a >= size_b else (size_a, size_b - 1)
    drawn = [generator.choice(qas) for qas in generator.sample(qas_by_question, size_a + size_b)]
    return drawn[:size_a], drawn[size_a:]


def view_pairs(
    records: Sequence[QARecord],
    pairs: int,
    *,
    max_qas: int = 5,
    seed: int = 0,
    text: Callable[[QARecord], str] = lambda record: record.text,
) -> "Dataset":
    """A training set of `pairs` view pairs, the same number (give or take one) for every identity.

    Args:
        records: The QAs of at least two identities.
        pairs: How many rows.
        max_qas: QAs a view, at most (the paper's lambda: 1, 5, 20 or 80).
        seed: Same seed, same pairs.
        text: What is encoded of a record.

    Returns:
        Columns `view_a` and `view_b` (lists of QA texts), `label` (the index of the identity in sorted order).

    Raises:
        ValueError: If fewer than two identities have QAs to two or more questions, or `pairs` or `max_qas` is below 1.
    """
    from datasets import Dataset

    if pairs < 1 or max_qas < 1:
        raise ValueError(f"pairs and max_qas must be at least 1, got {pairs} and {max_qas}")
    questions = questions_by_identity(records, text)
    identities = sorted(questions)
    generator = random.Random(seed)
    rows: dict[str, list[list[str]] | list[int]] = {"view_a": [], "view_b": [], "label": []}
    order: list[int] = []
    for _ in range(pairs):
        if not order:
            order = generator.sample(range(len(identities)), len(identities))
        label = order.pop()
        view_a, view_b = sample_view_pair(questions[identities[label]], max_qas, generator)
        rows["view_a"].append(view_a)  # type: ignore[arg-type]
        rows["view_b"].append(view_b)  # type: ignore[arg-type]
        rows["label"].append(label)  # type: ignore[arg-type]
    return Dataset.from_dict(rows)


def questions_by_identity(
    records: Sequence[QARecord], text: Callable[[QARecord], str]
) -> dict[Identity, list[list[str]]]:
    """For each identity that can give two views, its QA texts grouped by question (normalised, as for the splits).

    Raises:
        ValueError: If there are fewer than two such identities.
    """
    grouped: dict[Identity, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        grouped[record.identity][normalised_question(record.question_key)].append(text(record))
    usable = {identity: list(by_question.values()) for identity, by_question in grouped.items() if len(by_question) > 1}
    if left_out := sorted(grouped.keys() - usable.keys()):
        logger.warning("left out, since two views need two questions: %s", ", ".join(map(str, left_out)))
    if len(usable) < 2:
        raise ValueError(
            f"training needs at least 2 identities with answers to at least 2 questions each, got {len(usable)} "
            f"of {len(grouped)}; add answers of other LLMs or languages"
        )
    return usable


class IdentityBatchSampler(DefaultBatchSampler):
    """Batches in which the identities of the training set appear about equally often.

    Rows are shuffled within their identity, then identities take turns in an order that is drawn anew each round, as
    long as all have rows left; what remains of larger ones comes last. A batch may begin and end within a round, so
    while all have rows left their numbers differ by two at most, and not at all where the batch size is a multiple of
    the number of identities. Deterministic in seed and epoch.
    """

    def __iter__(self) -> Iterator[list[int]]:
        """The row indices of one batch after the other."""
        generator = random.Random(f"{self.seed}-{self.epoch}")
        rows: dict[int, list[int]] = defaultdict(list)
        dataset: Any = self.sampler  # the base class keeps the data set under this name
        for index, label in enumerate(dataset["label"]):
            rows[label].append(index)
        for indices in rows.values():
            generator.shuffle(indices)
        order: list[int] = []
        while rows:
            labels = list(rows)
            generator.shuffle(labels)
            for label in labels:
                order.append(rows[label].pop())
                if not rows[label]:
                    del rows[label]
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

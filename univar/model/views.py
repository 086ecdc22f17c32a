"""Views: sets of QAs of one identity, drawn in pairs that share no question (paper, section 3.2)."""

import itertools
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sentence_transformers.base.sampler import DefaultBatchSampler

from univar.corpus.records import Identity, QARecord, check_record, normalised_question

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

ViewPair = tuple[list[str], list[str]]
Texts = Callable[[QARecord], Sequence[str]]


def whole_text(record: QARecord) -> list[str]:
    """The text of a record, of which an encoder reads what its window holds."""
    return [record.text]


def sample_view_pair(
    qas_by_question: Sequence[Sequence[str]], max_qas: int, generator: random.Random, *, min_qas: int = 1
) -> ViewPair:
    """Two views of one identity, `min_qas`..`max_qas` QAs each, that share no question.

    The number of QAs is uniform and drawn for each view (paper, section 4.1); identities with few questions give
    smaller views.

    Args:
        qas_by_question: For each question, the QA texts that the identity has for it; at least `2 * min_qas` questions.
        max_qas: At least `min_qas`.
        generator: The source of chance.
        min_qas: At least 1.
    """
    sizes = [generator.randint(min_qas, max_qas) for _ in range(2)]
    size_a, size_b = _fitting(sizes[0], sizes[1], len(qas_by_question))
    drawn = [generator.choice(qas) for qas in generator.sample(qas_by_question, size_a + size_b)]
    return drawn[:size_a], drawn[size_a:]


def _fitting(size_a: int, size_b: int, questions: int) -> tuple[int, int]:
    """The sizes of two views, the larger one made smaller until there are questions enough."""
    while size_a + size_b > questions:
        size_a, size_b = (size_a - 1, size_b) if size_a >= size_b else (size_a, size_b - 1)
    return size_a, size_b


def view_pairs(
    records: Sequence[QARecord],
    pairs: int,
    *,
    min_qas: int = 1,
    max_qas: int = 5,
    seed: int = 0,
    texts: Texts = whole_text,
) -> "Dataset":
    """A training set of `pairs` view pairs, the same number (give or take one) for every identity.

    Args:
        records: The QAs of at least two identities.
        pairs: How many rows.
        min_qas: QAs a view, at least; identities with fewer questions than two such views need are left out, and
            named in a warning.
        max_qas: QAs a view, at most (the paper's lambda: 1, 5, 20 or 80); identities with fewer questions than two
            such views need are named in a warning.
        seed: Same seed, same pairs.
        texts: What is encoded of a record, one of them at a time.

    Returns:
        Columns `view_a` and `view_b` (lists of QA texts), `label` (the index of the identity in sorted order).

    Raises:
        ValueError: If fewer than two identities have QAs to the questions of two views, or a number is out of range.
    """
    from datasets import Dataset

    if not all(isinstance(number, int) and number >= 1 for number in (pairs, max_qas)):
        raise ValueError(f"pairs and max_qas must be whole numbers, at least 1, got {pairs!r} and {max_qas!r}")
    check_sizes(min_qas, max_qas)
    questions = questions_by_identity(records, texts, min_qas=min_qas)
    identities = sorted(questions)
    if few := [identity for identity in identities if len(questions[identity]) < 2 * max_qas]:
        logger.warning(
            "views of fewer than max_qas = %d QAs, since two views of as many need %d questions: %s",
            *(max_qas, 2 * max_qas, ", ".join(f"{identity}: {len(questions[identity])}" for identity in few)),
        )
    generator = random.Random(seed)
    rows: dict[str, list[list[str]] | list[int]] = {"view_a": [], "view_b": [], "label": []}
    order: list[int] = []
    for _ in range(pairs):
        if not order:
            order = generator.sample(range(len(identities)), len(identities))
        label = order.pop()
        view_a, view_b = sample_view_pair(questions[identities[label]], max_qas, generator, min_qas=min_qas)
        rows["view_a"].append(view_a)  # type: ignore[arg-type]
        rows["view_b"].append(view_b)  # type: ignore[arg-type]
        rows["label"].append(label)  # type: ignore[arg-type]
    return Dataset.from_dict(rows)


def check_sizes(min_qas: int, max_qas: int) -> None:
    """Raises ValueError unless a view may hold from so many QAs to so many."""
    if not 1 <= min_qas <= max_qas:
        raise ValueError(f"min_qas must lie between 1 and max_qas, got min_qas {min_qas} and max_qas {max_qas}")


def questions_by_identity(
    records: Sequence[QARecord], texts: Texts, *, min_qas: int = 1
) -> dict[Identity, list[list[str]]]:
    """For each identity that can give two views, its QA texts grouped by question (normalised, as for the splits).

    Raises:
        ValueError: If there are fewer than two such identities.
    """
    grouped: dict[Identity, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        check_record(record)
        grouped[record.identity][normalised_question(record.question_key)].extend(texts(record))
    needed = 2 * min_qas
    usable = {
        identity: list(by_question.values()) for identity, by_question in grouped.items() if len(by_question) >= needed
    }
    if left_out := sorted(grouped.keys() - usable.keys()):
        logger.warning(
            "left out, since two views need %s questions: %s", _counted(needed), ", ".join(map(str, left_out))
        )
    if len(usable) < 2:
        raise ValueError(
            f"training needs at least 2 identities with answers to at least {needed} questions each, got {len(usable)} "
            f"of {len(grouped)}; add answers of other LLMs or languages"
        )
    return usable


def _counted(number: int) -> str:
    return "two" if number == 2 else f"{number:,}"


def same_value_view_pairs(
    records: Sequence[QARecord],
    pairs: int,
    *,
    batch_pairs: int,
    min_qas: int = 1,
    max_qas: int = 5,
    seed: int = 0,
    texts: Texts = whole_text,
) -> "Dataset":
    """As `view_pairs`, but every `batch_pairs` rows in a row are views on one value, made of the same questions.

    A batch of them can be told apart by nothing but what its identities hold of that value: topic and question are
    the same for all. The two views of a pair still share no question. Values get turns at random, each as often as
    the others. A batch that has more rows than there are identities goes on with other questions on the same value.
    Where the questions that were drawn have no two identities that answered them all, two identities are drawn and
    then of the questions that both answered.

    Args:
        records: QAs whose `value` is known; others are left out.
        pairs: How many rows; rounded down to whole batches, but one at least.
        batch_pairs: Rows of one batch, at least 2.
        min_qas: QAs a view, at least; values with too few questions for two such views are left out.
        max_qas: QAs a view, at most; a warning tells of values with too few questions for two such views.
        seed: Same seed, same pairs.
        texts: What is encoded of a record, one of them at a time.

    Raises:
        ValueError: If no value has the questions of two views that two identities answered, or a number is out of
            range.
    """
    from datasets import Dataset

    if pairs < 1 or max_qas < 1 or batch_pairs < 2:
        raise ValueError(
            f"pairs and max_qas must be at least 1 and batch_pairs 2, got {pairs}, {max_qas} and {batch_pairs}"
        )
    check_sizes(min_qas, max_qas)
    answers = _answers_by_value(records, texts, min_qas)
    _warn_of_small_views(answers, max_qas)
    label_of = {identity: label for label, identity in enumerate(sorted({record.identity for record in records}))}
    generator = random.Random(seed)
    rows: dict[str, list[Any]] = {"view_a": [], "view_b": [], "label": []}
    values = sorted(answers)
    for _ in range(max(1, pairs // batch_pairs)):
        answered = answers[generator.choice(values)]
        for identity, view_a, view_b in itertools.islice(_rounds(answered, (min_qas, max_qas), generator), batch_pairs):
            rows["view_a"].append(view_a)
            rows["view_b"].append(view_b)
            rows["label"].append(label_of[identity])
    return Dataset.from_dict(rows)


def check_same_value(records: Sequence[QARecord], *, min_qas: int = 1) -> None:
    """Raises ValueError if `same_value_view_pairs` cannot make views of these QAs."""
    _answers_by_value(records, lambda _: [""], min_qas)


AnswersByQuestion = dict[str, dict[Identity, list[str]]]


def _answers_by_value(records: Sequence[QARecord], texts: Texts, min_qas: int) -> dict[str, AnswersByQuestion]:
    """By value and question, what each identity answered, without questions and values that allow no comparison."""
    grouped: dict[str, AnswersByQuestion] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for record in records:
        if record.value is not None:
            grouped[record.value][normalised_question(record.question_key)][record.identity].extend(texts(record))
    shared = {value: {q: of_one for q, of_one in asked.items() if len(of_one) > 1} for value, asked in grouped.items()}
    usable = {value: answers for value, answers in shared.items() if _comparable(answers, 2 * min_qas)}
    if not usable:
        raise ValueError(
            f"views on one value need {_counted(2 * min_qas)} questions about it that two identities answered; none of "
            f"{len(grouped)} values has them; add such answers, or set same_value: false in a recipe of your own"
        )
    return usable


def _comparable(answered: AnswersByQuestion, questions: int) -> bool:
    """Whether some two identities share so many questions, so that there are views for `_rounds` to draw."""
    enough = [own for own in _asked(answered).values() if len(own) >= questions]
    return any(len(a & b) >= questions for a, b in itertools.combinations(enough, 2))


def _warn_of_small_views(answers: Mapping[str, AnswersByQuestion], max_qas: int) -> None:
    """Tells of values on which no two identities can have answered as many questions as the largest views need."""
    reach = {value: _second_most_questions(answered) for value, answered in answers.items()}
    if few := sorted((number, value) for value, number in reach.items() if number < 2 * max_qas):
        logger.warning(
            "views of fewer than max_qas = %d QAs on %d of %d values, since two views of as many need %d questions "
            "that two identities answered; the fewest are %s",
            *(max_qas, len(few), len(reach), 2 * max_qas, ", ".join(f"{value}: {number}" for number, value in few[:5])),
        )


def _second_most_questions(answered: AnswersByQuestion) -> int:
    counts = Counter(identity for of_question in answered.values() for identity in of_question)
    return counts.most_common(2)[1][1]


def _rounds(
    answered: AnswersByQuestion, sizes: tuple[int, int], generator: random.Random
) -> Iterator[tuple[Identity, list[str], list[str]]]:
    """View pairs without end: each round draws questions and gives a pair of every identity that answered them all."""
    questions = sorted(answered)
    least, most = sizes
    while True:
        size_a, size_b = (generator.randint(least, min(most, len(questions) // 2)) for _ in range(2))
        drawn = generator.sample(questions, size_a + size_b)
        if len(_answered_all(answered, drawn)) < 2:
            # Drawing until two identities have answered them all takes for ever where few answered the same.
            shared = _shared_questions(answered, 2 * least, generator)
            size_a, size_b = _fitting(size_a, size_b, len(shared))
            drawn = generator.sample(shared, size_a + size_b)
        identities = _answered_all(answered, drawn)
        for identity in generator.sample(identities, len(identities)):
            qas = [generator.choice(answered[question][identity]) for question in drawn]
            yield identity, qas[:size_a], qas[size_a:]


def _answered_all(answered: AnswersByQuestion, questions: Iterable[str]) -> list[Identity]:
    return sorted(set.intersection(*(set(answered[question]) for question in questions)))


def _asked(answered: AnswersByQuestion) -> dict[Identity, set[str]]:
    """The questions that each identity answered."""
    asked: dict[Identity, set[str]] = defaultdict(set)
    for question, of_question in answered.items():
        for identity in of_question:
            asked[identity].add(question)
    return asked


def _shared_questions(answered: AnswersByQuestion, least: int, generator: random.Random) -> list[str]:
    """The questions, so many at least, that two identities drawn at random both answered."""
    asked = _asked(answered)
    for identity in generator.sample(sorted(asked), len(asked)):
        common = [asked[identity] & asked[other] for other in sorted(asked) if other != identity]
        if enough := [sorted(questions) for questions in common if len(questions) >= least]:
            return generator.choice(enough)
    raise ValueError(f"no two identities answered the same {least} questions")  # `_answers_by_value` has seen to it


class InOrderBatchSampler(DefaultBatchSampler):
    """Batches of consecutive rows: `view_pairs` and its like decide what belongs together.

    With `view_pairs` the identities of a batch appear about equally often: their numbers differ by two at most, and
    not at all where the batch size is a multiple of the number of identities.
    """

    def __iter__(self) -> Iterator[list[int]]:
        """The row indices of one batch after the other."""
        dataset: Any = self.sampler  # the base class keeps the data set under this name
        for start in range(0, len(dataset), self.batch_size):
            batch = list(range(start, min(start + self.batch_size, len(dataset))))
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

"""The checks that a set of questions has to pass, and how its questions are spread."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from univar.corpus.questions.bank import Question
from univar.corpus.questions.taxonomy import Taxonomy
from univar.corpus.records import normalised_question

FEWEST_WORDS, MOST_WORDS = 5, 60
LARGEST_SIMILARITY = 0.92
"""Cosine of two questions, embedded by the base encoder, above which they count as the same question."""
LARGEST_OPENING_SHARE = 0.02
"""Of the bank that may begin with the same three words."""

_LEADING = re.compile(
    r"\b(don't you (think|agree)|wouldn't you (say|agree)|isn't it (obvious|clear|true)|surely|obviously|of course"
    r"|everyone knows|as we all know)\b|, (right|isn't it|don't they|aren't they)\?$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_UNSTATED = "(not stated)"

Embed = Callable[[list[str]], npt.NDArray[np.float32]]
"""From texts to unit vectors `(n, d)`."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with one question.

    Attributes:
        question_id: Of the question.
        check: `length`, `ending`, `leading`, `same words`, `near duplicate` or `opening`.
        detail: What was found and what is allowed.
    """

    question_id: str
    check: str
    detail: str


def check_questions(questions: Sequence[Question]) -> list[Violation]:
    """What the wording of English questions shows: length, ending, leading phrases, repeated words and openings.

    A question has 5 to 60 words, ends as a question, does not say which answer is wanted, has not the same words as
    another, and begins with three words that at most 2 % of the questions (or one) begin with.
    """
    found = [Violation(q.question_id, *wrong) for q in questions for wrong in wording_violations(q.question)]
    by_words: dict[str, list[str]] = defaultdict(list)
    by_opening: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        by_words[normalised_question(question.question)].append(question.question_id)
        by_opening[opening(question.question)].append(question.question_id)
    for first, *others in by_words.values():
        found += [Violation(other, "same words", f"as {first}") for other in others]
    most = max(1, int(LARGEST_OPENING_SHARE * len(questions)))
    for start, ids in by_opening.items():
        detail = f"{start!r} begins {len(ids)} questions; at most {most} may"
        found += [Violation(identifier, "opening", detail) for identifier in ids[most:]]
    return found


def wording_violations(text: str) -> Iterator[tuple[str, str]]:
    """What is wrong with one English question by itself, as check and detail."""
    count = len(_words(text))
    if not FEWEST_WORDS <= count <= MOST_WORDS:
        yield "length", f"{count} words; {FEWEST_WORDS} to {MOST_WORDS} are allowed"
    if not text.endswith("?"):
        yield "ending", "does not end with a question mark"
    if leading := _LEADING.search(text):
        yield "leading", f"{leading[0]!r} says which answer is wanted"


def opening(text: str) -> str:
    """The first three words of a question, in lower case."""
    return " ".join(_words(text)[:3])


def nearest_neighbours(
    questions: Sequence[Question], vectors: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], list[Violation]]:
    """How similar each question is to the nearest other one, and the near duplicates.

    Args:
        questions: At least two.
        vectors: `(n, d)` float32 unit vectors of the base encoder.

    Returns:
        `(n,)` float32 cosine in [-1, 1] of each question with its nearest neighbour, and a violation for each question
        that is nearer than `LARGEST_SIMILARITY` to an earlier one.

    Raises:
        ValueError: If there are fewer than two questions.
    """
    if len(questions) < 2:
        raise ValueError(f"neighbours need at least 2 questions, got {len(questions)}")
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    earlier = np.tril(similarity, k=-1)
    found = []
    for row in np.flatnonzero(earlier.max(axis=1) > LARGEST_SIMILARITY).tolist():
        nearest = int(earlier[row].argmax())
        detail = (
            f"cosine {earlier[row, nearest]:.3f} with {questions[nearest].question_id}; {LARGEST_SIMILARITY} is allowed"
        )
        found.append(Violation(questions[row].question_id, "near duplicate", detail))
    return similarity.max(axis=1), found


def quantiles(numbers: npt.NDArray[np.float32]) -> dict[str, float]:
    """The least of some numbers, their quartiles, the 99th percentile and the largest."""
    places = {"min": 0.0, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "99 %": 0.99, "max": 1.0}
    return {name: round(float(np.quantile(numbers, place)), 3) for name, place in places.items()}


def distribution(questions: Sequence[Question], taxonomy: Taxonomy) -> dict[str, Counter[str]]:
    """How many questions there are by value, family (the first of a value), form, topic and language.

    Control questions are counted as `control`; what a question does not state, as `(not stated)`.

    Raises:
        KeyError: If a question's value is not in the taxonomy.
    """
    family = {value.id: value.families[0] for value in taxonomy.values}

    def without_value(question: Question) -> str:
        return "control" if question.control else _UNSTATED

    return {
        "value": Counter(q.value or without_value(q) for q in questions),
        "family": Counter(family[q.value] if q.value else without_value(q) for q in questions),
        "form": Counter(q.form or _UNSTATED for q in questions),
        "topic": Counter(q.topic or _UNSTATED for q in questions),
        "lang": Counter(q.lang for q in questions),
    }


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())

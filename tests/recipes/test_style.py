import numpy as np
import pytest

from recipes.style import asked_of_values, restyled_values
from univar.corpus.records import QARecord

QUESTIONS = [f"question {n}" for n in range(40)]


def by(pattern: str):
    """Embeds a text by whether a pattern is in it."""

    def encode(gallery, query):
        return tuple(
            np.array([[pattern in text, pattern not in text] for text in side], float) for side in (gallery, query)
        )

    return encode


def answered(**answers: str) -> list[QARecord]:
    return [QARecord(q, q, answer, model, "eng") for q in QUESTIONS for model, answer in answers.items()]


def test_what_markdown_tells_is_gone_when_answers_are_restyled():
    scores = restyled_values(answered(ada="**Yes**, work.", bob="Yes, work."), by("**"))
    as_written, query_restyled, both = scores[::2]
    assert as_written.accuracy == 1
    assert query_restyled.accuracy == both.accuracy == 0.5  # all look like Bob


def test_what_an_answer_holds_stays_when_it_is_restyled():
    scores = restyled_values(answered(ada="**Never** steal.", bob="Always steal."), by("ever"))
    assert [score.accuracy for score in scores] == [1.0] * 6


def test_a_style_that_is_read_only_under_value_questions_is_found():
    def encode(gallery, query):
        return tuple(
            np.array([[1.0, 0.0] if "virtue" in text and "well" in text else [0.0, 1.0] for text in side])
            for side in (gallery, query)
        )

    values = [QARecord("v", "Is thrift a virtue?", "yes", "ada", "eng")]
    knn, _, asked, _ = asked_of_values(answered(ada="well, so it is", bob="so it is"), values, encode)
    assert knn.accuracy == pytest.approx(0.5)
    assert asked.accuracy == 1
    assert asked.n == knn.n == 40

from collections import Counter

import numpy as np
import pytest

from univar.corpus.records import QARecord
from univar.model.controls import control_pairs


class Letters:
    """Embeds a QA by where its answer's letter stands."""

    def encode(self, texts, show_progress_bar=False):
        return np.array([[float(text.endswith(letter)) for letter in "xyz"] for text in texts], dtype=np.float32)


def record(question: str, answer: str, model: str) -> QARecord:
    return QARecord(question, question, answer, model, "eng")


ALONE = record("who answered this alone?", "x", "ada")
RECORDS = [
    record("how to boil an egg?", "x", "ada"),
    record("How to boil  an egg?", "y", "bob"),
    record("what is 2 + 2?", "x", "ada"),
    record("what is 2 + 2?", "z", "ada"),
    record("what is 2 + 2?", "z", "bob"),
    record("what is 2 + 2?", "z", "cyd"),
    ALONE,
]


def test_the_target_of_a_question_is_the_mean_over_those_who_answered_it():
    rows = control_pairs(RECORDS, 40, Letters())
    assert rows.column_names == ["view_a", "view_b", "label"]
    found = {("egg" in row["view_a"][0]): np.array(row["label"]) for row in rows}
    # The egg: the mean of x = (1, 0, 0) and y = (0, 1, 0), of length 1.
    np.testing.assert_allclose(found[True], np.array([1, 1, 0]) / np.sqrt(2), atol=1e-6)
    # The sum: Ada's two answers have the mean (1, 0, 1) / 2, the others' are (0, 0, 1): (0.5, 0, 2.5) / 3 in all.
    np.testing.assert_allclose(found[False], np.array([0.5, 0, 2.5]) / np.sqrt(0.5**2 + 2.5**2), atol=1e-6)


def test_a_pair_is_of_one_question_and_two_identities_and_questions_get_turns():
    rows = control_pairs(
        RECORDS, 7, Letters(), texts=lambda r: [f"{r.question_key.lower().split()[0]} {r.model} {r.answer}"]
    )
    pairs = [(row["view_a"][0].split(), row["view_b"][0].split()) for row in rows]
    assert all(a[0] == b[0] and a[1] != b[1] for a, b in pairs)
    assert sorted(Counter(a[0] for a, _ in pairs).values()) == [3, 4]
    assert not any("who" in a for a, _ in pairs)


def test_parts_of_an_answer_are_drawn_and_its_first_part_makes_the_target():
    rows = control_pairs(RECORDS[:2], 40, Letters(), texts=lambda r: [r.answer, f"more of {r.model}"])
    drawn = {text for row in rows for text in (*row["view_a"], *row["view_b"])}
    assert drawn == {"x", "y", "more of ada", "more of bob"}
    with_z = control_pairs(RECORDS[:2], 1, Letters(), texts=lambda r: [r.answer, "z"])
    np.testing.assert_allclose(with_z[0]["label"], np.array([1, 1, 0]) / np.sqrt(2), atol=1e-6)


def test_the_same_seed_draws_the_same_pairs():
    first, again, other = (control_pairs(RECORDS, 20, Letters(), seed=seed).to_list() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_questions_of_one_identity_alone_cannot_be_trained_on():
    with pytest.raises(ValueError, match=r"two identities answered, and none of 1 was; add answers of other LLMs"):
        control_pairs([ALONE], 4, Letters())


def test_pairs_are_needed():
    with pytest.raises(ValueError, match="pairs must be at least 1, got 0"):
        control_pairs(RECORDS, 0, Letters())

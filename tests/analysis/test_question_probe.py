from dataclasses import replace

import numpy as np
import pytest

from univar.analysis.question_probe import probe_controls
from univar.corpus.questions.bank import Question


def asked(values: int, controls: int) -> list[Question]:
    kinds = [("q", "honesty")] * values + [("control-q", None)] * controls
    return [Question(f"{name}{n}", f"Is it number {n}?", f"Is it number {n}?", "eng", value, "advice", "work")
            for n, (name, value) in enumerate(kinds)]  # fmt: skip


def test_questions_that_differ_are_told_apart_and_others_are_not():
    questions = asked(300, 200)
    noise = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    kind = np.array([question.control for question in questions], dtype=np.float32)
    found = probe_controls(questions, noise + 8 * kind[:, None])
    assert found is not None
    assert found.accuracy == 1
    assert found.n == pytest.approx(0.2 * 400, abs=25)  # a fifth of 200 and 200 is not for training
    blind = probe_controls(questions, noise)
    assert blind is not None
    assert blind.interval.low < 0.5 < blind.interval.high


def test_the_same_seed_takes_the_same_questions():
    questions, noise = asked(200, 100), np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    assert probe_controls(questions, noise, seed=1) == probe_controls(questions, noise, seed=1)


def test_questions_that_state_no_value_are_no_control_questions():
    unstated = [replace(question, value=None) for question in asked(100, 0)]
    assert probe_controls(unstated + asked(100, 0), np.ones((200, 2), dtype=np.float32)) is None


@pytest.mark.parametrize(("values", "controls"), [(300, 39), (39, 300), (300, 0)])
def test_too_few_of_a_kind_are_not_measured(values, controls):
    questions = asked(values, controls)
    assert probe_controls(questions, np.ones((len(questions), 2), dtype=np.float32)) is None

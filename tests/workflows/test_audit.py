"""An audit: what it asks, and what it says of vectors whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from univar.analysis.results import Result
from univar.corpus.asking.models import LLM
from univar.corpus.questions.bank import question_bank
from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord, question_hash
from univar.model.embedded import EmbeddedCorpus
from univar.model.encoding import Provenance
from univar.model.weights import shipped_record
from univar.workflows.audit import Audit, audit_plan, earlier_answers, findings_of, prompted, read_audit

ME = LLM("me", "http://127.0.0.1:1", ("eng",))
MADE = Provenance("mine", "0" * 64, None)


def test_no_question_is_asked_that_the_weights_were_trained_on_where_there_is_another():
    trained_on = set(shipped_record()["questions"])
    with_poles = {pole.question.question_id for pole in poles()}
    new = {
        question.value
        for question in question_bank()
        if question.question_id in with_poles and question_hash(question.question_key) not in trained_on
    }
    asked = {one.value: question_hash(one.question_key) for one in audit_plan(ME, controls=0).questions}
    assert len(new) > 40
    assert [value for value in new if asked[value] in trained_on] == []


def test_under_a_prompt_the_same_is_asked_of_the_same_llm():
    plan = audit_plan(ME, system="Be kind.", budget=5, controls=2)
    plain, under = plan.llms
    assert (under.name, under.model, under.system, under.endpoint) == ("me prompted", "me", "Be kind.", ME.endpoint)
    assert plain == ME
    both = [[planned.question for planned in plan.of(llm)] for llm in plan.llms]
    assert both[0] == both[1]
    ids = [{planned.request.request_id for planned in plan.of(llm)} for llm in plan.llms]
    assert ids[0].isdisjoint(ids[1])


def test_controls_are_asked_in_english_alone():
    plan = audit_plan(replace(ME, languages=("fra",)), budget=3, controls=40)
    assert [question.lang for question in plan.questions] == ["fra"] * 3


def answers(name: str, moved: float, controls_moved: float, seed: int) -> tuple[list[QARecord], np.ndarray]:
    """87 value and 40 control answers in 16 dimensions, moved along the first."""
    plan = audit_plan(ME)
    records = [
        QARecord(one.question_id, one.question, f"{name} {at}", name, "eng", value=one.value, question_eng=one.question)
        for at, one in enumerate(plan.questions)
    ]
    # The same question draws all its answers to one place; what is said of it draws each elsewhere.
    places = np.random.default_rng(0).normal(size=(len(records), 16))
    said = np.random.default_rng(seed).normal(size=(len(records), 16))
    vectors = places + said
    vectors[:, 0] += [controls_moved if one.control else moved for one in plan.questions]
    return records, vectors


def corpus(*parts: tuple[list[QARecord], np.ndarray], made: Provenance = MADE) -> EmbeddedCorpus:
    records = tuple(record for part in parts for record in part[0])
    vectors = np.concatenate([part[1] for part in parts]).astype(np.float32)
    return EmbeddedCorpus(records, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), made)


@pytest.fixture(scope="module")
def some_poles() -> EmbeddedCorpus:
    """All poles, of which this model sees nothing."""
    records = tuple(pole.record for pole in poles())
    vectors = np.random.default_rng(5).normal(size=(len(records), 16)).astype(np.float32)
    return EmbeddedCorpus(records, vectors, MADE)


def test_a_prompt_that_moves_values_is_seen_and_beyond_the_controls(some_poles):
    both = corpus(answers("me", 0, 0, 1), answers(prompted("me"), 2.5, 0, 2))
    steps: list[str] = []
    found = read_audit(both, "me", poles=some_poles, step=steps.append)
    assert list(found.readings) == ["values", "distances", "prompt"]
    assert all(isinstance(one, Result) for one in found.readings.values())
    (shifted,) = found.readings["prompt"].shifts
    assert (shifted.seen, shifted.of_values) == (True, True)
    # Vectors of no known model have no place among the references.
    assert [gap.partition(": the answers")[0] for gap in found.gaps] == ["Not read: which known LLMs are near"]
    assert len(steps) == 4


def test_what_did_not_move_is_not_called_moved_and_what_was_before_has_its_title(some_poles):
    before = corpus(answers("me", 0, 0, 1))
    found = read_audit(corpus(answers("me", 0, 0, 2)), "me", before=before, poles=some_poles)
    assert list(found.readings) == ["values", "shift"]
    assert str(found.readings["shift"]).startswith("No shift is seen from before to me")
    assert [one.title for one in findings_of(found, before)] == [
        "What each LLM stands for", "How it moved since the answers before", "What could not be read"
    ]  # fmt: skip


def test_control_answers_alone_are_told(some_poles):
    records, vectors = answers("me", 0, 0, 1)
    only = corpus((records[87:], vectors[87:]))
    assert read_audit(only, "me", poles=some_poles) == Audit({}, ("Not read: no value question was answered.",))


def test_answers_before_by_other_weights_are_told_and_the_rest_is_read(some_poles):
    other = corpus(answers("me", 0, 0, 1), made=replace(MADE, fingerprint="1" * 64))
    found = read_audit(corpus(answers("me", 0, 0, 2)), "me", before=other, poles=some_poles)
    assert list(found.readings) == ["values"]
    assert "cannot be compared" in found.gaps[0]


def test_of_an_earlier_audit_the_vectors_come_first_then_what_was_translated(tmp_path: Path):
    assert earlier_answers(tmp_path) == tmp_path
    (tmp_path / "english").mkdir()  # of a translation that did not begin
    for file in ("answers/part-00000.parquet", "english/part-00000.parquet", "vectors.parquet"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
        assert earlier_answers(tmp_path) == tmp_path / file.removesuffix("/part-00000.parquet")

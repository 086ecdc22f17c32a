"""Training with its measurement: what chooses the checkpoint, what is measured, what is kept and what is not lost."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from univar.corpus.records import QARecord, question_hash, split_of
from univar.model.modeling import UniVaR
from univar.workflows import trained
from univar.workflows.trained import (
    IdentificationEvaluator,
    StanceEvaluator,
    checkpoint_folder,
    last_checkpoint,
    measure,
    train_and_measure,
)


class NameReader:
    """Encodes a text by the model name it holds."""

    def __init__(self, known: tuple[str, ...]) -> None:
        self.known = known
        self.texts: list[str] = []

    def encode(self, texts: list[str]) -> np.ndarray[Any, Any]:
        self.texts.extend(texts)
        return np.array([[*(float(name in text) for name in self.known), 0.1] for text in texts])


def corpus(models: tuple[str, ...], questions: int = 200) -> list[QARecord]:
    return [
        QARecord(str(number), f"question {number}?", f"{model} speaks", model, "eng")
        for number in range(questions)
        for model in models
    ]


@pytest.fixture
def recipe(tmp_path: Path, tiny_encoder_folder: Path) -> Path:
    file = tmp_path / "recipe.yaml"
    file.write_text(f"base: {tiny_encoder_folder}\npairs: 12\nbatch_pairs: 6\nbf16: false\ncheckpoints: 2\n")
    return file


def test_the_evaluator_scores_validation_questions_of_each_corpus():
    evaluator = IdentificationEvaluator({"seen": corpus(("ada", "bob")), "blind": corpus(("cyd", "dee"))})
    model = NameReader(("ada", "bob"))
    scores = evaluator(model)  # type: ignore[arg-type]
    # Of "seen" every answer is named; of "blind" all embeddings are equal and one identity is named for all: half.
    assert scores == {"seen_knn_accuracy": 1.0, "blind_knn_accuracy": 0.5, "knn_accuracy": 0.75}
    assert evaluator.primary_metric == "knn_accuracy"
    questions = {text[3 : text.index(" A: ")] for text in model.texts}
    assert {split_of(question) for question in questions} == {"validation"}


def test_identification_of_control_answers_is_taken_off_that_of_their_corpus():
    seen, blind = corpus(("ada", "bob")), corpus(("cyd", "dee"))
    control = [*corpus(("ada", "bob", "eve")), *(record for record in blind if split_of(record.question) == "train")]
    evaluator = IdentificationEvaluator({"seen": seen, "blind": blind}, control)
    assert {record.model for record in evaluator.controls["seen"]} == {"ada", "bob"}
    scores = evaluator(NameReader(("ada", "bob")))  # type: ignore[arg-type]
    # Control answers of "seen" are named as well as its own, and "blind" has none to validate on: (1 - 1 + 0.5) / 2.
    assert scores == {
        "seen_knn_accuracy": 1.0,
        "blind_knn_accuracy": 0.5,
        "seen_control_knn_accuracy": 1.0,
        "knn_accuracy_minus_control": 0.25,
    }
    assert evaluator.primary_metric == "knn_accuracy_minus_control"


def test_corpora_without_validation_questions_choose_nothing():
    tiny = [record for record in corpus(("ada", "bob")) if split_of(record.question) == "train"]
    single = corpus(("ada",))
    evaluator = IdentificationEvaluator({"tiny": tiny, "single": single, "none": []})
    assert evaluator.corpora == {}
    assert evaluator(NameReader(("ada",))) == {"knn_accuracy": 0.0}  # type: ignore[arg-type]


def sided(questions: int = 200, author: str = "people") -> list[QARecord]:
    """Two answers a side to each question."""
    return [
        QARecord(str(n), f"question {n}?", f"{side} {m}", author, "eng", stance=1.0 if side == "yes" else -1.0)
        for n in range(questions)
        for side in ("yes", "no")
        for m in range(2)
    ]


def test_stances_of_validation_questions_choose_the_checkpoint():
    # All but the first corpus cannot be measured: no stances, and no validation questions.
    train_only = [record for record in sided() if split_of(record.question) == "train"]
    evaluator = StanceEvaluator({"seen": sided(), "plain": corpus(("ada", "bob")), "few": train_only})
    assert list(evaluator.corpora) == ["seen"]
    model = NameReader(("yes", "no"))
    # The same side is at 1, the other nearly at a right angle: all are right. A reader of neither word sees one place.
    assert evaluator(model) == {"seen_stance_pairs": 1.0, "stance_pairs": 1.0}  # type: ignore[arg-type]
    assert {split_of(text[3 : text.index(" A: ")]) for text in model.texts} == {"validation"}
    assert evaluator(NameReader(("ada",)))["stance_pairs"] == 0.5  # type: ignore[arg-type]
    two = StanceEvaluator({"seen": sided(), "turned": [replace(r, answer="maybe") for r in sided()]})
    assert two(NameReader(("yes", "no")))["stance_pairs"] == 0.75  # type: ignore[arg-type]
    assert two.primary_metric == "stance_pairs"


def test_stances_of_people_without_names_are_trained_and_announced(records, recipe, tmp_path):
    recipe.write_text(recipe.read_text() + "stance_share: 0.5\ncontrol_share: 0.5\n")
    corpora = {"people": sided(60), "plain": records}
    said: list[str] = []
    measured = train_and_measure(corpora, tmp_path / "m", recipe=recipe, control=records, step=said.append)
    assert (list(measured.identification), list(measured.stances)) == (["plain"], ["people"])
    assert said[0] == "Training on people. About 4 steps, 6 pairs a step: 2 on stances (people), 2 on control answers."
    record = json.loads((tmp_path / "m" / "univar.json").read_text())
    assert record["corpora"].keys() == {"people"}
    assert record["checkpoint"] == "best on validation questions"


def test_what_is_trained_on_stances_and_on_identities_is_announced(records, recipe, tmp_path):
    recipe.write_text(recipe.read_text() + "stance_share: 0.5\n")
    small = [record for record in sided(60) if split_of(record.question) == "train"]
    said: list[str] = []
    train_and_measure({"people": small, "plain": records}, tmp_path / "m", recipe=recipe, step=said.append)
    assert said[0] == (
        "Training on people, plain. About 2 steps, 6 pairs a step: 1 on stances (people), 1 on identities (plain). Too "
        "few validation questions to help choose the checkpoint: people."
    )


def test_what_stances_lack_is_told_before_anything_is_announced(records, recipe, tmp_path):
    recipe.write_text(recipe.read_text() + "stance_share: 0.5\n")
    said: list[str] = []
    with pytest.raises(ValueError, match="no answer to a training question has a stance; the corpora are plain"):
        train_and_measure({"plain": records}, tmp_path / "m", recipe=recipe, step=said.append)
    assert said == []


def test_a_corpus_is_measured_on_test_questions_beside_base_and_tfidf(records, recipe, tmp_path):
    stranger = QARecord("c", "how to boil an egg", "long", "stranger", "eng")
    control = [*(QARecord(r.question_id, f"boil {r.question}", r.answer, r.model, r.lang) for r in records), stranger]
    said: list[str] = []
    measured = train_and_measure({"one": records}, tmp_path / "m", recipe=recipe, control=control, step=said.append)
    (comparison,) = measured.identification.values()
    assert measured.stances == {}
    assert [(row.corpus, row.representation) for row in comparison.rows] == [
        (name, encoder) for name in ("values", "control") for encoder in ("univar", "base", "tfidf")
    ]
    tested = sum(split_of(record.question) == "test" for record in records)
    assert (comparison.selections[0].query, comparison.selections[0].threshold) == (tested, 0.9)
    assert said[0] == "Training on one. About 2 steps, 6 pairs a step: 2 on identities."
    assert said[1].startswith("Measuring on test questions")


def test_steps_on_control_answers_are_told_too(records, recipe, tmp_path):
    # 12 pairs are 2 steps of 6; they are half of all steps.
    recipe.write_text(recipe.read_text() + "control_share: 0.5\n")
    said: list[str] = []
    train_and_measure({"one": records}, tmp_path / "m", recipe=recipe, control=records, step=said.append)
    assert said[0] == "Training on one. About 4 steps, 6 pairs a step: 2 on identities, 2 on control answers."


def test_the_model_is_saved_with_its_card_and_without_checkpoints(records, recipe, tmp_path):
    train_and_measure({"one": records}, tmp_path / "m", recipe=recipe)
    assert {path.name for path in tmp_path.iterdir()} == {"m", "recipe.yaml"}
    assert UniVaR(str(tmp_path / "m"), device="cpu").training_record["corpora"]["one"]["identities"] == 3
    card = (tmp_path / "m" / "README.md").read_text()
    assert "### one" in card
    assert "| values | tfidf |" in card


def test_a_corpus_too_small_to_be_measured_does_not_lose_the_training(records, recipe, tmp_path, caplog):
    small = [record for record in records if split_of(record.question) == "train"]
    said: list[str] = []
    with caplog.at_level(logging.WARNING, "univar.workflows.trained"):
        measured = train_and_measure({"small": small}, tmp_path / "m", recipe=recipe, step=said.append)
    assert measured == ({}, {})
    assert "small was not measured: values: no QA is left" in caplog.text
    assert said[0].endswith("Too few validation questions to help choose the checkpoint: small.")
    assert "Not measured." in (tmp_path / "m" / "README.md").read_text()


def test_questions_that_the_base_was_trained_on_are_not_measured_on(tiny_model, tmp_path):
    records = corpus(("ada", "bob"))
    tiny_model.training_record = {"questions": [question_hash(r.question) for r in records[:20]]}
    tiny_model.save_pretrained(str(tmp_path / "base"))
    tiny_model.training_record = {"recipe": {"base": str(tmp_path / "base")}, "questions": []}
    assert measure(tiny_model, {"one": records}, []).identification["one"].selections[0].trained_on == 20


def test_where_passages_were_trained_on_the_base_is_given_whole_answers_too(tiny_model, tiny_encoder_folder):
    tiny_model.training_record = {"recipe": {"base": str(tiny_encoder_folder), "passages": True}, "questions": []}
    said = corpus(("yes always", "no never"), 60)
    records = [replace(r, answer=f"{'law ' * 400}{f'{r.model} ' * 100}") for r in said]
    comparison = measure(tiny_model, {"one": records}, []).identification["one"]
    assert comparison.max_characters == 8_000
    # The tiny model is its own base, and both have read what comes after the first 1,000 characters.
    univar, base, _ = comparison.rows
    assert univar.knn.accuracy == base.knn.accuracy > univar.knn.chance


@pytest.mark.parametrize("models", [("ada", "bob"), ("ada",)])
def test_too_few_control_answers_do_not_lose_the_values(tiny_model, tiny_encoder_folder, caplog, models):
    # All but one of their questions were trained on, or one identity gave them all.
    control = [replace(r, question=f"control {r.question}") for r in corpus(models, 10 if len(models) > 1 else 200)]
    seen = [question_hash(record.question) for record in control[2:]] if len(models) > 1 else []
    tiny_model.training_record = {"recipe": {"base": str(tiny_encoder_folder)}, "questions": seen}
    comparisons = measure(tiny_model, {"one": corpus(("ada", "bob"))}, control)
    assert {row.corpus for row in comparisons.identification["one"].rows} == {"values"}
    assert "one was measured without control answers: control: " in caplog.text


def test_too_few_identities_are_refused_and_leave_nothing(records, recipe, tmp_path):
    single = [record for record in records if record.model == "aya"]
    with pytest.raises(ValueError, match=r"one: training needs at least 2 identities .* got 1 of 1"):
        train_and_measure({"one": single}, tmp_path / "m", recipe=recipe)
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.yaml"}


@pytest.mark.parametrize("kind", ["file", "folder", "model of another kind"])
def test_what_is_no_univar_model_is_not_replaced(records, recipe, tmp_path, kind):
    out = tmp_path / "out"
    mine = out if kind == "file" else out / ("notes.txt" if kind == "folder" else "modules.json")
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(FileExistsError, match=r"out is a .* and would be lost; give a new folder"):
        train_and_measure({"one": records}, out, recipe=recipe)
    assert mine.read_text() == "mine"


def test_an_earlier_model_and_an_empty_folder_are_replaced(records, recipe, tmp_path):
    (tmp_path / "m").mkdir()
    train_and_measure({"one": records}, tmp_path / "m", recipe=recipe)
    train_and_measure({"two": records}, tmp_path / "m", recipe=recipe)
    assert UniVaR(str(tmp_path / "m"), device="cpu").training_record["corpora"].keys() == {"two"}


class Interrupting:
    """Interrupts the call with a number, counted from 1, of a function that it stands for."""

    def __init__(self, function: Any, number: int) -> None:
        self.function, self.number, self.calls = function, number, 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == self.number:
            raise KeyboardInterrupt
        return self.function(*arguments, **options)


def test_an_interrupted_training_goes_on_from_its_last_whole_checkpoint(records, recipe, tmp_path, monkeypatch):
    out, knn = tmp_path / "m", Interrupting(trained._knn_accuracy, 2)
    monkeypatch.setattr(trained, "_knn_accuracy", knn)
    with pytest.raises(KeyboardInterrupt):
        train_and_measure({"one": records}, out, recipe=recipe)
    assert last_checkpoint(out) == 1
    assert not out.exists()
    # A checkpoint whose writing was cut off is none.
    (checkpoint_folder(out) / "checkpoint-2").mkdir()
    assert last_checkpoint(out) == 1
    said: list[str] = []
    train_and_measure({"one": records}, out, recipe=recipe, step=said.append)
    assert said[0] == "Training on one. Going on from step 1 of about 2, 6 pairs a step: 2 on identities."
    assert knn.calls == 2 + 1
    assert (last_checkpoint(out), checkpoint_folder(out).exists()) == (None, False)


def test_an_interrupted_measurement_trains_nothing_again(records, recipe, tmp_path, monkeypatch):
    out, knn = tmp_path / "m", Interrupting(trained._knn_accuracy, 0)
    monkeypatch.setattr(trained, "_knn_accuracy", knn)
    monkeypatch.setattr(trained, "measure", Interrupting(trained.measure, 1))
    with pytest.raises(KeyboardInterrupt):
        train_and_measure({"one": records}, out, recipe=recipe)
    assert (last_checkpoint(out), knn.calls) == (2, 2)
    train_and_measure({"one": records}, out, recipe=recipe)
    assert knn.calls == 2
    assert (out / "modules.json").is_file()


def test_another_run_does_not_go_on_from_foreign_checkpoints(records, recipe, tmp_path, monkeypatch):
    out, knn = tmp_path / "m", Interrupting(trained._knn_accuracy, 2)
    monkeypatch.setattr(trained, "_knn_accuracy", knn)
    with pytest.raises(KeyboardInterrupt):
        train_and_measure({"one": records}, out, recipe=recipe)
    recipe.write_text(recipe.read_text() + "learning_rate: 0.1\n")
    with pytest.raises(ValueError, match="is a checkpoint of another recipe or of other corpora"):
        train_and_measure({"one": records}, out, recipe=recipe)
    assert last_checkpoint(out) == 1  # still there for who takes the recipe back
    said: list[str] = []
    train_and_measure({"one": records}, out, recipe=recipe, restart=True, step=said.append)
    assert said[0] == "Training on one. About 2 steps, 6 pairs a step: 2 on identities."
    assert json.loads((out / "univar.json").read_text())["recipe"]["learning_rate"] == 0.1


def test_an_interruption_before_the_first_checkpoint_leaves_nothing(records, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(trained, "_knn_accuracy", Interrupting(trained._knn_accuracy, 1))
    with pytest.raises(KeyboardInterrupt):
        train_and_measure({"one": records}, tmp_path / "m", recipe=recipe)
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.yaml"}


def test_checkpoints_lie_hidden_beside_the_model(tmp_path, monkeypatch):
    assert checkpoint_folder(tmp_path / "m") == tmp_path / ".m.checkpoints"
    monkeypatch.chdir(tmp_path)
    assert checkpoint_folder(".") == tmp_path.parent / f".{tmp_path.name}.checkpoints"
    assert last_checkpoint("m") is None

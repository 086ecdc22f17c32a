"""Training on stances: what is learned, of which corpora, and what is kept of it on the way."""

import dataclasses
import logging
from pathlib import Path

import pytest
import safetensors.torch
from transformers import TrainerCallback

from tests.model.test_training import InterruptAt, Watch, same, weights_of
from univar.analysis.stance import triplets
from univar.corpus.records import QARecord, question_hash, split_of
from univar.model.modeling import UniVaR
from univar.model.recipes import Recipe, read_recipe
from univar.model.training import train

STYLES = {"aya": "family family law", "mixtral": "thrift thrift save", "solar": "i think one should help"}


@pytest.fixture
def sided() -> list[QARecord]:
    """Three authors who each answer 30 questions from both sides; more of an answer is its author's than its side's."""
    return [
        QARecord(f"q{n}", f"is it right {n}", f"{style} {said} {n}", author, "eng", stance=stance)
        for n in range(30)
        for author, style in STYLES.items()
        for said, stance in (("yes", 1.0), ("no", -1.0))
    ]


@pytest.fixture
def people(sided) -> list[QARecord]:
    """The same, without a name: one identity."""
    return [dataclasses.replace(record, model="people") for record in sided]


@pytest.fixture
def control(records) -> list[QARecord]:
    return [dataclasses.replace(record, question=f"how to boil an egg {record.question_id}") for record in records]


@pytest.fixture
def recipe(recipe) -> Recipe:
    """20 steps of 12 pairs, all on stances."""
    return dataclasses.replace(recipe, max_qas=1, stance_share=1.0)


class Logs(TrainerCallback):
    """All that was logged with the loss."""

    def __init__(self) -> None:
        self.logs: list[dict[str, float]] = []

    def on_log(self, args, state, control, logs, **kwargs):
        if "loss" in logs:
            self.logs.append(dict(logs))


def test_answers_of_one_stance_come_together_whoever_gave_them(sided, recipe, tmp_path, tiny_model):
    held_out = [record for record in sided if split_of(record.question) != "train"]

    def score(model: UniVaR) -> float:
        """Is an answer nearer to its side by another author than to the other side by its own?"""
        vectors = model.encode([record.text for record in held_out])
        parts = [[getattr(record, name) for record in held_out] for name in ("question", "stance", "model")]
        return triplets(vectors, *parts).score

    logs = Logs()
    longer = dataclasses.replace(recipe, pairs=480, learning_rate=3e-3)
    model = train({"sided": sided}, tmp_path, recipe=longer, callbacks=[logs])
    assert score(tiny_model) < 0.1  # the author is what the untrained model tells apart
    assert score(model) > 0.9
    assert logs.logs[-1]["stance_rank_loss"] < 0.7 * logs.logs[0]["stance_rank_loss"]
    assert logs.logs[-1]["stance_signs_right"] > 0.9
    assert "mutual_information_bound" not in logs.logs[0]


def test_people_without_names_teach_stances_and_nothing_of_identities(people, recipe, tmp_path):
    model = train({"people.csv": people}, tmp_path, recipe=dataclasses.replace(recipe, pairs=24))
    assert model.training_record["corpora"]["people.csv"]["identities"] == 1
    seen = {record.question for record in people if split_of(record.question) == "train"}
    assert model.training_record["questions"] == sorted(map(question_hash, seen))


def test_stances_identities_and_control_answers_share_the_steps(records, sided, control, recipe, tmp_path):
    # 240 pairs, besides those of control answers: two thirds or 160 are of stances, 13 steps of 12, and 80 of views. Of
    # these 33 are of 81 QAs and 47 of twice as many, in proportion to their roots: 2 and 3 steps. A third of these 18
    # steps come on top, on control answers.
    shared = dataclasses.replace(recipe, stance_share=0.5, control_share=0.25, positives="proxy")
    watch, logs = Watch(), Logs()
    corpora = {"./plain.csv": records, "sided": sided}
    model = train(corpora, tmp_path, control=control, recipe=shared, callbacks=[watch, logs])
    assert watch.steps[-1] == 24
    assert model.training_record["corpora"].keys() == corpora.keys()
    measured = set().union(*logs.logs)
    assert {"mutual_information_bound", "control_distance", "stance_rank_loss", "stance_signs_right"} < measured
    learned = safetensors.torch.load_file(tmp_path / f"checkpoint-{watch.steps[-1]}" / "loss.safetensors")
    width = model.get_embedding_dimension()
    assert {name: tuple(tensor.shape) for name, tensor in learned.items()} == {
        "views-0.log_temperature": (),
        "views-0.proxies": (6, width),  # three identities of each corpus
        "stances-0.direction.weight": (1, width),
        "stances-0.direction.bias": (1,),
    }


def test_measurements_are_means_over_the_steps_that_have_them(records, control, recipe, tmp_path, monkeypatch):
    from univar.model.losses import ControlLoss

    distances: list[float] = []
    of_views = ControlLoss.of_views

    def kept(self, *given):
        value = of_views(self, *given)
        distances.append(float(self.distance))
        return value

    monkeypatch.setattr(ControlLoss, "of_views", kept)
    logs = Logs()
    # 2 steps of views and 2 of control answers, logged once.
    few = dataclasses.replace(recipe, pairs=24, stance_share=0, control_share=0.5, checkpoints=1)
    train({"plain": records}, tmp_path, control=control, recipe=few, callbacks=[logs])
    (logged,) = logs.logs
    assert len(distances) == 2
    assert logged["control_distance"] == pytest.approx(sum(distances) / 2, abs=1e-4)


def test_the_direction_learns_ten_times_as_fast_as_the_encoder(sided, recipe, tmp_path):
    rates: dict[tuple[int, ...], float] = {}

    class Optimizer(TrainerCallback):
        def on_train_begin(self, args, state, control, optimizer, **kwargs):
            for group in optimizer.param_groups:
                rates.update({tuple(parameter.shape): group["initial_lr"] for parameter in group["params"]})

    model = train({"sided": sided}, tmp_path, recipe=dataclasses.replace(recipe, pairs=24), callbacks=[Optimizer()])
    width = model.get_embedding_dimension()
    assert rates[(1, width)] == rates[(1,)] == pytest.approx(10 * recipe.learning_rate)
    assert rates[(width, width)] == recipe.learning_rate


def test_a_corpus_that_teaches_nothing_is_left_out_and_told(records, people, recipe, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "univar.model.training"):
        model = train({"plain": records, "people": people}, tmp_path, recipe=dataclasses.replace(recipe, pairs=24))
    assert model.training_record["corpora"].keys() == {"people"}
    assert "tells none of their identities apart: plain; lower stance_share" in caplog.text


@pytest.mark.parametrize("mini_batch", [None, 5])
def test_an_interrupted_run_ends_like_one_that_was_not(sided, control, recipe, tmp_path, mini_batch):
    recipe = dataclasses.replace(recipe, stance_share=0.8, control_share=0.2, pairs=96, mini_batch=mini_batch)

    def run(out: Path, *callbacks: TrainerCallback) -> UniVaR:
        return train({"sided": sided}, out, control=control, recipe=recipe, callbacks=callbacks)

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", InterruptAt(7))
    watch = Watch()
    resumed = run(tmp_path / "cut", watch)
    assert watch.steps == [7, 8, 9, 10]  # from the checkpoint of step 6
    assert same(weights_of(resumed), weights_of(whole))
    learned = [
        safetensors.torch.load_file(tmp_path / run / "checkpoint-10" / "loss.safetensors") for run in ("cut", "whole")
    ]
    assert same(*learned)


def test_a_checkpoint_of_other_stances_is_an_error(people, recipe, tmp_path):
    few = dataclasses.replace(recipe, pairs=24)
    with pytest.raises(KeyboardInterrupt):
        train({"people": people}, tmp_path, recipe=few, callbacks=[InterruptAt(2)])
    turned = [dataclasses.replace(record, stance=-record.stance) for record in people]
    with pytest.raises(ValueError, match="or of other corpora"):
        train({"people": turned}, tmp_path, recipe=few)


@pytest.mark.parametrize("name", ["minilm-stance", "nomic-gpu-stance"])
def test_recipes_for_stances_train(people, control, recipe, tmp_path, name):
    shipped = read_recipe(name)
    tiny = dataclasses.replace(shipped, base=recipe.base, max_tokens=32, pairs=shipped.batch_pairs, bf16=False)
    model = train({"people": people}, tmp_path, control=control, recipe=tiny)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    card = model.render_card()
    assert "Stances take 80 % of the steps" in card
    assert "multi-view InfoNCE" not in card


# What cannot be trained


def test_stances_are_asked_of_corpora_that_have_some(records, recipe, tmp_path):
    with pytest.raises(
        ValueError, match=r"stance_share is 1, but no answer .* the corpora are plain. Give a column sta"
    ):
        train({"plain": records}, tmp_path, recipe=recipe)


def test_a_corpus_of_one_side_is_an_error_that_names_it(people, recipe, tmp_path):
    one_sided = [record for record in people if record.stance > 0]
    with pytest.raises(ValueError, match=r"^pros: all \d+ stances are 1: there is nothing to tell them from"):
        train({"both": people, "pros": one_sided}, tmp_path, recipe=recipe)


def test_weights_are_of_corpora_that_there_are(people, recipe, tmp_path):
    weighed = dataclasses.replace(recipe, corpus_weights={"people": 2.0, "poeple": 1.0})
    with pytest.raises(ValueError, match="corpus_weights names poeple, but the corpora are people; write one of these"):
        train({"people": people}, tmp_path, recipe=weighed)


def test_steps_on_identities_need_identities(people, recipe, tmp_path):
    left = dataclasses.replace(recipe, stance_share=0.8)
    with pytest.raises(
        ValueError, match=r"stance_share 0.8 and control_share 0 leave steps to tell identities apart, but"
    ):
        train({"people": people}, tmp_path, recipe=left)

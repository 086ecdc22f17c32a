import dataclasses
import json
import logging
import math
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.sentence_transformer.model_card import SentenceTransformerModelCardData
from transformers import TrainerCallback

from univar.corpus.records import QARecord, question_hash, split_of
from univar.model import trainer, training
from univar.model.modeling import UniVaR
from univar.model.recipes import Recipe
from univar.model.training import train
from univar.model.views import view_pairs


class Watch(TrainerCallback):
    """The steps that are done and the losses that are logged."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.bounds: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        self.steps.append(state.global_step)

    def on_log(self, args, state, control, logs, **kwargs):
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))
            self.bounds.append(float(logs.get("mutual_information_bound", math.nan)))


class InterruptAt(TrainerCallback):
    """Ctrl-C after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


class Scripted(BaseEvaluator):
    """An evaluator with given scores that keeps the weights it saw."""

    def __init__(self, scores: list[float], metric: str | None = "accuracy", greater_is_better: bool = True) -> None:
        super().__init__()
        self.scores, self.primary_metric, self.greater_is_better = iter(scores), metric, greater_is_better
        self.seen: dict[int, dict[str, torch.Tensor]] = {}

    def __call__(self, model, output_path=None, epoch=-1, steps=-1):
        self.seen[steps] = weights_of(model)
        score = next(self.scores)
        return {self.primary_metric: score, "other": 0.0} if self.primary_metric else score


def weights_of(model: UniVaR) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# Training


def test_the_loss_falls_and_identities_come_apart(records, recipe, tmp_path, tiny_model):
    watch = Watch()
    model = train({"tiny": records}, tmp_path, recipe=recipe, callbacks=[watch])
    assert watch.losses[-1] < watch.losses[0] / 3
    held_out = [record for record in records if split_of(record.question_key) == "test"]
    own = torch.tensor([[a.model == b.model for b in held_out] for a in held_out])

    def margin(encoder: UniVaR) -> float:
        embeddings = encoder.encode([record.text for record in held_out], convert_to_tensor=True)
        similarity = embeddings @ embeddings.T
        return float(similarity[own].mean() - similarity[~own].mean())

    assert margin(model) > margin(tiny_model) + 0.2


def test_the_record_names_exactly_the_questions_that_were_seen(records, recipe, tmp_path):
    model = train({"tiny": records}, tmp_path, recipe=recipe)
    questions = {record.question for record in records}
    seen = {question for question in questions if split_of(question) == "train"}
    assert 0 < len(seen) < len(questions)
    assert model.training_record["questions"] == sorted(question_hash(question) for question in seen)
    assert model.training_record["recipe"] == recipe.to_dict()
    (corpus,) = model.training_record["corpora"].values()
    assert len(corpus.pop("digest")) == 16
    assert corpus == {
        "qas": 3 * len(seen),
        "identities": 3,
        "questions": len(seen),
        "qas_held_out": 3 * (len(questions) - len(seen)),
    }
    assert model.training_record["checkpoint"] == "last"  # no evaluator to choose one
    json.dumps(model.training_record)


def test_held_out_questions_change_nothing(records, recipe, tmp_path):
    spoiled = [
        record if split_of(record.question_key) == "train" else dataclasses.replace(record, answer="law law law")
        for record in records
    ]
    few = dataclasses.replace(recipe, pairs=60)
    first = train({"tiny": records}, tmp_path / "first", recipe=few)
    second = train({"tiny": spoiled}, tmp_path / "second", recipe=few)
    assert same(weights_of(first), weights_of(second))


def test_another_seed_gives_another_model(records, recipe, tmp_path):
    few = dataclasses.replace(recipe, pairs=24)
    first = train({"tiny": records}, tmp_path / "first", recipe=few)
    second = train({"tiny": records}, tmp_path / "second", recipe=dataclasses.replace(few, seed=4))
    assert not same(weights_of(first), weights_of(second))


@pytest.mark.parametrize("freeze", [True, False])
def test_token_embeddings_can_be_left_as_they_are(records, recipe, tmp_path, tiny_model, freeze):
    few = dataclasses.replace(recipe, pairs=24, freeze_embeddings=freeze)
    model = train({"tiny": records}, tmp_path, recipe=few)
    before, after = (m.encoder.get_input_embeddings().weight for m in (tiny_model, model))
    assert torch.equal(before, after) is freeze
    assert not same(weights_of(tiny_model), weights_of(model))


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_training_works_in_bfloat16(records, recipe, tmp_path, monkeypatch, pooling):
    monkeypatch.setattr(trainer, "_has_bf16", lambda: True)
    few = dataclasses.replace(recipe, pairs=36, bf16=True, view_pooling=pooling, positives="identity")
    model = train({"tiny": records}, tmp_path, recipe=few)
    assert model.dtype == torch.float32  # weights stay in 32 bits
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_base_in_half_precision_is_trained_in_32_bits(tiny_encoder_folder, records, recipe, tmp_path, dtype):
    half = UniVaR(str(tiny_encoder_folder), device="cpu", model_kwargs={"dtype": dtype})
    half.save_pretrained(str(tmp_path / "half"))
    few = dataclasses.replace(recipe, pairs=24, base=str(tmp_path / "half"), learning_rate=1e-6)
    model = train({"tiny": records}, tmp_path / "run", recipe=few)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    # Two steps of a millionth are lost where weights of about 0.02 have 8 or 11 bits.
    trained, before = (m.encoder.encoder.layer[0].output.dense.weight for m in (model, half))
    assert 0 < float((trained - before.float()).abs().mean().detach()) < 1e-5


def test_the_number_of_tokens_holds_afterwards(records, recipe, tmp_path):
    model = train({"tiny": records}, tmp_path / "run", recipe=dataclasses.replace(recipe, pairs=24, max_tokens=9))
    model.save_pretrained(str(tmp_path / "saved"))
    assert UniVaR(str(tmp_path / "saved"), device="cpu").max_seq_length == 9


def test_two_corpora_train_in_batches_of_their_own(records, recipe, tmp_path, monkeypatch):
    other = [dataclasses.replace(record, question=f"family {record.question}") for record in records[:60]]
    batches = []

    class Watched(training.MultiViewInfoNCELoss):
        def forward(self, sentence_features, labels):
            word = self.model.tokenizer.convert_tokens_to_ids("family")
            rows = [(side["input_ids"] == word).any(dim=1).tolist() for side in sentence_features]
            batches.append({row for side in rows for row in side})
            return super().forward(sentence_features, labels)

    monkeypatch.setattr(training, "MultiViewInfoNCELoss", Watched)
    model = train({"plain": records, "family": other}, tmp_path, recipe=recipe)
    # Shares of 240 pairs in proportion to the square roots of the QAs seen, in whole batches of 12.
    seen = [sum(split_of(r.question_key) == "train" for r in corpus) for corpus in (records, other)]
    roots = [number**0.5 for number in seen]
    expected = [round(240 * root / sum(roots)) // 12 for root in roots]
    assert [batches.count({False}), batches.count({True})] == expected
    assert len(batches) == sum(expected)
    assert set(model.training_record["corpora"]) == {"plain", "family"}


def test_proxies_are_of_all_identities_but_of_those_on_one_value(records, recipe, tmp_path, monkeypatch):
    made = []

    class Watched(training.MultiViewInfoNCELoss):
        def __init__(self, model, **options):
            super().__init__(model, **options)
            made.append(self)
            self.started = self.proxies.detach().clone()
            self.labels = set()

        def forward(self, sentence_features, labels):
            self.labels |= set(labels.tolist())
            return super().forward(sentence_features, labels)

    monkeypatch.setattr(training, "MultiViewInfoNCELoss", Watched)
    two = [record for record in records if record.model != "solar"]
    valued = [dataclasses.replace(record, value="thrift") for record in records]
    few = dataclasses.replace(recipe, pairs=120, positives="proxy")
    watch = Watch()
    train({"one": records, "on a value": valued, "other": two}, tmp_path, recipe=few, callbacks=[watch])
    (loss,) = made
    assert loss.positives == "proxy"
    assert len(loss.proxies) == 3 + 2
    assert loss.labels == {0, 1, 2, 3, 4, 5, 6, 7}  # aya, mixtral and solar, aya and mixtral, and three on one value
    assert torch.all((loss.proxies - loss.started).norm(dim=1) > 0)
    assert all(math.isfinite(bound) for bound in watch.bounds)


def test_where_all_views_are_on_one_value_there_are_no_proxies(records, recipe, tmp_path):
    valued = [dataclasses.replace(record, value="thrift") for record in records]
    proxy, identity = (
        train({"tiny": valued}, tmp_path / kind, recipe=dataclasses.replace(recipe, pairs=24, positives=kind))
        for kind in ("proxy", "identity")
    )
    assert same(weights_of(proxy), weights_of(identity))


def test_nothing_is_printed_and_no_model_card_of_the_library_is_gathered(
    records, recipe, tmp_path, monkeypatch, capfd, caplog
):
    def refuse(*_):
        raise AssertionError("examples for a card that is not ours")

    monkeypatch.setattr(SentenceTransformerModelCardData, "set_widget_examples", refuse)
    caplog.set_level(logging.INFO, logger="univar")
    train({"tiny": records}, tmp_path, recipe=dataclasses.replace(recipe, pairs=24))
    assert capfd.readouterr().out == ""
    assert "step 2 of 2: {'loss'" in caplog.text


def test_the_bound_on_the_mutual_information_is_logged_beside_the_loss(records, recipe, tmp_path):
    watch = Watch()
    # A batch of 12 holds 4 pairs of each of 3 identities: 8 others and the positive, log(9).
    few = dataclasses.replace(recipe, pairs=120, mini_batch=5)
    train({"tiny": records}, tmp_path, recipe=few, callbacks=[watch])
    assert len(watch.bounds) == len(watch.losses) > 2
    # Both are rounded to 4 digits.
    assert [loss + bound for loss, bound in zip(watch.losses, watch.bounds, strict=True)] == pytest.approx(
        [math.log(9)] * len(watch.losses), abs=2e-4
    )


def test_a_mini_batch_changes_the_memory_and_not_the_model(records, recipe, tmp_path):
    few = dataclasses.replace(recipe, pairs=36, dropout=0.0, view_pooling="attention")
    whole = train({"tiny": records}, tmp_path / "whole", recipe=few)
    cached = train({"tiny": records}, tmp_path / "cached", recipe=dataclasses.replace(few, mini_batch=7))
    torch.testing.assert_close(weights_of(cached), weights_of(whole), rtol=1e-3, atol=1e-4)
    assert not same(weights_of(whole), weights_of(UniVaR(recipe.base, view_pooling="attention", device="cpu")))


def test_both_passes_of_a_mini_batch_are_in_bfloat16(records, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_has_bf16", lambda: True)
    types, untrained = [], training._untrained

    def watched(recipe: Recipe) -> UniVaR:
        model = untrained(recipe)
        hook = lambda _module, _inputs, output: types.append((model.training, output.dtype))  # noqa: E731
        model.encoder.encoder.layer[0].attention.self.query.register_forward_hook(hook)
        return model

    monkeypatch.setattr(training, "_untrained", watched)
    train({"tiny": records}, tmp_path, recipe=dataclasses.replace(recipe, pairs=12, bf16=True, mini_batch=4))
    assert set(types) == {(True, torch.bfloat16)}


def test_gradient_checkpointing_changes_the_memory_and_not_the_model(records, recipe, tmp_path):
    few = dataclasses.replace(recipe, pairs=24, dropout=0.0, mini_batch=5)
    whole = train({"tiny": records}, tmp_path / "whole", recipe=few)
    less = train({"tiny": records}, tmp_path / "less", recipe=dataclasses.replace(few, gradient_checkpointing=True))
    assert less.encoder.is_activation_checkpointing
    torch.testing.assert_close(weights_of(less), weights_of(whole), rtol=1e-3, atol=1e-5)


def test_the_card_of_a_trained_model_tells_of_this_training(records, recipe, tmp_path):
    first = train({"first": records}, tmp_path / "first", recipe=dataclasses.replace(recipe, pairs=24))
    first.save_pretrained(str(tmp_path / "saved"))
    again = dataclasses.replace(recipe, pairs=24, base=str(tmp_path / "saved"))
    train({"second": records}, tmp_path / "second", recipe=again).save_pretrained(str(tmp_path / "again"))
    this, _, before = (tmp_path / "again" / "README.md").read_text().partition("### One training before")
    assert "| second | 81 | 3 | 27 | 39 |" in this
    assert "| first |" not in this
    assert "| first | 81 | 3 | 27 | 39 |" in before


def test_views_can_be_joined_and_what_is_cut_is_told(recipe, tmp_path, caplog):
    # Every QA is `Q : is n A : yes`, 7 tokens. With [CLS] and [SEP] a view of one has 9 and of two 16.
    records = [QARecord(f"{n}", f"is {n}", "yes", model, "eng") for n in range(30) for model in ("aya", "solar")]
    joined = dataclasses.replace(recipe, pairs=24, view_encoder="concat", max_tokens=13, mini_batch=5)
    model = train({"tiny": records}, tmp_path, recipe=joined)
    sizes = Counter(
        len(view)
        for row in view_pairs([r for r in records if split_of(r.question) == "train"], 24, max_qas=2, seed=3)
        for view in (row["view_a"], row["view_b"])
    )
    tokens = 9 * sizes[1] + 16 * sizes[2]
    assert model.training_record["cut"] == {
        "views": 48,
        "views_cut": sizes[2],
        "tokens": tokens,
        "tokens_cut": 3 * sizes[2],
    }
    assert f"{sizes[2]} of 48 joined views are longer than the 13 tokens that are read" in caplog.text
    assert f"{100 * 3 * sizes[2] / tokens:.0f} % of all tokens are cut off" in caplog.text
    assert f"{sizes[2]} of 48 views were longer, and lost {3 * sizes[2]} of {tokens} tokens" in model.render_card()
    assert model.view_pooling.pooling_mode == "concat"


def test_training_on_from_a_trained_model_remembers_what_that_has_seen(records, recipe, tmp_path):
    few = dataclasses.replace(recipe, pairs=24)
    first = train({"first": records}, tmp_path / "first", recipe=few)
    first.save_pretrained(str(tmp_path / "saved"))
    others = [dataclasses.replace(record, question=f"should one help {record.question_id}") for record in records]
    again = dataclasses.replace(few, base=str(tmp_path / "saved"))
    model = train({"second": others}, tmp_path / "second", recipe=again)
    seen = {record.question for record in [*records, *others] if split_of(record.question) == "train"}
    assert model.training_record["questions"] == sorted(map(question_hash, seen))
    assert model.training_record["corpora"].keys() == {"second"}
    assert model.training_record["base"] | {"questions": first.training_record["questions"]} == first.training_record
    assert "questions" not in model.training_record["base"]  # they are among those of the model
    checkpoint = next((tmp_path / "second").glob("checkpoint-*/README.md"))
    assert "### One training before" in checkpoint.read_text(encoding="utf-8") == model.render_card()


def test_training_on_from_the_weights_that_ship_remembers_what_they_have_seen(shipped, records, recipe, tmp_path):
    model = train({"tiny": records}, tmp_path, recipe=dataclasses.replace(recipe, pairs=24, base="univar"))
    assert set(shipped.training_record["questions"]) < set(model.training_record["questions"])


# The best checkpoint


@pytest.mark.parametrize(
    ("scores", "metric", "greater", "best"),
    [
        ([0.1, 0.9, 0.3, 0.2], "accuracy", True, 10),
        ([0.1, 0.9, 0.3, 0.05], "distance", False, 20),
        ([0.8, 0.7, 0.3, 0.2], None, True, 5),
    ],
)
def test_the_evaluator_picks_the_checkpoint_that_is_returned(records, recipe, tmp_path, scores, metric, greater, best):
    evaluator = Scripted(scores, metric, greater)
    model = train({"tiny": records}, tmp_path, recipe=recipe, evaluator=evaluator)
    assert list(evaluator.seen) == [5, 10, 15, 20]
    assert same(weights_of(model), evaluator.seen[best])


def test_training_stops_once_nothing_has_got_better_for_long_enough(records, recipe, tmp_path):
    evaluator = Scripted([0.1, 0.4, 0.3, 0.2])
    longer = dataclasses.replace(recipe, patience=1)
    model = train({"tiny": records}, tmp_path, recipe=longer, evaluator=evaluator)
    assert list(evaluator.seen) == [5, 10, 15]
    assert same(weights_of(model), evaluator.seen[10])


def test_patience_is_no_longer_after_an_interruption(records, recipe, tmp_path):
    recipe = dataclasses.replace(recipe, patience=2)
    with pytest.raises(KeyboardInterrupt):
        train({"tiny": records}, tmp_path, recipe=recipe, evaluator=Scripted([0.9, 0.3]), callbacks=[InterruptAt(12)])
    evaluator = Scripted([0.2, 0.1])
    train({"tiny": records}, tmp_path, recipe=recipe, evaluator=evaluator)
    assert list(evaluator.seen) == [15]


def test_patience_without_a_measurement_is_an_error(records, recipe, tmp_path):
    with pytest.raises(ValueError, match="patience is 2, but nothing is measured on the way; add answers"):
        train({"tiny": records}, tmp_path, recipe=dataclasses.replace(recipe, patience=2))


# Control answers


@pytest.fixture
def control(records) -> list[QARecord]:
    return [dataclasses.replace(record, question=f"how to boil an egg {record.question_id}") for record in records]


def test_control_answers_take_their_share_of_the_steps_and_stay_together(records, control, recipe, tmp_path):
    def spread(model: UniVaR) -> float:
        """How far apart the identities' answers to control questions lie that training has not seen."""
        held_out = [record for record in control if split_of(record.question) != "train"]
        embeddings = model.encode([record.text for record in held_out], convert_to_tensor=True)
        embeddings = embeddings.reshape(len(held_out) // 3, 3, -1)
        return float((embeddings - embeddings.mean(dim=1, keepdim=True)).square().sum(dim=2).mean())

    free = train({"tiny": records}, tmp_path / "free", recipe=recipe)
    watch, held = Watch(), dataclasses.replace(recipe, control_share=0.5, control_weight=5)
    kept = train({"tiny": records}, tmp_path / "kept", control=control, recipe=held, callbacks=[watch])
    assert watch.steps[-1] == 2 * 20
    assert spread(kept) < spread(free) / 3
    seen = {record.question for record in [*records, *control] if split_of(record.question) == "train"}
    assert kept.training_record["questions"] == sorted(map(question_hash, seen))
    questions = sum(split_of(record.question) == "train" for record in control) // 3
    assert kept.training_record["control"]["questions"] == questions


def test_control_answers_without_a_share_are_not_trained_on(records, control, recipe, tmp_path):
    few = dataclasses.replace(recipe, pairs=24)
    without = train({"tiny": records}, tmp_path / "without", recipe=few)
    beside = train({"tiny": records}, tmp_path / "beside", control=control, recipe=few)
    assert same(weights_of(without), weights_of(beside))
    assert without.training_record == beside.training_record


def test_a_share_without_control_answers_is_an_error_that_says_what_to_do(records, recipe, tmp_path):
    with pytest.raises(ValueError, match=r"control_share is 0.2, but no control answers .* or set control_share: 0"):
        train({"tiny": records}, tmp_path, recipe=dataclasses.replace(recipe, control_share=0.2))


def test_control_answers_to_no_training_question_are_an_error(records, control, recipe, tmp_path):
    held_out = [record for record in control if split_of(record.question) != "train"]
    with pytest.raises(ValueError, match="needs questions that two identities answered, and none of 0 was"):
        train({"tiny": records}, tmp_path, control=held_out, recipe=dataclasses.replace(recipe, control_share=0.2))


def test_a_corpus_may_be_called_control(records, control, recipe, tmp_path):
    few = dataclasses.replace(recipe, pairs=24, control_share=0.5)
    model = train({"control": records}, tmp_path, control=control, recipe=few)
    assert model.training_record["corpora"]["control"]["identities"] == 3


# Going on after an interruption


@pytest.mark.parametrize(
    ("evaluated", "changes", "steps"),
    [
        (False, {"mini_batch": 5}, range(11, 20)),  # with dropout, whose states are kept and drawn from again
        (True, {"learn_temperature": True, "view_pooling": "attention", "schedule": "inverse_sqrt"}, range(11, 20)),
        (False, {"control_share": 0.2}, range(7, 25)),  # 5 more steps, a checkpoint every 6
        (False, {"positives": "proxy", "dropout": 0.0}, range(11, 20)),  # the directions are kept too
    ],
)
def test_an_interrupted_run_ends_like_one_that_was_not(records, control, recipe, tmp_path, evaluated, changes, steps):
    recipe = dataclasses.replace(recipe, **changes)
    corpora = {"tiny": records, "other": records[:60]}

    def evaluator(*scores: float) -> Scripted | None:
        return Scripted(list(scores)) if evaluated else None

    whole = train(corpora, tmp_path / "whole", control=control, recipe=recipe, evaluator=evaluator(0.1, 0.2, 0.4, 0.3))
    out = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        train(corpora, out, control=control, recipe=recipe, evaluator=evaluator(0.1, 0.2), callbacks=[InterruptAt(12)])
    watch = Watch()
    resumed = train(corpora, out, control=control, recipe=recipe, evaluator=evaluator(0.4, 0.3), callbacks=[watch])
    assert watch.steps == list(steps)
    assert same(weights_of(resumed), weights_of(whole))


def interrupted(records, recipe, out: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train({"tiny": records}, out, recipe=recipe, callbacks=[InterruptAt(12)])


def test_a_checkpoint_that_was_cut_off_is_passed_over(records, recipe, tmp_path):
    interrupted(records, recipe, tmp_path)
    shutil.copytree(tmp_path / "checkpoint-10", tmp_path / "checkpoint-11")
    (tmp_path / "checkpoint-11" / "trainer_state.json").unlink()
    (tmp_path / "checkpoint-11" / "model.safetensors").write_bytes(b"half")
    assert train({"tiny": records}, tmp_path, recipe=recipe).training_record["recipe"] == recipe.to_dict()


def test_a_checkpoint_of_another_run_is_an_error_that_says_what_to_do(records, recipe, tmp_path):
    interrupted(records, recipe, tmp_path)
    other_recipe = dataclasses.replace(recipe, temperature=0.1)
    with pytest.raises(ValueError, match=r"checkpoint-10 is a checkpoint of another recipe .*resume=False"):
        train({"tiny": records}, tmp_path, recipe=other_recipe)
    with pytest.raises(ValueError, match="or of other corpora"):
        train({"tiny": records[:90]}, tmp_path, recipe=recipe)


def test_a_checkpoint_of_other_answers_to_the_same_questions_is_an_error(records, control, recipe, tmp_path):
    recipe = dataclasses.replace(recipe, control_share=0.5)
    with pytest.raises(KeyboardInterrupt):
        train({"tiny": records}, tmp_path, control=control, recipe=recipe, callbacks=[InterruptAt(12)])
    for change in ({"answer": "no wrong"}, {"model": "stranger"}, {"lang": "deu"}, {"value": "thrift"}):
        others = [
            [dataclasses.replace(record, **change) if record.model == "solar" else record for record in given]
            for given in (records, control)
        ]
        for corpus, other_control in ((others[0], control), (records, others[1])):
            with pytest.raises(ValueError, match="or of other corpora"):
                train({"tiny": corpus}, tmp_path, control=other_control, recipe=recipe)


def test_starting_anew_throws_checkpoints_away(records, recipe, tmp_path):
    interrupted(records, recipe, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    other = dataclasses.replace(recipe, pairs=48)  # 4 steps
    train({"tiny": records}, tmp_path, recipe=other, resume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-3", "checkpoint-4", "notes.txt"]

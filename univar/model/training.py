"""Trains the multi-view encoder by a recipe, and keeps the record of what it was trained on."""

import hashlib
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers.base.evaluation import BaseEvaluator
from transformers import TrainerCallback, set_seed
from transformers.trainer import TRAINER_STATE_NAME

from univar.corpus.records import QARecord, question_hash
from univar.model import weights
from univar.model.losses import ControlLoss, MultiViewInfoNCELoss
from univar.model.modeling import UniVaR
from univar.model.modules import ViewTransformer
from univar.model.recipes import Recipe
from univar.model.stance_loss import StanceLoss
from univar.model.trainer import Kind, Trainer, new_trainer
from univar.model.training_sets import (
    check_corpora,
    control_set,
    cut,
    first_directions,
    stance_sets,
    to_train_on,
    view_sets,
)
from univar.model.unread import text_languages
from univar.model.view_loss import ViewLoss

logger = logging.getLogger(__name__)


def train(
    corpora: Mapping[str, Sequence[QARecord]],
    out: str | os.PathLike[str],
    *,
    control: Sequence[QARecord] = (),
    recipe: Recipe | None = None,
    evaluator: BaseEvaluator | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    resume: bool = True,
    report_to: str = "none",
) -> UniVaR:
    """Trains on the `train` questions of the corpora and returns the model; checkpoints lie in `out`.

    Batches hold pairs of one corpus: of views, so that negatives answered like questions; or, if the recipe gives
    stances a share of the steps, of answers to one question or claim that stand apart. Corpora get turns in proportion
    to their QAs, or passages, raised to the recipe's `corpus_exponent` and times their weight in it. Those that have
    stances teach them, and their identities as the others do where there are two or more; a corpus that teaches
    nothing is left out, and told. Questions of the other splits are never seen.
    Where `torchrun` or `accelerate launch` started several processes, each takes its share of every batch: the
    training is that of one process.

    The training record of the model names the questions that were seen; where the base is a UniVaR model, also those
    that it has seen and how it was trained itself.

    Args:
        corpora: Records by the name of their corpus.
        out: Folder of checkpoints; a run that was interrupted goes on from the last one if `resume`.
        control: QAs that elicit no values, of which those to `train` questions are trained on if the recipe gives them
            a share of the steps.
        recipe: The hyperparameters; the defaults of `Recipe` if None.
        evaluator: Called at every checkpoint; its primary metric picks the checkpoint that is returned, and tells when
            to stop early, if the recipe says so.
        callbacks: For the Trainer.
        resume: Go on from a checkpoint in `out` if there is one; otherwise those there are thrown away.
        report_to: As for `TrainingArguments`.

    Raises:
        TypeError: If `corpora` is no mapping, holds what is no record, or `recipe` is only its name.
        ValueError: If the corpora leave fewer than two identities to tell apart, or no stances, and the recipe has
            steps for it; if the checkpoints in `out` are of another recipe or of other corpora; if the recipe weighs
            corpora that there are not, or asks for more tokens than the base encoder reads, for control answers or an
            early end where there are none or nothing is measured; if the processes that train cannot share a batch
            equally; also if the base encoder cannot be loaded or is a static model.
        RuntimeError: If a step takes more memory than there is; the message names what in the recipe would help.
    """
    if not isinstance(corpora, Mapping):
        raise TypeError(
            f"corpora are records by the name of their corpus, got {corpora!r:.80}; of one give {{name: records}}"
        )
    if recipe is not None and not isinstance(recipe, Recipe):
        raise TypeError(
            f"recipe is {recipe!r:.80}; give a Recipe, as univar.model.recipes.read_recipe(name or file) does"
        )
    recipe, out = recipe or Recipe(), Path(out)
    check_complete(recipe, control, evaluator)
    model = _untrained(recipe)
    before = model.training_record  # of a base that is a UniVaR model itself
    seen = {name: to_train_on(records) for name, records in corpora.items()}
    seen_control = to_train_on(control) if recipe.control_share else []
    check_corpora(seen, recipe)
    views, identities = view_sets(seen, recipe)
    proxies = first_directions(model, views, identities)
    stances = stance_sets(seen, recipe)
    used = _used(seen, views, stances)
    # Set now and not at the end: checkpoints carry it, which tells on resuming whether they are of this run.
    model.training_record = {
        "recipe": recipe.to_dict(),
        "corpora": {name: corpus_record(corpora[name], records) for name, records in used.items()},
        "questions": sorted({*before.get("questions", ()), *_hashes([*used.values(), seen_control])}),
        "checkpoint": "last" if evaluator is None else "best on validation questions",
    }
    if languages := _languages([*used.values(), seen_control], before):
        model.training_record["languages"] = languages
    if before:
        model.training_record["base"] = {name: part for name, part in before.items() if name != "questions"}
    pairs = [*views.values(), *stances.values()]
    if recipe.view_encoder == "concat":
        model.training_record["cut"] = cut(model, pairs)
    if recipe.control_share:
        model.training_record["control"] = corpus_record(control, seen_control)
    controls = [control_set(seen_control, model, pairs, recipe)] if recipe.control_share else []
    model.set_model_card(model.render_card())  # now, or checkpoints would carry that of the base
    if not torch.accelerator.is_available():
        # Measured on a CPU that computes in bfloat16: the gradient of the fused attention takes a third of a step. Not
        # before: what needs no gradient, the targets of control answers above all, is quicker with it.
        model.encoder.set_attn_implementation("eager")
    set_seed(recipe.seed)  # every process starts the direction of stances in the same place
    sets: dict[Kind, list[Dataset]] = {"views": [*views.values()], "stances": [*stances.values()], "control": controls}
    losses = _losses(model, recipe, proxies)
    trainer = new_trainer(losses, sets, recipe, out, evaluator=evaluator, callbacks=callbacks, report_to=report_to)
    with trainer.args.main_process_first(local=False):  # the others must not find what it throws away
        checkpoint = _checkpoint(out, model.training_record, resume=resume)
    _run(trainer, recipe, checkpoint)
    return model


def _run(trainer: Trainer, recipe: Recipe, checkpoint: Path | None) -> None:
    """Trains from the start, or on from a checkpoint."""
    if checkpoint is not None:
        trainer.load_learned(checkpoint)
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except torch.OutOfMemoryError as error:
        raise RuntimeError(_out_of_memory(recipe)) from error


def check_complete(recipe: Recipe, control: Sequence[QARecord], evaluator: BaseEvaluator | None) -> None:
    """Raises ValueError if the recipe asks for what this training does not have."""
    if recipe.control_share and not control:
        raise ValueError(
            f"control_share is {recipe.control_share}, but no control answers were given; give some that elicit no "
            "values (`univar train --control`), or set control_share: 0 in the recipe"
        )
    if recipe.patience is not None and evaluator is None:
        raise ValueError(
            f"patience is {recipe.patience}, but nothing is measured on the way; add answers to more questions, of "
            "which a tenth is for validation, or leave patience out of the recipe"
        )


def _hashes(corpora: Iterable[Iterable[QARecord]]) -> set[str]:
    return {question_hash(record.question_key) for records in corpora for record in records}


def _languages(corpora: Iterable[Iterable[QARecord]], before: Mapping[str, Any]) -> list[str]:
    """The languages that a model is trained to read, here or before, and English; none if that is all."""
    langs = sum(map(text_languages, corpora), Counter[str]())
    if foreign := {lang: count for lang, count in langs.items() if lang != "eng"}:
        logger.warning(
            "trained on answers in other languages than English, as they were written (%s): the model will be taken to "
            "read these; its base should, or give answers their English version (`univar corpus translate`)",
            ", ".join(f"{lang} {count:,}" for lang, count in foreign.items()),
        )
    known = {"eng", *langs, *before.get("languages", ())}
    return sorted(known) if known != {"eng"} else []


def _used(seen: Mapping[str, list[QARecord]], *sets: Mapping[str, Dataset]) -> dict[str, list[QARecord]]:
    """The corpora of which something is trained on; of the others a warning tells."""
    used = {name: records for name, records in seen.items() if any(name in of_kind for of_kind in sets)}
    if left_out := ", ".join(name for name in seen if name not in used):
        logger.warning(
            "not trained on, since no answer has a stance and the recipe tells none of their identities apart: %s; "
            "lower stance_share in the recipe or name them in its identities_of, or give stances",
            left_out,
        )
    return used


def _losses(model: UniVaR, recipe: Recipe, proxies: Sequence[torch.Tensor]) -> dict[Kind, ViewLoss]:
    """A loss for each kind of data set, which all data sets of the kind share."""
    without_proxies = recipe.positives == "proxy" and not proxies  # all corpora name values
    views = MultiViewInfoNCELoss(
        model,
        temperature=recipe.temperature,
        learn_temperature=recipe.learn_temperature,
        positives="identity" if without_proxies else recipe.positives,
        mask_false_negatives=recipe.mask_false_negatives,
        mini_batch=recipe.mini_batch,
        proxies=proxies,
    )
    stances = StanceLoss(
        model,
        temperature=recipe.stance_temperature,
        margin=recipe.stance_margin,
        direction_weight=recipe.direction_weight,
        mini_batch=recipe.mini_batch,
    )
    control = ControlLoss(model, weight=recipe.control_weight, mini_batch=recipe.mini_batch)
    return {"views": views, "stances": stances, "control": control}


def _out_of_memory(recipe: Recipe) -> str:
    if recipe.mini_batch is None:
        remedy = "set mini_batch, to 32 for instance, or lower batch_pairs, max_qas or max_tokens"
    else:
        remedy = f"lower mini_batch, which is {recipe.mini_batch}, or max_tokens, or set gradient_checkpointing: true"
    return f"out of memory in a training step; in the recipe, {remedy}"


def _untrained(recipe: Recipe) -> UniVaR:
    """The encoder from which a recipe starts, in 32 bits."""
    base = weights.base_encoder() if recipe.base == "univar-base" else recipe.base
    try:
        model = UniVaR(base, view_pooling="concat" if recipe.view_encoder == "concat" else recipe.view_pooling)
    except weights.WeightsError:
        raise
    except Exception as error:  # what is in a folder or on the Hub may raise anything
        raise ValueError(
            f"cannot load the base {recipe.base!r}; set base to univar-base, a SentenceTransformer folder or a name on "
            f"the Hub ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(model[0], ViewTransformer):
        raise ValueError(
            f"the base {recipe.base!r} is a static model, which has no transformer to train; set base to univar-base, "
            "univar, or a SentenceTransformer folder or name on the Hub that has one"
        )
    model.float()  # many encoders are stored in half precision, whose steps are too coarse for small learning rates
    if recipe.max_tokens is not None:
        window = getattr(model.encoder.config, "max_position_embeddings", recipe.max_tokens)
        if recipe.max_tokens > window:
            raise ValueError(f"max_tokens is {recipe.max_tokens}, but {recipe.base} reads at most {window}")
        model.max_seq_length = recipe.max_tokens
    for module in model.encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = recipe.dropout
    if recipe.gradient_checkpointing:
        model.encoder.activation_checkpointing_enable()
    if recipe.freeze_embeddings:
        model.encoder.get_input_embeddings().requires_grad_(False)
    return model


def _checkpoint(out: Path, record: Mapping[str, Any], *, resume: bool) -> Path | None:
    """The last checkpoint of an interrupted run in `out`, checked to be of the run that `record` describes."""
    if not resume:
        for folder in out.glob("checkpoint-*"):
            shutil.rmtree(folder)
    # The trainer writes its state last: a checkpoint without it was cut off while it was written.
    whole = [state.parent for state in out.glob(f"checkpoint-*/{TRAINER_STATE_NAME}")]
    if not whole:
        return None
    last = max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]))
    file = last / weights.RECORD_FILE
    if not file.is_file() or json.loads(file.read_text(encoding="utf-8")) != json.loads(json.dumps(record)):
        raise ValueError(
            f"{last} is a checkpoint of another recipe or of other corpora; "
            "start anew (resume=False, `univar train --restart`) or choose another folder"
        )
    return last


def corpus_record(records: Sequence[QARecord], trained_on: Sequence[QARecord]) -> dict[str, int | str]:
    """What a training record says of a corpus: numbers of what was trained on and of other QAs, a digest of all."""
    return {
        "qas": len(trained_on),
        "identities": len({record.identity for record in trained_on}),
        "questions": len({record.question_key for record in trained_on}),
        "qas_held_out": len(records) - len(trained_on),
        "digest": _digest(records),
    }


def _digest(records: Iterable[QARecord]) -> str:
    """Sixteen hex digits that stand for what is read of the QAs, in their order, which the draw of views follows."""
    digest = hashlib.blake2b(digest_size=8)
    for record in records:
        read: list[Any] = [*record.identity, record.question_key, record.value, record.text]
        read += [] if record.stance is None else [record.stance]
        digest.update(json.dumps(read).encode() + b"\n")
    return digest.hexdigest()

"""Trains the multi-view encoder on `SentenceTransformerTrainer`: checkpoints, resume, bf16 and logging are its own."""

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.evaluation import BaseEvaluator
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME

from univar.corpus.records import QARecord, question_hash
from univar.model import weights
from univar.model.losses import ControlledInfoNCELoss, MultiViewInfoNCELoss
from univar.model.modeling import UniVaR
from univar.model.modules import ViewTransformer
from univar.model.recipes import Recipe
from univar.model.training_sets import control_set, cut, first_directions, to_train_on, view_sets
from univar.model.views import InOrderBatchSampler

logger = logging.getLogger(__name__)

_LOSS_FILE = "loss.safetensors"
# A proxy is moved by one row of similarities, the encoder by all of them.
_PROXIES_LEARN_FASTER = 10


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

    Batches hold view pairs of one corpus, so that negatives answered like questions; corpora get turns in proportion
    to their QAs, or passages, raised to the recipe's `corpus_exponent`. Questions of the other splits are never seen.
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
        ValueError: If the corpora leave fewer than two identities to tell apart, if the checkpoints in `out` are of
            another recipe or of other corpora, if the recipe asks for more tokens than the base encoder reads, for
            control answers or an early end where there are none or nothing is measured, or if the processes that
            train cannot share a batch equally; also if the base encoder cannot be loaded or is a static model.
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
    datasets, identities = view_sets(seen, recipe)
    proxies = first_directions(model, datasets, identities)
    # Set now and not at the end: checkpoints carry it, which tells on resuming whether they are of this run.
    model.training_record = {
        "recipe": recipe.to_dict(),
        "corpora": {name: corpus_record(records, seen[name]) for name, records in corpora.items()},
        "questions": sorted({*before.get("questions", ()), *_hashes([*seen.values(), seen_control])}),
        "checkpoint": "last" if evaluator is None else "best on validation questions",
    }
    if before:
        model.training_record["base"] = {name: part for name, part in before.items() if name != "questions"}
    if recipe.view_encoder == "concat":
        model.training_record["cut"] = cut(model, datasets)
    if recipe.control_share:
        model.training_record["control"] = corpus_record(control, seen_control)
        datasets[_unused_name(datasets)] = control_set(seen_control, model, datasets, recipe)
    model.set_model_card(model.render_card())  # now, or checkpoints would carry that of the base
    if not torch.accelerator.is_available():
        # Measured on a CPU that computes in bfloat16: the gradient of the fused attention takes a third of a step. Not
        # before: what needs no gradient, the targets of control answers above all, is quicker with it.
        model.encoder.set_attn_implementation("eager")
    loss = _loss(model, recipe, proxies)
    trainer = _trainer(loss, datasets, recipe, out, evaluator=evaluator, callbacks=callbacks, report_to=report_to)
    with trainer.args.main_process_first(local=False):  # the others must not find what it throws away
        checkpoint = _checkpoint(out, model.training_record, resume=resume)
    _run(trainer, recipe, checkpoint)
    return model


def _run(trainer: "_Trainer", recipe: Recipe, checkpoint: Path | None) -> None:
    """Trains from the start, or on from a checkpoint."""
    if checkpoint is not None:
        loss: Any = trainer.loss
        loss.load_state_dict(safetensors.torch.load_file(checkpoint / _LOSS_FILE), strict=False)
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


def _loss(model: UniVaR, recipe: Recipe, proxies: Sequence[torch.Tensor]) -> MultiViewInfoNCELoss:
    without_proxies = recipe.positives == "proxy" and not proxies  # all corpora name values
    return ControlledInfoNCELoss(
        model,
        temperature=recipe.temperature,
        learn_temperature=recipe.learn_temperature,
        positives="identity" if without_proxies else recipe.positives,
        mask_false_negatives=recipe.mask_false_negatives,
        mini_batch=recipe.mini_batch,
        control_weight=recipe.control_weight,
        proxies=proxies,
    )


def _unused_name(datasets: Mapping[str, Dataset]) -> str:
    name = "control"
    while name in datasets:
        name = f"{name}_"
    return name


def _out_of_memory(recipe: Recipe) -> str:
    if recipe.mini_batch is None:
        remedy = "set mini_batch, to 32 for instance, or lower batch_pairs, max_qas or max_tokens"
    else:
        remedy = f"lower mini_batch, which is {recipe.mini_batch}, or max_tokens, or set gradient_checkpointing: true"
    return f"out of memory in a training step; in the recipe, {remedy}"


class _Logging(TrainerCallback):
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Loss, learning rate and measurements go where the package's other messages go."""
        if state.is_world_process_zero:
            logger.info("step %d of %d: %s", state.global_step, state.max_steps, logs)


class _Trainer(SentenceTransformerTrainer):
    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leaves out what gathers the stock model card, which encodes examples before training: ours is our own."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Has the bound on the mutual information (paper, Eq. 4) averaged and logged as the loss is."""
        computed = super().compute_loss(*args, **kwargs)
        loss: Any = self.loss
        if not loss.information_bound.isnan():  # no batch but of control answers so far
            self.track_loss_components({"mutual_information_bound": loss.information_bound})
        return computed

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds how far the last control answers were from their targets: an average would count steps without any."""
        loss: Any = self.loss
        if "loss" in logs and not loss.control_distance.isnan():
            logs = {**logs, "control_distance": float(loss.control_distance)}
        super().log(logs, start_time)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Saves what the loss has learned too, its temperature and its proxies: the trainer saves nothing of it."""
        if not self.args.should_save:
            return  # sentence-transformers would have every process write the same files
        super().save_model(output_dir, _internal_call)
        loss: Any = self.loss
        file = Path(str(output_dir or self.args.output_dir), _LOSS_FILE)
        learned = {name: getattr(loss, name).detach().cpu() for name in ("log_temperature", "proxies")}
        safetensors.torch.save_file(learned, file)


def _trainer(
    loss: MultiViewInfoNCELoss,
    datasets: dict[str, Dataset],
    recipe: Recipe,
    out: Path,
    *,
    evaluator: BaseEvaluator | None,
    callbacks: Sequence[TrainerCallback],
    report_to: str,
) -> _Trainer:
    steps = sum(len(pairs) // recipe.batch_pairs for pairs in datasets.values())
    if recipe.patience is not None:
        callbacks = [EarlyStoppingCallback(recipe.patience), *callbacks]
    trainer = _Trainer(
        model=loss.model,
        args=_arguments(
            recipe, out, steps, proxies=loss.positives == "proxy", evaluator=evaluator, report_to=report_to
        ),
        train_dataset=datasets,
        loss=loss,
        evaluator=evaluator,
        callbacks=[_Logging(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)  # prints to standard output
    return trainer


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
        read = [*record.identity, record.question_key, record.value, record.text]
        digest.update(json.dumps(read).encode() + b"\n")
    return digest.hexdigest()


def _arguments(
    recipe: Recipe, out: Path, steps: int, *, proxies: bool, evaluator: BaseEvaluator | None, report_to: str
) -> SentenceTransformerTrainingArguments:
    every = max(1, -(-steps // recipe.checkpoints))
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(out),
        num_train_epochs=1,
        per_device_train_batch_size=recipe.batch_pairs,
        # Each process takes its slice of a batch, so that a batch is of one corpus, and the same on any number of them.
        accelerator_config={"split_batches": True},
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup,  # a share below 1 is a share of all steps
        lr_scheduler_type=recipe.schedule,
        max_grad_norm=1.0,
        bf16=recipe.bf16 and _has_bf16(),
        use_cpu=not torch.accelerator.is_available(),  # else bf16 is refused on a CPU
        seed=recipe.seed,
        data_seed=recipe.seed,
        batch_sampler=InOrderBatchSampler,
        dataloader_drop_last=True,
        eval_strategy="no" if evaluator is None else "steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        restore_callback_states_from_checkpoint=recipe.patience
        is not None,  # how long it has been without a better one
        load_best_model_at_end=evaluator is not None,
        # Left alone it would be the loss on a data set for evaluation, of which there is none.
        metric_for_best_model=None if evaluator is None else evaluator.primary_metric or "evaluator",
        greater_is_better=None if evaluator is None else evaluator.greater_is_better,
        logging_steps=max(1, min(10, every)),
        report_to=report_to,
        disable_tqdm=not sys.stderr.isatty(),
        learning_rate_mapping={"^proxies$": _PROXIES_LEARN_FASTER * recipe.learning_rate} if proxies else {},
    )
    _check_shared_equally(recipe.batch_pairs, arguments.world_size)
    # One process with several GPUs would cut batches into rows, which splits views; torchrun gives each its process.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _check_shared_equally(batch_pairs: int, processes: int) -> None:
    if batch_pairs % processes:
        raise ValueError(
            f"batch_pairs is {batch_pairs}, which {processes} processes cannot share equally; "
            f"set it to a multiple of {processes} in the recipe"
        )


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    # On a CPU without instructions for it, bfloat16 is emulated and slower than 32 bits.
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))

"""Trains the multi-view encoder on `SentenceTransformerTrainer`: checkpoints, resume, bf16 and logging are its own."""

import dataclasses
import json
import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import safetensors.torch
import torch
import yaml
from annotated_types import Ge, Gt, Lt
from datasets import Dataset
from pydantic import ConfigDict, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from sentence_transformers import (
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.evaluation import BaseEvaluator
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from univar.corpus.records import QARecord, question_hash, split_of
from univar.model import weights
from univar.model.cards import model_card
from univar.model.losses import MultiViewInfoNCELoss, Positives
from univar.model.modeling import UniVaR
from univar.model.modules import ViewPooling
from univar.model.views import InOrderBatchSampler, same_value_view_pairs, view_pairs

logger = logging.getLogger(__name__)

RECIPES = Path(__file__).parent.parent / "assets" / "recipes"

_TEMPERATURE_FILE = "temperature.safetensors"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Recipe:
    """Everything that decides a training run besides its corpora.

    Attributes:
        base: `univar-base` for the pinned base encoder, or any SentenceTransformer name or folder.
        view_pooling: How the QAs of a view are pooled.
        max_qas: QAs a view, at most; 1..max_qas are drawn for each view.
        same_value: Where a corpus names the value of every question, make the views of a batch of the same questions
            on one value, so that nothing but the stances on it tells identities apart.
        max_tokens: Tokens of a QA that are read, in training and afterwards; None keeps the base encoder's window.
        pairs: View pairs seen in all, over all corpora.
        batch_pairs: View pairs a step, all from one corpus.
        learning_rate: Peak of the AdamW learning rate.
        weight_decay: Of AdamW.
        warmup: Share of the steps over which the learning rate rises, in [0, 1).
        schedule: How the learning rate falls afterwards.
        temperature: Of InfoNCE, above 0.
        learn_temperature: Train it along.
        positives: Of an anchor: the other view of its `pair` (InfoNCE), or all views of its `identity` (SupCon).
        dropout: In the encoder while it trains, in [0, 1); without it a step on a CPU takes a quarter less time.
        freeze_embeddings: Leave the token embeddings as they are; half of a small encoder, and they hardly move.
        bf16: Compute in bfloat16 where the processor is made for it; weights stay in 32 bits.
        checkpoints: How many times the run is evaluated and saved.
        seed: Of views, batches and dropout.
    """

    base: str = "univar-base"
    view_pooling: ViewPooling = "mean"
    max_qas: PositiveInt = 5
    same_value: bool = True
    max_tokens: PositiveInt | None = None
    pairs: PositiveInt = 12_000
    batch_pairs: Annotated[int, Gt(1)] = 24
    learning_rate: Annotated[float, Gt(0)] = 2e-4
    weight_decay: Annotated[float, Ge(0)] = 0.01
    warmup: Annotated[float, Ge(0), Lt(1)] = 0.1
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    temperature: Annotated[float, Gt(0)] = 0.05
    learn_temperature: bool = False
    positives: Positives = "pair"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    freeze_embeddings: bool = True
    bf16: bool = True
    checkpoints: PositiveInt = 4
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The recipe as it would stand in a file."""
        return dataclasses.asdict(self)


def read_recipe(name_or_file: str | os.PathLike[str]) -> Recipe:
    """The recipe of a YAML file, or one of those that ship, by name.

    Raises:
        ValueError: If there is no such recipe, or it sets what does not exist or to what is not allowed.
    """
    file = Path(name_or_file)
    if not file.is_file():
        file = RECIPES / f"{name_or_file}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in RECIPES.glob("*.yaml")))
        raise ValueError(f"no recipe {str(name_or_file)!r}: neither a file nor one of {known}")
    try:
        return TypeAdapter(Recipe).validate_python(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (yaml.YAMLError, ValidationError) as error:
        raise ValueError(f"{file} is no recipe: {error}") from error


def train(
    corpora: Mapping[str, Sequence[QARecord]],
    out: str | os.PathLike[str],
    *,
    recipe: Recipe | None = None,
    evaluator: BaseEvaluator | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    resume: bool = True,
    report_to: str = "none",
) -> UniVaR:
    """Trains on the `train` questions of the corpora and returns the model; checkpoints lie in `out`.

    Batches hold view pairs of one corpus, so that negatives answered like questions; corpora get turns in proportion
    to the square root of their QAs. Questions of the other splits are never seen.

    Args:
        corpora: Records by the name of their corpus.
        out: Folder of checkpoints; a run that was interrupted goes on from the last one if `resume`.
        recipe: The hyperparameters; the defaults of `Recipe` if None.
        evaluator: Called at every checkpoint; its primary metric picks the checkpoint that is returned.
        callbacks: For the Trainer.
        resume: Go on from a checkpoint in `out` if there is one; otherwise those there are thrown away.
        report_to: As for `TrainingArguments`.

    Raises:
        ValueError: If the corpora leave fewer than two identities to tell apart, if the checkpoints in `out` are of
            another recipe or of other corpora, or if the recipe asks for more tokens than the base encoder reads.
    """
    recipe, out = recipe or Recipe(), Path(out)
    seen = {name: [r for r in records if split_of(r.question_key) == "train"] for name, records in corpora.items()}
    datasets = _datasets(seen, recipe)
    model = _untrained(recipe)
    # Set now and not at the end: checkpoints carry it, which tells on resuming whether they are of this run.
    model.training_record = {
        "recipe": recipe.to_dict(),
        "corpora": {name: corpus_record(records, seen[name]) for name, records in corpora.items()},
        "questions": sorted({question_hash(r.question_key) for records in seen.values() for r in records}),
        "checkpoint": "last" if evaluator is None else "best on validation questions",
    }
    loss = MultiViewInfoNCELoss(
        model, recipe.temperature, learn_temperature=recipe.learn_temperature, positives=recipe.positives
    )
    steps = sum(len(pairs) // recipe.batch_pairs for pairs in datasets.values())
    trainer = _Trainer(
        model=model,
        args=_arguments(recipe, out, steps, evaluator=evaluator, report_to=report_to),
        train_dataset=datasets,
        loss=loss,
        evaluator=evaluator,
        callbacks=[_Logging(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)  # prints to standard output
    checkpoint = _checkpoint(out, model.training_record, resume=resume)
    if checkpoint is not None:
        loss.load_state_dict(safetensors.torch.load_file(checkpoint / _TEMPERATURE_FILE), strict=False)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    model.set_model_card(model_card(model))
    return model


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
        logger.info("step %d of %d: %s", state.global_step, state.max_steps, logs)


class _Trainer(SentenceTransformerTrainer):
    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leaves out what gathers the stock model card, which encodes examples before training: ours is our own."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Saves a learned temperature too: it belongs to the loss, of which the trainer saves nothing."""
        super().save_model(output_dir, _internal_call)
        loss: Any = self.loss
        file = Path(str(output_dir or self.args.output_dir), _TEMPERATURE_FILE)
        safetensors.torch.save_file({"log_temperature": loss.log_temperature.detach().cpu()}, file)


def _untrained(recipe: Recipe) -> UniVaR:
    """The encoder from which a recipe starts."""
    base = weights.base_encoder() if recipe.base == "univar-base" else recipe.base
    model = UniVaR(base, view_pooling=recipe.view_pooling)
    if recipe.max_tokens is not None:
        window = getattr(model.encoder.config, "max_position_embeddings", recipe.max_tokens)
        if recipe.max_tokens > window:
            raise ValueError(f"max_tokens is {recipe.max_tokens}, but {recipe.base} reads at most {window}")
        model.max_seq_length = recipe.max_tokens
    for module in model.encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = recipe.dropout
    if not torch.accelerator.is_available():
        # Measured on a CPU that computes in bfloat16: the gradient of the fused attention takes a third of a step.
        model.encoder.set_attn_implementation("eager")
    if recipe.freeze_embeddings:
        model.encoder.get_input_embeddings().requires_grad_(False)
    return model


def _datasets(seen: Mapping[str, Sequence[QARecord]], recipe: Recipe) -> dict[str, Dataset]:
    """The view pairs of each corpus."""
    if not seen:
        raise ValueError("no corpora: training needs the QAs of at least 2 identities")
    datasets = {}
    for name, pairs in _shares(seen, recipe).items():
        try:
            datasets[name] = _view_pairs(seen[name], pairs, recipe)
        except ValueError as error:
            raise ValueError(f"{name}: {error} (of its training questions)") from error
    return datasets


def _view_pairs(records: Sequence[QARecord], pairs: int, recipe: Recipe) -> Dataset:
    if recipe.same_value and records and all(record.value is not None for record in records):
        return same_value_view_pairs(
            records, pairs, batch_pairs=recipe.batch_pairs, max_qas=recipe.max_qas, seed=recipe.seed
        )
    return view_pairs(records, pairs, max_qas=recipe.max_qas, seed=recipe.seed)


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


def _shares(corpora: Mapping[str, Sequence[QARecord]], recipe: Recipe) -> dict[str, int]:
    """View pairs for each corpus: in proportion to the square root of its QAs, so that a large one does not rule."""
    roots = {name: len(records) ** 0.5 for name, records in corpora.items()}
    total = sum(roots.values()) or 1.0
    return {name: max(recipe.batch_pairs, round(recipe.pairs * root / total)) for name, root in roots.items()}


def corpus_record(records: Sequence[QARecord], trained_on: Sequence[QARecord]) -> dict[str, int]:
    """What a training record says of a corpus: numbers of what was trained on, and of the QAs that were not."""
    return {
        "qas": len(trained_on),
        "identities": len({record.identity for record in trained_on}),
        "questions": len({record.question_key for record in trained_on}),
        "qas_held_out": len(records) - len(trained_on),
    }


def _arguments(
    recipe: Recipe, out: Path, steps: int, *, evaluator: BaseEvaluator | None, report_to: str
) -> SentenceTransformerTrainingArguments:
    every = max(1, -(-steps // recipe.checkpoints))
    return SentenceTransformerTrainingArguments(
        output_dir=str(out),
        num_train_epochs=1,
        per_device_train_batch_size=recipe.batch_pairs,
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
        load_best_model_at_end=evaluator is not None,
        # Left alone it would be the loss on a data set for evaluation, of which there is none.
        metric_for_best_model=None if evaluator is None else evaluator.primary_metric or "evaluator",
        greater_is_better=None if evaluator is None else evaluator.greater_is_better,
        logging_steps=max(1, min(10, every)),
        report_to=report_to,
        disable_tqdm=not sys.stderr.isatty(),
    )


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    # On a CPU without instructions for it, bfloat16 is emulated and slower than 32 bits.
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))

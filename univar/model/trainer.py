"""The trainer: stock but for one loss a kind of data set, what they measure and learn, and where messages go."""

import logging
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

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

from univar.model.recipes import Recipe
from univar.model.view_loss import ViewLoss
from univar.model.views import InOrderBatchSampler

logger = logging.getLogger(__name__)

Kind = Literal["views", "stances", "control"]

_LOSS_FILE = "loss.safetensors"
# A proxy is moved by one row of similarities, the direction of stances by one number an answer, the encoder by all.
_FASTER = (r"^views-0\.proxies$", r"^stances-0\.direction\.")
_HOW_MUCH_FASTER = 10


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


class Trainer(SentenceTransformerTrainer):
    """`SentenceTransformerTrainer` with a `ViewLoss` for each data set, as `new_trainer` makes it."""

    def __init__(self, **options: Any) -> None:
        self._measured: defaultdict[str, list[torch.Tensor]] = defaultdict(list)
        super().__init__(**options)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leaves out what gathers the stock model card, which encodes examples before training: ours is our own."""

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Keeps what the loss of the batch has measured beside, until it is logged."""
        loss: Any = self.loss[inputs["dataset_name"]]  # one a data set
        computed = super().compute_loss(model, inputs, *args, **kwargs)
        for name, value in loss.measured.items():
            self._measured[name].append(value)
        return computed

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the mean of each measurement over the steps, since the last log, of the kind that has it."""
        if "loss" in logs:
            means = {name: float(torch.stack(values).mean()) for name, values in self._measured.items()}
            logs = {**logs, **{name: round(mean, 4) for name, mean in means.items()}}
            self._measured.clear()
        super().log(logs, start_time)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Saves what the losses have learned too: the trainer saves nothing of it."""
        if not self.args.should_save:
            return  # sentence-transformers would have every process write the same files
        super().save_model(output_dir, _internal_call)
        learned = {name: parameter.detach().cpu() for name, parameter in self.learned().items()}
        safetensors.torch.save_file(learned, Path(str(output_dir or self.args.output_dir), _LOSS_FILE))

    def load_learned(self, folder: Path) -> None:
        """Reads what `save_model` wrote of the losses."""
        learned = safetensors.torch.load_file(folder / _LOSS_FILE)
        for name, parameter in self.learned().items():
            parameter.data.copy_(learned[name])

    def learned(self) -> dict[str, torch.nn.Parameter]:
        """What losses learn beside the model, such as temperature, proxies and direction, by name."""
        losses: Any = self.loss
        of_model = set(map(id, losses[next(iter(losses))].model.parameters()))
        # Names are those of the first data set of a kind, which share one loss.
        named = torch.nn.ModuleDict(losses).named_parameters()
        return {name: parameter for name, parameter in named if id(parameter) not in of_model}


def new_trainer(
    losses: Mapping[Kind, ViewLoss],
    sets: Mapping[Kind, Sequence[Dataset]],
    recipe: Recipe,
    out: Path,
    *,
    evaluator: BaseEvaluator | None,
    callbacks: Sequence[TrainerCallback],
    report_to: str,
) -> Trainer:
    """What trains the model of some losses by a recipe.

    Args:
        losses: One for each kind of data set.
        sets: Data sets of each kind, whose rows lie in the order of their batches.
        recipe: The hyperparameters.
        out: Folder of checkpoints.
        evaluator: Called at every checkpoint, to pick the best one.
        callbacks: Further ones.
        report_to: As for `TrainingArguments`.

    Raises:
        ValueError: If the processes that train cannot share a batch equally.
    """
    datasets, loss = {}, {}
    for kind, of_kind in sets.items():
        # Not the names of corpora: these become names of modules, in which no dot may stand.
        for number, rows in enumerate(of_kind):
            datasets[f"{kind}-{number}"], loss[f"{kind}-{number}"] = rows, losses[kind]
    steps = sum(len(rows) // recipe.batch_pairs for rows in datasets.values())
    learned = torch.nn.ModuleDict(loss).named_parameters()
    trained = [name for name, parameter in learned if parameter.requires_grad]
    faster = [pattern for pattern in _FASTER if any(re.search(pattern, name) for name in trained)]
    if recipe.patience is not None:
        callbacks = [EarlyStoppingCallback(recipe.patience), *callbacks]
    trainer = Trainer(
        model=losses["views"].model,
        args=_arguments(recipe, out, steps, faster=faster, evaluator=evaluator, report_to=report_to),
        train_dataset=datasets,
        loss=loss,
        evaluator=evaluator,
        callbacks=[_Logging(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)  # prints to standard output
    return trainer


def _arguments(
    recipe: Recipe, out: Path, steps: int, *, faster: Iterable[str], evaluator: BaseEvaluator | None, report_to: str
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
        learning_rate_mapping=dict.fromkeys(faster, _HOW_MUCH_FASTER * recipe.learning_rate),
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

"""A Trainer asks its LLM the same questions at every checkpoint, and logs how far the answers have moved."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

from univar.analysis.shift.paired import Movement
from univar.analysis.shift.pairs import ShiftError
from univar.analysis.shift.reading import shifts_between
from univar.corpus.questions.bank import Question, bank_ids, core_questions
from univar.corpus.readers import read_corpus
from univar.corpus.reasoning import split_reasoning
from univar.corpus.records import QARecord, write_corpus
from univar.model.embedded import EmbeddedCorpus, embed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

FOLDER = "univar-answers"
"""Of the answers, in the output folder of the Trainer."""


class ShiftCallback(TrainerCallback):
    """Asks the LLM that is trained a fixed set of questions, before training and at every checkpoint.

    Add it with `trainer.add_callback(ShiftCallback(trainer))` to any Trainer of transformers or TRL. After each
    checkpoint, and at the end of the training, it asks again and logs to whatever the Trainer reports to:

    * `shift`: how far the answers have moved from the first ones, in units of the distance between two answers to one
      question, with `shift_low` and `shift_high`, the ends of its 95 % interval; `shift_p`, how often chance moves them
      as far; `shift_would_show`, the smallest shift that so many questions show; and `shift_questions`, how many.
    * the same of `shift_control`, where control questions are among those asked: what style moves as well.

    The answers lie in a folder, a file a checkpoint, which `univar shift FOLDER/step-*.parquet` reads in full. A
    training that is resumed compares with the first answers of the folder. Questions are asked in evaluation mode and
    without gradients, and neither the mode of any module nor a random number of the training is changed by it.

    Of a model that is whole in every process the main process asks while the others wait; one that is sharded (FSDP,
    DeepSpeed ZeRO-3) is asked by all of them together, as its layers are gathered by all. Under ZeRO-3 give a loaded
    `encoder` that was loaded before the `TrainingArguments` were made.
    """

    def __init__(
        self,
        trainer: Trainer,
        *,
        questions: Sequence[Question] | None = None,
        folder: str | os.PathLike[str] | None = None,
        encoder: "str | SentenceTransformer" = "univar",
        samples: int = 1,
        temperature: float = 0.0,
        max_new_tokens: int = 128,
        batch_size: int = 16,
        seed: int = 0,
        untranslated: bool = False,
    ) -> None:
        """What is asked, how, and where it is kept.

        Args:
            trainer: Whose LLM is asked; it must have the LLM's tokenizer as its `processing_class`.
            questions: By default the core of the bank in English, two questions a value. Add some of
                `univar.corpus.questions.bank.control_questions` to tell a shift of values from one of style.
            folder: Of the answers; by default `univar-answers` in the output folder of the Trainer.
            encoder: What embeds the answers.
            samples: Answers to each question.
            temperature: 0 for the most likely answer; several samples need one above 0.
            max_new_tokens: Of an answer.
            batch_size: Questions that are asked at once.
            seed: Of answers that are drawn, at every checkpoint the same, and of intervals and tests.
            untranslated: Encode answers in languages that the encoder does not read as they are; see `univar.embed`.

        Raises:
            ValueError: If an option is out of range, or the trainer has no tokenizer.
        """
        for name, number in (("samples", samples), ("max_new_tokens", max_new_tokens), ("batch_size", batch_size)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        if temperature < 0 or (samples > 1 and not temperature):
            raise ValueError(f"temperature {temperature} for {samples} samples; give one above 0, or 1 sample")
        tokenizer: Any = getattr(trainer.processing_class, "tokenizer", trainer.processing_class)
        if not hasattr(tokenizer, "decode"):
            raise ValueError(
                f"the trainer's processing_class is {type(tokenizer).__name__}; give it the tokenizer of the LLM, as "
                "Trainer(..., processing_class=tokenizer) does"
            )
        self.questions = tuple(core_questions() if questions is None else questions)
        if len({question.question_key for question in self.questions}) < 2:
            raise ValueError(f"a shift is told from 2 questions or more, got {len(self.questions)}")
        self.folder = Path(folder) if folder is not None else Path(str(trainer.args.output_dir)) / FOLDER
        self._trainer, self._tokenizer = trainer, tokenizer
        self._encoder, self._untranslated = encoder, untranslated
        self._samples, self._seed, self._batch_size = samples, seed, batch_size
        drawn = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        self._generation: dict[str, Any] = {"max_new_tokens": max_new_tokens, "use_cache": True, **drawn}
        self._first: EmbeddedCorpus | None = None
        self._last_step: int | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Asks for the first answers; a training that is resumed reads those that are there.

        Raises:
            FileExistsError: If the folder holds answers of another training.
        """
        earlier = sorted(self.folder.glob("step-*.parquet"))
        if earlier and not state.global_step:
            raise FileExistsError(
                f"{self.folder} holds the answers of another training ({earlier[0].name}, …); resume that one with "
                "train(resume_from_checkpoint=True), or give ShiftCallback another folder="
            )
        self._trainer.accelerator.wait_for_everyone()  # before the main process writes what the others look for
        self._first, self._last_step = None, state.global_step
        if not earlier:
            answers = self._ask(state.global_step)
            self._first = self._embedded(answers) if answers else None
        elif state.is_world_process_zero:
            self._first = self._embedded(list(read_corpus(earlier[0])))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Asks again and logs how far the answers have moved."""
        if self._last_step != state.global_step:
            self._compare(state)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Asks once more, unless a checkpoint was made at the last step, or an earlier one is loaded now."""
        an_earlier_one = args.load_best_model_at_end and state.best_model_checkpoint is not None
        if self._last_step != state.global_step and not an_earlier_one:
            self._compare(state)

    def _compare(self, state: TrainerState) -> None:
        self._last_step = state.global_step
        answers = self._ask(state.global_step)
        if not state.is_world_process_zero:
            return
        try:
            logs = self._moved(answers, state.global_step)
        except ShiftError as error:  # as of an LLM that says nothing any more, which is no reason to end its training
            logger.warning("step %d: no shift can be measured: %s", state.global_step, error)
            logs = {"shift_questions": 0.0}
        self._trainer.log(logs)

    def _moved(self, answers: list[QARecord], step: int) -> dict[str, float]:
        """How far answers have moved from the first ones, as it is logged."""
        if self._first is None or not answers:
            raise ShiftError(f"the LLM answered nothing {'at first' if self._first is None else 'now'}")
        (found,) = shifts_between(self._first, {f"step {step}": self._embedded(answers)}, seed=self._seed).shifts
        controls = {} if found.control is None else _logged("shift_control", found.control)
        return _logged("shift", found.movement) | controls

    def _embedded(self, answers: list[QARecord]) -> EmbeddedCorpus:
        if isinstance(self._encoder, str):
            from univar.model.modeling import load_model

            name, self._encoder = self._encoder, load_model(self._encoder)
            logger.info("answers are embedded by %s", name)
        found = embed(answers, self._encoder, untranslated=self._untranslated)
        if found.unread and self._first is None:
            logger.warning("%s", found.unread)
        return found

    def _ask(self, step: int) -> list[QARecord]:
        """The answers of the LLM as it is, written down; in processes other than the main one none.

        Empty answers are left out, for they have no place.
        """
        trainer = self._trainer
        together = trainer.is_fsdp_enabled or is_deepspeed_zero3_enabled()  # type: ignore[no-untyped-call]
        main = trainer.accelerator.is_main_process
        said: list[str] = []
        if main or together:
            with _to_be_asked(trainer, self._seed) as llm:
                said = self._answers(llm, together)
        records = self._records(llm_name(trainer.model), step, said) if main else []
        if main:
            answered = [record for record in records if record.answer]
            if len(answered) < len(records):
                logger.warning("step %d: %d of %d answers are empty", step, len(records) - len(answered), len(records))
            records = answered
            if records:
                self.folder.mkdir(parents=True, exist_ok=True)
                write_corpus(records, self.folder / f"step-{step:07d}.parquet")
        trainer.accelerator.wait_for_everyone()
        return records

    def _answers(self, llm: Any, together: bool) -> list[str]:
        """What the LLM says, sample by sample and question by question."""
        asked = [self._tokens(question.question) for question in self.questions] * self._samples
        said: list[str] = []
        device = self._trainer.accelerator.device
        for start in range(0, len(asked), self._batch_size):
            rows = asked[start : start + self._batch_size]
            # On the left, where nothing follows: what is generated stands right after the question.
            ids = pad_sequence(rows, batch_first=True, padding_value=self._padding, padding_side="left").to(device)
            masks = [torch.ones_like(row) for row in rows]
            mask = pad_sequence(masks, batch_first=True, padding_side="left").to(device)
            made = llm.generate(
                input_ids=ids,
                attention_mask=mask,
                pad_token_id=self._padding,
                synced_gpus=together,
                **self._generation,
            )
            said += self._tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)
        return [split_reasoning(text).answer.strip() for text in said]

    @property
    def _padding(self) -> int:
        """A token that is masked wherever it stands."""
        known = (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id)
        return next((token for token in known if token is not None), 0)

    def _tokens(self, question: str) -> torch.Tensor:
        """A question as the LLM is asked it: in its chat template, if it has one."""
        if getattr(self._tokenizer, "chat_template", None):
            asked = [{"role": "user", "content": question}]
            text = self._tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
            ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            ids = self._tokenizer(f"Q: {question}\nA:")["input_ids"]
        return torch.tensor(ids, dtype=torch.long)

    def _records(self, name: str, step: int, said: Sequence[str]) -> list[QARecord]:
        return [
            QARecord(
                question_id=question.question_id,
                question=question.question,
                answer=answer,
                model=f"{name} step {step}",
                lang=question.lang,
                value=question.value,
                source="univar-qa" if question.question_id in bank_ids() else None,
                sample=place // len(self.questions),
                question_eng=question.question_eng,
                answer_eng=answer if question.lang == "eng" else None,
            )
            for place, (question, answer) in enumerate(zip(self.questions * self._samples, said, strict=True))
        ]


def llm_name(model: Any) -> str:
    """What an LLM is called where it was loaded from, else by its class."""
    return Path(str(getattr(getattr(model, "config", None), "name_or_path", ""))).name or type(model).__name__


@contextmanager
def _to_be_asked(trainer: Trainer, seed: int) -> Iterator[Any]:
    """The LLM of a trainer as it generates: unwrapped, in evaluation mode, its random numbers its own."""
    wrapped = trainer.model_wrapped
    llm = trainer.accelerator.unwrap_model(wrapped)
    modes = {module: module.training for module in llm.modules()}
    device = trainer.accelerator.device
    llm.eval()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad(), _gathered(wrapped):
            torch.manual_seed(seed)
            yield llm
    finally:
        for module, training in modes.items():
            module.training = training


def _gathered(wrapped: Any) -> Any:
    """The outermost weights of a model that FSDP wraps, which its layers do not gather themselves."""
    from torch.distributed.fsdp import FullyShardedDataParallel

    if isinstance(wrapped, FullyShardedDataParallel):
        return FullyShardedDataParallel.summon_full_params(wrapped, writeback=False)
    return nullcontext()


def _logged(name: str, found: Movement) -> dict[str, float]:
    """What a Trainer logs of a movement: numbers, and no more of them than there are."""
    numbers = {
        name: found.size,
        f"{name}_low": found.interval.low,
        f"{name}_high": found.interval.high,
        f"{name}_p": found.p,
        f"{name}_would_show": found.smallest,
        f"{name}_questions": float(found.questions),
    }
    # Where no answer differs there is no unit, and no interval; the size is then 0.
    numbers[name] = 0.0 if found.squared == 0 else found.size
    return {key: number for key, number in numbers.items() if number == number}

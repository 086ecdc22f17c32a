"""A real Trainer with a tiny random Llama: what is asked, when, what is logged, and that the training is untouched."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    DataCollatorForLanguageModeling,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

import univar
from tests.conftest import WORDS
from univar.corpus.questions.bank import Question, control_questions, core_questions
from univar.corpus.readers import read_corpus
from univar.workflows.shift_callback import ShiftCallback

ASKED = [
    Question(f"q{number}", f"is it right to {verb}", None, "eng", "honesty", None, None)
    for number, verb in enumerate(["lie", "save", "help", "think", "lie always", "save never", "help one", "think no"])
]
VOCABULARY = ["[PAD]", "[UNK]", "[END]", "Q", "A", ":", *WORDS.split()]
SAID = "yes always honest law"
TEMPLATE = "{% for one in messages %}{{ one['content'] }} {% endfor %}{% if add_generation_prompt %}a {% endif %}"


def tokenizer(*, template: str | None = None) -> PreTrainedTokenizerFast:
    vocabulary = {word: index for index, word in enumerate(VOCABULARY)}
    inner = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", eos_token="[END]",
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
    fast.chat_template = template
    return fast


def llama(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=64, attention_dropout=0.1, pad_token_id=0, eos_token_id=2,
        bos_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(config)


class Reporter(TrainerCallback):
    """What any reporter of a Trainer is given."""

    def __init__(self) -> None:
        self.logs: list[tuple[int, dict[str, float]]] = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.logs.append((state.global_step, dict(logs)))

    @property
    def shifts(self) -> list[tuple[int, dict[str, float]]]:
        return [(step, logs) for step, logs in self.logs if "shift" in logs]


def trainer(
    folder: Path, *, template: str | None = None, seed: int = 0, end: bool = False, **arguments: object
) -> Trainer:
    words = tokenizer(template=template)
    rows = [words(f"Q: {question.question}\nA: {SAID}")["input_ids"] for question in ASKED]
    options = {
        "max_steps": 4, "save_steps": 2, "logging_steps": 1, "learning_rate": 0.05, "report_to": [], "use_cpu": True,
        "per_device_train_batch_size": 8, "disable_tqdm": True, "seed": 1, "save_only_model": False,
    }  # fmt: skip
    return Trainer(
        llama(seed),
        TrainingArguments(str(folder), **(options | arguments)),
        train_dataset=Dataset.from_list([{"input_ids": row + [words.eos_token_id] * end} for row in rows]),
        data_collator=DataCollatorForLanguageModeling(words, mlm=False),
        processing_class=words,
        callbacks=[Reporter()],
    )


def reporter(of: Trainer) -> Reporter:
    return next(one for one in of.callback_handler.callbacks if isinstance(one, Reporter))


@pytest.fixture
def asking(tiny_model):
    """Adds the callback to a trainer."""

    def add(to: Trainer, **options: object) -> ShiftCallback:
        defaults = {"questions": ASKED, "encoder": tiny_model, "max_new_tokens": 5, "batch_size": 3}
        callback = ShiftCallback(to, **(defaults | options))
        to.add_callback(callback)
        return callback

    return add


def test_every_checkpoint_is_logged_and_leaves_answers_that_shift_reads(asking, tiny_model, tmp_path):
    to = trainer(tmp_path / "run")
    callback = asking(to)
    to.train()
    files = sorted(callback.folder.iterdir())
    assert [file.name for file in files] == [f"step-{step:07d}.parquet" for step in (0, 2, 4)]
    shifts = reporter(to).shifts
    assert [step for step, _ in shifts] == [2, 4]
    assert set(shifts[0][1]) == {
        "shift",
        "shift_low",
        "shift_high",
        "shift_p",
        "shift_would_show",
        "shift_questions",
        "epoch",
    }
    # What a reporter is given is what is kept with the checkpoint, and what the command finds in the folder.
    state = json.loads((tmp_path / "run/checkpoint-4/trainer_state.json").read_text())
    assert [row["step"] for row in state["log_history"] if "shift" in row] == [2]
    found = univar.shift(files[0], {file.stem: file for file in files[1:]}, model=tiny_model)
    assert [one.movement.size for one in found.shifts] == [pytest.approx(logs["shift"]) for _, logs in shifts]
    assert [one.movement.p for one in found.shifts] == [pytest.approx(logs["shift_p"]) for _, logs in shifts]


def test_what_it_learns_is_a_shift(asking, tmp_path):
    to = trainer(tmp_path, max_steps=40, save_strategy="no", learning_rate=0.02, end=True)
    callback = asking(to)
    to.train()
    ((step, logs),) = reporter(to).shifts  # without checkpoints it is asked at the end
    assert step == 40
    assert logs["shift_p"] < 0.05
    assert 0 < logs["shift_low"] < logs["shift"] < logs["shift_high"]
    after = list(read_corpus(callback.folder / "step-0000040.parquet"))
    assert {record.answer for record in after} == {SAID}
    assert {(record.model, record.lang, record.value) for record in after} == {
        ("LlamaForCausalLM step 40", "eng", "honesty")
    }


def test_the_training_is_the_same_with_it_and_without(asking, tmp_path):
    without = trainer(tmp_path / "without")
    without.train()
    beside = trainer(tmp_path / "beside")
    asking(beside, temperature=1.0, samples=2)
    beside.train()
    losses = [
        [(step, logs["loss"]) for step, logs in reporter(one).logs if "loss" in logs] for one in (without, beside)
    ]
    assert len(losses[0]) == 4  # no loss is lost to what is logged between
    assert losses[0] == losses[1]
    for mine, other in zip(without.model.parameters(), beside.model.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_modules_get_their_own_mode_back(asking, tmp_path):
    to = trainer(tmp_path, max_steps=1, save_steps=1)
    frozen = to.model.model.layers[0]
    seen = []

    class Frozen(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            frozen.eval()  # a checkpoint follows

        def on_train_end(self, args, state, control, model=None, **kwargs):
            seen.append((model.training, frozen.training))

    callback = asking(to)
    modes = []
    generate = to.model.generate
    to.model.generate = lambda **given: modes.append((to.model.training, torch.is_grad_enabled())) or generate(**given)
    to.add_callback(Frozen())
    to.train()
    assert seen == [(True, False)]
    assert set(modes) == {(False, False)}
    assert len(list(callback.folder.iterdir())) == 2


def test_a_resumed_training_compares_with_its_first_answers(asking, tmp_path):
    whole = trainer(tmp_path / "whole", lr_scheduler_type="constant")
    asking(whole)
    whole.train()
    first = trainer(tmp_path / "parts", max_steps=2, lr_scheduler_type="constant")
    asking(first)
    first.train()
    kept = (tmp_path / "parts/univar-answers/step-0000000.parquet").read_bytes()
    then = trainer(tmp_path / "parts", seed=5, lr_scheduler_type="constant")
    asking(then)
    then.train(resume_from_checkpoint=True)
    assert (tmp_path / "parts/univar-answers/step-0000000.parquet").read_bytes() == kept
    assert reporter(then).shifts[-1] == reporter(whole).shifts[-1]


def test_answers_of_another_training_are_not_written_over(asking, tmp_path):
    to = trainer(tmp_path, max_steps=1)
    asking(to)
    to.train()
    again = trainer(tmp_path, max_steps=1)
    asking(again)
    with pytest.raises(FileExistsError, match=r"holds the answers of another training \(step-0000000\.parquet"):
        again.train()


def test_an_llm_that_says_nothing_any_more_goes_on_training(asking, tmp_path, caplog):
    to = trainer(tmp_path, max_steps=2, save_steps=1)
    callback = asking(to)
    callback._answers = lambda *_: [""] * 8 if to.state.global_step else ["yes", "no"] * 4
    to.train()
    assert [(step, logs["shift_questions"]) for step, logs in reporter(to).logs if "shift_questions" in logs] == [
        (1, 0.0),
        (2, 0.0),
    ]
    assert "step 1: no shift can be measured: the LLM answered nothing now" in caplog.text
    assert [file.name for file in callback.folder.iterdir()] == ["step-0000000.parquet"]


def test_a_wrapped_model_is_unwrapped(asking, tmp_path):
    to = trainer(tmp_path)
    callback = asking(to, questions=ASKED[:3])
    plain = callback._ask(0)
    to.model_wrapped = torch.nn.DataParallel(to.model)  # which has no `generate`
    assert [record.answer for record in callback._ask(1)] == [record.answer for record in plain]


def test_padding_and_batches_change_no_answer(asking, tmp_path):
    to = trainer(tmp_path)
    alone, together = (asking(to, batch_size=size) for size in (1, 8))
    lengths = {len(alone._tokens(question.question)) for question in ASKED}
    assert len(lengths) > 1
    assert [one.answer for one in alone._ask(0)] == [one.answer for one in together._ask(0)]


def test_the_chat_template_is_used_where_there_is_one(asking, tmp_path):
    plain, chat = (asking(trainer(tmp_path / str(at), template=at)) for at in (None, TEMPLATE))
    words = plain._tokenizer
    assert words.decode(plain._tokens("is it")) == "Q : is it A :"
    assert words.decode(chat._tokens("is it")) == "is it a"


def test_samples_are_drawn_by_the_seed_and_counted(asking, tmp_path):
    to = trainer(tmp_path)
    one, same, other = (asking(to, samples=2, temperature=1.5, seed=seed) for seed in (3, 3, 4))
    said = [[(record.question_id, record.sample, record.answer) for record in it._ask(0)] for it in (one, same, other)]
    assert said[0] == said[1] != said[2]
    assert {sample for _, sample, _ in said[0]} == {0, 1}


def test_controls_are_logged_beside(asking, tmp_path):
    to = trainer(tmp_path, max_steps=1, save_steps=1)
    asking(to, questions=[*ASKED, *control_questions()[:4]])
    to.train()
    ((_, logs),) = reporter(to).shifts
    assert {"shift", "shift_control", "shift_control_p"} <= set(logs)
    assert np.isfinite(list(logs.values())).all()


def test_the_core_of_the_bank_is_asked_by_default(tmp_path):
    assert ShiftCallback(trainer(tmp_path)).questions == core_questions()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 2}, r"temperature 0.0 for 2 samples; give one above 0, or 1 sample"),
        ({"temperature": -1.0}, r"temperature -1.0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"questions": ASKED[:1]}, "told from 2 questions or more, got 1"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(asking, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        asking(trainer(tmp_path), **options)


def test_a_trainer_without_a_tokenizer_is_refused(tmp_path):
    to = trainer(tmp_path)
    to.processing_class = None
    with pytest.raises(ValueError, match="processing_class is NoneType; give it the tokenizer of the LLM"):
        ShiftCallback(to)

"""Tiny real encoders and corpora, made by the tests."""

import gc
import hashlib
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core, and torch would take all of them
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import safetensors.torch
import torch
import transformers
from hypothesis import settings
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from tests import tiny_nllb
from univar.cli import main
from univar.corpus.asking.answers import ElicitationError
from univar.corpus.asking.local import default_gguf
from univar.corpus.records import QARecord, write_corpus
from univar.model import weights
from univar.model.modeling import UniVaR
from univar.model.recipes import Recipe

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("univar", deadline=None)
settings.load_profile("univar")

# A test run in the background of a script inherits that Ctrl-C is ignored; the tests of interruptions need it.
signal.signal(signal.SIGINT, signal.default_int_handler)

WORDS = "q a yes no always never honest thrift family law is it right wrong to lie save help i think one should"
MODELS = ("aya", "mixtral", "solar")
HEADER = "question,answer,model,lang\n"


def pytest_collection_finish() -> None:
    """Spares the garbage collector the libraries: accelerate and torch call it often, half a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved stock SentenceTransformer: two layers, width 16, random weights (seed 0), a vocabulary of words."""
    folder = tmp_path_factory.mktemp("tiny")
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS.split()])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertModel(config).save_pretrained(folder / "bert")
    fast.save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=32)
    model = SentenceTransformer(modules=[transformer, Pooling(16), Normalize()], device="cpu")
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


@pytest.fixture(scope="session")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A saved tiny model of NLLB's architecture that knows eight sentences in English, French and German."""
    folder = tmp_path_factory.mktemp("nllb")
    tiny_nllb.save(folder)
    return str(folder)


@pytest.fixture(scope="session")
def llm_weights() -> Path:
    """A real LLM in a GGUF file: the one of UNIVAR_GGUF, or the small one that is installed, where it can be served."""
    pytest.importorskip("xllamacpp", reason="needs `pip install xllamacpp`, which serves an LLM on a CPU")
    if named := os.environ.get("UNIVAR_GGUF"):
        return Path(named)
    try:
        return default_gguf()
    except ElicitationError as error:
        pytest.skip(f"{error}; here UNIVAR_GGUF=FILE")


@pytest.fixture
def converted_models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models of CTranslate2 are kept during the tests, instead of the user's cache."""
    folder = tmp_path_factory.getbasetemp() / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(folder))
    return folder


@pytest.fixture
def tiny_model(tiny_encoder_folder: Path) -> UniVaR:
    """A fresh multi-view model on the tiny encoder."""
    return UniVaR(str(tiny_encoder_folder), device="cpu")


@pytest.fixture
def shipped(tiny_encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UniVaR:
    """Weights that ship, in small: `univar` now means the tiny encoder with a change of rank 2.

    Gives the model that the weights were made from.
    """
    base, trained = (UniVaR(str(tiny_encoder_folder), device="cpu") for _ in range(2))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in trained.encoder.named_parameters():
            if "embeddings" not in name:
                change = [torch.randn(size, 2, generator=generator) for size in parameter.shape]
                parameter.add_(0.1 * (change[0] @ change[1].T if len(change) == 2 else change[0][:, 0]))
    trained.max_seq_length = 24
    assets = tmp_path / "assets"
    assets.mkdir()
    adapter = weights.low_rank_change(base.encoder.state_dict(), trained.encoder.state_dict(), rank=2)
    safetensors.torch.save_file(adapter, assets / weights.ADAPTER_FILE)
    trained.training_record = {
        "recipe": Recipe(max_tokens=24).to_dict(),
        "corpora": {"tiny": {"qas": 1200, "identities": 3, "questions": 400, "qas_held_out": 300}},
        "questions": ["0123456789abcdef"],
        "adapter_sha256": hashlib.sha256((assets / weights.ADAPTER_FILE).read_bytes()).hexdigest(),
    }
    (assets / weights.RECORD_FILE).write_text(json.dumps(trained.training_record))
    (assets / weights.CARD_FILE).write_text("# The card of the shipped weights\n")
    monkeypatch.setattr(weights, "ASSETS", assets)
    monkeypatch.setattr(weights, "base_encoder", lambda: str(tiny_encoder_folder))
    return trained


@pytest.fixture
def records() -> list[QARecord]:
    """Three identities that answer the same 40 questions, each with words of its own."""
    said = dict(zip(MODELS, ("yes always honest", "no never save", "i think one should help"), strict=True))
    return [
        QARecord(f"q{number}", f"is it right to lie {number}", f"{said[model]} {number}", model, "eng")
        for number in range(40)
        for model in MODELS
    ]


class Run(NamedTuple):
    code: int
    out: str
    err: str


Univar = Callable[..., Run]


@pytest.fixture
def univar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Univar]:
    """Runs the command in a folder of its own, in this process, and gives back what it changes in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, os.environ.get(name, "error"))
    monkeypatch.setenv("COLUMNS", "80")
    handler, loggers = signal.getsignal(signal.SIGTERM), [logging.getLogger(n) for n in ("univar", "univar.model")]
    levels = [logger.level for logger in loggers]
    # The command asks for this by variables that are read on import, and here the library is imported already.
    transformers.utils.logging.disable_progress_bar()

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["univar", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Run(int(ended.value.code or 0), captured.out, captured.err)

    yield run
    transformers.utils.logging.enable_progress_bar()
    signal.signal(signal.SIGTERM, handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def answers(tmp_path: Path, records: list[QARecord]) -> Path:
    """A corpus of 120 QAs of three identities."""
    write_corpus(records, tmp_path / "answers.parquet")
    return tmp_path / "answers.parquet"


@pytest.fixture
def recipe(tmp_path: Path, tiny_encoder_folder: Path) -> Path:
    """Four steps, each with a checkpoint."""
    file = tmp_path / "recipe.yaml"
    file.write_text(f"base: {tiny_encoder_folder}\npairs: 24\nbatch_pairs: 6\nfreeze_embeddings: false\nbf16: false\n")
    return file


@pytest.fixture
def full_disk() -> Iterator[Callable[[int], None]]:
    """Lets files grow to so many bytes only."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def failed(run: Run, *parts: str, code: int = 1) -> None:
    """The command ended in one line that says all of the parts."""
    assert run.code == code, run.err
    assert run.out == ""
    (line,) = run.err.splitlines()
    assert line.startswith("Error: ")
    assert [part for part in parts if part not in line] == [], line

"""The stages against `transformers serve`, with a tiny LLM of random weights that says nothing sensible."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from univar.corpus.answers import AnswerFolder
from univar.corpus.elicitation import LLM, Plan, Sampling, elicit, estimate
from univar.corpus.endpoints import ChatRequest, Endpoint, Journal, ask_all
from univar.corpus.generation import generate
from univar.corpus.questions import Question
from univar.corpus.taxonomy import Family, Taxonomy, Value

WORDS = (
    "would",
    "you",
    "lie",
    "to",
    "spare",
    "a",
    "friend",
    "or",
    "say",
    "what",
    "is",
    "true",
    "?",
    ".",
    "1",
    "2",
    "3",
)


@pytest.fixture(scope="module")
def tiny_llm(tmp_path_factory) -> Path:
    """A Llama of one layer with random weights (seed 0) that knows 17 words."""
    folder = tmp_path_factory.mktemp("llm")
    vocabulary = {word: index for index, word in enumerate(["<pad>", "<unk>", "<s>", "</s>", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = "{% for message in messages %}<s> {{ message['content'] }} </s>{% endfor %}"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def served():
    """The URL of the server, which is stopped in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        [*command, "--device", "cpu"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            for _ in range(600):
                assert process.poll() is None, process.stdout.read()
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_a_model_is_asked_and_its_replies_are_kept(served, tiny_llm, tmp_path):
    requests = [ChatRequest(f"r{number}", f"would you lie to a friend {number} ?", number) for number in range(4)]
    endpoint = Endpoint(served, str(tiny_llm), concurrency=2, max_tokens=8)
    with Journal(tmp_path / "journal") as journal:
        replies = [reply for _, reply in ask_all(requests, endpoint, journal, lambda _: None)]
    assert [reply.request_id for reply in replies] == ["r0", "r1", "r2", "r3"]
    assert all(reply.text and reply.finish_reason in ("stop", "length") for reply in replies)
    with Journal(tmp_path / "journal") as journal:
        unreachable = Endpoint("http://127.0.0.1:1", str(tiny_llm), max_tokens=8)
        assert [reply for _, reply in ask_all(requests, unreachable, journal, lambda _: None)] == replies


def test_what_random_weights_say_is_rejected_with_reasons(served, tiny_llm, tmp_path):
    value = Value("tact", "tact", ("mine",), "Sparing others.", "Me.")
    taxonomy = Taxonomy((Family("mine", "Mine", "Me."),), (value,))
    endpoint = Endpoint(served, str(tiny_llm), max_tokens=24)
    with Journal(tmp_path / "journal") as journal:
        written = generate(taxonomy, endpoint, journal, per_value=5)
    assert len(journal.replies) == 3
    assert written.rejected
    assert len(written.questions) + written.missing.get("tact", 0) == 5


def test_the_estimate_of_prompt_tokens_is_what_the_server_counts(served, tiny_llm, tmp_path):
    asked = [
        Question(
            f"tact-{n}", "would you lie to a friend ? " + "say what is true . " * n, "", "eng", "tact", "opinion", "a"
        )
        for n in range(6)
    ]
    name = str(tiny_llm)
    llm = LLM("tiny", served, ("eng",), model=name, tokenizer=name, system="say what is true")
    plan = Plan(asked, [llm], Sampling(max_tokens=6))
    with AnswerFolder(tmp_path) as folder:
        expected = estimate(plan, llm, folder.answered)
        progress = elicit(plan, folder)["tiny"]
    assert progress.done == 6
    assert expected.prompt_tokens == pytest.approx(progress.prompt_tokens, rel=0.05)
    assert 0 < progress.answer_tokens <= expected.answer_tokens

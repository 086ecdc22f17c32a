"""The stages against `transformers serve`, with a tiny LLM of random weights that says nothing sensible."""

import pytest

from univar.corpus.asking.answers import AnswerFolder
from univar.corpus.asking.elicitation import Plan, Sampling, elicit, estimate
from univar.corpus.asking.endpoints import ChatRequest, Endpoint, Journal, ask_all
from univar.corpus.asking.models import LLM
from univar.corpus.questions.bank import Question
from univar.corpus.questions.generation import generate
from univar.corpus.questions.taxonomy import Family, Taxonomy, Value


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
        expected = estimate(plan, llm, folder)
        progress = elicit(plan, folder)["tiny"]
    assert progress.done == 6
    assert expected.prompt_tokens == pytest.approx(progress.prompt_tokens, rel=0.05)
    assert 0 < progress.answer_tokens <= expected.answer_tokens

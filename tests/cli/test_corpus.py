"""`univar elicit`: a plan, its price, its answers, on a real local server."""

import json
import re
import signal
import sys
from contextlib import nullcontext
from dataclasses import fields

import pytest

from tests.chat_server import Answer, serving
from univar.cli.corpus import ReasonName
from univar.cli.terminal import tell_of_cut_off
from univar.corpus.asking import endpoints
from univar.corpus.asking.models import LLM
from univar.corpus.filters import REASONS
from univar.corpus.questions.bank import control_questions
from univar.corpus.readers import read_corpus


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(endpoints, "_LONGEST_WAIT", 0.05)


@pytest.fixture
def asked(tmp_path):
    """Four questions in two languages."""
    rows = [
        {"question_id": f"tact-{n}", "question": f"{lang} {n}: may one lie?", "question_eng": f"{n}: may one lie?",
         "lang": lang, "value": "tact", "form": "opinion", "topic": "work"}
        for n in range(4) for lang in ("eng", "fra")
    ]  # fmt: skip
    ids = {(row["question_id"], row["lang"]): row for row in rows}
    lines = [{**row, "question_id": f"{name}-{lang}"} for (name, lang), row in ids.items()]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path / "q.jsonl"


def models(folder, url, **more):
    entry = {"name": "aya", "endpoint": url, "languages": ["en", "fr"], **more}
    (folder / "models.yaml").write_text(json.dumps({"models": [entry]}))  # JSON is YAML
    return ["elicit", "--models", "models.yaml", "--out", "answers"]


@pytest.mark.usefixtures("asked")
def test_answers_are_elicited_and_are_a_corpus(univar, tmp_path):
    with serving(lambda prompt, _: f"To {prompt}: no.") as server:
        run = univar(*models(tmp_path, server.url), "--questions", "q.jsonl", "--samples", "2", "--json")
        again = univar(*models(tmp_path, server.url), "--questions", "q.jsonl", "--samples", "2")
    assert run.code == 0
    found = json.loads(run.out)["answers"]["aya"]
    assert (found["planned"], found["done"], found["sent"]) == (16, 16, 16)
    assert len(list(read_corpus(tmp_path / "answers"))) == 16
    assert "16 of 16 answers" in again.out
    assert len(server.asked) == 16


@pytest.mark.usefixtures("asked")
def test_errors_that_healed_are_counted(univar, tmp_path):
    with serving(lambda _prompt, number: Answer("busy", status=503) if number == 0 else "No.") as server:
        run = univar(*models(tmp_path, server.url), "--questions", "q.jsonl", "--json")
    assert json.loads(run.out)["answers"]["aya"]["errors"] == {"HTTP 503": 1}


@pytest.mark.usefixtures("asked")
def test_a_dry_run_says_what_it_costs_and_asks_nothing(univar, tmp_path):
    with serving(lambda _prompt, _number: "No.") as server:
        prices = {"dollars_per_million_answer_tokens": 500_000.0}
        run = univar(
            *models(tmp_path, server.url, **prices), "--questions", "q.jsonl", "--dry-run", "--max-tokens", "10"
        )
    assert run.code == 0
    # 8 requests of "eng 0: may one lie?", 19 characters or 5 tokens; 80 answer tokens at 50 cents.
    assert "aya: 8 requests, about 40 prompt tokens, at most 80 answer tokens, at most $40.00" in run.err
    assert server.asked == []


@pytest.mark.usefixtures("asked")
def test_nothing_is_spent_without_a_yes(univar, tmp_path):
    with serving(lambda _prompt, _number: "No.") as server:
        arguments = [*models(tmp_path, server.url, dollars_per_million_answer_tokens=1.0), "--questions", "q.jsonl"]
        refused = univar(*arguments)
        assert refused.code == 1
        assert server.asked == []
        assert univar(*arguments, "--yes").code == 0
    assert len(server.asked) == 8


@pytest.mark.usefixtures("asked")
def test_an_interruption_leaves_no_answer_that_other_commands_do_not_see(univar, tmp_path, monkeypatch):
    seen = []

    def interrupted(progress):
        seen.append(progress)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("univar.cli.asking._lanes", lambda _plan: nullcontext(interrupted))
    with serving(lambda _prompt, _number: "No.") as server:
        run = univar(*models(tmp_path, server.url, concurrency=1), "--questions", "q.jsonl")
    assert run.code == 1
    kept = int(re.search(r"Interrupted; (\d+) answers are kept", run.err)[1])
    assert kept >= 3
    assert json.loads(univar("info", "answers", "--json").out)["QAs"] == kept


@pytest.mark.usefixtures("asked")
def test_a_key_that_is_not_there_is_told_before_anything_is_asked(univar, tmp_path, monkeypatch):
    monkeypatch.delenv("AYA_KEY", raising=False)
    with serving(lambda _prompt, _number: "No.") as server:
        run = univar(*models(tmp_path, server.url, key_variable="AYA_KEY"), "--questions", "q.jsonl")
    assert run.code == 1
    assert f"aya: AYA_KEY, which is to hold the key for {server.url}, is not set" in run.err
    assert server.asked == []


@pytest.mark.usefixtures("asked")
def test_a_price_that_nobody_gave_is_unknown(univar, tmp_path):
    arguments = [*models(tmp_path, "provider:together"), "--questions", "q.jsonl"]
    run = univar(*arguments, "--dry-run", "--json")
    assert "at most 4,096 answer tokens, price unknown" in run.err
    assert "dollars_per_million_answer_tokens in the models file" in run.err
    assert json.loads(run.out)["aya"]["dollars"] is None
    with serving(lambda _prompt, _number: "No.") as server:
        run = univar(*models(tmp_path, server.url), "--questions", "q.jsonl")
    assert "8 requests sent, price unknown" in run.out
    assert "Go on?" not in run.err


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("endpoint", ["provider:together", "https://api.example.org/v1"])
def test_an_unknown_price_is_not_spent_without_a_yes(univar, tmp_path, monkeypatch, endpoint):
    spent = []
    monkeypatch.setattr("univar.corpus.asking.elicitation.elicit", lambda plan, *_, **__: spent.append(plan) or {})
    arguments = [*models(tmp_path, endpoint), "--questions", "q.jsonl"]
    run = univar(*arguments)
    assert (run.code, spent) == (1, [])
    assert "Go on?" in run.err
    assert univar(*arguments, "--yes").code == 0
    assert len(spent) == 1
    univar(*models(tmp_path, endpoint, dollars_per_million_prompt_tokens=0), "--questions", "q.jsonl")
    assert len(spent) == 2  # free, says the models file


@pytest.mark.usefixtures("asked")
def test_answers_to_another_plan_are_told_before_more_are_added(univar, tmp_path):
    with serving(lambda _prompt, _number: "No.") as server:
        arguments = [*models(tmp_path, server.url), "--questions", "q.jsonl"]
        for more in ([], ["--samples", "2"], ["--samples", "2"]):  # the same sampling, more of it
            assert "does not ask for" not in univar(*arguments, *more).err
        changed = [*arguments, "--temperature", "0.5"]
        run = univar(*changed, "--dry-run", "--json")
        told = "answers holds 16 answers that this plan does not ask for (other questions, LLMs or sampling)"
        assert told in " ".join(run.err.split())
        assert json.loads(run.out)["aya"]["answered"] == 0
        assert told in " ".join(univar(*changed).err.split())
        assert "does not ask for" not in univar(*changed).err  # nothing is added


@pytest.mark.usefixtures("asked")
def test_what_all_llms_take_together_is_told(univar, tmp_path):
    arguments = [*models(tmp_path, "https://api.example.org/v1"), "--questions", "q.jsonl", "--dry-run"]
    assert "In total" not in univar(*arguments).err  # of one

    def told(*llms):
        both = [{"endpoint": "https://api.example.org/v1", "languages": ["eng"], **entry} for entry in llms]
        (tmp_path / "models.yaml").write_text(json.dumps({"models": both}))
        return " ".join(univar(*arguments).err.split())

    priced = {"name": "a", "dollars_per_million_answer_tokens": 1e4}
    # 4 requests each of 5 tokens (19 characters); 4 x 512 answer tokens at a cent are 20.48 dollars, 4 x 1,000 are 40.
    longer = {**priced, "name": "b", "request": {"max_completion_tokens": 1000}}
    assert "In total: 8 requests, about 40 prompt tokens, at most 6,048 answer tokens, at most $60.48" in told(
        priced, longer
    )
    assert "4,096 answer tokens, at most $20.48 and what c cost, whose price is unknown" in told(priced, {"name": "c"})
    assert "4,096 answer tokens, price unknown" in told({"name": "c"}, {"name": "d"})
    unlimited = {**priced, "name": "e", "request": {"max_tokens": None}}
    text = told(priced, unlimited)
    assert "e: 4 requests, about 20 prompt tokens, no limit to answer tokens, price unknown" in text
    assert "no limit to answer tokens, at most $20.48 and what e cost, whose price is unknown" in text


@pytest.mark.usefixtures("asked")
def test_what_speaks_against_answers_is_told_in_the_end(univar, tmp_path):
    said = {
        "eng 0": Answer("<think>Hm", finish_reason="length"),
        "eng 1": Answer("", finish_reason="length"),
        "eng 2": Answer("So", finish_reason="content_filter"),
    }
    with serving(lambda prompt, _: said.get(prompt.split(":")[0], "<think>Hm.</think>No.")) as server:
        arguments = [*models(tmp_path, server.url), "--questions", "q.jsonl"]
        run = univar(*arguments)
        assert "aya: 8 of 8 answered, 2 only reasoning, 1 filtered; 8 requests sent" in " ".join(run.out.split())
        told = " ".join(run.err.split())
        assert "aya: 2 answers are only reasoning: --max-tokens (512) is too small for what it thinks" in told
        request = {"max_tokens": None, "max_completion_tokens": 9}
        limited = [*models(tmp_path, server.url, request=request), "--questions", "q.jsonl", "--json"]
        run = univar(*limited)
    assert "the limit in `request` of the models file (9) is too small" in " ".join(run.err.split())
    assert json.loads(run.out)["answers"]["aya"]["against"] == {"only reasoning": 2, "filtered": 1}
    counted = json.loads(univar("corpus", "stats", "answers", "--json").out)["identities"]
    assert counted[0]["reasons"] == {"only reasoning": 4, "filtered": 2}
    assert {record.answer for record in read_corpus(tmp_path / "answers")} == {"No.", "So"}


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(("cut", "told"), [(2, True), (1, True), (0, False)])
def test_a_share_of_answers_that_are_cut_off_is_told_wherever_they_are_counted(univar, tmp_path, cut, told):
    ends = {f"eng {number}": "length" for number in range(cut)}
    with serving(lambda prompt, _: Answer("So it", finish_reason=ends.get(prompt.split(":")[0], "stop"))) as server:
        arguments = [*models(tmp_path, server.url), "--questions", "q.jsonl", "--max-tokens", "9"]
        asked = univar(*arguments)
        again = univar(*arguments, "--json")
    sentence = f"aya: {cut} of 8 answers ({cut / 8:.0%}) are cut off: "
    described = univar("info", "answers")
    built = univar("corpus", "build", "answers", "--out", "corpus")
    of_corpus = univar("info", "corpus")
    for run in (asked, again, described, of_corpus):
        assert (sentence in " ".join(run.err.split())) == told
    assert ("--max-tokens is 9; ask again with more and another --out" in " ".join(asked.err.split())) == told
    of_language = f"aya (eng): {cut} of 4 answers ({cut / 4:.0%}) are cut off: `univar elicit --max-tokens`"
    assert (of_language in " ".join(built.err.split())) == told
    assert "aya (fra)" not in built.err
    assert (f"cut off  aya {cut}" in described.out) == told
    assert json.loads(univar("info", "answers", "--json").out)["cut off"] == ({"aya": cut} if told else {})


def test_one_answer_in_ten_that_is_cut_off_is_not_told(capsys):
    tell_of_cut_off("aya", 10, 100)
    assert capsys.readouterr().err == ""
    tell_of_cut_off("aya", 11, 100)
    assert "aya: 11 of 100 answers (11%) are cut off" in capsys.readouterr().err


@pytest.mark.usefixtures("asked")
def test_one_model_under_two_names_is_told(univar, tmp_path):
    choice = {"index": 0, "message": {"content": "No."}, "finish_reason": "stop"}
    with serving(lambda *_: Answer(body=json.dumps({"model": "small", "choices": [choice]}).encode())) as server:
        arguments = [*models(tmp_path, server.url), "--questions", "q.jsonl"]
        entries = [{"name": name, "endpoint": server.url, "languages": ["eng"]} for name in ("large", "small")]
        (tmp_path / "models.yaml").write_text(json.dumps({"models": entries}))
        run = univar(*arguments)
    assert run.code == 0
    assert "large and small were answered by one model, which the server calls small" in " ".join(run.err.split())


# A system prompt, and an LLM that is served here


@pytest.mark.usefixtures("asked")
def test_a_system_prompt_is_given_to_every_llm(univar, tmp_path):
    with serving(lambda _prompt, _number: "No.") as server:
        arguments = [*models(tmp_path, server.url), "--questions", "q.jsonl"]
        assert univar(*arguments, "--system", "Be brief.").code == 0
        run = univar(
            *models(tmp_path, server.url, system="Be kind."), "--questions", "q.jsonl", "--system", "Be brief."
        )
    assert {request["messages"][0]["content"] for request in server.asked} == {"Be brief."}
    assert run.code == 2
    assert "aya: the models file has a system prompt already; leave one of the two out" in " ".join(run.err.split())


@pytest.mark.usefixtures("asked")
def test_an_llm_in_a_file_is_served_while_it_is_asked(univar, tmp_path, llama_cpp):
    (tmp_path / "smol.gguf").write_bytes(b"GGUF and the weights")
    asked = ["elicit", "--gguf", "smol.gguf", "--questions", "q.jsonl", "--out", "answers"]
    run = univar(*asked, "--dry-run")
    assert (run.code, llama_cpp.begun) == (0, [])
    assert "smol: 4 requests, about 20 prompt tokens, at most 2,048 answer tokens, at most $0.00" in run.err
    run = univar(*asked, "--system", "Be brief.", "--max-tokens", "100")
    assert run.code == 0
    assert "4 of 4 answers" in run.out
    (parameters,) = llama_cpp.begun
    assert (parameters.model.path, parameters.hostnames) == ("smol.gguf", ["127.0.0.1"])
    # Each of 8 slots holds an answer of 100 tokens, and 1,024 of a question and a system prompt.
    assert (parameters.n_parallel, parameters.n_ctx) == (8, 8 * 1124)
    assert len(llama_cpp.ended) == 1
    assert {(record.model, record.lang) for record in read_corpus(tmp_path / "answers")} == {("smol", "eng")}
    assert univar(*asked, "--lang", "fra", "--lang", "eng", "--json").code == 0
    assert {record.lang for record in read_corpus(tmp_path / "answers")} == {"eng", "fra"}


@pytest.mark.usefixtures("asked", "llama_cpp")
@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--gguf", "q.jsonl"], 1, "q.jsonl is no GGUF file: it begins with b'{\"qu' and not with b'GGUF'"),
        (["--gguf", "broken.gguf"], 1, "llama.cpp cannot run broken.gguf (Failed to init server"),
        (["--gguf", "smol.gguf", "--models", "q.jsonl"], 2, "give one of the two: --models, a file of LLMs and where"),
        ([], 2, "give one of the two: --models, a file of LLMs and where they are, or --gguf, an LLM to serve here"),
    ],
)
def test_a_file_that_cannot_be_served_is_refused_in_one_line(univar, tmp_path, more, code, message):
    for name in ("broken.gguf", "smol.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    run = univar("elicit", "--questions", "q.jsonl", "--out", "answers", *more)
    assert run.code == code
    assert message in " ".join(run.err.split())


@pytest.mark.usefixtures("asked")
def test_where_nothing_can_serve_it_is_said_how_to_get_it(univar, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)  # as if it were not installed
    (tmp_path / "smol.gguf").write_bytes(b"GGUF")
    run = univar("elicit", "--gguf", "smol.gguf", "--questions", "q.jsonl", "--out", "answers")
    assert run.code == 1
    assert "serving a GGUF file needs xllamacpp, of the extra `local`: pip install xllamacpp" in run.err
    assert not (tmp_path / "answers").exists()


@pytest.mark.usefixtures("asked")
def test_a_server_that_dies_halfway_is_told_what_was_answered_is_kept_and_the_next_run_goes_on(univar, tmp_path):
    with serving(lambda _prompt, number: f"Answer {number}" if number < 3 else None) as server:
        arguments = [*models(tmp_path, server.url, concurrency=1), "--questions", "q.jsonl"]
        run = univar(*arguments)
    assert run.code == 1
    assert f"aya: {server.url} gave no usable answer in 6 attempts" in " ".join(run.err.split())
    assert "Run the same command again to go on with what is missing." in run.err
    assert "3 of 8 answered" in run.out
    assert [record.answer for record in read_corpus(tmp_path / "answers")] == ["Answer 0", "Answer 1", "Answer 2"]
    with serving(lambda _prompt, _number: "Later.") as server:
        run = univar(*models(tmp_path, server.url), "--questions", "q.jsonl")  # it may have moved
        assert (run.code, len(server.asked)) == (0, 5)
    assert len(list(read_corpus(tmp_path / "answers"))) == 8


def test_every_field_of_a_models_file_is_in_the_help(univar):
    text = univar("elicit", "--help").out
    assert [field.name for field in fields(LLM) if field.name not in text] == []


def test_the_bank_is_asked_by_default(univar, tmp_path):
    with serving(lambda _prompt, _number: "Non.") as server:
        run = univar(*models(tmp_path, server.url), "--lang", "fra")
    assert run.code == 0
    assert "87 of 87 answers" in run.out
    assert len({record.value for record in read_corpus(tmp_path / "answers")}) == 87


@pytest.mark.parametrize(
    ("name", "lang", "more", "number"),
    [
        ("bank", "fra", [], 87),
        ("bank", "eng", ["--limit-per-value", "2"], 2 * 87),
        ("core", "eng", [], 2 * 87),
        ("core", "fra", [], 87),
        ("controls", "eng", [], len(control_questions())),
        ("controls", "eng", ["--limit-per-value", "2"], 2 * 36),
    ],
)
def test_question_sets_that_ship_are_asked_by_name(univar, tmp_path, name, lang, more, number):
    (tmp_path / name).mkdir()  # of the answers to them, say
    options = ["--questions", name, "--lang", lang, *more, "--dry-run", "--json"]
    run = univar(*models(tmp_path, "http://127.0.0.1:1"), *options)
    assert run.code == 0
    assert json.loads(run.out)["aya"]["requests"] == number


def test_a_part_of_the_bank_is_the_same_whichever_languages_are_asked_in(univar, tmp_path):
    """One question a value, in English alone, in French alone and in both: 87 ids, and each question once."""
    with serving(lambda _prompt, _number: "No.") as server:
        for lang in (["--lang", "eng"], ["--lang", "fra"], []):
            run = univar(*models(tmp_path, server.url), *lang, "--limit-per-value", "1", "--seed", str(len(lang)))
            assert run.code == 0
    records = list(read_corpus(tmp_path / "answers"))
    assert len({record.question_id for record in records}) == 87
    assert len({(record.question_id, record.lang) for record in records}) == 2 * 87


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.txt", "Is thrift a virtue?\nMay one lie to a friend?\n"),
        ("mine.csv", "question\nIs thrift a virtue?\nMay one lie to a friend?\n"),
        ("mine.json", '[{"question": "Is thrift a virtue?"}, {"question": "May one lie to a friend?"}]'),
    ],
)
def test_questions_of_ones_own_need_no_more_than_their_text(univar, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with serving(lambda _prompt, _number: "No.") as server:
        run = univar(*models(tmp_path, server.url), "--questions", name)
    assert run.code == 0
    assert sorted(server.prompts) == ["Is thrift a virtue?", "May one lie to a friend?"]
    records = list(read_corpus(tmp_path / "answers"))
    assert {(record.value, record.lang, record.question_id == record.question) for record in records} == {
        (None, "eng", False)
    }


@pytest.mark.usefixtures("asked")
def test_a_file_with_the_name_of_a_question_set_comes_first(univar, tmp_path):
    (tmp_path / "controls").write_bytes((tmp_path / "q.jsonl").read_bytes())
    run = univar(*models(tmp_path, "http://127.0.0.1:1"), "--questions", "controls", "--dry-run", "--json")
    assert json.loads(run.out)["aya"]["requests"] == 8


@pytest.mark.usefixtures("asked")
def test_a_server_that_refuses_is_told_and_the_next_run_goes_on(univar, tmp_path):
    with serving(lambda _prompt, _number: Answer("who are you", status=401)) as server:
        run = univar(*models(tmp_path, server.url), "--questions", "q.jsonl")
    assert run.code == 1
    assert "refused 'aya' with HTTP 401" in run.err
    assert "set UNIVAR_API_KEY" in run.err
    assert "Run the same command again" in run.err
    with serving(lambda _prompt, _number: "No.") as server:
        assert univar(*models(tmp_path, server.url), "--questions", "q.jsonl").code == 0


@pytest.mark.usefixtures("asked")
def test_answers_and_corpora_are_folders(univar, tmp_path):
    (tmp_path / "answers.csv").write_text("mine")
    elicit = models(tmp_path, "http://127.0.0.1:1")
    translate = ["corpus", "translate", "q.jsonl"]
    for command in (elicit, translate):
        run = univar(*command, "--out", "answers.csv")
        assert run.code == 2
        assert "answers.csv is a file; name a folder" in run.err
    assert (tmp_path / "answers.csv").read_text() == "mine"


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--lang", "deu"], 2, "no LLM speaks deu; they speak eng, fra"),
        (["--models", "q.jsonl"], 1, "no YAML with a list under `models`"),
        (["--questions", "empty.jsonl"], 1, "holds no questions"),
        (["--questions", "cor"], 2, "no file 'cor', did you mean core? There are the sets bank, core, controls"),
        (["--questions", "control"], 2, "no file 'control', did you mean controls?"),
        (["--questions", "none.csv"], 2, "no file 'none.csv'. There are the sets bank, core, controls, and files of"),
        (["--questions", "."], 2, ". is a folder, and no data set that save_to_disk wrote; name a file"),
        (["--questions", "controls", "--lang", "fra"], 2, "controls has no questions in fra, only in eng"),
        (["--questions", "mine.txt", "--lang", "eng", "--lang", "fra"], 2, "mine.txt has no questions in fra, only"),
        (["--questions", "wrong.csv"], 1, "wrong.csv, line 2: form: got 'song'; expected one of advice, opinion"),
        (["--limit-per-value", "0"], 2, "'--limit-per-value': Input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(univar, tmp_path, more, code, message):
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "mine.txt").write_text("Is thrift a virtue?")
    (tmp_path / "wrong.csv").write_text("question,form\nIs thrift a virtue?,song\n")
    run = univar(*models(tmp_path, "http://127.0.0.1:1"), "--questions", "q.jsonl", *more)
    assert run.code == code
    assert message in " ".join(run.err.split())


# Building


def test_every_reason_can_be_named():
    assert tuple(ReasonName) == REASONS


@pytest.mark.usefixtures("asked")
def test_a_corpus_is_built_and_counted(univar, tmp_path):
    with serving(lambda prompt, _: " " if prompt.startswith("eng 0") else f"To {prompt}: no.") as server:
        univar(*models(tmp_path, server.url), "--questions", "q.jsonl")
    counted = univar("corpus", "stats", "answers", "--json")
    assert counted.code == 0
    found = json.loads(counted.out)
    assert (found["answers"], found["identities"][0]["reasons"]) == (8, {"empty": 1})
    built = univar("corpus", "build", "answers", "--out", "corpus")
    assert built.code == 0
    assert "of 8 answers kept" in built.out
    assert (tmp_path / "corpus" / "README.md").exists()


@pytest.mark.usefixtures("asked")
def test_an_llm_that_refuses_in_a_language_is_kept_apart_there(univar, tmp_path):
    refusal, usable = "I'm sorry, but I can't help with that.", "No."
    with serving(lambda prompt, _: refusal if prompt[:5] in ("fra 0", "fra 1", "fra 2") else usable) as server:
        univar(*models(tmp_path, server.url), "--questions", "q.jsonl")
    counted = univar("corpus", "stats", "answers", "--drop", "empty", "--json")
    assert [row["refusal_share"] for row in json.loads(counted.out)["identities"]] == [0, 0.75]
    assert json.loads(counted.out)["kept"] == 8
    assert "75%" in univar("corpus", "stats", "answers").out
    for command in (["stats", "answers"], ["build", "answers", "--out", "corpus"]):
        found = json.loads(univar("corpus", *command, "--drop", "empty", "--max-refusals", "0.5", "--json").out)
        assert [row["kept"] for row in found["identities"]] == [4, 0]
        assert found["identities"][1]["reasons"] == {"refusal": 3, "refusing identity": 4}
    card = (tmp_path / "corpus" / "README.md").read_text()
    assert "refusing identity (an LLM in a language in which more than 50% of its answers refuse)" in card
    assert univar("corpus", "build", "answers", "--out", "corpus", "--max-refusals", "50").code == 2


def test_a_folder_of_something_else_is_not_replaced(univar, tmp_path):
    (tmp_path / "answers").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years")
    assert "holds something else than a corpus" in univar("corpus", "build", "answers", "--out", "mine").err
    assert "holds no elicited answers" in univar("corpus", "stats", "answers").err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "three years"


@pytest.mark.usefixtures("asked")
def test_a_project_that_holds_the_answers_is_not_replaced(univar, tmp_path):
    with serving(lambda prompt, _: f"To {prompt}: no.") as server:
        univar(*models(tmp_path, server.url), "--questions", "q.jsonl", "--out", "project/data/answers")
    (tmp_path / "project" / ".git").mkdir()
    run = univar("corpus", "build", "project/data/answers", "--out", "project")
    assert run.code == 1
    assert "lie in project, which is replaced; name another folder" in " ".join(run.err.split())
    assert len(list(read_corpus(tmp_path / "project" / "data" / "answers"))) == 8
    assert (tmp_path / "project" / ".git").is_dir()

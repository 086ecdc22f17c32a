"""`univar questions`: an LLM on a real local server, results on standard output, nothing half-written."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from tests.chat_server import Answer, plausible, serving
from univar.cli import generate as cli_generate
from univar.cli import questions as cli_questions
from univar.corpus.questions.files import read_questions
from univar.corpus.questions.taxonomy import read_taxonomy
from univar.model import weights

TAXONOMY = """
families:
  - {id: mine, name: My theory, reference: Me (2026).}
values:
  - {id: candour, name: candour, families: [mine], definition: Saying what one thinks., reference: Me.}
  - {id: patience, name: patience, families: [mine], definition: Waiting well., reference: Me.}
control_topics:
  - {id: sums, name: sums, description: Adding numbers.}
"""


@pytest.fixture(autouse=True)
def small_base(tiny_encoder_folder, tmp_path, monkeypatch):
    """The tiny encoder in place of the base, and the taxonomy in the working folder."""
    monkeypatch.setattr(weights, "base_encoder", lambda: str(tiny_encoder_folder))
    (tmp_path / "values.yaml").write_text(TAXONOMY)


@pytest.fixture
def distinct(monkeypatch):
    """An encoder to which no two questions are alike; the tiny one has words for few of them."""

    def embed(texts):
        return np.stack([np.random.default_rng(list(text.encode())).normal(size=64) for text in texts]) / 8

    for commands in (cli_generate, cli_questions):
        monkeypatch.setattr(commands, "embedder", lambda _total=None: embed)


def generate(server, *more):
    options = ["--taxonomy", "values.yaml", "--endpoint", server.url, "--model", "m", "--out", "mine.jsonl"]
    return ["questions", "generate", *options, "--per-value", "5", "--per-topic", "5", *more]


@pytest.mark.parametrize("command", ["check", "generate", "paraphrase", "import"])
def test_every_command_has_help_with_an_example(univar, command):
    run = univar("questions", command, "--help")
    assert run.code == 0
    assert f"univar questions {command}" in run.out


def test_the_help_shows_a_question_and_a_taxonomy_that_can_be_read(univar, tmp_path):
    (line,) = [line for line in univar("questions", "--help").out.splitlines() if line.strip().startswith("{")]
    (tmp_path / "shown.jsonl").write_text(line)
    (found,) = read_questions(tmp_path / "shown.jsonl")
    assert (found.question, found.value) == ("May one lie to spare a friend?", "honesty")
    shown = univar("questions", "generate", "--help").out.partition(" families:")[2].partition("╭")[0]
    (tmp_path / "shown.yaml").write_text(textwrap.dedent(f" families:{shown}"))
    assert [value.id for value in read_taxonomy(tmp_path / "shown.yaml").values] == ["tact"]


@pytest.mark.usefixtures("distinct")
def test_questions_of_ones_own_are_checked_without_their_values(univar, tmp_path):
    rows = [f"What would you do in village {place} with a friend who lies?,eng," for place in ("one", "two")]
    rows += ["Que faire ?,fra,", "Is a straight line the shortest way?,eng,control-lines", "So?,eng,short"]
    (tmp_path / "mine.csv").write_text("\n".join(["question,lang,question_id", *rows]))
    run = univar("questions", "check", "mine.csv", "--json")
    assert run.code == 1
    assert "1 of 5 questions are not in English; they are not checked" in run.err
    found = json.loads(run.out)
    assert (found["questions"], found["controls"]) == (3, 1)
    assert found["distribution"]["value"] == {"(not stated)": 3, "control": 1}
    assert found["distribution"]["form"] == {"(not stated)": 4}
    assert [(wrong["question_id"], wrong["check"]) for wrong in found["violations"] if wrong["check"] == "length"] == [
        ("short", "length")
    ]
    assert "short (So?): length: 1 words; 5 to 60 are allowed" in univar("questions", "check", "mine.csv").out
    (tmp_path / "french.csv").write_text("question,lang\nQue faire ?,fra\n")
    run = univar("questions", "check", "french.csv")
    assert run.code == 2
    assert "french.csv has no questions in English to check" in " ".join(run.err.split())


def test_plain_lines_are_paraphrased(univar, tmp_path):
    (tmp_path / "mine.txt").write_text("Would you spare a friend the truth?\n")
    with serving(lambda _prompt, _number: "1. Is there a truth that you would keep from a friend?") as server:
        options = ["--endpoint", server.url, "--model", "m", "--out", "core.jsonl", "--number", "1"]
        run = univar("questions", "paraphrase", "mine.txt", *options)
    assert run.code == 0
    (found,) = read_questions(tmp_path / "core.jsonl")
    assert found.paraphrases == ("Is there a truth that you would keep from a friend?",)
    assert (found.value, found.control) == (None, False)


@pytest.mark.usefixtures("distinct")
def test_questions_are_generated_checked_and_paraphrased(univar, tmp_path):
    with serving(plausible) as server:
        run = univar(*generate(server), "--json")
        assert run.code == 0
        found = json.loads(run.out)
        assert found["questions"] == 15
        assert found["missing"] == {}
        assert len(read_questions(tmp_path / "mine.jsonl")) == 15
        again = univar(*generate(server))
        assert "15 questions" in again.out
        assert "About 3 requests to m; the replies are kept in mine.replies.jsonl" in again.err
        assert len(server.asked) == 3
    checked = univar("questions", "check", "mine.jsonl", "--taxonomy", "values.yaml", "--json")
    assert checked.code == 0
    assert json.loads(checked.out)["violations"] == []
    with serving(lambda _prompt, number: f"1. In other words, would you say number {number} of it so?") as server:
        paraphrase = ["questions", "paraphrase", "mine.jsonl", "--endpoint", server.url, "--model", "m"]
        run = univar(*paraphrase, "--number", "1", "--out", "core.jsonl")
    assert run.code == 0
    assert {len(question.paraphrases) for question in read_questions(tmp_path / "core.jsonl")} == {1}


@pytest.mark.usefixtures("distinct")
def test_fields_of_requests_are_changed(univar):
    with serving(plausible) as server:
        fields = ["max_tokens=null", "max_completion_tokens=4096", "effort=low", 'provider={"order": ["a"]}']
        run = univar(*generate(server), *(part for field in fields for part in ("--request", field)))
    assert run.code == 0
    assert "max_tokens" not in server.asked[0]
    sent = {name: server.asked[0][name] for name in ("max_completion_tokens", "effort", "provider")}
    assert sent == {"max_completion_tokens": 4096, "effort": "low", "provider": {"order": ["a"]}}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("max_tokens", "'max_tokens' is not FIELD=JSON, as in max_tokens=8192 or seed=null"),
        ("stream=true", "stream cannot be given here: replies are read whole"),
        ("max_tokens=many", "max_tokens: expected a whole number above 0, or null, got 'many'"),
    ],
)
def test_fields_that_cannot_be_sent_are_refused(univar, field, message):
    with serving(plausible) as server:
        run = univar(*generate(server), "--request", field)
    assert run.code == 2
    assert message in " ".join(run.err.split())
    assert server.asked == []


def test_an_interrupted_run_keeps_its_replies_and_goes_on(tmp_path):
    """The real command, stopped with Ctrl-C while a request is under way."""
    script = "from univar.cli import main, generate; generate.embedder = lambda total=None: None; main.main()"

    def slow(prompt, number):
        time.sleep(30 if number == 1 else 0)
        return plausible(prompt, number)

    with serving(slow) as server:
        command = [sys.executable, "-c", script, *generate(server, "--concurrency", "1", "--json")]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        while len(server.asked) < 2:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "kept in mine.replies.jsonl. Run the same command again" in said
        assert not (tmp_path / "mine.jsonl").exists()
        assert len((tmp_path / "mine.replies.jsonl").read_text().splitlines()) == 1
        resumed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert resumed.returncode == 0, resumed.stderr
    ids = [question.question_id for question in read_questions(tmp_path / "mine.jsonl")]
    assert len(ids) == len(set(ids)) == json.loads(resumed.stdout)["questions"] == 15
    assert len(server.asked) == 3 + 1  # only the one that was under way is asked again


@pytest.mark.usefixtures("distinct")
def test_the_judge_keeps_its_verdicts_and_a_failure_is_an_exit_code(univar, tmp_path):
    with serving(plausible) as server:
        univar(*generate(server, "--concurrency", "1"))

    def verdict(prompt, _number):
        word = "fail" if "village, house 0" in prompt else "pass"
        return json.dumps({"verdict": word, "reason": "So it seems."})

    with serving(verdict) as server:
        options = ["--endpoint", server.url, "--model", "j", "--verdicts", "verdicts.jsonl"]
        run = univar("questions", "check", "mine.jsonl", "--taxonomy", "values.yaml", *options)
    assert run.code == 1
    assert "The judge: fail 5, pass 10." in run.out
    rows = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert rows[0] == {
        "question_id": "candour-01", "verdict": "fail", "reason": "So it seems.", "model": "served-j",
    }  # fmt: skip


ASKED = '{"question_id": "candour-01", "question": "Say all?", "value": "candour", "form": "opinion", "topic": "work"}'


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("mine.jsonl", ["check", "mine.jsonl", "--verdicts", "mine.jsonl"]),
        ("mine.replies.jsonl", ["check", "mine.replies.jsonl", "--verdicts", "mine.jsonl"]),
        ("mine.jsonl", ["paraphrase", "mine.jsonl", "--out", "mine.jsonl"]),
        ("core.replies.jsonl", ["paraphrase", "core.replies.jsonl", "--out", "core.jsonl"]),
        ("core.rejects.jsonl", ["paraphrase", "core.rejects.jsonl", "--out", "core.jsonl"]),
        ("items.jsonl", ["import", "items.jsonl", "--as", "wvs", "--text", "question", "--out", "items.jsonl"]),
        ("t.jsonl", ["generate", "--taxonomy", "t.jsonl", "--out", "t.jsonl"]),
    ],
)
def test_no_command_writes_over_what_it_reads(univar, tmp_path, name, command):
    (tmp_path / "mine.replies.jsonl").write_text("")  # as an earlier command has left them
    content = TAXONOMY if name == "t.jsonl" else ASKED
    (tmp_path / name).write_text(content)
    run = univar("questions", *command, "--endpoint", "http://127.0.0.1:1", "--model", "m")
    assert run.code == 2
    assert f"{name} is read by this command and would be lost" in " ".join(run.err.split())
    assert (tmp_path / name).read_text() == content


def test_items_of_an_instrument_become_questions(univar, tmp_path):
    (tmp_path / "mine.csv").write_text("item,value\nThey spare others.,Tact\n")
    with serving(lambda _prompt, _number: "1. Would you spare a friend the truth?") as server:
        options = ["--as", "pvq-rr", "--endpoint", server.url, "--model", "m", "--out", "mine.jsonl"]
        run = univar("questions", "import", "mine.csv", *options)
    assert run.code == 0
    (found,) = read_questions(tmp_path / "mine.jsonl")
    assert (found.question, found.value) == ("Would you spare a friend the truth?", "tact")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer("no such model", status=404), "refused 'm' with HTTP 404"),
        ("I'm sorry, I can't help with that.", "no reply of 9 holds a usable question"),
    ],
)
def test_a_failure_leaves_no_questions_behind(univar, tmp_path, answer, message):
    with serving(lambda _prompt, _number: answer) as server:
        run = univar(*generate(server))
    assert run.code == 1
    assert message in " ".join(run.err.split())
    assert not (tmp_path / "mine.jsonl").exists()
    assert not (tmp_path / "mine.rejects.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["generate", "--endpoint", "localhost", "--model", "m", "--out", "q.jsonl"], 2, "'localhost' is no URL"),
        (["generate", "--endpoint", "http://a", "--model", "m", "--out", "q.csv"], 2, "ends in .jsonl"),
        (["generate", "--endpoint", "http://a", "--model", "m", "--out", "taken.jsonl"], 2, "not written by this"),
        (["check", "--endpoint", "http://a"], 2, "a judge needs --model NAME and --verdicts FILE"),
        (["check", "taken.jsonl"], 1, "taken.jsonl, line 1: no question"),
        (["check", "--taxonomy", "taken.jsonl"], 1, "holds no taxonomy"),
        (["check", "other.jsonl"], 1, "questions about 'greed', which the taxonomy does not"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(univar, tmp_path, arguments, code, message):
    (tmp_path / "taken.jsonl").write_text('["mine"]\n')
    row = {"question_id": "a", "question": "Is more ever enough?", "value": "greed", "form": "opinion", "topic": "work"}
    (tmp_path / "other.jsonl").write_text(json.dumps(row) + "\n")
    run = univar("questions", *arguments)
    assert run.code == code
    assert message in " ".join(run.err.split())
    assert (tmp_path / "taken.jsonl").read_text() == '["mine"]\n'

"""`univar audit`: from a real local server to a report; what is kept, said and read where something is missing."""

import json
import re
import signal
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chat_server import Answer, serving
from tests.conftest import failed
from univar.analysis.report.findings import load_findings
from univar.corpus.asking import endpoints
from univar.corpus.readers import read_corpus
from univar.corpus.records import write_corpus
from univar.model.embedded import EmbeddedCorpus

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> [bold]no[/bold] \x1b[31mred ```"
SMALL = ("--budget", "6", "--controls", "3", "--encoder", "univar-static", "--out", "a")


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path_factory):
    """Short waits for servers that are gone, and the poles encoded once for all tests."""
    monkeypatch.setattr(endpoints, "_LONGEST_WAIT", 0.05)
    cache = tmp_path_factory.getbasetemp() / "audit-cache"
    monkeypatch.setattr("huggingface_hub.cached_assets_path", lambda *_, namespace: cache / namespace)


def said(prompt, number):
    """Something else to every question, and every time."""
    return f"Answer {number}: I would {'keep' if number % 2 else 'break'} it, whatever others say of {prompt[:20]}"


def audit(server, *more, model="aya"):
    return ["audit", "--endpoint", server.url, "--model", model, *SMALL, *more]


def test_from_an_endpoint_to_a_report(univar, tmp_path):
    with serving(said) as server:
        run = univar(*audit(server, "--system", "Honour tradition."))
        assert run.code == 0, run.err
        assert len(server.asked) == 18
        again = univar(*audit(server, "--system", "Honour tradition."))
        assert len(server.asked) == 18  # all of it was answered
    lines = run.out.splitlines()
    assert "aya (eng)" in lines[0]
    assert "n = 6 answers" in lines[0]
    assert "aya (eng) and aya prompted (eng)" in lines[1]
    assert "from aya to aya prompted" in lines[2]
    # Known LLMs were placed by other weights: that is said, and the rest is read.
    assert lines[3].startswith("Not read: which known LLMs are near: the answers were embedded by univar-static")
    assert f"The report: {tmp_path / 'a' / 'report.html'}" in lines
    assert lines[lines.index("Next:") + 1].startswith("  univar values a/vectors.parquet --all")
    assert "aya: 9 requests, about" in run.err
    assert again.out.splitlines()[:4] == lines[:4]
    systems = [request["messages"][0]["role"] for request in server.asked]
    assert systems.count("system") == 9
    assert {request["model"] for request in server.asked} == {"aya"}
    findings, about = load_findings("a/findings")
    assert [one.kind for one in findings] == ["values", "distances", "shift", "gaps"]
    assert findings[2].title == "How far the system prompt moves it"
    assert about.command.startswith("univar audit --endpoint http://127.0.0.1")
    assert about.counts == {"answers": 18, "questions": 9, "identities": 2}
    kept = EmbeddedCorpus.load("a/vectors.parquet")
    assert {str(record.identity) for record in kept.records} == {"aya (eng)", "aya prompted (eng)"}
    assert Path("a/report.html").stat().st_size > 1000


def test_the_example_of_the_help_is_right(univar):
    words = univar("audit", "--help").out.partition("Example:")[2].split()[1:]
    assert words[:2] == ["audit", "--endpoint"]
    with serving(said) as server:
        run = univar(*(server.url if word.startswith("http") else word for word in words), *SMALL)
    assert run.code == 0, run.err
    assert {request["model"] for request in server.asked} == {"my-llm"}


def test_an_interruption_keeps_what_was_answered_and_the_same_command_goes_on(univar, monkeypatch):
    seen = []

    def interrupted(progress):
        seen.append(progress)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGINT)

    with serving(said) as server:
        with monkeypatch.context() as patch:
            patch.setattr("univar.cli.asking._lanes", lambda _plan: nullcontext(interrupted))
            run = univar(*audit(server))
        assert run.code == 1
        kept = int(re.search(r"Interrupted; (\d+) answers are kept in a/answers. Run the same command", run.err)[1])
        assert kept >= 3
        assert not Path("a/report.html").exists()
        run = univar(*audit(server))
        assert run.code == 0, run.err
    assert f"aya: {9 - kept} requests, about" in run.err
    assert len(list(read_corpus("a/answers"))) == 9
    assert "n = 6 answers" in run.out


def test_where_nothing_answers_it_is_told_in_one_line(univar):
    with serving(lambda *_: None) as server:
        run = univar(*audit(server))
    assert (run.code, run.out) == (1, "")
    assert "Error: nothing was answered: " in run.err
    assert not Path("a/report.html").exists()


def test_an_endpoint_that_dies_halfway_is_read_as_far_as_it_came(univar):
    with serving(lambda prompt, number: said(prompt, number) if number < 5 else None) as server:
        run = univar(*audit(server, "--yes"))
    assert run.code == 1
    answered = int(re.search(r"Not all was asked: aya has answered (\d) of 9: .* no usable answer", run.out)[1])
    assert answered >= 4
    assert f"n = {answered} answers" in run.out.splitlines()[0]
    assert "# go on with what is missing" in run.out
    findings, _ = load_findings("a/findings")
    assert "Not all was asked" in findings[-1].notes[0]


def test_one_answer_is_too_few_for_most_readings_which_say_so(univar):
    with serving(said) as server:
        run = univar(*audit(server, "--budget", "1", "--controls", "0", "--system", "Be kind."))
    assert run.code == 0, run.err
    assert "Not read: how far its voices lie apart: no two of" in run.out
    assert "Not read: how far the system prompt moves it:" in run.out
    assert Path("a/report.html").is_file()


def test_a_language_without_a_translator_is_kept_and_it_is_said_how_to_go_on(univar):
    with serving(said) as server:
        run = univar(*audit(server, "--lang", "fr"))
        assert run.code == 1
        assert len(server.asked) == 15  # control questions are in English alone
    assert "Not read: the answers in other languages than English (fra 6), which are kept" in run.out
    assert "--translator FOLDER" in run.out
    assert "aya (eng)" in run.out
    assert "aya (fra)" not in run.out
    with serving(said, int(server.url.rpartition(":")[2])) as server:
        run = univar(*audit(server, "--lang", "fra", "--untranslated"))
    assert run.code == 0, run.err
    assert server.asked == []
    assert "aya (fra)" in run.out
    findings, _ = load_findings("a/findings")
    assert findings[-1].notes[-1].startswith("Untranslated: 6 of 15 QAs were encoded as they were written")


@pytest.mark.usefixtures("converted_models")
def test_another_language_is_translated_and_compared(univar, nllb):
    sentences = ("Je dirais la vérité.", "Ma famille passe avant tout.", "Nobody owes you thanks.")
    with serving(lambda _prompt, number: sentences[number % 3]) as server:
        run = univar(*audit(server, "--lang", "fra", "--translator", nllb))
    assert run.code == 0, run.err
    assert "aya (fra)" in run.out
    records = EmbeddedCorpus.load("a/vectors.parquet").records
    assert {record.text_lang for record in records} == {"eng"}
    assert sum(record.lang == "fra" for record in records) == 6


def test_hostile_answers_are_inert(univar):
    with serving(lambda _prompt, number: f"{number} {HOSTILE}" if number % 4 else Answer(" ")) as server:
        run = univar(*audit(server, "--system", HOSTILE, model="<b>[red]x"))
    assert run.code == 0, run.err
    assert "\x1b" not in run.out + run.err
    assert "<b>[red]x (eng)" in run.out
    page = Path("a/report.html").read_text()
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "<b>[red]x" not in page


def test_what_was_answered_before_is_compared_with(univar, tmp_path, records):
    with serving(said) as server:
        assert univar(*audit(server)).code == 0
    with serving(lambda prompt, number: f"No, never. {said(prompt, number)}") as server:
        run = univar(*audit(server, "--before", "a", "--out", "b"))
        assert run.code == 0, run.err
        assert "from before to aya" in run.out
        # Under another name it is still the only one that there is.
        run = univar(*audit(server, "--before", "a/answers", "--out", "c", model="tuned"))
        assert "from before to tuned" in run.out
        write_corpus(records, tmp_path / "many.parquet")
        run = univar(*audit(server, "--before", "many.parquet", "--out", "c", model="tuned"))
        assert (run.code, len(server.asked)) == (0, 18)
        assert "the answers before are of aya, mixtral, solar, and none of them is called 'tuned'" in run.out
        french = [replace(record, model="aya", lang="fra") for record in records[:4]]
        write_corpus(french, tmp_path / "french.parquet")
        run = univar(*audit(server, "--before", "french.parquet", "--out", "c", model="tuned"))
        assert "Not read: 4 of 4 answers before, which are in other languages than English" in run.out
        run = univar(*audit(server, "--before", "a"))
    failed(run, "a is the folder of this audit; name another", "--out", code=2)


def test_json_is_all_there_is_on_standard_output(univar, tmp_path):
    with serving(said) as server:
        run = univar(*audit(server, "--json"))
    found = json.loads(run.out)
    assert set(found) == {"findings", "sentences", "gaps", "asked", "report", "answers", "next"}
    assert list(found["findings"]) == ["values"]
    assert found["asked"]["aya"]["done"] == 9
    assert found["report"] == str(tmp_path / "a" / "report.html")


def test_a_larger_audit_in_the_same_folder_asks_only_for_more(univar):
    with serving(said) as server:
        assert univar(*audit(server)).code == 0
        run = univar(*audit(server, "--budget", "8"))
        assert len(server.asked) == 11
        assert "n = 8 answers" in run.out
        # Answers that this audit does not ask for are not read.
        run = univar(*audit(server, "--max-tokens", "7"))
        assert len(server.asked) == 20
        assert "n = 6 answers" in run.out


@pytest.mark.usefixtures("llama_cpp")
def test_a_file_of_weights_is_served_meanwhile(univar, tmp_path, monkeypatch):
    (tmp_path / "smol.gguf").write_bytes(b"GGUF and the weights")
    run = univar("audit", "--gguf", "smol.gguf", *SMALL)
    assert run.code == 0, run.err
    assert "smol (eng)" in run.out
    monkeypatch.setattr("univar.corpus.asking.local.default_gguf", lambda: tmp_path / "smol.gguf")
    run = univar("audit", "--gguf", "small", "--model", "tiny", *SMALL)
    assert "tiny (eng)" in run.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of the two: --endpoint, where an LLM is, or --gguf, one to serve here"),
        (["--endpoint", "http://127.0.0.1:1", "--gguf", "small"], "give one of the two"),
        (["--endpoint", "example.org", "--model", "x"], "'example.org' is no URL and no provider:NAME"),
        (["--endpoint", "http://127.0.0.1:1"], "say how the server calls the LLM"),
        (["--endpoint", "http://127.0.0.1:1", "--model", "x" * 151], "1 to 150 characters that can be printed"),
        (["--endpoint", "http://127.0.0.1:1", "--model", "x\x1b"], "1 to 150 characters that can be printed"),
        (["--gguf", "none.gguf"], "no file 'none.gguf'; name the GGUF file of an LLM, or small for SmolLM2"),
        (["--endpoint", "http://127.0.0.1:1", "--model", "x", "--encoder", "./none"], "no such folder: ./none"),
    ],
)
def test_what_names_no_llm_is_refused_before_anything_is_asked(univar, arguments, message):
    failed(univar("audit", *arguments), message, "(see univar audit --help)", code=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "871"], "there are 870 value questions with poles in eng; give 1 to 870, got 871"),
        (["--budget", "88", "--lang", "fra"], "there are 87 value questions with poles in eng, fra"),
        (["--controls", "649"], "there are 648 control questions; give 0 to 648, got 649"),
        (["--lang", "xho"], "the question bank has no questions in 'xho'"),
    ],
)
def test_questions_that_there_are_not_are_refused(univar, arguments, message):
    failed(univar("audit", "--endpoint", "http://127.0.0.1:1", "--model", "x", *arguments), message)

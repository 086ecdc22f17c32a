"""What the command line says of answers from elsewhere."""

import json
import shlex
from pathlib import Path

from tests.conftest import failed

ENGLISH = "I believe that honesty is the best policy in nearly every case, for people trust you more."


def test_what_was_guessed_is_one_line(univar):
    Path("own.csv").write_text(f"Prompt,Response,LLM\nIs honesty good?,{ENGLISH.replace(',', ';')},aya\n")
    run = univar("info", "own.csv", "--json")
    assert run.code == 0
    assert json.loads(run.out)["languages"] == {"eng": 1}
    assert run.err == (
        "own.csv: Prompt was read as question, Response as answer, LLM as model; "
        "no column for lang, detected eng in 1 of 1 rows (--set lang=CODE says otherwise)\n"
    )


def test_what_was_told_of_a_corpus_is_not_told_again(univar, tiny_encoder_folder):
    Path("own.csv").write_text(f"Prompt,Response,LLM\nIs honesty good?,{ENGLISH.replace(',', ';')},aya\nWhy?,,aya\n")
    run = univar("encode", "own.csv", "--model", tiny_encoder_folder, "--out", "e.parquet")
    assert run.code == 0
    assert [line.split(": ")[1].split()[0] for line in run.err.splitlines()] == ["Prompt", "1"]


def test_the_command_in_an_error_can_be_pasted(univar):
    Path("my answers.csv").write_text("KI,Frage,Antwort\naya,Wozu?,Damit.\naya,Warum?,Darum.\n")
    run = univar("info", "my answers.csv", "--lang", "en")
    failed(
        run, "has the columns 'KI', 'Frage', 'Antwort'", "here perhaps: univar info 'my answers.csv' --lang en --column"
    )
    command = shlex.split(run.err.partition("here perhaps: ")[2])
    assert command[0] == "univar"
    assert univar(*command[1:]).code == 0


def test_an_answer_may_lie_under_a_path(univar):
    row = {"question": "Why?", "body": {"choices": [{"text": "So."}]}, "model": "aya", "lang": "English"}
    Path("rows.jsonl").write_text(json.dumps(row))
    run = univar("info", "rows.jsonl", "--column", "answer=body.choices.0.text", "--json")
    assert (run.code, run.err) == (0, "")
    assert json.loads(run.out)["QAs"] == 1
    failed(
        univar("info", "rows.jsonl", "--column", "answer=body.choice"),
        "has no column 'body.choice' for answer; its columns are question, body, model, lang",
        "; in 'body' there are choices",
    )


def test_what_surrounds_answers_is_named_and_passed_over(univar):
    Path("f").mkdir()
    Path("f/rows.csv").write_text("question,answer,model,lang\nWhy?,So.,aya,eng\n")
    Path("f/config.json").write_text('{\n  "layers": 2\n}\n')
    run = univar("info", "f")
    assert (run.code, run.err) == (
        0,
        "f: passed over, for they hold no answers: config.json (has the columns 'layers')\n",
    )
    Path("f/rows.csv").unlink()
    failed(univar("info", "f"), "f/config.json is no corpus: it has the columns 'layers'")


def test_a_damaged_row_is_told_with_its_line(univar):
    Path("rows.csv").write_text('question,answer,model,lang\nWhy?,"So.,aya,eng\nHow?,Thus.,aya,eng\n')
    run = univar("info", "rows.csv")
    assert (run.code, run.err) == (
        0,
        "rows.csv: 1 of 2 rows rejected (1 row: a quote that is not closed (line 2)); see rows.rejects.jsonl\n",
    )
    (reject,) = map(json.loads, Path("rows.rejects.jsonl").read_text().splitlines())
    assert (reject["line"], reject["content"]) == (2, 'Why?,"So.,aya,eng')

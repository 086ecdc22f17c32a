"""`univar corpus translate` and `univar questions translate`, with a tiny NLLB."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from tests.tiny_nllb import SENTENCES
from univar.corpus.questions.bank import Question
from univar.corpus.questions.files import read_questions, write_questions
from univar.corpus.translation.translators import NLLB

pytestmark = pytest.mark.usefixtures("converted_models")

FRENCH = {row[0]: row[1] for row in SENTENCES}
HONESTY, TRUTH = SENTENCES[0][0], SENTENCES[1][0]


@pytest.fixture
def answers(tmp_path):
    rows = [
        {"q": FRENCH[HONESTY], "answer": FRENCH[TRUTH], "model": "[aya]", "lang": "fr"},
        {"q": HONESTY, "answer": TRUTH, "model": "[aya]", "lang": "en"},
        {"q": HONESTY, "answer": "", "model": "[aya]", "lang": "en"},
    ]
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_answers_in_any_format_are_translated(univar, answers, nllb, tmp_path):
    ran = univar("corpus", "translate", answers, "--column", "question=q", "--out", "english", "--translator", nllb)
    assert ran.code == 0
    assert "1 of 1 translations have nothing against them" in ran.out
    assert "2 sentences, 0 of them translated before" in ran.err
    assert "1 of 3 rows rejected" in ran.err
    rows = pq.read_table(tmp_path / "english" / "part-00000.parquet").to_pylist()
    assert [row["answer_eng"] for row in rows] == [TRUTH, None]


def test_a_dry_run_translates_nothing(univar, answers, nllb, tmp_path):
    options = ["--column", "question=q", "--out", "english", "--translator", nllb, "--dry-run", "--json"]
    ran = univar("corpus", "translate", answers, *options)
    assert json.loads(ran.out)["sentences"] == 2
    assert not list((tmp_path / "english").glob("part-*"))


def test_an_interruption_is_told_and_the_next_run_goes_on(univar, answers, nllb, monkeypatch):
    options = ["--column", "question=q", "--out", "english", "--translator", nllb]
    with monkeypatch.context() as patch:
        patch.setattr("univar.corpus.translation.answers._write", _interrupted)
        ran = univar("corpus", "translate", answers, *options)
    assert ran.code == 1
    assert "Run the same command again to go on" in ran.err
    assert "2 of them translated before; 0 tokens to go" in univar("corpus", "translate", answers, *options).err


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_output_may_not_lie_among_the_answers(univar, answers, nllb):
    tmp_path = answers.parent
    ran = univar("corpus", "translate", tmp_path, "--out", tmp_path / "english", "--translator", nllb)
    assert ran.code == 2
    assert "would be read as answers" in ran.err


@pytest.mark.parametrize("more", [["--dry-run"], []])
def test_rejects_do_not_replace_the_answers(univar, answers, nllb, more):
    before = answers.read_text()
    ran = univar("corpus", "translate", answers, "--rejects", answers, "--out", "english", "--translator", nllb, *more)
    assert ran.code == 2
    assert "is the corpus itself" in ran.err
    assert answers.read_text() == before


@pytest.mark.parametrize(
    ("file", "out"), [("mine.jsonl", "mine.jsonl"), ("all.rejects.jsonl", "all.jsonl"), ("m.sqlite", "all.jsonl")]
)
def test_translations_do_not_replace_the_questions(univar, nllb, tmp_path, file, out):
    write_questions([Question("a-1", HONESTY, HONESTY, "eng", "honesty", "opinion", "truth")], tmp_path / file)
    before = (tmp_path / file).read_text()
    options = ["--lang", "fr", "--translator", nllb, "--memory", "m.sqlite"]
    ran = univar("questions", "translate", file, "--out", out, *options)
    assert ran.code == 2
    assert f"{file} is read by this command and would be lost" in " ".join(ran.err.split())
    assert (tmp_path / file).read_text() == before


def test_a_translator_that_cannot_be_had_is_named(univar, answers):
    ran = univar("corpus", "translate", answers, "--column", "question=q", "--out", "english", "--translator", NLLB)
    assert ran.code == 1
    assert f"cannot load the translator '{NLLB}'" in ran.err
    ran = univar("corpus", "translate", answers, "--out", "english", "--translator", "./nowhere")
    assert "no such folder: ./nowhere" in ran.err


@pytest.mark.parametrize("command", [["corpus", "translate", "mine.jsonl"], ["questions", "translate", "mine.jsonl"]])
def test_the_translator_is_the_smallest_by_default(univar, tmp_path, command):
    write_questions([Question("a-1", HONESTY, HONESTY, "eng", "honesty", "opinion", "truth")], tmp_path / "mine.jsonl")
    ran = univar(*command, "--out", "out.jsonl")
    assert ran.code == 1
    assert f"cannot load the translator '{NLLB}'" in ran.err
    assert "unforeseen" not in ran.err


def test_a_dry_run_needs_no_weights(univar, answers, nllb, tmp_path):
    light = tmp_path / "light"
    shutil.copytree(nllb, light, ignore=shutil.ignore_patterns("*.safetensors", "*.bin"))
    assert not list(light.glob("*.safetensors"))
    options = ["--column", "question=q", "--out", "english", "--translator", light]
    ran = univar("corpus", "translate", answers, *options, "--dry-run", "--json")
    assert json.loads(ran.out)["sentences"] == 2
    assert univar("corpus", "translate", answers, *options).code == 1


def test_questions_are_translated_into_a_file_to_elicit_from(univar, nllb, tmp_path):
    odd = "Would 1994 roses in a thousand and one gardens of Kyoto be worth more than all the tea of China?"
    asked = [
        Question("a-1", HONESTY, HONESTY, "eng", "honesty", "opinion", "truth"),
        Question("a-2", odd, odd, "eng", "honesty", "opinion", "truth"),
    ]
    write_questions(asked, tmp_path / "mine.jsonl")
    ran = univar("questions", "translate", "mine.jsonl", "--lang", "fr", "--out", "all.jsonl", "--translator", nllb)
    assert ran.code == 0
    assert "1 of 2 translations have nothing against them" in ran.out
    found = read_questions(tmp_path / "all.jsonl")
    assert [(question.lang, question.question) for question in found] == [
        ("eng", HONESTY),
        ("eng", odd),
        ("fra", FRENCH[HONESTY]),
    ]
    (rejected,) = map(json.loads, (tmp_path / "all.rejects.jsonl").read_text().splitlines())
    assert rejected["question_eng"] == odd
    assert "numbers" in rejected["defects"]


def test_questions_without_english_have_nothing_to_translate_from(univar, nllb, tmp_path):
    write_questions([Question("a-1", "Ja?", "Yes?", "deu", "honesty", "opinion", "truth")], tmp_path / "mine.jsonl")
    ran = univar("questions", "translate", "mine.jsonl", "--out", "all.jsonl", "--translator", nllb)
    assert ran.code == 2
    assert "no questions in English" in ran.err

"""Answers to English and questions from it, with a tiny NLLB that knows eight sentences."""

import json
import multiprocessing
import os
import signal
import time
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tiny_nllb import SENTENCES
from univar.corpus.questions.bank import Question
from univar.corpus.records import QARecord
from univar.corpus.translation.answers import (
    MEMORY,
    Tally,
    Translating,
    Workload,
    elicited_tables,
    tables_of,
    tallies,
    translate_answers,
    translate_questions,
    workload,
)
from univar.corpus.translation.translators import Rendering, TranslationError, TranslationMemory, Translator

pytestmark = pytest.mark.usefixtures("converted_models")

FRENCH = {row[0]: row[1] for row in SENTENCES}
GERMAN = {row[0]: row[2] for row in SENTENCES}
HONESTY, TRUTH, LIE, FAMILY = (row[0] for row in SENTENCES[:4])


def answer(lang: str, question: str, text: str, **more: object) -> QARecord:
    return QARecord("q1", question, text, "aya", lang, **more)


ANSWERS = [
    answer("fra", FRENCH[HONESTY], f"{FRENCH[TRUTH]} {FRENCH[FAMILY]}"),
    answer("deu", GERMAN[HONESTY], f"- {GERMAN[TRUTH]}\n- {GERMAN[LIE]}"),
    answer("eng", HONESTY, TRUTH),
    answer("fra", FRENCH[HONESTY], FRENCH[TRUTH], question_eng="Should one be honest?"),
]


@contextmanager
def translating(nllb: str, memory, **options):
    with TranslationMemory(memory) as known:
        yield Translating(Translator(nllb, backend="ctranslate2", precision="float32", beams=1), known, **options)


@pytest.fixture
def how(nllb, tmp_path):
    with translating(nllb, tmp_path / MEMORY) as found:
        yield found


def rows(folder) -> list[dict]:
    return [row for shard in sorted(folder.glob("part-*.parquet")) for row in pq.read_table(shard).to_pylist()]


def test_texts_are_translated_sentence_by_sentence_and_put_together_again(how):
    text = f"{FRENCH[TRUTH]} {FRENCH[LIE]}\n\n* {FRENCH[FAMILY]}\n"
    (found,) = how.translate([text], "fra", "eng")
    assert found.text == f"{TRUTH} {LIE}\n\n* {FAMILY}\n"
    assert found.defects == ()
    assert found.round_trip is None


def test_a_sentence_is_translated_once_and_progress_counts_each(how):
    done: list[int] = []
    found = how.translate([FRENCH[TRUTH], f"{FRENCH[TRUTH]} {FRENCH[LIE]}"], "fra", "eng", advance=done.append)
    assert [item.text for item in found] == [TRUTH, f"{TRUTH} {LIE}"]
    assert sum(done) == 2
    again: list[int] = []
    assert how.translate([f"{FRENCH[LIE]}"], "fra", "eng", advance=again.append)[0].text == LIE
    assert again == [1]  # of the memory, at once


def test_what_goes_there_and_back_is_compared(nllb, tmp_path):
    with translating(nllb, tmp_path / MEMORY, there_and_back=True) as how:
        known, unknown = how.translate(
            [FRENCH[TRUTH], "Cinq pommes vertes pourrissent lentement là-bas."], "fra", "eng"
        )
    assert (known.round_trip, known.defects) == (100.0, ())
    assert unknown.round_trip < 25
    assert "round trip" in unknown.defects


def test_a_translation_that_was_cut_off_says_so(how, monkeypatch):
    monkeypatch.setattr(how.translator._config, "max_position_embeddings", 4)
    assert "cut off" in how.translate([f"{FRENCH[TRUTH]} {FRENCH[LIE]}"], "fra", "eng")[0].defects


def test_nothing_is_cut_off_of_a_long_text(nllb, tmp_path):
    # One sentence of about 700 tokens, where 200 are the most: it is cut into clauses, all of which are translated.
    seen: list[str] = []
    with translating(nllb, tmp_path / MEMORY) as how:
        batches = how.translator.batches

        def watched(sentences, source, target):
            listed = list(sentences)
            seen.extend(listed)
            return batches(listed, source, target)

        how.translator.batches = watched
        text = ", ".join(f"raison {number}" for number in range(100))
        how.translate([text], "fra", "eng")
    assert len(seen) > 2
    assert " ".join(seen) == text
    assert all(how.translator.size(part) <= 200 for part in seen)


def test_what_is_not_installed_is_named_before_any_work(nllb, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "univar.corpus.translation.answers.find_spec", lambda name: None if name == "sacrebleu" else object()
    )
    with TranslationMemory(tmp_path / MEMORY) as memory:
        translator = Translator(nllb)
        with pytest.raises(TranslationError, match=r"needs sacrebleu; install .* the extra `translation`"):
            Translating(translator, memory)


def test_answers_get_an_english_version(how, tmp_path):
    found = translate_answers(tables_of(ANSWERS), tmp_path / "out", how)
    first, second, third, fourth = rows(tmp_path / "out")
    assert (first["question_eng"], first["answer_eng"]) == (HONESTY, f"{TRUTH} {FAMILY}")
    assert second["answer_eng"] == f"- {TRUTH}\n- {LIE}"
    assert third["answer_eng"] is third["translator"] is third["translation_defects"] is None  # was English
    assert (fourth["question_eng"], fourth["answer_eng"]) == ("Should one be honest?", TRUTH)  # had one
    assert first["translator"] == how.translator.name
    assert found == {"deu": Tally(1, 1), "fra": Tally(2, 2)}


def test_what_is_translated_is_a_corpus(how, tmp_path):
    from datasets import load_dataset

    from univar.corpus.readers import read_corpus

    translate_answers(tables_of(ANSWERS), tmp_path / "out", how)
    texts = [record.text for record in read_corpus(tmp_path / "out")]
    assert texts[0] == f"Q: {HONESTY} A: {TRUTH} {FAMILY}"
    assert load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")).num_rows == 4


def test_other_columns_stay(how, tmp_path):
    (table,) = tables_of(ANSWERS)
    table = table.append_column("finish_reason", pa.array(["stop"] * 4))
    translate_answers([table], tmp_path / "out", how)
    assert [row["finish_reason"] for row in rows(tmp_path / "out")] == ["stop"] * 4


def test_a_stance_and_its_claim_survive_translation(how, tmp_path):
    said = answer("fra", FRENCH[HONESTY], FRENCH[TRUTH], stance=-0.5, claim=FRENCH[LIE])
    translate_answers(tables_of([said]), tmp_path / "out", how)
    (row,) = rows(tmp_path / "out")
    assert (row["answer_eng"], row["stance"], row["claim"]) == (TRUTH, -0.5, FRENCH[LIE])


def test_defects_of_question_and_answer_are_told(how, tmp_path):
    odd = "In 1994 war das alles ganz anders, mein lieber Freund, und niemand fragte danach."
    found = translate_answers(tables_of([answer("deu", GERMAN[HONESTY], odd)]), tmp_path / "out", how)
    (row,) = rows(tmp_path / "out")
    assert "numbers" in row["translation_defects"]
    assert found["deu"].good == 0
    assert found["deu"].defects["numbers"] == 1


@pytest.mark.parametrize("column", [True, False])
def test_thoughts_that_an_earlier_version_left_in_answers_are_not_translated(tmp_path, column):
    answers = ["<think>Er fragt.</think>\n\nJa.", "Nein."]
    table = pa.table({"answer": answers, "lang": ["deu", "deu"], **({"reasoning": [None, "Hm."]} if column else {})})
    pq.write_table(table, tmp_path / "part-00000.parquet")
    (read,) = elicited_tables(tmp_path)
    assert read["answer"].to_pylist() == ["Ja.", "Nein."]
    assert read["reasoning"].to_pylist() == ["Er fragt.", "Hm." if column else None]
    pq.write_table(read, tmp_path / "part-00000.parquet")
    assert next(iter(elicited_tables(tmp_path))).equals(read)


def test_the_work_is_told_beforehand(how, tmp_path):
    before = workload(tables_of(ANSWERS), how)
    # French: one question and two answers of two different sentences; German: a question and an answer of two.
    assert (before.sentences, before.known) == (6, 0)
    assert before.tokens > 6
    translate_answers(tables_of(ANSWERS), tmp_path / "out", how)
    assert workload(tables_of(ANSWERS), how) == Workload(6, 6, 0)


def test_running_it_again_leaves_finished_shards_and_makes_changed_ones(how, tmp_path):
    tables = [*tables_of(ANSWERS[:1]), *tables_of(ANSWERS[1:])]
    translate_answers(tables, tmp_path / "out", how)
    first, second = sorted((tmp_path / "out").glob("part-*.parquet"))
    made = first.stat().st_mtime_ns, second.stat().st_mtime_ns
    done: list[int] = []
    changed = [tables[0], *tables_of([answer("fra", FRENCH[HONESTY], FRENCH[LIE])])]
    translate_answers(changed, tmp_path / "out", how, advance=done.append)
    assert sum(done) == workload(changed, how).sentences  # those of the finished shard too
    assert first.stat().st_mtime_ns == made[0]
    assert second.stat().st_mtime_ns != made[1]
    translate_answers(tables[:1], tmp_path / "out", how)
    assert not second.exists()


def test_another_translator_makes_them_anew(nllb, tmp_path):
    with TranslationMemory(tmp_path / MEMORY) as memory:
        for beams in (1, 2):
            how = Translating(Translator(nllb, backend="ctranslate2", precision="float32", beams=beams), memory)
            translate_answers(tables_of(ANSWERS), tmp_path / "out", how)
            assert {row["translator"] for row in rows(tmp_path / "out")} == {how.translator.name, None}


def test_answers_that_were_not_translated_here_are_spared(how, tmp_path):
    (table,) = tables_of(ANSWERS)
    (tmp_path / "out").mkdir()
    pq.write_table(table, tmp_path / "out" / "part-00000.parquet")
    with pytest.raises(TranslationError, match="holds answers that were not translated here; name another folder"):
        translate_answers([table], tmp_path / "out", how)
    assert len(rows(tmp_path / "out")) == 4


def _slowly(nllb: str, folder) -> None:
    """A process that translates shard by shard, slowly enough to be killed at any moment."""
    with translating(nllb, folder / MEMORY) as how:
        batches = how.translator.batches

        def slow(sentences, source, target):
            for sentence in sentences:
                time.sleep(0.05)
                yield from batches([sentence], source, target)

        how.translator.batches = slow
        translate_answers([table for item in ANSWERS[:2] for table in tables_of([item])], folder, how)


@pytest.mark.slow
def test_kills_lose_no_sentence_and_leave_no_half_shard(nllb, tmp_path):
    forked = multiprocessing.get_context("spawn")
    for wait in (6.0, 6.3, 6.6):
        process = forked.Process(target=_slowly, args=(nllb, tmp_path))
        process.start()
        time.sleep(wait)
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert all(len(pq.read_table(shard)) == 1 for shard in tmp_path.glob("part-*.parquet"))
    with translating(nllb, tmp_path / MEMORY) as how:
        translate_answers([table for item in ANSWERS[:2] for table in tables_of([item])], tmp_path, how)
    assert [row["answer_eng"] for row in rows(tmp_path)] == [f"{TRUTH} {FAMILY}", f"- {TRUTH}\n- {LIE}"]


def test_an_interruption_keeps_what_was_translated(how, tmp_path, monkeypatch):
    keep = TranslationMemory.keep

    def once(self, renderings, way):
        keep(self, renderings, way)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TranslationMemory, "keep", once)
        with pytest.raises(KeyboardInterrupt):
            translate_answers(tables_of(ANSWERS), tmp_path / "out", how)
    assert not list((tmp_path / "out").glob("part-*"))
    assert workload(tables_of(ANSWERS), how).known > 0


def test_two_processes_do_not_write_to_one_folder(how, tmp_path):
    def again():
        translate_answers(tables_of(ANSWERS), tmp_path / "out", how)
        yield from ()

    with pytest.raises(TranslationError, match="is being written by another process"):
        translate_answers(again(), tmp_path / "out", how)


def test_questions_are_translated_from_english(how):
    asked = [
        Question("a-1", HONESTY, HONESTY, "eng", "honesty", "opinion", "truth", ("Must one always be honest?",)),
        Question("a-2", GERMAN[LIE], LIE, "deu", "honesty", "opinion", "truth"),
    ]
    found = list(translate_questions(asked, ["fra", "deu"], how))
    assert [(question.lang, question.question, said.defects) for question, said in found] == [
        ("fra", FRENCH[HONESTY], ()),
        ("deu", GERMAN[HONESTY], ()),
    ]
    assert {question.question_eng for question, _ in found} == {HONESTY}
    assert found[0][0].paraphrases == ()


def test_tallies_count_by_language():
    found = tallies([("fra", []), ("deu", ["length", "numbers"]), ("fra", ["length"])])
    assert json.dumps(found["fra"].defects) == '{"length": 1}'
    assert (found["fra"].translations, found["fra"].good) == (2, 1)
    assert list(found) == ["deu", "fra"]


def test_the_memory_counts_only_for_the_same_translator_and_languages(how):
    how.memory.keep({FRENCH[TRUTH]: Rendering("of another", cut=False)}, "another translator fra eng")
    how.memory.keep({FRENCH[TRUTH]: Rendering("into another", cut=False)}, f"{how.translator.name} fra deu")
    assert how.translate([FRENCH[TRUTH]], "fra", "eng")[0].text == TRUTH

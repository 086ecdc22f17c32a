import csv
import json
import subprocess
import sys
from dataclasses import replace

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from univar.corpus.readers import MAX_ANSWER, CorpusError, Rejects, describe_corpus, read_corpus
from univar.corpus.reasoning import split_reasoning
from univar.corpus.records import QARecord, question_hash, write_corpus

ROW = {"question": "Is it right to lie?", "answer": "No.", "model": "aya", "lang": "eng"}


def write_rows(path, rows):
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_every_format_gives_the_same_records(tmp_path, suffix):
    rows = [{**ROW, "answer": f'No,\n\t"never" {number} é 言'} for number in range(3)]
    records = list(read_corpus(write_rows(tmp_path / f"corpus{suffix}", rows)))
    assert records == [
        QARecord(question_hash(row["question"]), row["question"], row["answer"], "aya", "eng") for row in rows
    ]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
def test_a_byte_order_mark_is_passed_over(tmp_path, suffix):
    path = write_rows(tmp_path / f"c{suffix}", [ROW])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [record.question for record in read_corpus(path)] == [ROW["question"]]


def test_a_folder_is_read_in_the_order_of_names_without_hidden_files_and_rejects(tmp_path):
    for name, answer in [("b.csv", "2"), ("a.jsonl", "1"), (".hidden.csv", "x"), ("a.rejects.jsonl", "y")]:
        write_rows(tmp_path / name, [{**ROW, "answer": answer}])
    assert [record.answer for record in read_corpus(tmp_path)] == ["1", "2"]


def test_datasets_are_read():
    data = datasets.Dataset.from_list([ROW])
    assert [r.answer for r in read_corpus(data)] == ["No."]
    assert [r.answer for r in read_corpus(datasets.DatasetDict(test=data))] == ["No."]
    assert [r.answer for r in read_corpus(data.to_iterable_dataset())] == ["No."]


def test_columns_are_mapped_by_known_names_by_option_and_by_constant(tmp_path):
    path = write_rows(tmp_path / "c.csv", [{"prompt": "Why?", "said": "So.", "llm": "aya"}])
    (record,) = read_corpus(path, columns={"answer": "said"}, constants={"lang": "en"})
    assert (record.question, record.answer, record.model, record.lang) == ("Why?", "So.", "aya", "eng")


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_columns_that_only_later_rows_have_are_read(tmp_path, suffix):
    english = [{**ROW, "answer": f"No. {number}"} for number in range(150)]
    french = {"question": "Est-il juste de mentir ?", "answer": "Non.", "model": "aya", "lang": "fra"}
    more = {"question_en": "Is it right to lie?", "answer_eng": "No.", "value": "honesty", "sample": 2}
    path = write_rows(tmp_path / f"c{suffix}", [*english, {**french, **more}, {**french, "source": "own"}])
    *_, translated, other = read_corpus(path)
    assert (translated.question_eng, translated.answer_eng) == ("Is it right to lie?", "No.")
    assert (translated.value, translated.sample, translated.source) == ("honesty", 2, None)
    assert (other.question_eng, other.source) == (None, "own")


def test_a_column_of_later_rows_takes_no_place_of_another(tmp_path):
    asked = [{**ROW, "prompt": f"Why? {number}"} for number in range(150)]
    for row in asked:
        del row["question"]
    path = write_rows(tmp_path / "c.jsonl", [*asked, {**ROW, "prompt": "How?", "llm": "other"}])
    *_, last = read_corpus(path)
    assert (last.question, last.model) == ("How?", "aya")


def test_languages_are_filtered_by_any_of_their_codes(tmp_path):
    path = write_rows(tmp_path / "c.csv", [ROW, {**ROW, "lang": "fra"}])
    assert [r.lang for r in read_corpus(path, lang=["fr"])] == ["fra"]
    with pytest.raises(CorpusError, match=r"no usable row .*: 2 rows: not in deu"):
        list(read_corpus(path, lang=["deu"]))


UNUSABLE = {
    "no answer": {"answer": "  "},
    "no model": {"model": None},
    "no question": {"question": ""},
    "no lang": {"lang": None},
    "unknown language": {"lang": "x-foo"},
    "answer too long": {"answer": "x" * 1_000_000},
    "question too long": {"question": "x" * 30_000},
    "model too long": {"model": "x" * 300},
    "duplicate": {},
}


@pytest.mark.parametrize("reason", UNUSABLE)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_unusable_rows_are_counted_and_kept_with_their_reason(tmp_path, reason, suffix):
    path = write_rows(tmp_path / f"corpus{suffix}", [ROW, {**ROW, **UNUSABLE[reason]}])
    with Rejects(tmp_path / "rejects.jsonl") as rejects:
        assert len(list(read_corpus(path, rejects=rejects))) == 1
    assert rejects.counts == {reason: 1}
    assert rejects.summary().startswith(f"1 row rejected (1 row: {reason}")
    (line,) = (tmp_path / "rejects.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["row"], kept["reason"]) == (2, reason)
    assert len(line) < 3_000, "a reject file does not repeat a million characters"


def test_rejects_that_nobody_asked_for_are_warned_of(tmp_path, caplog):
    path = write_rows(tmp_path / "c.csv", [ROW, {**ROW, "answer": ""}])
    assert len(list(read_corpus(path))) == 1
    assert "1 row rejected (1 row: no answer)" in caplog.text


def test_not_a_number_is_no_answer(tmp_path):
    path = tmp_path / "c.parquet"
    rows = [{**ROW, "answer": 1.5, "sample": 0}, {**ROW, "answer": float("nan"), "sample": 1}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    rejects = Rejects()
    assert [record.answer for record in read_corpus(path, rejects=rejects)] == ["1.5"]
    assert rejects.counts == {"no answer": 1}
    as_text = write_rows(tmp_path / "c.csv", [ROW, {**ROW, "answer": "NaN"}])
    assert len(list(read_corpus(as_text))) == 1


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_mixed_encodings_cost_their_rows_only(tmp_path, suffix):
    path = tmp_path / f"c{suffix}"
    if suffix == ".csv":
        path.write_bytes(b"question,answer,model,lang\nWhy?,caf\xe9,aya,eng\nWhy?,caf\xc3\xa9,aya,eng\n")
    elif suffix == ".jsonl":
        line = b'{"question": "Why?", "answer": "caf%s", "model": "aya", "lang": "eng"}\n'
        path.write_bytes(line % b"\xe9" + line % b"\xc3\xa9")
    else:
        answers = pa.array([b"caf\xe9", b"caf\xc3\xa9"]).view(pa.string())
        rest = {name: pa.array([value] * 2) for name, value in ROW.items() if name != "answer"}
        pq.write_table(pa.table({**rest, "answer": answers}), path)
    rejects = Rejects()
    assert [record.answer for record in read_corpus(path, rejects=rejects)] == ["café"]
    assert rejects.counts.total() == 1
    assert "not UTF-8" in rejects.summary()


def test_lines_that_are_no_json_are_counted(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text(f"{json.dumps(ROW)}\n[1]\n{{broken\n\n", encoding="utf-8")
    rejects = Rejects()
    assert len(list(read_corpus(path, rejects=rejects))) == 1
    assert rejects.counts == {"not a row of named columns": 1, "not JSON": 1}


def test_more_fields_than_columns_are_counted(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("question,answer,model,lang\nWhy?,So.,aya,eng\nWhy?,a,b,aya,eng\n", encoding="utf-8")
    rejects = Rejects()
    assert len(list(read_corpus(path, rejects=rejects))) == 1
    assert rejects.counts == {"more fields than columns": 1}


def refused(path, match, **options):
    with pytest.raises(CorpusError, match=match):
        list(read_corpus(path, **options))


def test_what_is_no_corpus_is_refused_with_the_next_step(tmp_path):
    refused(tmp_path / "absent.csv", "no such file")
    (tmp_path / "empty.csv").touch()
    refused(tmp_path / "empty.csv", "is empty; a corpus has at least the columns question, answer, model, lang")
    (tmp_path / "header.csv").write_text("question,answer,model,lang\n")
    refused(tmp_path / "header.csv", "no usable row in .*: it is empty")
    wrong = write_rows(tmp_path / "wrong.csv", [{"text": "Why?", "label": 1}])
    refused(wrong, r"has the columns 'text', 'label' and needs .*missing: question.*--column question=COLUMN")
    refused(wrong, "has no column 'txt' for answer; its columns are text, label", columns={"answer": "txt"})
    refused(wrong, "no field 'reply' in a corpus; the fields are question_id", columns={"reply": "text"})
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", r"not a format we read; give one of \.csv")
    (tmp_path / "image.parquet").write_bytes(b"\x89PNG....")
    refused(tmp_path / "image.parquet", "not a parquet file")
    (tmp_path / "wide.csv").write_text("question,answer,model,lang\n", encoding="utf-16")
    refused(tmp_path / "wide.csv", "is UTF-16; save it as UTF-8")
    (tmp_path / "cut.json").write_text('[{"question": "Why?", ')
    refused(tmp_path / "cut.json", "cut.json is not a JSON array that can be read to its end: line 1: ")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "no corpus in the folder")


def test_a_file_with_no_usable_row_says_why(tmp_path):
    path = write_rows(tmp_path / "c.csv", [{**ROW, "answer": ""}, {**ROW, "lang": "??"}])
    refused(
        path, r"c\.csv: 1 row: no answer; 1 row: unknown language '\?\?'\. Use an ISO 639-3 code such as eng, or --set"
    )


def test_unknown_languages_are_named_but_not_all_of_them(tmp_path):
    path = write_rows(tmp_path / "c.csv", [{**ROW, "lang": f"Elvish {number}" * 9} for number in range(60)])
    rejects = Rejects(tmp_path / "c.rejects.jsonl")
    with (
        rejects,
        pytest.raises(CorpusError, match=r"60 rows: unknown language 'Elvish 0[^']{22}…', 'E[^']+', …; see "),
    ):
        list(read_corpus(path, rejects=rejects))
    assert rejects.counts == {"unknown language": 60}
    assert len(rejects.examples["unknown language"]) == 3


def test_what_is_told_of_a_corpus_is_not_of_the_one_before(tmp_path):
    rejects = Rejects()
    for lang in ("Elvish", "Dwarvish"):
        path = write_rows(tmp_path / f"{lang}.csv", [{**ROW, "lang": lang}])
        refused(path, f"csv: 1 row: unknown language '{lang}'\\. Use", rejects=rejects)
    assert rejects.counts == {"unknown language": 2}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_duplicates_are_told_by_their_content_whatever_their_id(tmp_path, suffix):
    rows = [{**ROW, "id": 1, "sample": 0}, {**ROW, "id": 2, "sample": 0}, {**ROW, "id": 3, "sample": 1}]
    rejects = Rejects()
    records = list(read_corpus(write_rows(tmp_path / f"c{suffix}", rows), rejects=rejects))
    assert [record.sample for record in records] == [0, 1]
    assert rejects.counts == {"duplicate": 1}


def test_samples_are_whole_numbers(tmp_path):
    path = write_rows(tmp_path / "c.csv", [{**ROW, "sample": "2.0"}, {**ROW, "sample": "first"}])
    rejects = Rejects()
    assert [record.sample for record in read_corpus(path, rejects=rejects)] == [2]
    assert rejects.counts == {"sample is not a whole number": 1}


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(
    lambda text: text.strip() == text and text.casefold() != "nan" and text
)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(texts, texts.filter(lambda text: split_reasoning(text).answer == text), texts),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_what_is_written_reads_back(tmp_path_factory, rows):
    records = [QARecord(str(i), q, a, m, "eng", sample=i) for i, (q, a, m) in enumerate(rows)]
    path = tmp_path_factory.mktemp("round") / "c.parquet"
    write_corpus(records, path)
    assert list(read_corpus(path)) == records


def test_thoughts_are_kept_apart_from_answers(tmp_path):
    """Of a corpus that other software wrote, with and without a column for them."""
    said = ["<think>Hm.</think>\nNo.", "No.", "<think>Hm", "No.<|im_end|>", "<|im_end|>"]
    path = write_rows(tmp_path / "c.jsonl", [{**ROW, "answer": answer, "sample": n} for n, answer in enumerate(said)])
    rejects = Rejects()
    records = list(read_corpus(path, rejects=rejects))
    assert [(record.answer, record.reasoning) for record in records] == [("No.", "Hm."), ("No.", None), ("No.", None)]
    assert rejects.counts == {"only reasoning": 1, "no answer": 1}
    write_corpus(records, tmp_path / "c.parquet")
    assert list(read_corpus(tmp_path / "c.parquet")) == records


def test_long_thoughts_cost_no_answer(tmp_path):
    thoughts = "Hm. " * (MAX_ANSWER // 4) + "So."
    rows = [{**ROW, "answer": f"<think>{thoughts}</think>No."}, {**ROW, "reasoning": thoughts, "answer": "Yes."}]
    assert [r.answer for r in read_corpus(write_rows(tmp_path / "c.jsonl", rows))] == ["No.", "Yes."]


def test_the_english_version_has_no_thoughts_either(tmp_path):
    row = {**ROW, "lang": "fra", "question_eng": "May one?", "answer_eng": "<think>Hm.</think>Never."}
    (record,) = read_corpus(write_rows(tmp_path / "c.jsonl", [row]))
    assert record.text == "Q: May one? A: Never."


def test_a_large_file_is_read_in_bounded_memory(tmp_path):
    """200,000 rows of 1 kB (200 MB of text): the process may grow by a tenth of that, and by 8 bytes a row or so."""
    script = """
import resource, sys, pyarrow as pa, pyarrow.parquet as pq
from univar.corpus.readers import read_corpus
path = sys.argv[1]
schema = pa.schema([(name, pa.string()) for name in ("question", "answer", "model", "lang")])
with pq.ParquetWriter(path, schema) as writer:
    for start in range(0, 200_000, 10_000):
        answers = [f"{number} " + "word " * 200 for number in range(start, start + 10_000)]
        same = [[name] * 10_000 for name in ("Why?", "aya", "eng")]
        writer.write_table(pa.table([same[0], answers, same[1], same[2]], schema=schema))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert sum(1 for _ in read_corpus(path)) == 200_000
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "c.parquet")], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 60, "megabytes that reading added"


def test_a_corpus_is_described(records):
    described = describe_corpus(records)
    assert (described["QAs"], described["questions"], described["identities"]) == (120, 40, 3)
    assert described["models"] == {"aya": 40, "mixtral": 40, "solar": 40}
    assert sum(described["splits"].values()) == 120


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_stances_and_claims_are_read_of_every_format(tmp_path, suffix):
    rows = [
        {**ROW, "answer": str(stance), "stance": stance, "claim": claim}
        for stance, claim in [(0.25, "Lies are right"), (-1.0, None), (None, "Lies are right")]
    ]
    records = list(read_corpus(write_rows(tmp_path / f"c{suffix}", rows)))
    assert [(record.stance, record.claim) for record in records] == [
        (0.25, "Lies are right"),
        (-1.0, None),
        (None, "Lies are right"),
    ]
    write_corpus(records, tmp_path / "again.parquet")
    assert list(read_corpus(tmp_path / "again.parquet")) == records


def test_a_file_of_an_earlier_version_has_no_stances(tmp_path):
    write_corpus([QARecord("q", *ROW.values())], path := tmp_path / "c.parquet")
    pq.write_table(pq.read_table(path).drop(["stance", "claim"]), path)
    assert list(read_corpus(path)) == [QARecord("q", *ROW.values())]


def test_stances_are_described_where_there_are_any():
    record = QARecord("q", *ROW.values(), claim="Lies are right")
    asked = replace(record, question="And is it wise?")  # of the same claim
    assert describe_corpus([record, asked])["stances"] == {}
    described = describe_corpus([record, replace(record, stance=-0.5), replace(asked, stance=0.0), asked])
    assert described["stances"] == {"not stated": 2, "against": 1, "between": 1}
    assert described["questions"] == 1

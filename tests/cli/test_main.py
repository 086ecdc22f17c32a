"""The command line: results on standard output, everything else beside it."""

import importlib
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.conftest import HEADER, failed, files
from univar.analysis.comparison import MAX_CHARACTERS
from univar.analysis.reference import build_reference, write_reference
from univar.cli import main
from univar.corpus.records import QARecord, write_corpus
from univar.model.modeling import UniVaR

OTHERS = ("questions", "corpus", "elicit", "audit", "report")  # which have tests of their own
COMMANDS = [name for name in main.COMMANDS if name not in OTHERS]


# Help


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", main.COMMANDS)
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
    module = importlib.import_module(f"univar.cli.{command}")
    for before, word in pairwise(words):
        if word.endswith((".parquet", ".csv")) and before != "--out":
            Path(word).touch()
    for name in {"result", "tell"} & vars(module).keys():
        monkeypatch.setattr(module, name, lambda *_, **__: called.append(0))
    for name in {"corpus_reader", "in_writable_folder"} & vars(module).keys():  # first, with a command's arguments
        monkeypatch.setattr(module, name, lambda *_: called.append(0) or sys.exit(0))
    assert univar(*words[1:]).code == 0
    assert len(called) == 1


def test_the_commands_are_those_that_are_documented_and_the_first_step_is_named(univar):
    run = univar("--help")
    assert [word for word in main.COMMANDS if f"│ {word} " not in run.out] == []
    assert "Start with:  univar demo" in run.out


@pytest.mark.parametrize("name", main.COMMANDS)
def test_the_table_says_of_a_command_what_its_own_help_says(name):
    said = main.load_command(name).help.partition("\n\n")[0]
    assert main.COMMANDS[name] == " ".join(said.split())


def test_a_command_is_loaded_when_it_is_called_and_no_other():
    script = "import sys; sys.argv = ['univar', 'info', '--help']; from univar.cli.main import main\ntry: main()\n"
    script += "finally: print(*(name for name in sys.modules if name.startswith('univar.cli.')), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stderr.split()) == {f"univar.cli.{name}" for name in ("main", "info", "options", "terminal")}


def test_help_is_quick_and_loads_no_torch():
    script = """
import sys, time
sys.argv = ["univar", "--help"]
from univar.cli.main import main
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
    compared = ("evaluate", answers, "--model", tiny_encoder_folder, "--json", "--backend")
    tables = [json.loads(univar(*compared, name).out)["rows"] for name in ("torch", "onnx")]
    assert tables[0] == tables[1]
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
        "unread": None,
        "path": str(answers.parent / "e.parquet"),
        "rejected": {"no answer": 1, "unknown language": 1},
    }
    described = json.loads(univar("info", "rows.csv", "--json").out)
    assert (described["QAs"], described["rejected"]) == (1, {"no answer": 1, "unknown language": 1})
    drawn = json.loads(univar("map", answers, *model, "--out", "map.png").out)
    where = {"path": str(answers.parent / "map.png")}
    said = {"qas": 120, "identities": 3, "unread": None, "rejected": {}, "axes_by": "blind", **where}
    assert {name: drawn[name] for name in said} == said
    compared = json.loads(univar("evaluate", answers, "--model", "tfidf", "--json").out)
    assert [row["representation"] for row in compared["rows"]] == ["tfidf"]
    assert compared["rows"][0]["knn"]["accuracy"] == 1.0


def test_evaluate_compares_models_by_name_and_by_folder_beside_tfidf(univar, answers, tiny_encoder_folder):
    run = univar("evaluate", answers, "--model", tiny_encoder_folder, "--model", "tfidf", "--out", "table.md")
    assert run.code == 0
    assert "values: 3 identities, n = " in run.out
    assert "No control answers were compared" in run.out
    assert max(map(len, run.out.partition("Written")[0].splitlines()[:8])) <= 80
    table = Path("table.md").read_text()
    assert f"| values | {tiny_encoder_folder} |" in table
    assert "| values | tfidf |" in table


@pytest.mark.parametrize("control", ["answers.parquet", "link.parquet"])
def test_a_corpus_is_not_its_own_control(univar, answers, control):
    Path("link.parquet").symlink_to(answers)
    run = univar("evaluate", answers, "--model", "tfidf", "--control", control)
    failed(run, "is the corpus itself; a control corpus holds answers that elicit no values", code=2)


def test_a_seed_is_one_that_every_library_takes(univar, answers):
    arguments = ["map", answers, "--out", "map.png", "--seed"]
    failed(univar(*arguments, 2**32), "less than or equal to 4294967295", code=2)


def test_evaluate_writes_json_with_a_control_corpus(univar, answers, records):
    control = [QARecord(r.question_id, f"Boil {r.question}", r.answer, r.model, r.lang) for r in records]
    write_corpus(control, Path("control.parquet"))
    run = univar("evaluate", answers, "--model", "tfidf", "--control", "control.parquet", "--out", "table.json")
    assert run.code == 0
    assert "control: 3 identities" in run.out
    assert [row["corpus"] for row in json.loads(Path("table.json").read_text())["rows"]] == ["values", "control"]


def test_evaluate_takes_the_base_encoder_by_name(univar, answers):
    run = univar("evaluate", answers, "--model", "base", "--lang", "eng", "--k", "5", "--max-characters", "90")
    assert run.code == 0
    assert "Texts were cut to 90 characters for every representation" in " ".join(run.out.split())
    assert "base" in run.out


def test_evaluate_gives_whole_answers_unless_told_otherwise(univar, answers):
    run = univar("evaluate", answers, "--model", "tfidf", "--json")
    assert run.code == 0
    assert json.loads(run.out)["max_characters"] == MAX_CHARACTERS


def test_the_shipped_weights_are_the_default(univar, answers):
    run = univar("encode", answers, "--out", "e.parquet")
    assert run.code == 0, run.err
    assert "120 embeddings of 384 dimensions" in run.out
    run = univar("encode", answers, "--model", "univar-static", "--out", "e.parquet")
    assert "120 embeddings of 384 dimensions" in run.out, run.err
    described = univar("info")
    assert described.code == 0
    assert "sentence-transformers" in described.out


def test_what_encode_writes_stands_in_for_the_answers(univar, answers, tiny_encoder_folder, monkeypatch):
    assert univar("encode", answers, "--model", tiny_encoder_folder, "--out", "e.parquet").code == 0
    assert univar("map", answers, "--model", tiny_encoder_folder, "--out", "a.svg").code == 0
    compared = univar("evaluate", answers, "--model", tiny_encoder_folder)
    monkeypatch.setattr("univar.model.modeling.load_model", lambda _: pytest.fail("a model was loaded"))
    assert univar("map", "e.parquet", "--out", "e.svg").code == 0
    assert Path("e.svg").read_bytes() == Path("a.svg").read_bytes()
    assert univar("evaluate", "e.parquet").out.splitlines()[:5] == compared.out.splitlines()[:5]
    frame = univar("evaluate", "e.parquet", "--json", "--lang", "eng")
    assert json.loads(frame.out)["stored"] == [str(tiny_encoder_folder)]
    failed(univar("map", "e.parquet", "--out", "e.svg", "--column", "answer=text"), "columns are for answers without")


def test_vectors_of_another_model_are_refused(univar, answers, tiny_encoder_folder):
    assert univar("encode", answers, "--model", tiny_encoder_folder, "--out", "e.parquet").code == 0
    run = univar("map", "e.parquet", "--model", "base", "--out", "map.svg")
    failed(run, f"embedded by {tiny_encoder_folder}", "not by base", "univar encode ANSWERS --out FILE.parquet")
    run = univar("place", "e.parquet")
    failed(run, "the references by other weights", "embed the answers with univar")


def test_place_names_the_nearest_and_says_how_sure_that_is(univar, answers, tiny_encoder_folder, records, tmp_path):
    model = UniVaR(str(tiny_encoder_folder), device="cpu")
    write_reference(build_reference({"mine": records}, model), tmp_path / "reference.parquet")
    command = ("place", answers, "--model", tiny_encoder_folder, "--reference", "reference.parquet")
    run = univar(*command, "--out", "near.md")
    assert run.code == 0, run.err
    assert "aya (eng): n = 40 answers to 40 questions" in run.out
    assert "| aya (eng) | 40 | aya (eng) | mine | " in Path("near.md").read_text()
    found = json.loads(univar(*command, "--json", "--out", "near.json").out)
    assert found == {**json.loads(Path("near.json").read_text()), "rejected": {}}
    nearest = {row["model"]: row["reference"] for row in found["placed"] if row["rank"] == 1}
    assert nearest == {name: name for name in ("aya", "mixtral", "solar")}
    alone = univar(*command, "--lang", "eng", "--set", "model=aya")
    assert alone.out.startswith("aya (eng): n = 120 answers to 40 questions; no reference is near")
    assert "No reference is near" in alone.out


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg", ".pdf"])
def test_map_chooses_the_format_by_the_suffix(univar, answers, tiny_encoder_folder, suffix):
    run = univar("map", answers, "--model", tiny_encoder_folder, "--out", f"map{suffix}", "--title", "Three <b>")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("3 identities, n = 40 QAs each to 40 questions")
    assert run.out.endswith(f"The map: {answers.parent / f'map{suffix}'}\n")
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
    monkeypatch.setattr("univar.workflows.demo.load_model", lambda _: UniVaR(str(tiny_encoder_folder), device="cpu"))
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
    assert "; 1 row: no answer; " in line
    assert "; 1 row: unknown language 'klingon'); see" in line
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
        assert run.err.count("1 of 2 rows rejected (1 row: no answer)") == 2


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
    assert (run.code, run.err) == (0, "rows.csv: 1 of 2 rows rejected (1 row: no answer)\n")
    assert not Path("rows.rejects.jsonl").exists()

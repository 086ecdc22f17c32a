import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import univar

datasets = pytest.importorskip("datasets")

from univar.corpus.questions.bank import control_questions, question_bank, questions_in  # noqa: E402
from univar.corpus.records import SCHEMA, QARecord, from_row, split_of, to_row, write_corpus  # noqa: E402
from univar.corpus.simulation import simulated_records  # noqa: E402

NAME = "univar-qa"


@pytest.fixture(autouse=True)
def offline_cache(tmp_path, monkeypatch):
    """Every test has a cache of its own, works in an empty folder and asks no server."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)


def records(count: int = 5, **changes: object) -> list[QARecord]:
    return [QARecord(f"q{i}", f"Is {i} fair?", f"Yes, {i}.", "m", "eng", **changes) for i in range(count)]


@pytest.fixture
def answers(tmp_path) -> Path:
    folder = tmp_path / "answers"
    write_corpus(records(), folder / "a.parquet")
    return folder


# The question bank


@pytest.mark.parametrize("streaming", [False, True])
def test_the_bank_comes_in_three_splits_by_question(streaming):
    loaded = datasets.load_dataset(NAME, streaming=streaming)
    assert list(loaded) == ["train", "validation", "test"]
    for split, rows in loaded.items():
        expected = [found for found in question_bank() if split_of(found.question) == split]
        assert [row["question_id"] for row in rows] == [found.question_id for found in expected]


def test_questions_are_the_default_and_typed():
    rows = datasets.load_dataset(NAME, "questions", split="train")
    features = rows.features
    assert datasets.load_dataset(NAME, split="train").features == features
    assert (features["value"].num_classes, features["family"].num_classes, features["form"].num_classes) == (87, 5, 5)
    row, found = rows[0], next(found for found in question_bank() if split_of(found.question) == "train")
    assert row["question"] == row["question_eng"] == found.question
    assert features["value"].int2str(row["value"]) == found.value
    assert features["topic"].int2str(row["topic"]) == found.topic
    core = rows.filter(lambda entry: len(entry["paraphrases"]) > 0)
    assert {len(paraphrases) for paraphrases in core["paraphrases"]} == {4}


def test_controls_have_no_value_and_no_family():
    loaded = datasets.load_dataset(NAME, "controls")
    rows = [row for split in loaded.values() for row in split]
    assert len(rows) == len(control_questions())
    assert {(row["value"], row["family"]) for row in rows} == {(None, None)}


@pytest.mark.parametrize("lang", ["fra", "fr"])
def test_other_languages_share_the_split_of_their_english_question(lang):
    loaded = datasets.load_dataset(NAME, "questions", lang=lang)
    assert sum(split.num_rows for split in loaded.values()) == 87
    for split, rows in loaded.items():
        assert {split_of(row["question_eng"]) for row in rows} == {split}
        assert {row["lang"] for row in rows} == {"fra"}


@pytest.mark.parametrize(("lang", "number"), [("eng", 174), ("fra", 87)])
def test_the_core_is_loaded_alone(lang, number):
    loaded = datasets.load_dataset(NAME, core=True, lang=lang)
    ids = {row["question_id"] for split in loaded.values() for row in split}
    assert (len(ids), ids <= {found.question_id for found in question_bank() if found.paraphrases}) == (number, True)
    with pytest.raises(ValueError, match="control questions have no core; leave core=True out"):
        datasets.load_dataset(NAME, "controls", core=True)


@pytest.mark.parametrize("streaming", [False, True])
def test_several_languages_come_one_after_the_other(streaming):
    loaded = datasets.load_dataset(NAME, lang=["fr", "eng", "fra"], streaming=streaming)
    for split, rows in loaded.items():
        expected = [q for q in (*questions_in("fra"), *question_bank()) if split_of(q.question_eng) == split]
        assert [row["question_id"] for row in rows] == [question.question_id for question in expected]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("lang", [3, b"fra", [], {"fra"}, ["fra", 3]])
def test_what_is_no_language_and_no_list_of_them_is_refused(lang, streaming):
    with pytest.raises(
        ValueError, match=r"lang must be the code of a language or a list of such codes, got .* of eng,"
    ):
        datasets.load_dataset(NAME, lang=lang, streaming=streaming)


def test_a_language_that_the_bank_lacks_is_refused():
    with pytest.raises(ValueError, match="no questions in 'isl', only in eng"):
        datasets.load_dataset(NAME, lang="isl")
    with pytest.raises(ValueError, match="control questions are in English only, got lang='fra'"):
        datasets.load_dataset(NAME, "controls", lang="fra")
    with pytest.raises(ValueError, match=r"control questions are in English only, got lang=\['eng', 'fra'\]"):
        datasets.load_dataset(NAME, "controls", lang=["eng", "fra"])


# Simulated corpora


@pytest.mark.parametrize("streaming", [False, True])
def test_simulated_answers_come_in_three_splits_by_question(streaming):
    options = {"identities": 3, "questions": 60, "seed": 3}
    loaded = datasets.load_dataset(NAME, "simulated", streaming=streaming, **options)
    assert list(loaded) == ["train", "validation", "test"]
    truth = list(simulated_records(**options))
    for split, rows in loaded.items():
        expected = [r for r in truth if split_of(r.question_key) == split]
        assert expected
        assert [from_row(row) for row in rows] == expected


@pytest.mark.parametrize("streaming", [False, True])
def test_columns_have_the_types_of_the_schema(streaming, answers):
    simulated = datasets.load_dataset(NAME, "simulated", identities=2, questions=30, streaming=streaming)["train"]
    read = datasets.load_dataset(NAME, "answers", data_dir=str(answers), streaming=streaming)["train"]
    for loaded in (simulated, read):
        assert {name: feature.pa_type for name, feature in loaded.features.items()} == {
            field.name: field.type for field in SCHEMA
        }


@pytest.mark.parametrize("streaming", [False, True])
def test_a_split_without_questions_is_left_out(streaming):
    (record,) = simulated_records(1, 1)
    loaded = datasets.load_dataset(NAME, "simulated", identities=1, questions=1, streaming=streaming)
    assert list(loaded) == [split_of(record.question)]


def test_one_split_can_be_asked_for():
    rows = datasets.load_dataset(NAME, "simulated", split="test", identities=2, questions=40)
    assert {split_of(row["question"]) for row in rows} == {"test"}


def cache_folders() -> set[str]:
    return {
        path.parent.parent.parent.name for path in Path(datasets.config.HF_DATASETS_CACHE).rglob("dataset_info.json")
    }


def test_the_cache_depends_on_every_option():
    plain = {"identities": 2, "questions": 3, "seed": 0, "samples": 1, "style": "identity"}
    changes = [{}, {"identities": 3}, {"questions": 4}, {"seed": 1}, {"samples": 2}, {"style": "redrawn"}]
    for number, change in enumerate(changes, start=1):
        datasets.load_dataset(NAME, "simulated", **{**plain, **change})
        assert len(cache_folders()) == number


def test_the_cache_depends_on_nothing_else(tmp_path, monkeypatch):
    datasets.load_dataset(NAME, "simulated", identities=2, questions=200, seed=0)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "notes.txt").write_text("a file in the working folder")
    monkeypatch.chdir(tmp_path / "elsewhere")
    datasets.load_dataset(NAME, "simulated", identities=2)  # the same numbers, by default
    assert len(cache_folders()) == 1


# Answers


@pytest.mark.parametrize("streaming", [False, True])
def test_answers_of_a_folder_are_one_split(answers, streaming):
    loaded = datasets.load_dataset(NAME, "answers", data_dir=str(answers), streaming=streaming)
    assert list(loaded) == ["train"]
    assert [from_row(row) for row in loaded["train"]] == records()


@pytest.mark.parametrize("streaming", [False, True])
def test_texts_of_people_are_loaded_with_their_stances(tmp_path, streaming):
    said = [{"topic": "Tax fuel", "text": text, "label": label} for text, label in [("Yes.", "pro"), ("No.", "con")]]
    (tmp_path / "c.jsonl").write_text("".join(f"{json.dumps({**row, 'lang': 'en'})}\n" for row in said))
    options = {"data_dir": str(tmp_path / "c.jsonl"), "streaming": streaming}
    rows = list(datasets.load_dataset(NAME, "answers", split="train", **options))
    assert [(row["claim"], row["answer"], row["stance"]) for row in rows] == [
        ("Tax fuel", "Yes.", 1.0),
        ("Tax fuel", "No.", -1.0),
    ]


def test_answers_may_be_one_file(answers):
    loaded = datasets.load_dataset(NAME, "answers", data_dir=str(answers / "a.parquet"))
    assert loaded["train"].num_rows == 5


@pytest.mark.parametrize("streaming", [False, True])
def test_rejected_rows_are_counted_in_the_log(tmp_path, caplog, streaming):
    file = tmp_path / "answers.csv"
    file.write_text("question,answer,model,lang\nWhy?,Because.,m,en\nWhy?,,m,en\nHow?,So.,m,xyzzy\n")
    with caplog.at_level(logging.WARNING, logger="univar.corpus.builder"):
        rows = list(datasets.load_dataset(NAME, "answers", data_dir=str(file), split="train", streaming=streaming))
    assert [row["answer"] for row in rows] == ["Because."]
    assert "2 rows rejected (1 row: no answer; 1 row: unknown language 'xyzzy')" in caplog.text


def test_a_changed_folder_is_read_again(answers):
    def load() -> list[str]:
        return datasets.load_dataset(NAME, "answers", data_dir=str(answers))["train"]["question_id"][:]

    assert len(load()) == 5
    before = cache_folders()
    assert len(load()) == 5
    assert cache_folders() == before
    write_corpus(records(7), answers / "a.parquet")
    assert len(load()) == 7
    write_corpus([QARecord("z", "New?", "Yes.", "m", "eng")], answers / "b.parquet")
    assert len(load()) == 8


# Errors


def test_an_unknown_configuration_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match=r"'opinions' not found.*questions.*controls.*simulated.*answers"):
        datasets.load_dataset(NAME, "opinions")


@pytest.mark.parametrize("name", [["questions"], 3])
def test_what_is_no_name_of_a_configuration_is_refused_with_those_that_exist(name):
    with pytest.raises(ValueError, match=r"is one of questions, controls, poles, simulated, answers, got "):
        datasets.load_dataset(NAME, name)


@pytest.mark.parametrize("place", ["", 3, ["a", "b"]])
def test_what_is_no_folder_is_refused_and_the_working_folder_not_read(place, answers, monkeypatch):
    monkeypatch.chdir(answers)
    with pytest.raises(ValueError, match="data_dir must be one folder or one file, got"):
        datasets.load_dataset(NAME, "answers", data_dir=place)


def test_answers_without_a_folder_are_refused():
    with pytest.raises(ValueError, match="needs data_dir="):
        datasets.load_dataset(NAME, "answers")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(univar.CorpusError, match=r"no such file or folder: .*nowhere"):
        datasets.load_dataset(NAME, "answers", data_dir=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", "Nothing here.", "no corpus in the folder"),
        ("a.csv", "name,age\nAda,36\n", "is no corpus.*missing: question, answer, model, lang"),
        (
            "a.jsonl",
            '{"question": "Why?", "answer": "", "model": "m", "lang": "eng"}\n',
            "no usable row.*1 row: no answer",
        ),
    ],
)
def test_a_folder_that_is_no_corpus_is_refused_with_the_reason(tmp_path, name, content, message, streaming):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).write_text(content)
    with pytest.raises(univar.CorpusError, match=message):
        datasets.load_dataset(NAME, "answers", data_dir=str(folder), streaming=streaming)


def test_options_out_of_range_are_refused_and_leave_no_cache():
    with pytest.raises(ValueError, match="identities must be at least 1"):
        datasets.load_dataset(NAME, "simulated", identities=0)
    with pytest.raises(ValueError, match="style must be one of identity, redrawn, got 'plain'"):
        datasets.load_dataset(NAME, "simulated", style="plain")
    with pytest.raises(ValueError, match="questions must be 1 to 5,760 and a whole number, got '20'"):
        datasets.load_dataset(NAME, "simulated", questions="20")
    assert cache_folders() == set()


def test_options_of_another_configuration_are_refused(answers):
    with pytest.raises(ValueError, match="doesn't have a 'identities' key"):
        datasets.load_dataset(NAME, "answers", data_dir=str(answers), identities=3)
    with pytest.raises(ValueError, match="simulated reads no files"):
        datasets.load_dataset(NAME, "simulated", data_dir=str(answers))


# Without univar


def test_a_written_folder_loads_without_univar(tmp_path):
    folder = tmp_path / "corpus"
    written = [
        *records(),
        *simulated_records(2, 5),
        QARecord("q", "Miksi?", "Siksi.", "m", "fin", question_eng="Why?", stance=-0.1, claim="Niin se on"),
    ]
    write_corpus(written[:4], folder / "part-0.parquet")
    write_corpus(written[4:], folder / "part-1.parquet")
    script = (
        "import json, sys\n"
        "sys.modules['univar'] = None  # an import of it would fail\n"
        "import datasets\n"
        f"rows = datasets.load_dataset({str(folder)!r}, split='train')\n"
        "print(json.dumps(list(rows)))"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == [to_row(record) for record in written]

"""The demo's Space: a real server answers what visitors paste and upload, offline, and takes their text as text."""

import configparser
import importlib.util
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from univar.analysis.reference import build_reference
from univar.corpus.records import QARecord
from univar.model.modeling import UniVaR

gradio = pytest.importorskip("gradio")

from gradio_client import Client, handle_file  # noqa: E402

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "spaces" / "univar"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> ${alert(3)} {{alert(4)}}"


@pytest.fixture(scope="module")
def app() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("univar_space", SPACE / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def records() -> list[QARecord]:
    said = {"aya": "yes always honest", "mixtral": "no never save", "solar": "i think one should help"}
    return [
        QARecord(f"q{number}", f"is it right to lie {number}", f"{answer} {number}", model, "eng")
        for number in range(40)
        for model, answer in said.items()
    ]


@pytest.fixture(scope="module")
def client(
    app: ModuleType, tiny_encoder_folder: Path, records: list[QARecord], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    model = UniVaR(str(tiny_encoder_folder), device="cpu")
    first, second = ([r for r in records if r.model in models] for models in (("aya", "mixtral"), ("mixtral", "solar")))
    reference = build_reference({"first": first, "second": second}, model)
    folder = tmp_path_factory.mktemp("gradio")
    connected: list[Any] = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        connected.append(address)
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "model_and_reference", lambda: (model, reference))
        patch.setattr(app.demo, "GRADIO_CACHE", str(folder))
        patch.setattr(socket.socket, "connect", watched)
        app.demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
        yield Client(app.demo.local_url, verbose=False, download_files=str(folder))
        app.demo.close()
    hosts = {address[0] for address in connected if isinstance(address, tuple)}
    assert hosts <= {"127.0.0.1", "localhost", "::1"}, "the Space connects to somewhere else"


def pasted(records: list[QARecord], model: str) -> str:
    return "\n".join(f"Q: {record.question}\nA: {record.answer}" for record in records if record.model == model)


def upload(client: Client, path: Path, content: str | bytes) -> Any:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return client.predict(handle_file(str(path)), api_name="/upload")


def test_pasted_qas_find_who_wrote_them(client: Client, records: list[QARecord]) -> None:
    reading, *others = client.predict(pasted(records[60:], "solar"), api_name="/paste")
    assert "<p>Nearest is solar (eng) as it answered second</p>" in reading
    assert "n = 20 QAs" in reading
    assert "Not for ranking LLMs" in reading
    bars, corpus, value_map, table, as_read = others[-5:]
    assert {bars["type"], value_map["type"]} == {"plotly"}
    assert "solar" in bars["plot"]
    assert corpus["value"] == "second"
    assert [choice[0] for choice in corpus["choices"]] == ["first", "second", "all"]
    assert table["data"][0][2] == "solar (eng)"
    assert len(table["data"]) == 4
    assert as_read["data"][0] == ["is it right to lie 20", "i think one should help 20"]


def test_two_pasted_columns_are_read(app: ModuleType) -> None:
    assert app.pasted_rows("is it right?\tno\n\nshould one help?\tyes\tindeed") == [
        {"question": "is it right?", "answer": "no"},
        {"question": "should one help?", "answer": "yes\tindeed"},
    ]


def test_pasted_answers_may_have_several_lines(app: ModuleType) -> None:
    rows = app.pasted_rows("preface\nQ: one?\nA: yes\n\nand more\n  q: two? a: no\nQ: three?")
    assert [(row["question"].strip(), row["answer"].strip()) for row in rows] == [
        ("", "preface"),
        ("one?", "yes\n\nand more"),
        ("two?", "no"),
        ("three?", ""),
    ]


def test_an_answer_begins_at_a_line_where_one_does(app: ModuleType) -> None:
    rows = app.pasted_rows("Q: Is plan A: save better than plan B: spend?\r\n \tA: Save.\nQ: Is it? A: Yes.")
    assert [(row["question"].strip(), row["answer"].strip()) for row in rows] == [
        ("Is plan A: save better than plan B: spend?", "Save."),
        ("Is it?", "Yes."),
    ]


@pytest.mark.parametrize("blank", ["\n", " ", "\r\n", "\t\n"])
@pytest.mark.parametrize("start", ["", "Q: why?"])
def test_blank_lines_take_no_time(app: ModuleType, start: str, blank: str) -> None:
    started = time.process_time()
    assert len(app.pasted_rows(start + 30_000 * blank)) <= 1
    assert time.process_time() - started < 1


def test_rejected_rows_are_counted(client: Client) -> None:
    reading = client.predict("Q: is it right\nA: no\nQ: should one\nQ: is it wrong\nA: yes", api_name="/paste")[0]
    assert "1 row rejected (1 row: no answer)" in reading
    assert "2 QAs are few" in reading


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
def test_uploads_need_no_more_than_question_and_answer(
    client: Client, records: list[QARecord], tmp_path: Path, suffix: str
) -> None:
    own = [{"question": r.question, "answer": r.answer} for r in records if r.model == "aya"]
    mark = "\t" if suffix == ".tsv" else ","
    content = {
        ".json": json.dumps(own),
        ".jsonl": "\n".join(map(json.dumps, own)),
    }.get(suffix) or "\n".join(mark.join(row.values()) for row in [{"q": "question", "a": "answer"}, *own])
    reading = upload(client, tmp_path / f"mine{suffix}", content)[0]
    assert "<p>Nearest is aya (eng) as it answered first</p>" in reading
    assert "n = 40 QAs" in reading


def test_an_upload_may_name_models_and_languages(client: Client, tmp_path: Path) -> None:
    content = "question,answer,model,lang\nis it right,yes,x,eng\nis it wrong,no,y,fra\n"
    reading = upload(client, tmp_path / "named.csv", content)[0]
    assert "by 2 identities (x (eng), y (fra)) and were read as if by one" in reading
    assert "1 of 2 QAs are not in English" in reading


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("columns.csv", "who,what\na,b\n", "columns.csv is no corpus: it has the columns &#x27;who&#x27;"),
        ("empty.csv", "", "empty.csv is empty"),
        ("no_answers.csv", "question,answer\nwhy,\n", "no usable row in no_answers.csv"),
        ("noise.parquet", b"noise", "noise.parquet is not a parquet file"),
        ("broken.json", "[{]", "broken.json is not a JSON array"),
        ("long.csv", "question,answer\n" + "".join(f"why {n},yes\n" for n in range(2_001)), "More than 2,000 QAs"),
    ],
)
def test_what_cannot_be_read_is_told_without_a_traceback(
    client: Client, tmp_path: Path, name: str, content: str | bytes, problem: str
) -> None:
    reading = upload(client, tmp_path / name, content)[0]
    assert 'role="alert"' in reading
    assert problem in reading
    assert "Traceback" not in reading
    assert "--column" not in reading
    assert str(tmp_path) not in reading


@pytest.mark.parametrize("text", ["", "  \n "])
def test_nothing_given_is_told(client: Client, text: str) -> None:
    reading = client.predict(text, api_name="/paste")[0]
    assert "Nothing to compare yet" in reading
    assert "Begin each question" in reading


def test_text_of_visitors_stays_text(client: Client, tmp_path: Path) -> None:
    results = client.predict(f"Q: is it right {HOSTILE}\nA: no {HOSTILE}", api_name="/paste")
    assert "<script" not in str(results[0])
    assert HOSTILE not in json.dumps(results[:-1])  # only in the table of what was read, whose cells are text
    reading = upload(client, tmp_path / "hostile.csv", f'"{HOSTILE}",b\n1,2\n')[0]
    assert "&lt;script&gt;" in reading
    assert "<img" not in reading
    # What the browser would take for a template: dollars and braces are written as entities.
    assert "${" not in reading
    assert "{{" not in reading


def test_the_page_asks_nothing_of_other_hosts(app: ModuleType) -> None:
    assert app.demo.analytics_enabled is False
    assert not app.THEME._get_theme_css().count("https://")
    assert all(not sheet.startswith("http") for sheet in app.THEME._stylesheets)


def test_the_card_is_one_of_a_gradio_space() -> None:
    header = yaml.safe_load((SPACE / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert header["sdk"] == "gradio"
    assert header["sdk_version"] == "6.31.0"
    assert header["license"] == "apache-2.0"
    assert (SPACE / header["app_file"]).is_file()
    assert len(header["short_description"]) <= 60


def test_the_requirements_are_those_of_the_package_and_never_the_unrelated_one() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    needed = [line for line in setup["options"]["install_requires"].splitlines() if line and not line.startswith("#")]
    lines = (SPACE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = [line for line in lines if not line.startswith(("#", "--"))]
    assert required == needed
    assert not [line for line in required if line.startswith("univar")]

"""Findings in a folder: what is kept comes back, and what cannot be read is named."""

import json
from dataclasses import dataclass, replace

import pandas as pd
import plotly.graph_objects as go
import pytest

from univar.analysis.report.findings import (
    About,
    Finding,
    FindingsError,
    finding_of,
    load_findings,
    save_findings,
)

ABOUT = About("univar audit --model m", {"torch": "2.13"}, {"univar": "abc"}, {"answers": 3}, 7, "x")


@dataclass(frozen=True)
class Told:
    """A result of the protocol, made by hand."""

    rows: tuple[tuple[str, float], ...] = (("a", 0.5), ("b", float("nan")))

    def to_pandas(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=["name", "stance"])

    def to_dict(self) -> dict:
        return {"rows": self.rows, "broken": "\ud800", "low": float("-inf")}

    def to_markdown(self) -> str:
        return ""

    def notes(self) -> list[str]:
        return ["One.", "Two."]

    def plot(self) -> go.Figure:
        return go.Figure(go.Bar(x=[name for name, _ in self.rows], y=[stance for _, stance in self.rows]))

    def __str__(self) -> str:
        return "a stands for thrift (n = 2)."


class Plain(Told):
    plot = None


def test_a_finding_is_plain_json_of_all_that_a_result_says():
    found = finding_of(Told(), "values")
    assert (found.kind, found.title) == ("values", "What each LLM stands for")
    assert found.sentence == "a stands for thrift (n = 2)."
    assert found.notes == ("One.", "Two.")
    assert found.data == {"rows": [["a", 0.5], ["b", None]], "broken": "?", "low": None}
    assert found.table == [{"name": "a", "stance": 0.5}, {"name": "b", "stance": None}]
    assert found.figure["data"][0]["type"] == "bar"
    json.dumps([found.data, found.table, found.figure], allow_nan=False)


def test_what_has_no_picture_and_an_unknown_kind():
    found = finding_of(Plain(), "of my own")
    assert found.figure is None
    assert found.title == "of my own"
    assert finding_of(Plain(), "values", "Mine").title == "Mine"


def test_what_is_kept_comes_back(tmp_path):
    findings = [finding_of(Told(), "values"), finding_of(Plain(), "values"), finding_of(Told(), "../..\\About")]
    files = save_findings(tmp_path / "found", findings, ABOUT)
    assert sorted(file.name for file in files) == [
        "about-2.json", "about-2.parquet", "about.json",
        "values-2.json", "values-2.parquet", "values.json", "values.parquet",
    ]  # fmt: skip
    assert sorted((tmp_path / "found").iterdir()) == sorted(files)
    assert [file.name for file in tmp_path.iterdir()] == ["found"]
    assert load_findings(tmp_path / "found") == (findings, ABOUT)
    assert pd.read_parquet(tmp_path / "found" / "values.parquet")["stance"][0] == 0.5


def test_cells_of_several_types_become_text(tmp_path):
    rows = [{"a": 1, "b": "x", "c": ["p"], "d": None}, {"a": 2.5, "b": 3, "c": [], "d": True}]
    save_findings(tmp_path, [Finding("k", "t", "s", (), {}, rows, None)], ABOUT)
    ((found,), _) = load_findings(tmp_path)
    assert found.table == [{"a": 1.0, "b": "x", "c": ["p"], "d": None}, {"a": 2.5, "b": "3", "c": [], "d": True}]


def test_a_finding_without_rows_is_kept(tmp_path):
    nothing = Finding("k", "t", "s", (), {}, [], None)
    save_findings(tmp_path, [nothing], ABOUT)
    assert load_findings(tmp_path) == ([nothing], ABOUT)


def test_findings_of_an_earlier_time_go_and_other_files_stay(tmp_path):
    (tmp_path / "answers.jsonl").write_text("{}")
    save_findings(tmp_path, [finding_of(Told(), kind) for kind in ("values", "shift")], ABOUT)
    save_findings(tmp_path, [finding_of(Told(), "shift")], ABOUT)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["about.json", "answers.jsonl", "shift.json", "shift.parquet"]


def test_about_now_names_the_software_and_the_time():
    about = About.now("univar audit", models={"univar": "abc"}, counts={"answers": 3}, seed=7)
    assert {"univar-values", "torch"} <= set(about.versions)
    assert about.date.endswith("+00:00")
    assert about.seed == 7


def test_a_folder_without_findings_is_told(tmp_path):
    with pytest.raises(FindingsError, match=r"no findings in .*none \(no about.json there\); `univar audit` writes"):
        load_findings(tmp_path / "none")


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("about.json", b"{", "JSONDecodeError"),
        ("about.json", b"\xff", "UnicodeDecodeError"),
        ("about.json", b"[]", "TypeError|AttributeError"),
        ("about.json", b'{"format": 1}', "KeyError: 'findings'"),
        ("about.json", b'{"format": 1, "findings": ["../x"], "command": ""}', "lower case letters"),
        ("about.json", b'{"format": 1, "findings": [], "command": "", "owner": 1}', "owner"),
        ("values.json", b"", "JSONDecodeError"),
        ("values.json", b'{"format": 1, "kind": "values"}', "KeyError: 'notes'"),
        ("values.json", b'{"format": "one", "kind": "values"}', "format 'one'"),
        ("values.parquet", b"PAR1", "Arrow"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, file, content, reason):
    save_findings(tmp_path, [finding_of(Told(), "values")], ABOUT)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(FindingsError, match=f"{file} is damaged .*({reason})"):
        load_findings(tmp_path)


@pytest.mark.parametrize("change", [{"title": 3}, {"notes": [3]}, {"data": []}, {"figure": "x"}])
def test_a_part_of_another_type_is_named(tmp_path, change):
    save_findings(tmp_path, [finding_of(Told(), "values")], ABOUT)
    content = json.loads((tmp_path / "values.json").read_text()) | change
    (tmp_path / "values.json").write_text(json.dumps(content))
    with pytest.raises(FindingsError, match=f"values.json is damaged .*{next(iter(change))} is not what it should be"):
        load_findings(tmp_path)


@pytest.mark.parametrize("file", ["values.json", "values.parquet"])
def test_a_missing_file_is_named(tmp_path, file):
    save_findings(tmp_path, [finding_of(Told(), "values")], ABOUT)
    (tmp_path / file).unlink()
    with pytest.raises(FindingsError, match=f"{file} is missing"):
        load_findings(tmp_path)


def test_findings_of_a_newer_univar_ask_for_an_update(tmp_path):
    save_findings(tmp_path, [finding_of(Told(), "values")], ABOUT)
    file = tmp_path / "about.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 2}))
    with pytest.raises(FindingsError, match=r"about.json was written by a newer univar \(format 2; .*update univar"):
        load_findings(tmp_path)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    save_findings(tmp_path, [finding_of(Told(), "values")], ABOUT)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    wrong = replace(finding_of(Told(), "values"), data={"x": float("nan")})
    with pytest.raises(ValueError, match="JSON compliant"):
        save_findings(tmp_path, [wrong], ABOUT)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before

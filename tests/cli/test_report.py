"""`univar report`: a page from a folder of findings, without answers and model."""

import json
from pathlib import Path

import pytest

from tests.analysis.report.test_findings import ABOUT, Told
from tests.conftest import failed
from univar.analysis.report.findings import finding_of, save_findings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_findings(tmp_path / "found", [finding_of(Told(), "values"), finding_of(Told(), "shift")], ABOUT)
    return tmp_path / "found"


def test_the_page_is_drawn_again_and_the_findings_are_said(univar, folder, tmp_path):
    run = univar("report", folder, "--out", "pages/again.html")
    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines() == [
        "What each LLM stands for: a stands for thrift (n = 2).",
        "How the answers moved: a stands for thrift (n = 2).",
        f"The report: {tmp_path / 'pages' / 'again.html'}",
    ]
    assert "univar audit --model m" in Path("pages/again.html").read_text(encoding="utf-8")


def test_it_lies_here_where_no_file_is_named_and_json_says_what_is_in_it(univar, folder, tmp_path):
    found = json.loads(univar("report", folder, "--json").out)
    assert found["path"] == str(tmp_path / "report.html")
    assert [one["kind"] for one in found["findings"]] == ["values", "shift"]
    assert (tmp_path / "report.html").is_file()


def test_what_cannot_be_drawn_is_told(univar, folder, tmp_path):
    failed(univar("report", "none"), "none", "does not exist", code=2)
    (tmp_path / "empty").mkdir()
    failed(univar("report", "empty"), "no findings in empty (no about.json there); `univar audit` writes")
    failed(univar("report", folder, "--out", "r.pdf"), ".html is written, not 'r.pdf'", code=2)
    (folder / "shift.json").write_text("{")
    failed(univar("report", folder), "shift.json is damaged")
    (folder / "about.json").write_text('{"format": 99}')
    failed(univar("report", folder), "about.json was written by a newer univar (format 99; this one reads 1)")
    assert not (tmp_path / "report.html").exists()

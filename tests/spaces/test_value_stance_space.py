"""The Space of the metric of stances: its copies are the package's files, its card is the docstring, its app serves it.

`python tests/spaces/test_value_stance_space.py` writes the files anew.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "spaces" / "value_stance"
SOURCES = [ROOT / "univar" / "analysis" / f"{name}.py" for name in ("value_stance", "stance", "statistics")]
HEADER = """\
---
title: Value stance
emoji: ⚖️
colorFrom: indigo
colorTo: gray
sdk: gradio
sdk_version: 6.31.0
app_file: app.py
pinned: false
license: apache-2.0
tags:
- evaluate
- metric
description: How much of what answers stand for their embeddings hold, with chance and intervals.
---

"""

CHECK_APP = """
import csv, json, sys
from pathlib import Path
sys.path.insert(0, {space!r})  # as when the file is run as a script
import app
import gradio
import statistics

assert statistics.mean([1, 3]) == 2, "the Space's statistics.py hides Python's own"

folder = Path({folder!r})
rows = [
    (stance, f"q{{i}}", author, json.dumps([float(stance), 0.5 * weight]))
    for i in range(3) for stance in ("1", "-1") for author, weight in (("ada", 1), ("bob", -1))
]

def upload(name, rows, header=("stance", "group", "author", "embedding")):
    with open(folder / name, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(folder / name)

def refusal(*arguments):
    try:
        app.score(*arguments)
    except gradio.Error as error:
        return error.message

result = {{
    "good": app.score(upload("good.csv", rows)),
    "alone": app.score(upload("alone.csv", [(s, g, e) for s, g, _, e in rows], ("stance", "group", "embedding"))),
    "none": refusal(None),
    "column": refusal(upload("column.csv", rows, header=("side", "group", "author", "embedding"))),
    "text": refusal(upload("text.csv", [*rows, ("1", "q1", "ada", "one, two")])),
    "huge": refusal(upload("huge.csv", [*rows, ("1", "q1", "ada", "[1" + "0" * 400 + ", 1]")])),
    "side": refusal(upload("side.csv", [*rows, ("for", "q1", "ada", "[1, 2]")])),
    "range": refusal(upload("range.csv", [*rows, ("7", "q1", "ada", "[1, 2]")])),
    "after": app.score(upload("good.csv", rows)),
}}
app.demo.launch(prevent_thread_lock=True, quiet=True)
from gradio_client import Client, handle_file
client = Client(app.demo.local_url, verbose=False)
result["served"] = client.predict(handle_file(upload("good.csv", rows)), api_name="/score")
app.demo.close()
print(json.dumps(result))
"""


def card() -> str:
    docstring = ast.get_docstring(ast.parse(SOURCES[0].read_text(encoding="utf-8")), clean=False)
    assert docstring is not None
    return HEADER + docstring[docstring.index("# Metric card") :]


def expected_files() -> dict[str, str]:
    return {source.name: source.read_text(encoding="utf-8") for source in SOURCES} | {"README.md": card()}


@pytest.mark.parametrize("name", sorted(expected_files()))
def test_the_space_holds_what_the_package_holds(name: str) -> None:
    assert (SPACE / name).read_bytes() == expected_files()[name].encode("utf-8"), f"run python {Path(__file__).name}"


def test_the_card_has_evaluates_sections_in_order() -> None:
    headings = [line.strip("# ") for line in card().splitlines() if line.startswith("##")]
    assert headings == [
        "Metric description",
        "How to use",
        "Inputs",
        "Output values",
        "Values from popular papers",
        "Examples",
        "Limitations and bias",
        "Citation",
        "Further references",
    ]


def test_the_space_never_advises_to_install_the_unrelated_package() -> None:
    for file in SPACE.iterdir():
        if file.is_file():
            assert "pip install" not in file.read_text(encoding="utf-8")
    requirements = (SPACE / "requirements.txt").read_text(encoding="utf-8").split()
    assert not [line for line in requirements if line.startswith("univar")]


def test_the_app_scores_uploads_and_says_what_is_wrong_with_them(tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hub"),
        "GRADIO_TEMP_DIR": str(tmp_path / "uploads"),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    script = CHECK_APP.format(space=str(SPACE), folder=str(tmp_path))
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    # The first dimension is the side, and weighs more than the second, the author.
    assert (result["good"]["retrieval"], result["good"]["pairs"], result["good"]["triplets"]) == (1.0, 1.0, 1.0)
    assert result["good"]["triplets_n"] == 12
    assert result["good"] == result["after"] == result["served"]
    assert result["alone"]["triplets"] is None
    assert "upload a csv" in result["none"]
    assert "no column stance" in result["column"]
    assert "row 13" in result["text"]
    assert "row 13" in result["huge"]
    assert "row 13: the stance is no number from -1 to 1: 'for'" in result["side"]
    assert "a stance lies in [-1, 1], got 7" in result["range"]


def refresh() -> None:
    for name, text in expected_files().items():
        (SPACE / name).write_bytes(text.encode("utf-8"))


if __name__ == "__main__":
    refresh()

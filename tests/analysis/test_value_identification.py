"""The `evaluate` metric: loaded by path and offline, its card's example, its split, its refusals."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import univar
from univar.analysis import value_identification
from univar.analysis.value_identification import ValueIdentification

ROOT = Path(__file__).parents[2]
METRIC = Path(univar.metric_path())

CHECK_LOADING = """
import doctest, json, sys, tempfile
from pathlib import Path
import evaluate

by_file, by_folder = evaluate.load(sys.argv[1]), evaluate.load("spaces/value_identification")
assert "univar" not in sys.modules, "the metric must run without the package"
copied = sys.modules[type(by_folder).__module__]
failures, examples = doctest.testmod(copied)
rows = dict(
    predictions=[[1.0, 0.1], [0.1, 1.0]] * 6, references=["a", "b"] * 6, questions=[str(i // 2) for i in range(12)]
)
print(json.dumps({"failures": failures, "examples": examples, "file": by_file.compute(**rows),
    "folder": by_folder.compute(**rows), "name": by_file.name, "description": by_file.description,
    "inputs": by_file.inputs_description, "citation": by_file.citation}))
"""


@pytest.fixture
def metric(tmp_path: Path) -> ValueIdentification:
    return ValueIdentification(cache_dir=str(tmp_path), keep_in_memory=True)


def rows(identities: int = 4, questions: int = 30, spread: float = 0.8) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    means = generator.normal(size=(identities, 8))
    return {
        "predictions": np.tile(means, (questions, 1)) + spread * generator.normal(size=(identities * questions, 8)),
        "references": [f"m{identity} (eng)" for identity in range(identities)] * questions,
        "questions": [f"q{question}" for question in range(questions) for _ in range(identities)],
    }


def test_evaluate_loads_it_offline_by_file_and_by_folder_and_its_example_runs(tmp_path: Path) -> None:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", CHECK_LOADING, str(METRIC)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    assert (result["failures"], result["examples"]) == (0, 4), run.stdout
    assert result["file"] == result["folder"]
    assert result["file"]["knn_accuracy"] == 1.0
    assert result["name"] == "value_identification"
    assert result["description"].startswith("An *identity* is one LLM")
    assert "- **predictions**" in result["inputs"]
    assert result["citation"].startswith("```bibtex")


def test_every_result_is_documented(metric: ValueIdentification) -> None:
    result = metric.compute(**rows())
    outputs = value_identification.__doc__.partition("### Output values")[2].partition("### Examples")[0]  # type: ignore[union-attr]
    undocumented = [name for name in result if f"**{name}**" not in outputs and not name.endswith("_at_10")]
    assert undocumented == []
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_scores_lie_between_chance_and_one_for_overlapping_identities(metric: ValueIdentification) -> None:
    result = metric.compute(**rows())
    for method in ("knn", "linear"):
        low, high = result[f"{method}_accuracy_low"], result[f"{method}_accuracy_high"]
        assert result["chance"] < low <= result[f"{method}_accuracy"] <= high <= 1
    assert (result["n"], result["questions"], result["identities"], result["k"]) == (60, 15, 4, 15)


def test_the_share_and_the_seed_decide_the_drawn_gallery(metric: ValueIdentification) -> None:
    assert metric.compute(**rows(), gallery_share=0.8)["questions"] == 6
    assert metric.compute(**rows(), seed=1) == metric.compute(**rows(), seed=1)
    assert metric.compute(**rows(), seed=1) != metric.compute(**rows(), seed=2)


def test_a_given_gallery_is_used_as_it_is(metric: ValueIdentification) -> None:
    given = rows()
    # A query whose embeddings are those of the next identity is always wrong, if the gallery is what was given.
    given["predictions"] = np.tile(np.eye(4), (30, 1))
    given["predictions"][80:] = np.roll(given["predictions"][80:], 1, axis=1)
    result = metric.compute(**given, gallery=[True] * 80 + [False] * 40)
    assert (result["knn_accuracy"], result["linear_accuracy"], result["n"], result["k"]) == (0.0, 0.0, 40, 20)


def test_batches_give_what_one_call_gives(metric: ValueIdentification) -> None:
    given = rows()
    whole = metric.compute(**given)
    for start in range(0, 120, 50):
        metric.add_batch(**{name: column[start : start + 50] for name, column in given.items()})
    assert metric.compute() == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predictions": [[1.0, 2.0]] * 119 + [[1.0]]}, r"one width, got widths \[1, 2\]"),
        ({"predictions": [[]] * 120}, r"one width, got widths \[0\]"),
        ({"predictions": [[math.nan, 1.0]] * 120}, "not finite"),
        ({"references": ["a"] * 120}, "one identity, 'a'"),
        ({"references": [f"m{row}" for row in range(120)]}, "has 1 QA in the gallery"),
        ({"references": ["a", "b"]}, "Mismatch in the number of|don't match"),
        ({"questions": ["q"] * 120}, "got one question"),
        ({"gallery": [True] * 60}, "60 marks for 120 rows"),
        ({"gallery": [True, False] * 60}, "30 questions are both in the gallery and in the query, the first is 'q0'"),
        ({"gallery": [True] * 120}, "no QA on the query side"),
        ({"gallery": ["no"] * 120}, "gallery must mark rows by True and False, got 'no' first"),
        ({"gallery_share": 1.0}, "gallery_share must be a number between 0 and 1, got 1.0"),
        ({"gallery_share": "half"}, "gallery_share must be a number between 0 and 1, got 'half'"),
        ({"k": 0}, "k must be at least 1"),
        ({"seed": None}, "seed must be at least 0 and a whole number, got None"),
    ],
)
def test_what_cannot_be_scored_is_refused(metric: ValueIdentification, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric.compute(**rows() | changes)


def test_each_import_is_one_that_evaluates_scanner_understands() -> None:
    # The scanner copies only what this file imports relatively, one module a line, and takes a comment there for a URL.
    lines = [line for line in METRIC.read_text(encoding="utf-8").splitlines() if line.startswith(("import ", "from "))]
    assert {line.split()[1] for line in lines if line.startswith("from .")} == {".identification", ".statistics"}
    assert all(line.count(",") == 0 for line in lines if line.startswith("import "))
    assert all("#" not in line and "univar" not in line for line in lines)
    for copied in ("identification.py", "statistics.py"):
        text = (METRIC.parent / copied).read_text(encoding="utf-8")
        assert not [line for line in text.splitlines() if line.startswith(("import univar", "from univar"))]

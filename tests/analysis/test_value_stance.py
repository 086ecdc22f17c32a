"""The `evaluate` metric of stances: loaded by path and offline, its card's examples, its refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import univar
from univar.analysis import value_stance
from univar.analysis.stance import CONTRASTS, contrasted
from univar.analysis.value_stance import ValueStance

ROOT = Path(__file__).parents[2]
METRIC = Path(univar.metric_path("value_stance"))

CHECK_LOADING = """
import doctest, json, sys
import evaluate

by_file, by_folder = evaluate.load(sys.argv[1]), evaluate.load("spaces/value_stance")
assert "univar" not in sys.modules, "the metric must run without the package"
failures, examples = doctest.testmod(sys.modules[type(by_folder).__module__])
rows = dict(
    predictions=[[1.0, 0.5], [1.0, -0.5], [-1.0, 0.5], [-1.0, -0.5]] * 2,
    references=[1, 1, -1, -1] * 2, groups=["a"] * 4 + ["b"] * 4,
)
print(json.dumps({"failures": failures, "examples": examples, "file": by_file.compute(**rows),
    "folder": by_folder.compute(**rows), "name": by_file.name, "description": by_file.description,
    "inputs": by_file.inputs_description, "citation": by_file.citation}))
"""


@pytest.fixture
def metric(tmp_path: Path) -> ValueStance:
    return ValueStance(cache_dir=str(tmp_path), keep_in_memory=True)


def rows(groups: int = 20) -> dict[str, Any]:
    """Two authors who answer from both ends; a dimension of sides among others of noise."""
    vectors = np.random.default_rng(0).normal(size=(4 * groups, 5))
    stances = [1.0, 0.5, -1.0, -0.5] * groups
    vectors[:, 0] += np.sign(stances)
    return {
        "predictions": vectors,
        "references": stances,
        "groups": [f"g{group}" for group in range(groups) for _ in range(4)],
    }


AUTHORS = ["ada", "bob"] * 40


def test_evaluate_loads_it_offline_by_file_and_by_folder_and_its_examples_run(tmp_path: Path) -> None:
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
    assert (result["failures"], result["examples"]) == (0, 6), run.stdout
    assert result["file"] == result["folder"]
    assert (result["file"]["pairs"], result["file"]["triplets"]) == (1.0, None)
    assert result["name"] == "value_stance"
    assert result["description"].startswith("A *stance* is how far")
    assert "- **predictions**" in result["inputs"]
    assert result["citation"].startswith("```bibtex")


def test_it_gives_what_the_functions_give_with_intervals_and_chance(metric: ValueStance) -> None:
    given = rows()
    result = metric.compute(**given, authors=AUTHORS)
    vectors = np.asarray(given["predictions"], dtype=np.float32)
    for name in CONTRASTS:
        found = contrasted(name, vectors, given["groups"], given["references"], AUTHORS)
        assert (result[name], result[f"{name}_n"], result[f"{name}_groups"]) == (found.score, 80, 20)
        assert (result[f"{name}_low"], result[f"{name}_high"]) == found.interval()
        assert result[f"{name}_chance"] == 0.5 < result[f"{name}_low"] <= result[name]
    ends = [f"{name}_{end}" for name in CONTRASTS for end in ("low", "high")]
    other = metric.compute(**given, authors=AUTHORS, seed=1)
    assert [other[end] for end in ends] != [result[end] for end in ends]


def test_without_authors_there_are_no_triplets(metric: ValueStance) -> None:
    result = metric.compute(**rows())
    triplets = [result[f"triplets{end}"] for end in ("", "_low", "_high", "_chance", "_n", "_groups")]
    assert triplets == [None, None, None, None, 0, 0]
    assert result["retrieval_chance"] == pytest.approx(1 / 3)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_every_result_is_documented(metric: ValueStance) -> None:
    outputs = value_stance.__doc__.partition("### Output values")[2].partition("### Examples")[0]  # type: ignore[union-attr]
    named = [name for name in metric.compute(**rows()) if name in CONTRASTS or name.startswith("retrieval")]
    assert [name for name in named if f"**{name}**" not in outputs] == []


def test_batches_give_what_one_call_gives(metric: ValueStance) -> None:
    given = rows()
    whole = metric.compute(**given)
    for start in range(0, 80, 30):
        metric.add_batch(**{name: column[start : start + 30] for name, column in given.items()})
    assert metric.compute() == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predictions": [[1.0, 2.0]] * 79 + [[1.0]]}, r"one width, got widths \[1, 2\]"),
        ({"predictions": [[float("nan"), 1.0]] * 80}, "not finite"),
        ({"references": [3.0] * 80}, r"a stance lies in \[-1, 1\], got 3"),
        ({"references": [1.0] * 80}, "nothing can be measured: retrieval: 0 groups have"),
        ({"groups": ["g"] * 80}, "nothing can be measured: .*pairs: 1 groups have two answers a side; at least 2 are"),
        ({"authors": ["ada"]}, "authors must name one an answer: 1 for 80"),
        ({"seed": None}, "seed must be at least 0 and a whole number, got None"),
    ],
)
def test_what_cannot_be_scored_is_refused(metric: ValueStance, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric.compute(**rows() | changes)


def test_each_import_is_one_that_evaluates_scanner_understands() -> None:
    # The scanner copies only what this file imports relatively, one module a line, and takes a comment there for a URL.
    lines = [line for line in METRIC.read_text(encoding="utf-8").splitlines() if line.startswith(("import ", "from "))]
    assert {line.split()[1] for line in lines if line.startswith("from .")} == {".stance", ".statistics"}
    assert all(line.count(",") == 0 for line in lines if line.startswith("import "))
    assert all("#" not in line and "univar" not in line for line in lines)
    text = (METRIC.parent / "stance.py").read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if line.startswith(("import univar", "from univar"))]


def test_a_metric_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no metric 'stance'; there are value_identification and value_stance"):
        univar.metric_path("stance")  # type: ignore[arg-type]

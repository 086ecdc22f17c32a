"""The page on scale: its code runs as it stands, up to the launch."""

import re
from pathlib import Path

import pytest
from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor

PAGE = (Path(__file__).parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
MODELS = "models: [{name: aya, endpoint: 'http://127.0.0.1:8000', languages: [eng]}]"


@pytest.mark.parametrize("executor", [LocalPipelineExecutor, SlurmPipelineExecutor, RayPipelineExecutor])
def test_pipelines_are_made_as_the_page_says(executor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.yaml").write_text(MODELS)
    launched = []
    monkeypatch.setattr(executor, "run", lambda self: launched.append(self))
    stages, *ways = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (way,) = [block for block in ways if executor.__name__ in block]
    names: dict[str, object] = {}
    exec(stages + way, names)
    (last,) = launched
    assert [step.name for executor in (last.depends.depends, last.depends, last) for step in executor.pipeline] == [
        "elicitation",
        "translation",
        "encoding",
    ]

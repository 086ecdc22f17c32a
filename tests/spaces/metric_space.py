"""The Spaces of the metrics: what their files must hold, and their apps run as they are served.

`python -m tests.spaces.metric_space` writes the files anew.
"""

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HEADER = """\
---
title: {title}
emoji: {emoji}
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
description: {about}
---

"""


@dataclass(frozen=True)
class MetricSpace:
    """One of them: the name of its folder and metric, the sources that it copies, what the head of its card says."""

    name: str
    sources: tuple[str, ...]
    title: str
    emoji: str
    about: str

    @property
    def folder(self) -> Path:
        return ROOT / "spaces" / self.name

    def card(self) -> str:
        """The header, and the part of the metric's docstring that is its card."""
        docstring = ast.get_docstring(ast.parse(self._source(self.name)), clean=False)
        assert docstring is not None
        header = HEADER.format(title=self.title, emoji=self.emoji, about=self.about)
        return header + docstring[docstring.index("# Metric card") :]

    def expected_files(self) -> dict[str, str]:
        """What the package holds, by the name of the file."""
        return {f"{name}.py": self._source(name) for name in self.sources} | {"README.md": self.card()}

    def refresh(self) -> None:
        """Writes them."""
        for name, text in self.expected_files().items():
            (self.folder / name).write_bytes(text.encode("utf-8"))

    def run(self, script: str, folder: Path) -> dict[str, Any]:
        """The JSON that a script prints in its last line; `{space}` and `{folder}` in it are filled in."""
        environment = os.environ | {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(folder / "hub"),
            "GRADIO_TEMP_DIR": str(folder / "uploads"),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        filled = script.format(space=str(self.folder), folder=str(folder))
        run = subprocess.run(
            [sys.executable, "-c", filled], env=environment, cwd=folder, capture_output=True, text=True, timeout=120
        )
        assert run.returncode == 0, run.stderr
        result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
        return result

    @staticmethod
    def _source(name: str) -> str:
        return (ROOT / "univar" / "analysis" / f"{name}.py").read_text(encoding="utf-8")


VALUE_IDENTIFICATION = MetricSpace(
    "value_identification",
    ("value_identification", "identification", "statistics"),
    title="Value identification",
    emoji="🧭",
    about="Names the identity (LLM and language) behind a QA from its embedding, with chance and intervals.",
)
VALUE_STANCE = MetricSpace(
    "value_stance",
    ("value_stance", "stance", "statistics"),
    title="Value stance",
    emoji="⚖️",
    about="How much of what answers stand for their embeddings hold, with chance and intervals.",
)
METRIC_SPACES = (VALUE_IDENTIFICATION, VALUE_STANCE)


if __name__ == "__main__":
    for metric_space in METRIC_SPACES:
        metric_space.refresh()

"""What trainings of an experiment have measured, kept in a file of docs/ as soon as each is measured."""

import json
from pathlib import Path
from typing import Any

from univar.files import replacing

Run = dict[str, Any]


def kept(file: Path) -> list[Run]:
    """The runs in a file; none if there is no such file yet."""
    return list(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else []


def keep(file: Path, runs: list[Run], new: Run) -> None:
    """Adds a run to those of a file, and writes them all."""
    runs.append(new)
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")

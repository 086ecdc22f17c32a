"""The metric in a browser: upload embeddings with stances as csv, get what they hold of them with intervals."""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# A script's own folder is searched first, and the metric's statistics.py there would hide Python's own.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

import evaluate  # noqa: E402
import gradio as gr  # noqa: E402
import pandas as pd  # noqa: E402

COLUMNS = ["stance", "group", "embedding"]
MAX_ROWS = 20_000
MAX_FILE_SIZE = "100mb"
CARD = (HERE / "README.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
DESCRIPTION = f"""
Upload a csv with the columns `{"`, `".join(COLUMNS)}` and, where authors are known, `author`: one answer a row, at most
{MAX_ROWS:,} rows. The stance goes from -1 (against) to 1 (for), the group is the question or claim that the answer is
about, the embedding a list of numbers:

    stance,group,author,embedding
    1,Is thrift a virtue?,llama-3,"[0.12, -0.31, 0.94]"
"""


def score(file: str | None) -> dict[str, Any]:
    """The metric's dictionary for an uploaded file; what is wrong with the file is shown to the visitor."""
    # A metric of its own for every call, in memory: a failed call leaves nothing to the next visitor.
    metric = evaluate.load(str(HERE), keep_in_memory=True)
    if file is None:
        raise gr.Error("No file yet: upload a csv first.")
    try:
        table = pd.read_csv(
            file,
            usecols=lambda name: name in (*COLUMNS, "author"),
            dtype=str,
            keep_default_na=False,
            nrows=MAX_ROWS + 1,
        )
        if missing := [name for name in COLUMNS if name not in table]:
            raise ValueError(f"no column {' and '.join(missing)}; the columns are {', '.join(COLUMNS)}, and author")
        if len(table) > MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS} rows; upload fewer")
        result: dict[str, Any] = metric.compute(
            predictions=[_embedding(text, row) for row, text in enumerate(table["embedding"], start=1)],
            references=[_stance(text, row) for row, text in enumerate(table["stance"], start=1)],
            groups=table["group"].tolist(),
            authors=table["author"].tolist() if "author" in table else None,
        )
    except ValueError as error:
        raise gr.Error(str(error)) from error
    return result


def _stance(text: str, row: int) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"row {row}: the stance is no number from -1 to 1: {text!r:.80}") from error


def _embedding(text: str, row: int) -> list[float]:
    try:
        return [float(number) for number in json.loads(text)]
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"row {row}: the embedding is no list of numbers such as [0.12, -0.31]") from error


demo = gr.Interface(
    fn=score,
    inputs=gr.File(label="Embeddings with stances (csv)", file_types=[".csv"]),
    outputs=gr.JSON(label="Value stance"),
    title="Value stance",
    description=DESCRIPTION,
    article=CARD,
    flagging_mode="never",
    analytics_enabled=False,
)

if __name__ == "__main__":
    demo.launch(max_file_size=MAX_FILE_SIZE)

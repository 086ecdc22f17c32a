"""The metric in a browser: upload labelled embeddings as csv, get value identification with its intervals."""

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

COLUMNS = ["label", "question", "embedding"]
MAX_ROWS = 20_000
MAX_FILE_SIZE = "100mb"
CARD = (HERE / "README.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
DESCRIPTION = f"""
Upload a csv with the columns `{"`, `".join(COLUMNS)}`, one question-answer pair a row, at most {MAX_ROWS:,} rows. The
label is the identity (LLM and language), the embedding a list of numbers:

    label,question,embedding
    llama-3 (eng),Is thrift a virtue?,"[0.12, -0.31, 0.94]"
"""


def score(file: str | None, k: float) -> dict[str, Any]:
    """The metric's dictionary for an uploaded file; what is wrong with the file is shown to the visitor."""
    # A metric of its own for every call, in memory: a failed call leaves nothing to the next visitor.
    metric = evaluate.load(str(HERE), keep_in_memory=True)
    if file is None:
        raise gr.Error("No file yet: upload a csv first.")
    try:
        table = pd.read_csv(file, usecols=COLUMNS, dtype=str, keep_default_na=False, nrows=MAX_ROWS + 1)
        if len(table) > MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS} rows; upload fewer")
        embeddings = [_embedding(text, row) for row, text in enumerate(table["embedding"], start=1)]
        labels, questions = table["label"].tolist(), table["question"].tolist()
        result: dict[str, Any] = metric.compute(
            predictions=embeddings, references=labels, questions=questions, k=int(k)
        )
    except ValueError as error:
        raise gr.Error(str(error)) from error
    return result


def _embedding(text: str, row: int) -> list[float]:
    try:
        return [float(number) for number in json.loads(text)]
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"row {row}: the embedding is no list of numbers such as [0.12, -0.31]") from error


demo = gr.Interface(
    fn=score,
    inputs=[
        gr.File(label="Labelled embeddings (csv)", file_types=[".csv"]),
        gr.Slider(1, 100, value=50, step=1, label="Neighbours that vote, at most (k)"),
    ],
    outputs=gr.JSON(label="Value identification"),
    title="Value identification",
    description=DESCRIPTION,
    article=CARD,
    flagging_mode="never",
    analytics_enabled=False,
)

if __name__ == "__main__":
    demo.launch(max_file_size=MAX_FILE_SIZE)

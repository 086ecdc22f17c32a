"""The app of the Space of the metric of identification serves the metric, and says what is wrong with an upload."""

from pathlib import Path

import pytest

from tests.spaces.metric_space import VALUE_IDENTIFICATION

CHECK_APP = """
import csv, json, sys
from pathlib import Path
sys.path.insert(0, {space!r})  # as when the file is run as a script
import app
import gradio
import statistics

assert statistics.mean([1, 3]) == 2, "the Space's statistics.py hides Python's own"

folder = Path({folder!r})
embeddings = {{"a (eng)": "[1.0, 0.1]", "b (eng)": "[0.1, 1.0]"}}
rows = [(label, f"q{{i}}", embeddings[label]) for i in range(8) for label in embeddings]

def upload(name, rows, header=("label", "question", "embedding")):
    with open(folder / name, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(folder / name)

def refusal(*arguments):
    try:
        app.score(*arguments)
    except gradio.Error as error:
        return error.message

result = {{
    "good": app.score(upload("good.csv", rows), 50),
    "none": refusal(None, 50),
    "column": refusal(upload("column.csv", rows, header=("who", "question", "embedding")), 50),
    "text": refusal(upload("text.csv", [*rows, ("a (eng)", "q1", "one, two")]), 50),
    "huge": refusal(upload("huge.csv", [*rows, ("a (eng)", "q1", "[1" + "0" * 400 + ", 1]")]), 50),
    "widths": refusal(upload("widths.csv", [*rows, ("a (eng)", "q1", "[1, 2, 3]")]), 50),
    "after": app.score(upload("good.csv", rows), 50),
}}
app.demo.launch(prevent_thread_lock=True, quiet=True)
from gradio_client import Client, handle_file
client = Client(app.demo.local_url, verbose=False)
result["served"] = client.predict(handle_file(upload("good.csv", rows)), 50, api_name="/score")
app.demo.close()
print(json.dumps(result))
"""


def test_the_app_scores_uploads_and_says_what_is_wrong_with_them(tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    result = VALUE_IDENTIFICATION.run(CHECK_APP, tmp_path)
    # The two identities point in two directions: every query is named right.
    assert result["good"]["knn_accuracy"] == result["good"]["linear_accuracy"] == 1.0
    assert result["good"]["n"] == 8
    assert result["good"] == result["after"] == result["served"]
    assert "upload a csv" in result["none"]
    assert "label" in result["column"]
    assert "row 17" in result["text"]
    assert "row 17" in result["huge"]
    assert "one width" in result["widths"]

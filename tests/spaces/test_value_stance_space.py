"""The app of the Space of the metric of stances serves the metric, and says what is wrong with an upload."""

from pathlib import Path

import pytest

from tests.spaces.metric_space import VALUE_STANCE

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


def test_the_app_scores_uploads_and_says_what_is_wrong_with_them(tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    result = VALUE_STANCE.run(CHECK_APP, tmp_path)
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

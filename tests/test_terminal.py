"""What every command says of progress and mistakes."""

import errno
import io

import pytest
from rich.console import Console

from univar import terminal
from univar.model.modeling import UniVaR


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), "no room left on the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "Permission denied: /x/y"),
        (MemoryError(), "out of memory; give fewer answers at once"),
        (ValueError("two\n  lines"), "two lines"),
        (ValueError("x" * 5_000), "x" * 800 + " …"),
    ],
)
def test_an_error_is_one_line(error, line):
    assert terminal.problem(error).startswith(line)
    assert "\n" not in terminal.problem(error)
    assert len(terminal.problem(error)) < 900


def test_a_bar_follows_the_encoding_where_there_is_a_terminal(tiny_encoder_folder, monkeypatch):
    model, shown = UniVaR(str(tiny_encoder_folder), device="cpu"), io.StringIO()
    monkeypatch.setattr(terminal, "err", Console(file=shown, force_terminal=True, width=100))
    with terminal.encoding_bar(model, 40, "Encoding [them]"):
        model.encode(["Q: is it right A: no"] * 40, batch_size=10)
    assert "Encoding [them]" in shown.getvalue()
    assert "40 of 40 QAs" in shown.getvalue()
    model.encode(["Q: is it right A: no"])  # the bar is gone, and nothing follows any more


def test_batches_are_followed_one_by_one(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(terminal, "err", Console(file=shown, force_terminal=True, width=100))
    batches = [["a", "b"], ["c"]]
    assert list(terminal.tracked(batches, "Encoding")) == batches
    assert "3 of 3 QAs" in shown.getvalue()


def test_there_is_no_bar_where_there_is_no_terminal(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(terminal, "err", Console(file=shown))
    assert list(terminal.tracked([["a"]], "Encoding")) == [["a"]]
    with terminal.bar("Reading") as advance:
        advance(1)
    assert shown.getvalue() == ""

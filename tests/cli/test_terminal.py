"""What every command says of progress and mistakes."""

import errno
import io
import json
import logging

import pytest
from rich.console import Console

from univar.cli import terminal
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


@pytest.fixture
def shown(monkeypatch):
    """What a terminal gets to see."""
    shown = io.StringIO()
    for name in ("err", "out"):
        monkeypatch.setattr(terminal, name, Console(file=shown, force_terminal=True, width=200, color_system=None))
    return shown


@pytest.mark.parametrize("name", ["an{v1}.jsonl", "{0.x}", "m[/x]", "[bold]", "{"])
def test_names_are_neither_markup_nor_formats(shown, name):
    with terminal.bar(f"Reading {name}") as advance, terminal.bar(f"Encoding {name}", 3):
        advance(1)
    with terminal.working(f"Loading {name}"):
        pass
    terminal.say(name)
    terminal.result({}, name, as_json=False)
    for sentence in (f"Reading {name}", f"Loading {name}"):
        assert sentence in shown.getvalue()
    assert shown.getvalue().endswith(f"{name}\n{name}\n")


EVIL = "a\x1b]0;owned\x07\x9b31mb\x7f\rc\n\td"


def test_control_characters_do_not_reach_the_terminal(shown, capsys):
    terminal.say(EVIL)
    terminal.result({}, EVIL, as_json=False)
    tame = "a\ufffd]0;owned\ufffd\ufffd31mb\ufffd\ufffdc\n"
    assert shown.getvalue().count(tame) == 2
    with terminal.bar(EVIL), terminal.working(EVIL):
        pass
    assert "]0;owned\ufffd" in shown.getvalue().split(tame)[-1]
    assert "\x1b]0" not in shown.getvalue()
    terminal.result({"name": EVIL}, as_json=True)
    written = capsys.readouterr().out
    assert not set(written) & set("\x1b\x07\x9b\x7f")
    assert json.loads(written) == {"name": EVIL}


def test_control_characters_in_what_is_logged_do_not_either():
    logged = logging.LogRecord("univar", logging.WARNING, __file__, 1, "%s was left out", (EVIL,), None)
    found = terminal.PrintableFormatter("%(message)s").format(logged)
    assert found == "a\ufffd]0;owned\ufffd\ufffd31mb\ufffd\ufffdc\n\td was left out"

"""The door in the terminal: a table of commands, each loaded when it is called.

Exit codes: 0 done, 1 failed, 2 used wrongly. What a program may read goes to standard output, everything else to
standard error.
"""

import importlib
import logging
import os
import signal
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import univar
from univar.cli.terminal import PrintableFormatter, out, problem, say

_TRACEBACK = "UNIVAR_TRACEBACK"
_INTERRUPTED = 130  # what typer returns for Ctrl-C


COMMANDS = {
    "demo": "Show what univar does on simulated LLMs whose values are known; writes a report with a map.",
    "audit": "Ask an LLM a question of every value, and report what it stands for, how it moves and where it lies.",
    "info": "Say what is installed and where the weights come from, or what a corpus holds.",
    "questions": "Check the question bank, or have an LLM write questions for values of your own.",
    "elicit": "Ask LLMs the questions and keep every answer the moment it comes.",
    "corpus": "Make a corpus of elicited answers: translate, count, build, push.",
    "encode": "Turn every QA into a vector; the corpus may be larger than memory.",
    "evaluate": "Tell how well LLMs can be told apart by one answer, beside chance, baselines and control answers.",
    "map": "Draw the value map: every QA a faint dot, every LLM (in one language) a large mark.",
    "values": "Tell what each LLM stands for: its stance on every value, with an interval, or which cannot be read.",
    "distances": "Tell how far LLMs, or their languages, lie apart, how sure that is, and whether it is values.",
    "place": "Name the known LLMs that each LLM is nearest to, and say how sure that is.",
    "people": "Tell whether languages lie apart in the answers as the societies that speak them do.",
    "shift": "Tell how far the answers of one LLM moved, which values moved, and whether it is more than style.",
    "style": "Tell how much of what sets LLMs apart is style, and how much may be values.",
    "report": "Draw the page of an audit again from what was found: no answer is read, and no model is needed.",
    "train": "Train a multi-view encoder, and measure it on questions kept out of the training.",
    "export": "Write a model for other software, and tell how near its embeddings are to the model's own.",
}
"""What `univar --help` says of each command, in the order of a first day; `univar.cli.NAME` holds its `app`."""

_HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


def load_command(name: str) -> Any:
    """The command of a name, as click runs it; loads its module."""
    application: typer.Typer = importlib.import_module(f"univar.cli.{name}").app
    application.info.context_settings = _HELP_OPTIONS
    application._add_completion = False
    return typer.main.get_command(application)


class _Commands(TyperGroup):
    """The table as a group of click: a name and a help each, and the command itself once it is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, about in COMMANDS.items():
            self.add_command(TyperCommand(name, help=about, rich_markup_mode=None), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, None if command is None else load_command(str(command.name)), rest


app = typer.Typer(
    name="univar",
    cls=_Commands,
    help="The values in what LLMs answer, as vectors: how far apart are LLMs, and how much of it is style?",
    epilog="Start with:  univar demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings=_HELP_OPTIONS,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"univar {univar.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _univar(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _quiet_libraries() -> None:
    """Leaves the terminal to our own messages; the variables are read by the libraries when they are imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", module="torch|transformers|sentence_transformers|accelerate|sklearn")
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[lines])
    logging.getLogger("univar").setLevel(logging.WARNING)


def main() -> None:
    """The command `univar`: every failure ends in one line."""
    _quiet_libraries()
    # A job that is stopped by its scheduler cleans up as one that is stopped by its user.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(prog_name="univar", standalone_mode=False) or 0
        sys.stdout.flush()
    except typer.TyperException as error:
        code = _used_wrongly(error)
    except BrokenPipeError:  # whoever read the output has seen enough, as in `univar info | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except (ValueError, RuntimeError, OSError, MemoryError, ImportError) as error:
        say(f"Error: {problem(error)}", "red")
        code = 1
    except Exception as error:
        if _TRACEBACK in os.environ:
            raise
        say(f"Error: {type(error).__name__}: {problem(error)} (unforeseen; {_TRACEBACK}=1 shows where)", "red")
        code = 1
    if code == _INTERRUPTED:
        say("Interrupted; nothing half-written is left.")
        code = 1
    sys.exit(code)


def _used_wrongly(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "univar"
    if message := " ".join(error.format_message().split()).rstrip("."):  # empty where a command shows its help instead
        say(f"Error: {message} (see {command} --help)", "red")
    return error.exit_code

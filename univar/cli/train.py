"""`univar train`: an encoder of one's own, and what it is worth."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from univar.cli.options import (
    Columns,
    Constants,
    ControlCorpora,
    Json,
    Languages,
    RecipeName,
    RejectsFile,
    check_models,
    corpus_names,
    corpus_reader,
    folder_above,
    in_writable_folder,
    spare_corpora,
)
from univar.cli.terminal import err, leads, log, problem, result, say, show_identification, show_stances, step, working

app = typer.Typer()

_LITTLE_ROOM = 1_000  # MB, a few checkpoints of a small encoder


@app.command(epilog="Example:  univar train answers.parquet --out my-encoder")
def train(
    corpora: Annotated[
        list[Path],
        typer.Argument(
            metavar="CORPUS",
            exists=True,
            help="Answers to train on: files or folders as for the other commands; repeatable.",
            show_default=False,
        ),
    ],
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the trained model.")],
    recipe: RecipeName = None,
    control: ControlCorpora = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, not from the last checkpoint.")] = False,
    report_to: Annotated[
        str, typer.Option(metavar="NAME", help="Where the Trainer logs: none, tensorboard, wandb ...")
    ] = "none",
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Train a multi-view encoder, and measure it on questions kept out of the training.

    What answers stand for, whoever gave them, is learned with --recipe minilm-stance: it needs a column stance, from -1
    (against) to 1 (for), and control answers.

    After an interruption the same command goes on from the last checkpoint. Several GPUs share the batches with
    torchrun --nproc-per-node NUMBER -m univar.cli train ...
    """
    from univar.model.recipes import read_recipe

    in_writable_folder(out_folder)
    recipe = recipe or ("minilm-controlled" if control else "minilm")
    base = read_recipe(recipe).base  # what is wrong with it is told before corpora are read
    check_models("base" if base == "univar-base" else base, option="base in the recipe")
    spare_corpora([*corpora, *(control or [])], rejects)
    with corpus_reader(column, constant, lang, rejects) as reader:
        named = {name: reader.read(path) for name, path in zip(corpus_names(corpora), corpora, strict=True)}
        controls = [record for path in control or [] for record in reader.read(path)]
    with working("Loading the libraries"):
        from univar.workflows.trained import train_and_measure
    log("univar.model", quiet=err.is_terminal or not leads())  # where there is no bar
    with _told_how_to_go_on(out_folder), contextlib.redirect_stdout(sys.stderr):  # the Trainer prints what it logs
        measured = train_and_measure(
            named, out_folder, recipe=recipe, control=controls, restart=restart, report_to=report_to, step=step
        )
    if not leads():
        return
    if not as_json:
        for name, comparison in measured.identification.items():
            show_identification(comparison, heading=f"{name}, ")
        for name, of_stances in measured.stances.items():
            show_stances(of_stances, heading=f"{name}, ")
    described: dict[str, Any] = {
        "identification": {name: found.to_dict() for name, found in measured.identification.items()},
        "stances": {name: found.to_dict() for name, found in measured.stances.items()},
    }
    result(
        {"model": str(out_folder.resolve()), **described, "rejected": reader.rejected},
        f"The model: {out_folder.resolve()}",
        f'Its card: {out_folder.resolve() / "README.md"}; to use it: univar.UniVaR("{out_folder}")',
        as_json=as_json,
    )


@contextlib.contextmanager
def _told_how_to_go_on(out_folder: Path) -> Iterator[None]:
    """What becomes of a training that is interrupted or fails."""
    from safetensors import SafetensorError

    try:
        yield
    except FileExistsError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from None
    except (OSError, RuntimeError, SafetensorError) as error:  # among them what a full disk makes of a checkpoint
        raise RuntimeError(f"{problem(error)}; no model was written. {_how_to_go_on(out_folder)}") from error
    except KeyboardInterrupt:
        say(f"Interrupted; no model was written. {_how_to_go_on(out_folder)}")
        raise typer.Exit(1) from None


def _how_to_go_on(out_folder: Path) -> str:
    from univar.workflows.trained import last_checkpoint

    room = shutil.disk_usage(folder_above(out_folder)).free / 2**20
    reached = last_checkpoint(out_folder)
    again = "to begin anew" if reached is None else f"to go on from step {reached:,}, or with --restart to begin anew"
    full = f"Only {room:,.0f} MB are left on the disk. " if room < _LITTLE_ROOM else ""
    return f"{full}Run the same command again {again}."

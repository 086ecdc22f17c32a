"""`univar demo`: the main job on simulated answers."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from univar.cli.options import Json, Seed, in_writable_folder
from univar.cli.terminal import out, result, show_identification, step, tracked, working

app = typer.Typer()

_DEMO_FOLDER = Path("univar-demo")


@app.command(epilog="Example:  univar demo --out my-demo")
def demo(
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the report.")] = _DEMO_FOLDER,
    identities: Annotated[int, typer.Option(metavar="NUMBER", min=4, help="Simulated LLMs.")] = 16,
    questions: Annotated[int, typer.Option(metavar="NUMBER", min=20, help="Questions that each LLM answers.")] = 96,
    seed: Seed = 2026,
    as_json: Json = False,
) -> None:
    """Show what univar does on simulated LLMs whose values are known; writes a report with a map.

    Takes two to three minutes on two processor cores.
    """
    in_writable_folder(out_folder)
    with working("Loading the models"):
        from univar.workflows.demo import ONE_ANSWER, agreement_sentence, run_demo
    try:
        found = run_demo(out_folder, identities=identities, questions=questions, seed=seed, step=step, track=tracked)
    except FileExistsError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from None
    sentences = [agreement_sentence(name, agreement) for name, agreement in found.geometry.items()]
    if not as_json:
        out.print(Text("Do LLMs lie near each other that share values?", style="bold"))
        out.print(*map(Text, sentences), sep="\n", soft_wrap=True)
        out.print(Text("\nWho wrote this answer?", style="bold"), Text(f"{ONE_ANSWER}\n"), sep="\n", soft_wrap=True)
        show_identification(found.comparison)
    result(
        {"folder": str(found.folder), **found.to_dict()},
        f"The report: {found.folder / 'README.md'}",
        f"Distances over known ones, a picture: {found.folder / 'distances.png'}",
        f"The map, to open in a browser: {found.folder / 'map.html'}",
        as_json=as_json,
    )

"""`univar map`: the value map."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from univar.cli.options import (
    BackendName,
    ColorBy,
    Columns,
    Constants,
    CorpusPath,
    Json,
    Languages,
    ModelOrOwn,
    Projection,
    RejectsFile,
    Seed,
    Untranslated,
    corpus_names,
    corpus_reader,
    embedded,
    output_file,
    poles_of,
    spare_corpora,
)
from univar.cli.terminal import out, printable, result

if TYPE_CHECKING:
    from univar.analysis.map.reading import Axes
    from univar.analysis.map.results import ValueMap

_SAID = 140
"""Characters of an answer in the table."""

app = typer.Typer()


@app.command(epilog="Example:  univar map answers.parquet --axes between --out map.html")
def map_(
    corpus: CorpusPath,
    out_file: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=output_file(".html", ".png", ".svg", ".pdf"),
            help=".html (interactive), .png, .svg or .pdf (for papers).",
        ),
    ],
    after: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[AFTER]...",
            exists=True,
            help="Later answers of the same LLMs, as of checkpoints: placed on the same axes, with an arrow from each "
            "LLM to itself in the next corpus.",
            show_default=False,
        ),
    ] = None,
    model: ModelOrOwn = None,
    backend: BackendName = None,
    method: Annotated[
        Projection, typer.Option(help="Projection: pca keeps distances, tsne neighbours.")
    ] = Projection.pca,
    axes: Annotated[
        str,
        typer.Option(
            metavar="blind|between|VALUE,VALUE",
            help="What the axes are: blind to who answered; between the LLMs, in what they differ, found on one half "
            "of the questions and shown on the other; or two values, as in thrift,honesty.",
        ),
    ] = "blind",
    named: Annotated[
        bool,
        typer.Option(
            "--named",
            help="Name the axes by the values that they follow beyond chance. For a model that does not ship, the "
            "written poles of the values are encoded once for it, which takes a minute or more.",
        ),
    ] = False,
    color_by: Annotated[ColorBy, typer.Option(help="What colours stand for.")] = ColorBy.auto,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the figure.")] = None,
    seed: Seed = 0,
    untranslated: Untranslated = False,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Draw the value map: every QA a faint dot, every LLM (in one language) a large mark."""
    chosen = _axes(axes, method)
    later = after or []
    spare_corpora([corpus, *later], rejects)
    with corpus_reader(column, constant, lang, rejects) as reader:
        answers, *others = (
            embedded(reader, path, model, backend, untranslated=untranslated) for path in (corpus, *later)
        )
    from univar.analysis.map.reading import value_map
    from univar.analysis.pictures.map_figure import draw_map
    from univar.analysis.pictures.map_page import write_map_html

    poles = poles_of(answers, model, backend) if named or not isinstance(chosen, str) else None
    moved = dict(zip(corpus_names(later), others, strict=True))
    drawn = value_map(answers, method=method.value, axes=chosen, poles=poles, seed=seed, after=moved)
    write = write_map_html if out_file.suffix.lower() == ".html" else draw_map
    write(drawn, out_file, color_by=color_by.value, title=title)
    found = drawn.to_dict()
    told = {**found, "identities": len(drawn.identities), "places": found["identities"], "qas": drawn.total}
    if not as_json:
        out.print(printable(str(drawn)), style="bold", highlight=False, markup=False, soft_wrap=True)
        if drawn.axes[0].high:
            out.print(_ends(drawn))
    path = str(out_file.resolve())
    result({**told, "path": path, "rejected": reader.rejected}, *drawn.notes(), f"The map: {path}", as_json=as_json)


def _axes(given: str, method: Projection) -> "Axes":
    """The axes that were asked for, refused before any work if there are none such."""
    from univar.analysis.map.reading import check_axes

    chosen = tuple(name.strip() for name in given.split(",")) if "," in given else given.strip()
    try:
        check_axes(chosen, method.value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--axes") from None
    return chosen


def _ends(drawn: "ValueMap") -> Table:
    """The answers that are typical of both ends of each axis."""
    from univar.analysis.names import shortened

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("end", no_wrap=True)
    table.add_column("typical answers", overflow="fold")
    for side, answers in drawn.ends():
        for place, said in enumerate(answers):
            words = f"{shortened(' '.join(printable(said.answer).split()), _SAID)} ({printable(str(said.identity))})"
            table.add_row("" if place else side, Text(words))
    return table

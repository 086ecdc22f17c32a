"""`univar map`: the value map."""

from pathlib import Path
from typing import Annotated

import typer

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
    corpus_reader,
    embedded,
    output_file,
    spare_corpora,
)
from univar.cli.terminal import result

app = typer.Typer()


@app.command(epilog="Example:  univar map answers.parquet --out map.html")
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
    model: ModelOrOwn = None,
    backend: BackendName = None,
    method: Annotated[
        Projection, typer.Option(help="Projection: pca keeps distances, tsne neighbours.")
    ] = Projection.pca,
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
    spare_corpora([corpus], rejects)
    with corpus_reader(column, constant, lang, rejects) as reader:
        answers = embedded(reader, corpus, model, backend, untranslated=untranslated)
    from univar.analysis.map.reading import value_map
    from univar.analysis.pictures.map_figure import draw_map
    from univar.analysis.pictures.map_page import write_map_html

    drawn = value_map(answers, method=method.value, seed=seed)
    write = write_map_html if out_file.suffix.lower() == ".html" else draw_map
    write(drawn, out_file, color_by=color_by.value, title=title)
    described = {"qas": len(answers), "identities": len(drawn.identities), "path": str(out_file.resolve())}
    told = {**described, "unread": drawn.unread, "rejected": reader.rejected}
    unread = [drawn.unread] if drawn.unread else []
    result(told, *unread, f"The map: {out_file.resolve()}", as_json=as_json)

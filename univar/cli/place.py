"""`univar place`: the nearest known LLMs."""

from pathlib import Path
from typing import Annotated

import typer

from univar.cli.options import (
    Columns,
    Constants,
    CorpusPath,
    Json,
    Languages,
    ModelOrOwn,
    RejectsFile,
    Seed,
    Untranslated,
    corpus_reader,
    embedded,
    output_file,
    spare_corpora,
)
from univar.cli.terminal import result, show_placement, write_result

app = typer.Typer()


@app.command(epilog="Example:  univar place answers.parquet --out nearest.md")
def place(
    corpus: CorpusPath,
    model: ModelOrOwn = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="References of your own model.",
            show_default="those of univar",
        ),
    ] = None,
    seed: Seed = 0,
    untranslated: Untranslated = False,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=output_file(".md", ".json", ".html"),
            help="Also write the table: .md, .json, or .html with the picture.",
        ),
    ] = None,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Name the known LLMs that each LLM is nearest to, and say how sure that is."""
    spare_corpora([corpus], out_file, rejects)
    with corpus_reader(column, constant, lang, rejects) as reader:
        answers = embedded(reader, corpus, model, untranslated=untranslated)
    from univar.analysis.placement import place as place_answers
    from univar.analysis.reference import read_reference

    found = place_answers(answers, reference=None if reference is None else read_reference(reference), seed=seed)
    if out_file is not None:
        write_result(found, out_file, "place")
    if not as_json:
        show_placement(found)
    written = [f"Written: {out_file}"] if out_file else []
    result({**found.to_dict(), "rejected": reader.rejected}, *found.notes(), *written, as_json=as_json)

"""`univar encode`: every QA to a vector."""

from pathlib import Path
from typing import Annotated

import typer

from univar.cli.options import (
    BackendName,
    Columns,
    Constants,
    CorpusPath,
    Json,
    Languages,
    ModelName,
    RejectsFile,
    Untranslated,
    corpus_reader,
    load_named,
    output_file,
    spare_corpora,
)
from univar.cli.terminal import bar, result

app = typer.Typer()


@app.command(epilog="Example:  univar encode answers.parquet --out embeddings.parquet")
def encode(
    corpus: CorpusPath,
    out_file: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", callback=output_file(".parquet"), help="Parquet file of embeddings."),
    ],
    model: ModelName = "univar",
    backend: BackendName = None,
    batch_size: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="QAs encoded at once.")] = 32,
    untranslated: Untranslated = False,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Turn every QA into a vector; the corpus may be larger than memory.

    The file is an embedded corpus: evaluate, map and place take it in place of the answers and encode nothing again.
    """
    spare_corpora([corpus], out_file, rejects)
    from univar.model.unread import check_read, languages_read, text_languages, unread_notes

    with corpus_reader(column, constant, lang, rejects) as reader:
        langs = text_languages(reader.stream(corpus))  # after a whole reading: what is wrong shows before the long work
    encoder = load_named(model, backend)
    reads = {model: languages_read(encoder)}
    check_read(langs, reads, untranslated=untranslated)
    from univar.model.encoding import write_embeddings

    with bar(f"Encoding {corpus.name} with {model}", langs.total()) as advance:
        written = write_embeddings(
            reader.again(corpus),
            encoder,
            out_file,
            name=model,
            batch_size=batch_size,
            advance=advance,
            untranslated=untranslated,
        )
    notes = unread_notes(langs, reads)
    described = {
        "embeddings": written,
        "dimensions": encoder.get_embedding_dimension(),
        "unread": next(iter(notes), None),
        "path": str(out_file.resolve()),
    }
    sentence = f"{written:,} embeddings of {described['dimensions']} dimensions: {out_file.resolve()}"
    result({**described, "rejected": reader.rejected}, *notes, sentence, as_json=as_json)

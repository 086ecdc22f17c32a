"""`univar evaluate`: how well LLMs can be told apart."""

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
    MaxCharacters,
    RejectsFile,
    Seed,
    check_models,
    corpus_reader,
    load_named,
    opened,
    output_file,
    spare_corpora,
)
from univar.cli.terminal import err, log, result, show_identification, working, write_result

app = typer.Typer()


@app.command(epilog="Example:  univar evaluate answers.parquet --control instructions.parquet")
def evaluate(
    corpus: CorpusPath,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to compare: univar, univar-static, base (the untouched base encoder), tfidf (words alone), "
            "any SentenceTransformer folder or Hub name, or what `univar encode` wrote of these answers; repeatable.",
            show_default="univar, base, tfidf; of an embedded corpus its own vectors and tfidf",
        ),
    ] = None,
    control: Annotated[
        Path | None,
        typer.Option(metavar="CORPUS", exists=True, help="Answers of the same LLMs that elicit no values."),
    ] = None,
    k: Annotated[int, typer.Option("--k", metavar="NUMBER", min=1, help="Neighbours, at most.")] = 50,
    backend: BackendName = None,
    max_characters: MaxCharacters = 8000,
    seed: Seed = 0,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", callback=output_file(".md", ".json"), help="Also write the table: .md or .json."
        ),
    ] = None,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Tell how well LLMs can be told apart by one answer, beside chance, baselines and control answers."""
    spare_corpora([corpus, control], out_file, rejects)
    if control is not None and control.samefile(corpus):
        message = f"{control} is the corpus itself; a control corpus holds answers that elicit no values"
        raise typer.BadParameter(message, param_hint="--control")
    with corpus_reader(column, constant, lang, rejects) as reader:
        answers = opened(reader, corpus)
        controls = opened(reader, control) if control is not None else None
    check_models(*(model or ()))
    with working("Loading the libraries"):
        from univar.analysis.comparison import compare
    log("univar.analysis", quiet=not err.is_terminal)
    comparison = compare(
        answers,
        models=model,
        control=controls,
        k=k,
        max_characters=max_characters,
        seed=seed,
        load=lambda name: load_named(name, backend),
        show_progress_bar=err.is_terminal,
    )
    if out_file is not None:
        write_result(comparison, out_file)
    if not as_json:
        show_identification(comparison)
    described = {**comparison.to_dict(), "rejected": reader.rejected}
    result(described, *comparison.notes(), *([f"Written: {out_file}"] if out_file else []), as_json=as_json)

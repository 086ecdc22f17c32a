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
    output_file,
    spare_corpora,
)
from univar.cli.terminal import err, log, result, show_identification, working

app = typer.Typer()


@app.command(epilog="Example:  univar evaluate answers.parquet --control instructions.parquet")
def evaluate(
    corpus: CorpusPath,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to compare: univar, univar-static, base (the untouched base encoder), tfidf (words alone), "
            "or any SentenceTransformer folder or Hub name; repeatable.",
            show_default="univar, base, tfidf",
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
    from univar.files import replacing

    spare_corpora([corpus, control], out_file, rejects)
    if control is not None and control.samefile(corpus):
        message = f"{control} is the corpus itself; a control corpus holds answers that elicit no values"
        raise typer.BadParameter(message, param_hint="--control")
    with corpus_reader(column, constant, lang, rejects) as reader:
        records = reader.read(corpus)
        controls = reader.read(control) if control is not None else None
    names = dict.fromkeys(model or ("univar", "base", "tfidf"))
    check_models(*names)
    with working("Loading the libraries"):
        from univar.analysis.comparison import compare, representations
    log("univar.analysis", quiet=not err.is_terminal)
    encoders, trained_on = representations(
        names, load=lambda name: load_named(name, backend), show_progress_bar=err.is_terminal
    )
    same = {"k": k, "seed": seed, "max_characters": max_characters}
    comparison = compare(records, encoders, control=controls, trained_on=trained_on, **same)
    if out_file is not None:
        with replacing(out_file) as temporary:
            text = comparison.to_json() if out_file.suffix.lower() == ".json" else comparison.to_markdown()
            temporary.write_text(text, encoding="utf-8")
    if not as_json:
        show_identification(comparison)
    described = {**comparison.to_dict(), "rejected": reader.rejected}
    result(described, *comparison.notes(), *([f"Written: {out_file}"] if out_file else []), as_json=as_json)

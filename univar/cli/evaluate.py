"""`univar evaluate`: how well LLMs can be told apart, and how much of what answers stand for vectors hold."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from univar.cli.options import (
    BackendName,
    Columns,
    Constants,
    CorpusOrPoles,
    Json,
    Languages,
    MaxCharacters,
    RejectsFile,
    Seed,
    StancePart,
    Untranslated,
    check_models,
    corpus_reader,
    load_named,
    opened,
    output_file,
    spare_corpora,
)
from univar.cli.terminal import (
    CorpusReader,
    err,
    log,
    result,
    show_identification,
    show_stances,
    working,
    write_result,
)

if TYPE_CHECKING:
    from univar.analysis.comparison import Comparison
    from univar.analysis.stance_comparison import StanceComparison

app = typer.Typer()

Found = TypeVar("Found", "Comparison", "StanceComparison")


@app.command(epilog="Example:  univar evaluate answers.parquet --control instructions.parquet")
def evaluate(
    corpus: CorpusOrPoles = None,
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
    stance: Annotated[
        bool,
        typer.Option(
            "--stance",
            help="Measure instead how much of what answers stand for is held: is the nearest answer to the same "
            "question or claim on the same side, and is its side nearer than its author? CORPUS has a column stance, "
            "from -1 (against) to 1 (for), and may have one named claim.",
        ),
    ] = False,
    part: Annotated[
        StancePart | None,
        typer.Option(
            help="With --stance: of which split, by question or claim.",
            show_default="all; of the poles test: values or voices that train never meets",
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("--k", metavar="NUMBER", min=1, help="Neighbours, at most.", show_default="50"),
    ] = None,
    backend: BackendName = None,
    max_characters: MaxCharacters = 8000,
    seed: Seed = 0,
    untranslated: Untranslated = False,
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
    _check_together(corpus, stance, part, control, k, (column, constant, lang, rejects))
    spare_corpora([corpus, control], out_file, rejects)
    with corpus_reader(column, constant, lang, rejects) as reader:
        answers = None if corpus is None else opened(reader, corpus)
        controls = None if control is None else opened(reader, control)
    check_models(*(model or ()))
    options: dict[str, Any] = {
        "models": model,
        "max_characters": max_characters,
        "seed": seed,
        "load": lambda name: load_named(name, backend),
        "show_progress_bar": err.is_terminal,
        "untranslated": untranslated,
    }
    with working("Loading the libraries"):
        from univar.analysis.comparison import compare
        from univar.analysis.stance_comparison import compare_stances
    log("univar.analysis", quiet=not err.is_terminal)
    if stance:
        stances = compare_stances(answers, part=None if part is None else part.value, **options)
        _tell(stances, show_stances, reader, out_file, as_json)
    else:
        assert answers is not None
        compared = compare(answers, control=controls, k=k or 50, **options)
        _tell(compared, show_identification, reader, out_file, as_json)


def _check_together(
    corpus: Path | None,
    stance: bool,
    part: StancePart | None,
    control: Path | None,
    k: int | None,
    reading: Sequence[object],
) -> None:
    """Refuses options that say nothing beside each other."""
    if stance:
        for option, given in (("--control", control), ("--k", k)):
            if given is not None:
                raise typer.BadParameter(
                    "tells LLMs apart and says nothing of stances; leave it out", param_hint=option
                )
        if corpus is None and any(reading):
            message = "name the answers: the poles that ship are measured as they are, without options of reading"
            raise typer.BadParameter(message, param_hint="CORPUS")
        return
    if part is not None:
        raise typer.BadParameter("belongs to --stance; add it, or leave this out", param_hint="--part")
    if corpus is None:
        message = "name the answers; only --stance has some of its own, the poles that ship"
        raise typer.BadParameter(message, param_hint="CORPUS")
    if control is not None and control.samefile(corpus):
        message = f"{control} is the corpus itself; a control corpus holds answers that elicit no values"
        raise typer.BadParameter(message, param_hint="--control")


def _tell(
    found: Found, show: Callable[[Found], None], reader: CorpusReader, out_file: Path | None, as_json: bool
) -> None:
    """Writes and shows what was found."""
    if out_file is not None:
        write_result(found, out_file)
    if not as_json:
        show(found)
    described = {**found.to_dict(), "rejected": reader.rejected}
    result(described, *found.notes(), *([f"Written: {out_file}"] if out_file else []), as_json=as_json)

"""`univar style`: how much of what sets LLMs apart is style."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

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
    check_models,
    corpus_reader,
    load_named,
    opened,
    output_file,
    spare_corpora,
)
from univar.cli.terminal import out, printable, result, working, write_result

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from univar.analysis.style.results import StyleVerdict

app = typer.Typer()


@app.command(epilog="Example:  univar style answers.parquet --control instructions.parquet")
def style(
    corpus: CorpusPath,
    control: Annotated[
        Path | None,
        typer.Option(
            metavar="CORPUS",
            exists=True,
            help="Answers of the same LLMs that elicit no values, as `--questions controls` of `univar elicit` asks. "
            "Without them nothing is called values.",
        ),
    ] = None,
    model: ModelOrOwn = None,
    untranslated: Untranslated = False,
    seed: Seed = 0,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=output_file(".html", ".md", ".json"),
            help="Also write all of it as .md or .json, or the picture as .html.",
        ),
    ] = None,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Tell how much of what sets LLMs apart is style, and how much may be values.

    The same answers are read restyled, cut to equal length, and without refusals; beside them control answers, and
    style by itself. What is changed is encoded anew, also of an embedded corpus.
    """
    spare_corpora([corpus, control], out_file, rejects)
    if control is not None and control.samefile(corpus):
        message = f"{control} is the corpus itself; a control corpus holds answers that elicit no values"
        raise typer.BadParameter(message, param_hint="--control")
    with corpus_reader(column, constant, lang, rejects) as reader:
        answers = opened(reader, corpus)
        controls = None if control is None else opened(reader, control)
    from univar.analysis.style.reading import style as measure

    encoder, name = _model(model, [one for one in (answers, controls) if one is not None])
    with working("Encoding the answers as they are, restyled and cut"):
        found = measure(answers, controls, model=encoder, name=name, seed=seed, untranslated=untranslated)
    written = [f"Written: {out_file}"] if out_file else []
    if out_file is not None:
        _write(found, out_file)
    if not as_json:
        result({}, str(found), as_json=False)
        _show(found)
    result({**found.to_dict(), "rejected": reader.rejected}, *found.notes(), *written, as_json=as_json)


def _model(model: str | None, corpora: list[object]) -> "tuple[SentenceTransformer | None, str | None]":
    """The model of `--model`, or by default `univar`; of embedded corpora their own, which the reading finds."""
    from univar.model.embedded import EmbeddedCorpus

    own = next((one.provenance.model for one in corpora if isinstance(one, EmbeddedCorpus)), None)
    if model is not None or own is None:
        name = model or "univar"
        return load_named(name), name
    with suppress(typer.BadParameter):  # rows say why they are empty
        check_models(own)
    return None, None


def _write(found: "StyleVerdict", file: Path) -> None:
    if file.suffix.lower() != ".html":
        write_result(found, file)
        return
    from univar.files import replacing

    with replacing(file) as temporary:
        found.plot().write_html(str(temporary), include_plotlyjs=True)


def _show(found: "StyleVerdict") -> None:
    """A row a version, narrow enough for a terminal of 80 columns."""
    from univar.analysis.style.results import named_share, percent_left

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("answers", overflow="fold")
    for column in ("k-NN, %", "linear, %", "distance left, %", "n"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in found.rows:
        left = percent_left(row.left, row.left_interval)
        cells = row.kind, named_share(row.knn), named_share(row.linear), left, f"{row.n:,}"
        # Text, not str: nothing in it is markup.
        table.add_row(*(Text(printable(cell)) for cell in cells))
    out.print(table)

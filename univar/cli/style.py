"""`univar style`: how much of what sets LLMs apart is style."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from univar.cli.options import (
    Columns,
    Constants,
    CorpusPath,
    Json,
    Languages,
    ModelOrOwn,
    ReadingFile,
    RejectsFile,
    Seed,
    Untranslated,
    check_models,
    corpus_reader,
    load_named,
    opened,
    spare_corpora,
)
from univar.cli.terminal import add_row, out, table, tell, working

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
    out_file: ReadingFile = None,
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
    tell(found, lambda: _show(found), out_file, reader.rejected, as_json=as_json, kind="style")


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


def _show(found: "StyleVerdict") -> None:
    """A row a version, narrow enough for a terminal of 80 columns."""
    from univar.analysis.style.results import named_share, percent_left

    shown = table("answers", "k-NN, %", "linear, %", "distance left, %", "n")
    for row in found.rows:
        left = percent_left(row.left, row.left_interval)
        add_row(shown, row.kind, named_share(row.knn), named_share(row.linear), left, f"{row.n:,}")
    out.print(shown)

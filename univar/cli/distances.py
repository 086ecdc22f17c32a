"""`univar distances`: how far LLMs or languages lie apart, and whether that is values."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

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
    check_plan,
    corpus_reader,
    embedded,
    spare_corpora,
)
from univar.cli.terminal import add_row, out, table, tell, working

if TYPE_CHECKING:
    from univar.analysis.distances.plan import DistancesPlan
    from univar.analysis.distances.results import Distances

app = typer.Typer()

_SHOWN_PAIRS = 20
_SHOWN_VALUES = 8
_NAME = 13  # of a terminal of 80 columns


class Between(StrEnum):
    """What distances are between."""

    identities = "identities"
    languages = "languages"
    models = "models"


@app.command(epilog="Example:  univar distances answers.parquet --control instructions.parquet")
def distances(
    corpus: CorpusPath,
    control: Annotated[
        Path | None,
        typer.Option(
            metavar="CORPUS",
            exists=True,
            help="Answers of the same LLMs that elicit no values. Without them a distance may be all style.",
        ),
    ] = None,
    between: Annotated[
        Between,
        typer.Option(
            help="identities: each LLM in each language; languages: each LLM with itself in another language; models: "
            "LLMs within each language."
        ),
    ] = Between.identities,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Say instead how many questions and samples would tell a pair apart, and how well."
        ),
    ] = False,
    model: ModelOrOwn = None,
    seed: Seed = 0,
    untranslated: Untranslated = False,
    out_file: ReadingFile = None,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Tell how far LLMs, or their languages, lie apart, how sure that is, and whether it is values.

    Distances are over shared questions and not lengthened by chance: about 0 where nothing differs.
    """
    spare_corpora([corpus, control], out_file, rejects)
    if control is not None and control.samefile(corpus):
        message = f"{control} is the corpus itself; a control corpus holds answers that elicit no values"
        raise typer.BadParameter(message, param_hint="--control")
    check_plan(plan, out_file)
    if plan and control is not None:
        raise typer.BadParameter("is of distances, and --plan makes none; leave it out", param_hint="--control")
    with corpus_reader(column, constant, lang, rejects) as reader:
        answers = embedded(reader, corpus, model, untranslated=untranslated)
        controls = None if control is None else embedded(reader, control, model, untranslated=untranslated)
    from univar.analysis.distances.plan import plan_distances
    from univar.analysis.distances.reading import distances as measure

    if plan:
        with working("Comparing"):
            planned = plan_distances(answers, between=between.value, seed=seed)
        tell(planned, lambda: _show_plan(planned), out_file, reader.rejected, as_json=as_json)
        return
    with working("Comparing"):
        found = measure(answers, controls, between=between.value, seed=seed)
    tell(found, lambda: _show(found), out_file, reader.rejected, as_json=as_json, kind="distances")


def _show(found: "Distances") -> None:
    """Pairs, nearest neighbours and values, narrow enough for a terminal of 80 columns."""
    from univar.analysis.names import shortened
    from univar.analysis.results import p_cell, percent, with_interval

    short = {name: shortened(drawn, _NAME) for name, drawn in zip(found.names, found.short, strict=True)}
    rows = sorted(found.rows, key=lambda row: (math.isnan(row.squared), -row.squared))
    pairs = table("between", "and", "finding", "squared, 95 %", words=3)
    for row in rows[:_SHOWN_PAIRS]:
        finding = f"- {row.reason}" if row.finding == "-" else row.finding
        add_row(pairs, short[row.first], short[row.second], finding, with_interval(row.squared, row.interval))
    out.print(pairs)
    if len(rows) > _SHOWN_PAIRS:
        more = f"The {_SHOWN_PAIRS} largest of {len(rows):,} distances; --out FILE.md writes all."
        out.print(Text(more), soft_wrap=True)
    if found.nearest:
        nearest = table("of", "nearest", "squared, 95 %", "came first", words=2)
        for one in found.nearest:
            ends, first = with_interval(one.squared, one.interval), f"{percent(one.first)} %"
            add_row(nearest, short[one.name], short[one.nearest], ends, first)
        out.print(nearest)
    if found.values:
        title = f"value (largest of {len(found.values):,})" if len(found.values) > _SHOWN_VALUES else "value"
        values = table(title, "squared, 95 %", "p (Holm)", "questions")
        for value in found.values[:_SHOWN_VALUES]:
            ends = with_interval(value.squared, value.interval)
            add_row(values, value.value, ends, p_cell(value.adjusted), f"{value.questions:,}")
        out.print(values)


def _show_plan(planned: "DistancesPlan") -> None:
    from univar.analysis.distances.plan import HEADER, cells

    shown = table(*HEADER, words=0)
    for row in planned.rows:
        add_row(shown, *cells(row))
    out.print(shown)

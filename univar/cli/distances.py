"""`univar distances`: how far LLMs or languages lie apart, and whether that is values."""

import math
from enum import StrEnum
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
    corpus_reader,
    embedded,
    output_file,
    spare_corpora,
)
from univar.cli.terminal import out, printable, result, working, write_result

if TYPE_CHECKING:
    from univar.analysis.distances.plan import DistancePlan
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
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=output_file(".html", ".md", ".json"),
            help="Also write .html (heat map and dendrogram), .md or .json (all of it).",
        ),
    ] = None,
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
    if plan and out_file is not None and out_file.suffix.lower() == ".html":
        raise typer.BadParameter("a plan is written as .md or .json", param_hint="--out")
    with corpus_reader(column, constant, lang, rejects) as reader:
        answers = embedded(reader, corpus, model)
        controls = None if control is None else embedded(reader, control, model)
    from univar.analysis.distances.reading import distances as measure

    with working("Comparing"):
        found = measure(answers, controls, between=between.value, seed=seed)
    written = [f"Written: {out_file}"] if out_file else []
    if plan:
        planned = found.plan()
        if out_file is not None:
            write_result(planned, out_file)
        if not as_json:
            _show_plan(planned)
        result({**planned.to_dict(), "rejected": reader.rejected}, *planned.notes(), *written, as_json=as_json)
        return
    if out_file is not None:
        write_result(found, out_file, "distances")
    if not as_json:
        result({}, str(found), as_json=False)
        _show(found)
    result({**found.to_dict(), "rejected": reader.rejected}, *found.notes(), *written, as_json=as_json)


def _show(found: "Distances") -> None:
    """Pairs, nearest neighbours and values, narrow enough for a terminal of 80 columns."""
    from univar.analysis.distances.results import share, with_interval
    from univar.analysis.names import shortened
    from univar.analysis.results import percent

    short = {name: shortened(drawn, _NAME) for name, drawn in zip(found.names, found.short, strict=True)}
    rows = sorted(found.rows, key=lambda row: (math.isnan(row.squared), -row.squared))
    table = _table(("between", True), ("and", True), ("squared, 95 %", False), ("finding", True))
    for row in rows[:_SHOWN_PAIRS]:
        finding = f"- {row.reason}" if row.finding == "-" else row.finding
        _add(table, short[row.first], short[row.second], with_interval(row.squared, row.interval), finding)
    out.print(table)
    if len(rows) > _SHOWN_PAIRS:
        more = f"The {_SHOWN_PAIRS} largest of {len(rows):,} distances; --out FILE.md writes all."
        out.print(Text(more), soft_wrap=True)
    if found.nearest:
        table = _table(("of", True), ("nearest", True), ("squared, 95 %", False), ("came first", False))
        for one in found.nearest:
            ends, first = with_interval(one.squared, one.interval), f"{percent(one.first)} %"
            _add(table, short[one.name], short[one.nearest], ends, first)
        out.print(table)
    if found.values:
        title = f"value (largest of {len(found.values):,})" if len(found.values) > _SHOWN_VALUES else "value"
        table = _table((title, True), ("squared, 95 %", False), ("p (Holm)", False), ("questions", False))
        for value in found.values[:_SHOWN_VALUES]:
            ends = with_interval(value.squared, value.interval)
            _add(table, value.value, ends, share(value.adjusted), f"{value.questions:,}")
        out.print(table)


def _show_plan(planned: "DistancePlan") -> None:
    from univar.analysis.distances.plan import HEADER, cells

    table = _table(*((name, False) for name in HEADER))
    for row in planned.rows:
        _add(table, *cells(row))
    out.print(table)


def _table(*columns: tuple[str, bool]) -> Table:
    """A table with columns of words, which may be folded, and of numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, words in columns:
        if words:
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    return table


def _add(table: Table, *cells: str) -> None:
    # Text, not str: a name may look like markup.
    table.add_row(*(Text(printable(cell)) for cell in cells))

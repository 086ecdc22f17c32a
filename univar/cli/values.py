"""`univar values`: what each LLM stands for, and how many questions that takes."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from univar.cli.options import (
    BackendName,
    Columns,
    Constants,
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
    poles_of,
    spare_corpora,
)
from univar.cli.terminal import add_row, out, printable, table, tell

if TYPE_CHECKING:
    from rich.table import Table

    from univar.analysis.values.plan import ValuesPlan
    from univar.analysis.values.profile import Reading
    from univar.analysis.values.results import ValueProfiles

app = typer.Typer()

_SHOWN = 10


class ValueLevel(StrEnum):
    """What is read."""

    value = "value"
    family = "family"
    schwartz = "schwartz"


@app.command(epilog="Example:  univar values answers.parquet --by schwartz --out profile.html")
def values(
    corpus: Annotated[
        Path | None,
        typer.Argument(
            metavar="CORPUS",
            exists=True,
            help="Answers to questions of the bank, or with a column value: a csv, tsv, jsonl, json or parquet file, a "
            "folder of them, or what `univar encode` wrote. With --plan it may be left out.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[ValueLevel, typer.Option(help="Read values, their families, or Schwartz's ten.")] = ValueLevel.value,
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Read this value alone, and show the answers that say it most; repeatable."),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show all readings, not the strongest ten on either side.")
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Tell instead how many questions and samples a reading takes: learned from CORPUS, or without it from "
            "the written poles, before anything is asked.",
        ),
    ] = False,
    model: ModelOrOwn = None,
    backend: BackendName = None,
    seed: Seed = 0,
    untranslated: Untranslated = False,
    out_file: ReadingFile = None,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Tell what each LLM stands for: its stance on every value, with an interval, or which cannot be read.

    An answer is read by where it lies between two written poles of its question: 1 is where people are read who hold
    the value dear, -1 people who do not.
    """
    _check_together(corpus, value, by, plan, out_file)
    from univar.analysis.values.reading import ValuesError, check_asked, check_values
    from univar.analysis.values.reading import values as read_values

    if value:
        try:
            check_values(value)
        except ValuesError as error:
            raise typer.BadParameter(str(error), param_hint="--value") from None
    spare_corpora([corpus], out_file, rejects)
    answers = None
    with corpus_reader(column, constant, lang, rejects) as reader:
        if corpus is not None:
            answers = embedded(reader, corpus, model, backend, check=check_asked, untranslated=untranslated)
    poles = poles_of(answers, model, backend)
    if plan:
        from univar.analysis.values.plan import plan_values

        planned = plan_values(answers, poles=poles, seed=seed)
        tell(planned, lambda: _show_plan(planned), out_file, reader.rejected, as_json=as_json)
        return
    assert answers is not None
    found = read_values(answers, by=by.value, only=value, poles=poles, seed=seed)
    telling = bool(value)
    tell(found, lambda: _show(found, show_all, telling), out_file, reader.rejected, as_json=as_json, kind="values")


def _check_together(
    corpus: Path | None, value: list[str] | None, by: ValueLevel, plan: bool, out_file: Path | None
) -> None:
    """Refuses options that say nothing beside each other."""
    if corpus is None and not plan:
        message = "name the answers; only --plan has something to say without them"
        raise typer.BadParameter(message, param_hint="CORPUS")
    if plan and (value or by != ValueLevel.value):
        option = "--value" if value else "--by"
        raise typer.BadParameter("is of readings, and --plan makes none; leave it out", param_hint=option)
    check_plan(plan, out_file)
    if value and by != ValueLevel.value:
        raise typer.BadParameter("names values; leave --by out", param_hint="--value")


def _show(found: "ValueProfiles", show_all: bool, telling: bool) -> None:
    for profile in found.profiles:
        readings = profile.readable(found.by)
        unread = [one for one in profile.readings[found.by] if one.stance is None]
        n, questions = profile.read[found.by]
        title = f"{profile.identity}: n = {n:,} answers to {questions:,} questions"
        if len(found.profiles) > 1:
            out.print(Text(printable(title), style="bold"), soft_wrap=True)
        if readings:
            out.print(_table(readings, show_all))
        if telling:
            for one in readings:
                _show_telling(one)
        if unread and not show_all:
            out.print(f"Not readable: {len(unread):,} (--all names them)", highlight=False, markup=False)
        elif unread:
            for sentence in found.not_readable(profile):
                out.print(printable(sentence), highlight=False, markup=False, soft_wrap=True)


def _table(readings: "list[Reading]", show_all: bool) -> "Table":
    """Narrow enough for a phone; a star marks what differs from none by Holm's rule."""
    shown = table("stance on", "", "95 %", "*")
    shown.columns[0].max_width = 30
    towards = [one for one in readings if (one.stance or 0.0) > 0]
    against = [one for one in readings if (one.stance or 0.0) <= 0]
    if not show_all:
        towards, against = towards[:_SHOWN], against[-_SHOWN:]
    between = len(readings) - len(towards) - len(against)
    for side in (towards, against):
        for one in side:
            assert one.interval is not None
            ends = f"{one.interval.low:+.2f} {one.interval.high:+.2f}"
            add_row(shown, one.title, f"{one.stance:+.2f}", ends, "*" if one.differs else "")
        if side is towards and between:
            add_row(shown, f"{between:,} between (--all)", "", "", "", style="dim")
    return shown


def _show_telling(one: "Reading") -> None:
    for said in one.telling:
        text = f"{said.stance:+.2f}  {said.question}  -  {said.answer}"
        out.print(Text(printable(text)), soft_wrap=True)


def _show_plan(planned: "ValuesPlan") -> None:
    from univar.analysis.values.plan import HEADER, cells

    shown = table(*HEADER, words=0)
    for row in planned.rows:
        add_row(shown, *cells(row))
    out.print(shown)

"""`univar shift`: how the answers of one LLM moved."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    corpus_names,
    corpus_reader,
    load_named,
    opened,
    output_file,
    spare_corpora,
)
from univar.cli.terminal import CorpusReader, bar, out, printable, result, working, write_result

if TYPE_CHECKING:
    from univar.analysis.shift.plan import ShiftPlan
    from univar.analysis.shift.results import Shifted, Shifts
    from univar.model.embedded import EmbeddedCorpus

app = typer.Typer()

_SHOWN_PAIRS = 3
_SHOWN_CHARACTERS = 200


@app.command(epilog="Example:  univar shift base.parquet step100.parquet step200.parquet --out shift.html")
def shift(
    before: CorpusPath,
    after: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="AFTER...",
            exists=True,
            help="Answers of the same LLM to the same questions after the change; several, as of checkpoints, are "
            "compared with BEFORE one by one.",
            show_default=False,
        ),
    ] = None,
    control_before: Annotated[
        Path | None,
        typer.Option(
            metavar="CORPUS",
            exists=True,
            help="Its answers to questions that elicit no values, as `--questions controls` of `univar elicit` asks: "
            "what these move by as well is style. They may lie in BEFORE and AFTER too.",
        ),
    ] = None,
    control_after: Annotated[
        list[Path] | None,
        typer.Option(metavar="CORPUS", exists=True, help="The same after; of several AFTER repeated, in their order."),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Say instead how many questions, asked how often, show which shift; AFTER may be left out.",
        ),
    ] = False,
    model: ModelOrOwn = None,
    seed: Seed = 0,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=output_file(".md", ".json", ".html"),
            help="Also write all of it as .md or .json, or the picture as .html.",
        ),
    ] = None,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Tell how far the answers of one LLM moved, which values moved, and whether it is more than style.

    BEFORE and AFTER are of one LLM: two checkpoints, versions, system prompts, or languages.
    """
    afters, controls = after or [], control_after or []
    _check_together(afters, control_before, controls, plan, out_file)
    given = [before, *afters, *([control_before] if control_before else []), *controls]
    spare_corpora(given, out_file, rejects)
    with corpus_reader(column, constant, lang, rejects) as reader:
        corpora = _embedded(reader, given, model)
    first, rest = corpora[0], corpora[1:]
    written = [f"Written: {out_file}"] if out_file else []
    if plan:
        from univar.analysis.shift.plan import plan_between

        planned = plan_between(first, rest[0] if rest else None, seed=seed)
        if out_file is not None:
            write_result(planned, out_file)
        if not as_json:
            _show_plan(planned)
        result({**planned.to_dict(), "rejected": reader.rejected}, *planned.notes(), *written, as_json=as_json)
        return
    from dataclasses import replace

    from univar.analysis.shift.reading import shift as shift_of

    names = corpus_names([before, *afters])
    later = dict(zip(names[1:], rest, strict=False))
    beside: dict[str, Any] = {}
    if control_before is not None:
        control, *others = rest[len(later) :]
        beside = {"control_before": control, "control_after": dict(zip(later, others, strict=True))}
    with working("Reading values between their written poles"):
        found = replace(shift_of(first, later, **beside, model=model, seed=seed), before=names[0])
    if out_file is not None:
        write_result(found, out_file, "shift")
    if not as_json:
        _show(found)
    result({**found.to_dict(), "rejected": reader.rejected}, *found.notes(), *written, as_json=as_json)


def _check_together(
    afters: Sequence[Path], control_before: Path | None, controls: Sequence[Path], plan: bool, out_file: Path | None
) -> None:
    """Refuses arguments that say nothing together."""
    if not afters and not plan:
        raise typer.BadParameter("name answers after the change; only --plan needs none", param_hint="AFTER")
    if plan:
        if len(afters) > 1 or control_before is not None or controls:
            raise typer.BadParameter("takes BEFORE and at most one AFTER, and no controls", param_hint="--plan")
        if out_file is not None and out_file.suffix.lower() == ".html":
            raise typer.BadParameter("of a plan .md or .json is written", param_hint="--out")
        return
    if (control_before is None) != (not controls) or (controls and len(controls) != len(afters)):
        raise typer.BadParameter(
            f"needs --control-before and one --control-after for each of the {len(afters)} AFTER, in their order",
            param_hint="--control-after",
        )


def _embedded(reader: CorpusReader, paths: Sequence[Path], model: str | None) -> "list[EmbeddedCorpus]":
    """All corpora with their vectors, by one model that is loaded once; all are read before any is encoded."""
    from univar.model.embedded import EmbeddedCorpus, embed

    read = [opened(reader, path) for path in paths]
    raw = [one for one in read if not isinstance(one, EmbeddedCorpus)]
    if model is None and not raw:
        return [one for one in read if isinstance(one, EmbeddedCorpus)]
    name = model or "univar"
    encoder = load_named(name)
    with bar(f"Encoding with {name}", sum(map(len, raw))) as advance:
        return [
            one
            if model is None and isinstance(one, EmbeddedCorpus)
            else embed(one, encoder, name=name, advance=advance)
            for one in read
        ]


def _show(found: "Shifts") -> None:
    """The sentence, a table of shifts, of values that moved, and the answers that moved most, side by side."""
    out.print(printable(str(found)), highlight=False, markup=False, soft_wrap=True)
    table = _table("shift", "size", "p", "controls", "would show")
    for one in found.shifts:
        control = "-" if one.control is None else f"{one.control.size:.2f}"
        sized, p = _with_ends(one.movement.size, *one.movement.interval), f"{one.adjusted:.2g}"
        table.add_row(*map(Text, (printable(one.name), sized, p, control, f"{one.movement.smallest:.2g}")))
    out.print(table)
    for one in found.shifts:
        _show_values(one)
    if len(found.shifts) == 1:
        _show_pairs(found.shifts[0])


def _show_values(one: "Shifted") -> None:
    from univar.analysis.shift.results import shown_values

    if not one.values:
        return
    table = _table(f"value, {one.name}", "change of stance", "p (Holm)", "questions")
    for value in shown_values(one, 5):
        changed = _with_ends(value.change, *value.interval, "+")
        cells = (printable(value.value), changed, f"{value.adjusted:.2g}", f"{value.questions:,}")
        table.add_row(*map(Text, cells), style="bold" if value in one.moved else "")
    out.print(table)


def _show_pairs(one: "Shifted") -> None:
    if not one.pairs:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    for column in ("moved most", "before", "after"):
        table.add_column(column, overflow="fold", ratio=1)
    for pair in one.pairs[:_SHOWN_PAIRS]:
        table.add_row(*(Text(_cut(text)) for text in (pair.question, pair.before, pair.after)))
    out.print(table)


def _show_plan(plan: "ShiftPlan") -> None:
    from univar.analysis.shift.plan import row_cells

    out.print(printable(str(plan)), highlight=False, markup=False, soft_wrap=True)
    table = _table("questions", "answers to each", "QAs in all", "smallest shift", "95 % interval")
    for row in plan.rows:
        table.add_row(*row_cells(row))
    out.print(table)


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(Text(printable(first)), overflow="fold")
    for column in others:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _with_ends(estimate: float, low: float, high: float, sign: str = "") -> str:
    return f"{estimate:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def _cut(text: str) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS].rstrip()} …"

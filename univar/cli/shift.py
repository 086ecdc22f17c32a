"""`univar shift`: how the answers of one LLM moved."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    check_plan,
    corpus_names,
    corpus_reader,
    load_named,
    opened,
    pole_bar,
    spare_corpora,
)
from univar.cli.terminal import CorpusReader, add_row, bar, out, printable, table, tell

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

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
    untranslated: Untranslated = False,
    out_file: ReadingFile = None,
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
        corpora, encoder = _embedded(reader, given, model, untranslated)
    first, rest = corpora[0], corpora[1:]
    if plan:
        from univar.analysis.shift.plan import plan_shift

        planned = plan_shift(first, *rest, seed=seed)
        tell(planned, lambda: _show_plan(planned), out_file, reader.rejected, as_json=as_json)
        return
    from dataclasses import replace

    from univar.analysis.shift.reading import shift as shift_of

    names = corpus_names([before, *afters])
    later = dict(zip(names[1:], rest, strict=False))
    beside: dict[str, Any] = {}
    if control_before is not None:
        control, *others = rest[len(later) :]
        beside = {"control_before": control, "control_after": dict(zip(later, others, strict=True))}
    with pole_bar(first.provenance) as advance:
        moved = shift_of(first, later, **beside, model=encoder, seed=seed, advance=advance)
    found = replace(moved, before=names[0])
    tell(found, lambda: _show(found), out_file, reader.rejected, as_json=as_json, kind="shift")


def _check_together(
    afters: Sequence[Path], control_before: Path | None, controls: Sequence[Path], plan: bool, out_file: Path | None
) -> None:
    """Refuses arguments that say nothing together."""
    if not afters and not plan:
        raise typer.BadParameter("name answers after the change; only --plan needs none", param_hint="AFTER")
    if plan:
        if len(afters) > 1 or control_before is not None or controls:
            raise typer.BadParameter("takes BEFORE and at most one AFTER, and no controls", param_hint="--plan")
        check_plan(plan, out_file)
        return
    if (control_before is None) != (not controls) or (controls and len(controls) != len(afters)):
        raise typer.BadParameter(
            f"needs --control-before and one --control-after for each of the {len(afters)} AFTER, in their order",
            param_hint="--control-after",
        )


def _embedded(
    reader: CorpusReader, paths: Sequence[Path], model: str | None, untranslated: bool
) -> "tuple[list[EmbeddedCorpus], SentenceTransformer | None]":
    """All corpora with their vectors, by one model, and the model if it was loaded; all are read first."""
    from univar.model.embedded import EmbeddedCorpus, embed

    read = [opened(reader, path) for path in paths]
    raw = [one for one in read if not isinstance(one, EmbeddedCorpus)]
    if model is None and not raw:
        return [one for one in read if isinstance(one, EmbeddedCorpus)], None
    name = model or "univar"
    encoder = load_named(name)
    with bar(f"Encoding with {name}", sum(map(len, raw))) as advance:
        vectors = [
            one
            if model is None and isinstance(one, EmbeddedCorpus)
            else embed(one, encoder, name=name, advance=advance, untranslated=untranslated)
            for one in read
        ]
    return vectors, encoder


def _show(found: "Shifts") -> None:
    """A table of shifts, of values that moved, and the answers that moved most, side by side."""
    from univar.analysis.results import figure, p_cell, with_interval

    shifts = table("shift", "size", "p", "controls", "would show")
    for one in found.shifts:
        control = "-" if one.control is None else figure(one.control.size, ".2f")
        sized = with_interval(one.movement.size, one.movement.interval, ".2f")
        add_row(shifts, one.name, sized, p_cell(one.adjusted), control, figure(one.movement.smallest, ".2g"))
    out.print(shifts)
    for one in found.shifts:
        _show_values(one)
    if len(found.shifts) == 1:
        _show_pairs(found.shifts[0])


def _show_values(one: "Shifted") -> None:
    from univar.analysis.results import p_cell, with_interval
    from univar.analysis.shift.results import shown_values

    if not one.values:
        return
    values = table(f"value, {one.name}", "change of stance", "beyond others", "p (Holm)", "questions")
    for value in shown_values(one, 5):
        changed = with_interval(value.change, value.interval, "+.2f")
        cells = (value.value, changed, f"{value.beyond:+.2f}", p_cell(value.adjusted), f"{value.questions:,}")
        add_row(values, *cells, style="bold" if value.moved else "")
    out.print(values)


def _show_pairs(one: "Shifted") -> None:
    if not one.pairs:
        return
    pairs = table("moved most", "before", "after", words=3)
    pairs.show_lines = True
    for column in pairs.columns:
        column.ratio = 1
    for pair in one.pairs[:_SHOWN_PAIRS]:
        add_row(pairs, *map(_cut, (pair.question, pair.before, pair.after)))
    out.print(pairs)


def _show_plan(plan: "ShiftPlan") -> None:
    from univar.analysis.shift.plan import HEADER, cells

    shown = table(*HEADER, words=0)
    for row in plan.rows:
        add_row(shown, *cells(row))
    out.print(shown)


def _cut(text: str) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS].rstrip()} …"

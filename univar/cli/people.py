"""`univar people`: languages against the societies that speak them."""

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
    spare_inputs,
)
from univar.cli.terminal import out, printable, result, working, write_result

if TYPE_CHECKING:
    from univar.analysis.people.results import PeopleComparison

app = typer.Typer()


class Correlation(StrEnum):
    """What is correlated of two sets of distances."""

    spearman = "spearman"
    pearson = "pearson"


@app.command(epilog="Example:  univar people answers.parquet --out people.html")
def people(
    corpus: CorpusPath,
    model: ModelOrOwn = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--people",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Your own scores, a csv: a column society (as FRA) or lang (as fra), all others numbers.",
            show_default="Hofstede, Inglehart-Welzel and Schwartz",
        ),
    ] = None,
    coefficient: Annotated[
        Correlation, typer.Option(help="spearman compares the ranks of distances, pearson the distances.")
    ] = Correlation.spearman,
    seed: Seed = 0,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=output_file(".html", ".md", ".json"),
            help="Also write .html (the figure), .md or .json (all of it).",
        ),
    ] = None,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Tell whether languages lie apart in the answers as the societies that speak them do.

    Languages, four or more, are compared within each LLM over the questions that both were asked; societies by
    Hofstede's dimensions, the Inglehart-Welzel map and Schwartz's orientations. Translate the answers first, as with
    `univar corpus translate`: their own words give every language away.
    """
    spare_corpora([corpus], out_file, rejects)
    spare_inputs([scores], out_file, rejects)
    if scores is not None:
        from univar.analysis.people.societies import read_scores

        read_scores(scores)  # before the long work
    with corpus_reader(column, constant, lang, rejects) as reader:
        answers = embedded(reader, corpus, model)
    from univar.analysis.people.reading import people as compare_people

    with working("Permuting the languages"):
        found = compare_people(answers, scores=scores, coefficient=coefficient.value, seed=seed)
    if out_file is not None:
        write_result(found, out_file, "people")
    written = [f"Written: {out_file}"] if out_file else []
    if not as_json:
        result({}, str(found), as_json=False)
        _show(found)
    result({**found.to_dict(), "rejected": reader.rejected}, *found.notes(), *written, as_json=as_json)


def _show(found: "PeopleComparison") -> None:
    """All research, then its dimensions: a row a relation, narrow enough for a terminal of 80 columns."""
    whole = _table("n", "r (95 %)", "Holm", "held", "p", "fit", "p")
    for one in (*found.relations, *found.near):
        name, languages, r, _, corrected, held, held_p, fit, fit_p = map(printable, found.cells(one))
        whole.add_row(*map(Text, (name, languages, r, corrected, held.partition(" ")[0], held_p, fit, fit_p)))
    out.print(whole)
    out.print(Text("held: r with the map and kinship held fixed; fit: r of Procrustes", style="dim"), soft_wrap=True)
    if found.dimensions:
        each = _table("r (95 %)", "p", "Holm")
        for one in found.dimensions:
            name, _, r, p, corrected, *_ = map(printable, found.cells(one))
            each.add_row(*map(Text, (name, r, p, corrected)))
        out.print(each)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("apart as in", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table

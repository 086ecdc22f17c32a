"""`univar people`: languages against the societies that speak them."""

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
    corpus_reader,
    embedded,
    spare_corpora,
    spare_inputs,
)
from univar.cli.terminal import add_row, out, table, tell, working

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
    untranslated: Untranslated = False,
    out_file: ReadingFile = None,
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
        answers = embedded(reader, corpus, model, untranslated=untranslated)
    from univar.analysis.people.reading import people as compare_people

    with working("Permuting the languages"):
        found = compare_people(answers, scores=scores, coefficient=coefficient.value, seed=seed)
    tell(found, lambda: _show(found), out_file, reader.rejected, as_json=as_json, kind="people")


def _show(found: "PeopleComparison") -> None:
    """All research, then its dimensions: a row a relation, narrow enough for a terminal of 80 columns."""
    whole = table("apart as in", "n", "r (95 %)", "Holm", "held", "p", "fit", "p", narrow=True)
    for one in (*found.relations, *found.near):
        name, languages, r, _, corrected, held, held_p, fit, fit_p = found.cells(one)
        add_row(whole, name, languages, r, corrected, held.partition(" ")[0], held_p, fit, fit_p)
    out.print(whole)
    out.print(Text("held: r with the map and kinship held fixed; fit: r of Procrustes", style="dim"), soft_wrap=True)
    if found.dimensions:
        each = table("apart as in", "r (95 %)", "p", "Holm", narrow=True)
        for one in found.dimensions:
            name, _, r, p, corrected, *_ = found.cells(one)
            add_row(each, name, r, p, corrected)
        out.print(each)

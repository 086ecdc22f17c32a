"""`univar info`: what is installed, or what a corpus holds."""

from pathlib import Path
from typing import Annotated

import typer

from univar.cli.options import Columns, Constants, Json, Languages, RejectsFile, corpus_reader, spare_corpora
from univar.cli.terminal import described_lines, result, tell_of_cut_off, working

app = typer.Typer()


@app.command(epilog="Example:  univar info answers.csv")
def info(
    corpus: Annotated[
        Path | None, typer.Argument(metavar="CORPUS", exists=True, help="Describe these answers instead.")
    ] = None,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Say what is installed and where the weights come from, or what a corpus holds."""
    if corpus is None:
        with working("Checking the weights"):
            from univar.model.weights import describe

            described = describe()
    else:
        from univar.corpus.asking.answers import cut_off_answers
        from univar.corpus.readers import describe_corpus

        spare_corpora([corpus], rejects)
        with corpus_reader(column, constant, lang, rejects) as reader:
            described = {**describe_corpus(reader.stream(corpus)), "rejected": reader.rejected}
        cut_off = cut_off_answers(corpus)
        described["cut off"] = {name: found.cut_off for name, found in cut_off.items() if found.cut_off}
        for name, found in cut_off.items():
            tell_of_cut_off(name, *found)
    result(described, *described_lines(described), as_json=as_json)

"""`univar report`: the page of findings that lie in a folder."""

from pathlib import Path
from typing import Annotated

import typer

from univar.cli.options import Json, output_file
from univar.cli.terminal import result

app = typer.Typer()


@app.command(epilog="Example:  univar report audit/findings --out report.html")
def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Of findings: an about.json, and a .json and a .parquet for each.",
            show_default=False,
        ),
    ],
    out_file: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", callback=output_file(".html"), help="The page; it needs no network to be read."
        ),
    ] = Path("report.html"),
    as_json: Json = False,
) -> None:
    """Draw the page of an audit again from what was found: no answer is read, and no model is needed."""
    from univar.analysis.report.findings import load_findings
    from univar.analysis.report.page import write_report

    findings, about = load_findings(folder)
    write_report(findings, about, out_file)
    described = {
        "findings": [{"kind": one.kind, "title": one.title, "sentence": one.sentence} for one in findings],
        "path": str(out_file.resolve()),
    }
    sentences = [f"{one.title}: {one.sentence}" for one in findings]
    result(described, *sentences, f"The report: {out_file.resolve()}", as_json=as_json)

"""`univar export`: a model for other software."""

from pathlib import Path
from typing import Annotated

import typer

from univar.cli.options import ExportFormat, Json, ModelName, in_writable_folder, load_named
from univar.cli.terminal import result, working

app = typer.Typer()


@app.command(epilog="Example:  univar export univar-int8 --format onnx-int8")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the export.", show_default=False)],
    file_format: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="stock: for sentence-transformers without univar. onnx: one graph for onnxruntime. onnx-int8: the "
            "same with weights of eight bits, a quarter of the size.",
        ),
    ],
    model: ModelName = "univar",
    as_json: Json = False,
) -> None:
    """Write a model for other software, and tell how near its embeddings are to the model's own.

    The folders are models for `--model` of the other commands.
    """
    in_writable_folder(folder)
    encoder = load_named(model)
    from univar.model.export import export_model

    try:
        with working(f"Exporting {model}"):
            fidelity = export_model(encoder, folder, file_format.value, source=model)
    except FileExistsError as error:
        raise typer.BadParameter(str(error), param_hint="DIR") from None
    described = {"path": str(folder.resolve()), "format": file_format.value, "fidelity": fidelity.to_dict()}
    result(described, f"The model: {folder.resolve()}", fidelity.sentence(), as_json=as_json)

"""The command line: one command a stage, each a few lines that call the stage's function.

Exit codes: 0 done, 1 failed, 2 used wrongly. What a program may read goes to standard output, everything else to
standard error.
"""

import contextlib
import logging
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

import univar
from univar.arguments import (
    BackendName,
    ColorBy,
    Columns,
    Constants,
    ControlCorpora,
    CorpusPath,
    ExportFormat,
    Json,
    Languages,
    MaxCharacters,
    ModelName,
    Projection,
    RecipeName,
    RejectsFile,
    Seed,
    check_models,
    corpus_names,
    corpus_reader,
    folder_above,
    in_writable_folder,
    load_named,
    output_file,
    spare_corpora,
)
from univar.cli_corpus import corpus_commands
from univar.cli_questions import questions_app
from univar.terminal import (
    PrintableFormatter,
    described_lines,
    encoding_bar,
    err,
    leads,
    out,
    problem,
    result,
    say,
    show_identification,
    step,
    tracked,
    working,
)

app = typer.Typer(
    name="univar",
    help="The values in what LLMs answer, as vectors: how far apart are LLMs, and how much of it is style?",
    epilog="Start with:  univar demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(questions_app)
app.add_typer(corpus_commands)

_TRACEBACK = "UNIVAR_TRACEBACK"
_INTERRUPTED = 130  # what typer returns for Ctrl-C
_LITTLE_ROOM = 1_000  # MB, a few checkpoints of a small encoder
_DEMO_FOLDER = Path("univar-demo")


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"univar {univar.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _univar(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example:  univar demo --out my-demo")
def demo(
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the report.")] = _DEMO_FOLDER,
    identities: Annotated[int, typer.Option(metavar="NUMBER", min=4, help="Simulated LLMs.")] = 16,
    questions: Annotated[int, typer.Option(metavar="NUMBER", min=20, help="Questions that each LLM answers.")] = 96,
    seed: Seed = 2026,
    as_json: Json = False,
) -> None:
    """Show what univar does on simulated LLMs whose values are known; writes a report with a map.

    Takes two to three minutes on two processor cores.
    """
    in_writable_folder(out_folder)
    with working("Loading the models"):
        from univar.analysis.demo import ONE_ANSWER, agreement_sentence, run_demo
    try:
        found = run_demo(out_folder, identities=identities, questions=questions, seed=seed, step=step, track=tracked)
    except FileExistsError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from None
    sentences = [agreement_sentence(name, agreement) for name, agreement in found.geometry.items()]
    if not as_json:
        out.print(Text("Do LLMs lie near each other that share values?", style="bold"))
        out.print(*map(Text, sentences), sep="\n", soft_wrap=True)
        out.print(Text("\nWho wrote this answer?", style="bold"), Text(f"{ONE_ANSWER}\n"), sep="\n", soft_wrap=True)
        show_identification(found.comparison)
    result(
        {"folder": str(found.folder), **found.to_dict()},
        f"The report: {found.folder / 'README.md'}",
        f"Distances over known ones, a picture: {found.folder / 'distances.png'}",
        f"The map, to open in a browser: {found.folder / 'map.html'}",
        as_json=as_json,
    )


@app.command(epilog="Example:  univar train answers.parquet --out my-encoder")
def train(
    corpora: Annotated[
        list[Path],
        typer.Argument(
            metavar="CORPUS",
            exists=True,
            help="Answers to train on: files or folders as for the other commands; repeatable.",
            show_default=False,
        ),
    ],
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the trained model.")],
    recipe: RecipeName = None,
    control: ControlCorpora = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, not from the last checkpoint.")] = False,
    report_to: Annotated[
        str, typer.Option(metavar="NAME", help="Where the Trainer logs: none, tensorboard, wandb ...")
    ] = "none",
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Train a multi-view encoder, and measure it on questions kept out of the training.

    After an interruption the same command goes on from the last checkpoint. Several GPUs share the batches with
    torchrun --nproc-per-node NUMBER -m univar.cli train ...
    """
    from univar.model.recipes import read_recipe

    in_writable_folder(out_folder)
    recipe = recipe or ("minilm-controlled" if control else "minilm")
    base = read_recipe(recipe).base  # what is wrong with it is told before corpora are read
    check_models("base" if base == "univar-base" else base, option="base in the recipe")
    spare_corpora([*corpora, *(control or [])], rejects)
    with corpus_reader(column, constant, lang, rejects) as reader:
        named = {name: reader.read(path) for name, path in zip(corpus_names(corpora), corpora, strict=True)}
        controls = [record for path in control or [] for record in reader.read(path)]
    with working("Loading the libraries"):
        from univar.analysis.trained import train_and_measure
    _log("univar.model", quiet=err.is_terminal or not leads())  # where there is no bar
    with _told_how_to_go_on(out_folder), contextlib.redirect_stdout(sys.stderr):  # the Trainer prints what it logs
        comparisons = train_and_measure(
            named, out_folder, recipe=recipe, control=controls, restart=restart, report_to=report_to, step=step
        )
    if not leads():
        return
    described = {name: comparison.to_dict() for name, comparison in comparisons.items()}
    if not as_json:
        for name, comparison in comparisons.items():
            show_identification(comparison, heading=f"{name}, ")
    result(
        {"model": str(out_folder.resolve()), "identification": described, "rejected": reader.rejected},
        f"The model: {out_folder.resolve()}",
        f'Its card: {out_folder.resolve() / "README.md"}; to use it: univar.UniVaR("{out_folder}")',
        as_json=as_json,
    )


@app.command(epilog="Example:  univar evaluate answers.parquet --control instructions.parquet")
def evaluate(
    corpus: CorpusPath,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to compare: univar, univar-static, base (the untouched base encoder), tfidf (words alone), "
            "or any SentenceTransformer folder or Hub name; repeatable.",
            show_default="univar, base, tfidf",
        ),
    ] = None,
    control: Annotated[
        Path | None,
        typer.Option(metavar="CORPUS", exists=True, help="Answers of the same LLMs that elicit no values."),
    ] = None,
    k: Annotated[int, typer.Option("--k", metavar="NUMBER", min=1, help="Neighbours, at most.")] = 50,
    backend: BackendName = None,
    max_characters: MaxCharacters = 8000,
    seed: Seed = 0,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", callback=output_file(".md", ".json"), help="Also write the table: .md or .json."
        ),
    ] = None,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Tell how well LLMs can be told apart by one answer, beside chance, baselines and control answers."""
    from univar.files import replacing

    spare_corpora([corpus, control], out_file, rejects)
    if control is not None and control.samefile(corpus):
        message = f"{control} is the corpus itself; a control corpus holds answers that elicit no values"
        raise typer.BadParameter(message, param_hint="--control")
    with corpus_reader(column, constant, lang, rejects) as reader:
        records = reader.read(corpus)
        controls = reader.read(control) if control is not None else None
    names = dict.fromkeys(model or ("univar", "base", "tfidf"))
    check_models(*names)
    with working("Loading the libraries"):
        from univar.analysis.comparison import compare, representations
    _log("univar.analysis", quiet=not err.is_terminal)
    encoders, trained_on = representations(
        names, load=lambda name: load_named(name, backend), show_progress_bar=err.is_terminal
    )
    same = {"k": k, "seed": seed, "max_characters": max_characters}
    comparison = compare(records, encoders, control=controls, trained_on=trained_on, **same)
    if out_file is not None:
        with replacing(out_file) as temporary:
            text = comparison.to_json() if out_file.suffix.lower() == ".json" else comparison.to_markdown()
            temporary.write_text(text, encoding="utf-8")
    if not as_json:
        show_identification(comparison)
    described = {**comparison.to_dict(), "rejected": reader.rejected}
    result(described, *comparison.notes(), *([f"Written: {out_file}"] if out_file else []), as_json=as_json)


@app.command(epilog="Example:  univar encode answers.parquet --out embeddings.parquet")
def encode(
    corpus: CorpusPath,
    out_file: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", callback=output_file(".parquet"), help="Parquet file of embeddings."),
    ],
    model: ModelName = "univar",
    backend: BackendName = None,
    batch_size: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="QAs encoded at once.")] = 32,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Turn every QA into a vector; the corpus may be larger than memory."""
    spare_corpora([corpus], out_file, rejects)
    with corpus_reader(column, constant, lang, rejects) as reader:
        total = reader.count(corpus)
    encoder = load_named(model, backend)
    from univar.model.encoding import write_embeddings

    with encoding_bar(encoder, total, f"Encoding {corpus.name} with {model}"):
        written = write_embeddings(reader.again(corpus), encoder, out_file, batch_size=batch_size)
    described = {
        "embeddings": written,
        "dimensions": encoder.get_embedding_dimension(),
        "path": str(out_file.resolve()),
    }
    sentence = f"{written:,} embeddings of {described['dimensions']} dimensions: {out_file.resolve()}"
    result({**described, "rejected": reader.rejected}, sentence, as_json=as_json)


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


@app.command(name="map", epilog="Example:  univar map answers.parquet --out map.html")
def map_(
    corpus: CorpusPath,
    out_file: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=output_file(".html", ".png", ".svg", ".pdf"),
            help=".html (interactive), .png, .svg or .pdf (for papers).",
        ),
    ],
    model: ModelName = "univar",
    method: Annotated[
        Projection, typer.Option(help="Projection: pca keeps distances, tsne neighbours.")
    ] = Projection.pca,
    color_by: Annotated[ColorBy, typer.Option(help="What colours stand for.")] = ColorBy.auto,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the figure.")] = None,
    seed: Seed = 0,
    column: Columns = None,
    constant: Constants = None,
    lang: Languages = None,
    rejects: RejectsFile = None,
    as_json: Json = False,
) -> None:
    """Draw the value map: every QA a faint dot, every LLM (in one language) a large mark."""
    spare_corpora([corpus], rejects)
    with corpus_reader(column, constant, lang, rejects) as reader:
        records = reader.read(corpus)
    encoder = load_named(model)
    from univar.analysis.figures import draw_map
    from univar.analysis.map_page import write_map_html
    from univar.analysis.value_map import build_map
    from univar.model.encoding import as_read

    with encoding_bar(encoder, len(records), f"Encoding {corpus.name} with {model}"):
        embeddings = encoder.encode(as_read(encoder, [record.text for record in records]))
    value_map = build_map(records, embeddings, method=method.value, seed=seed)
    write = write_map_html if out_file.suffix.lower() == ".html" else draw_map
    write(value_map, out_file, color_by=color_by.value, title=title)
    described = {"qas": len(records), "identities": len(value_map.identities), "path": str(out_file.resolve())}
    result({**described, "rejected": reader.rejected}, f"The map: {out_file.resolve()}", as_json=as_json)


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
        from univar.corpus.readers import describe_corpus

        spare_corpora([corpus], rejects)
        with corpus_reader(column, constant, lang, rejects) as reader:
            described = {**describe_corpus(reader.stream(corpus)), "rejected": reader.rejected}
    result(described, *described_lines(described), as_json=as_json)


@contextlib.contextmanager
def _told_how_to_go_on(out_folder: Path) -> Iterator[None]:
    """What becomes of a training that is interrupted or fails."""
    from safetensors import SafetensorError

    try:
        yield
    except FileExistsError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from None
    except (OSError, RuntimeError, SafetensorError) as error:  # among them what a full disk makes of a checkpoint
        raise RuntimeError(f"{problem(error)}; no model was written. {_how_to_go_on(out_folder)}") from error
    except KeyboardInterrupt:
        say(f"Interrupted; no model was written. {_how_to_go_on(out_folder)}")
        raise typer.Exit(1) from None


def _how_to_go_on(out_folder: Path) -> str:
    from univar.analysis.trained import last_checkpoint

    room = shutil.disk_usage(folder_above(out_folder)).free / 2**20
    reached = last_checkpoint(out_folder)
    again = "to begin anew" if reached is None else f"to go on from step {reached:,}, or with --restart to begin anew"
    full = f"Only {room:,.0f} MB are left on the disk. " if room < _LITTLE_ROOM else ""
    return f"{full}Run the same command again {again}."


def _log(room: str, *, quiet: bool) -> None:
    """Shows what a room of the package says of its progress."""
    if not quiet:
        logging.getLogger(room).setLevel(logging.INFO)


def _quiet_libraries() -> None:
    """Leaves the terminal to our own messages; the variables are read by the libraries when they are imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", module="torch|transformers|sentence_transformers|accelerate|sklearn")
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[lines])
    logging.getLogger("univar").setLevel(logging.WARNING)


def main() -> None:
    """The command `univar`: every failure ends in one line."""
    _quiet_libraries()
    # A job that is stopped by its scheduler cleans up as one that is stopped by its user.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(prog_name="univar", standalone_mode=False) or 0
        sys.stdout.flush()
    except typer.TyperException as error:
        code = _used_wrongly(error)
    except BrokenPipeError:  # whoever read the output has seen enough, as in `univar info | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except (ValueError, RuntimeError, OSError, MemoryError, ImportError) as error:
        say(f"Error: {problem(error)}", "red")
        code = 1
    except Exception as error:
        if _TRACEBACK in os.environ:
            raise
        say(f"Error: {type(error).__name__}: {problem(error)} (unforeseen; {_TRACEBACK}=1 shows where)", "red")
        code = 1
    if code == _INTERRUPTED:
        say("Interrupted; nothing half-written is left.")
        code = 1
    sys.exit(code)


def _used_wrongly(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "univar"
    if message := " ".join(error.format_message().split()).rstrip("."):  # empty where a command shows its help instead
        say(f"Error: {message} (see {command} --help)", "red")
    return error.exit_code


if __name__ == "__main__":
    main()

"""What the command line accepts: the arguments that several commands share, checked before any work is done."""

import os
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from univar.cli.terminal import CorpusReader, bar, problem, working

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from univar.corpus.records import QARecord
    from univar.model.embedded import EmbeddedCorpus
    from univar.model.encoding import Provenance

_CORPUS_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")


class Projection(StrEnum):
    """How the map is projected."""

    pca = "pca"
    tsne = "tsne"


class ColorBy(StrEnum):
    """What the colours of the map stand for."""

    auto = "auto"
    lang = "lang"
    model = "model"


class ExportFormat(StrEnum):
    """What `univar export` writes."""

    stock = "stock"
    onnx = "onnx"
    onnx_int8 = "onnx-int8"


class StancePart(StrEnum):
    """Which questions `univar evaluate --stance` measures."""

    validation = "validation"
    test = "test"
    all = "all"


class Backend(StrEnum):
    """What an encoder runs on."""

    torch = "torch"
    onnx = "onnx"
    onnx_int8 = "onnx-int8"


def output_file(*suffixes: str) -> Callable[[Path | None], Path | None]:
    """Refuses, before any work, an output file that could not be written after it."""

    def check(path: Path | None) -> Path | None:
        if path is None:
            return None
        if path.is_dir():
            raise typer.BadParameter(f"{path} is a folder; name a file in it that ends in {' or '.join(suffixes)}")
        if path.suffix.lower() not in suffixes:
            raise typer.BadParameter(f"a file that ends in {' or '.join(suffixes)} is written, not {path.name!r}")
        return in_writable_folder(path)

    return check


def in_writable_folder(path: Path) -> Path:
    """The path, if a file or folder can be made there; missing folders above it will be made too."""
    folder = folder_above(path)
    try:
        # A trial: rights alone do not tell of read-only file systems.
        with tempfile.TemporaryFile(dir=folder):
            return path
    except OSError as error:
        raise typer.BadParameter(f"cannot write in {folder} ({error.strerror}); choose another folder") from None


def output_folder(path: Path) -> Path:
    """Refuses, before any work, an output folder that could not be made."""
    if path.exists() and not path.is_dir():
        raise typer.BadParameter(f"{path} is a file; name a folder", param_hint="--out")
    return in_writable_folder(path)


def folder_above(path: Path) -> Path:
    """The nearest folder above a path that exists."""
    return next(folder for folder in path.resolve().parents if folder.exists())


def language_codes(codes: list[str] | None) -> list[str] | None:
    """Any codes of languages as ISO 639-3."""
    from univar.corpus.languages import language_code

    try:
        return [language_code(code) for code in codes] if codes else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _pairs(given: list[str] | None) -> list[str] | None:
    from univar.corpus.records import SCHEMA

    for item in given or []:
        field, _, content = item.partition("=")
        if not content or field not in SCHEMA.names:
            raise typer.BadParameter(f"{item!r} is not FIELD=...; the fields are {', '.join(SCHEMA.names)}")
    return given


_CORPUS_HELP = (
    "Answers: a csv, tsv, jsonl, json (also .gz) or parquet file, or a folder of them, with the columns question, "
    "answer, model, lang or others that are usual; chats, batches and logs of evaluations are known. Or what "
    "`univar encode` wrote."
)
CorpusPath = Annotated[Path, typer.Argument(metavar="CORPUS", exists=True, help=_CORPUS_HELP, show_default=False)]
CorpusOrPoles = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CORPUS]",
        exists=True,
        help=f"{_CORPUS_HELP} With --stance it may be left out: then the poles that ship are measured.",
        show_default=False,
    ),
]
QuestionFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        exists=True,
        help="Questions: txt, csv, tsv, jsonl, json or parquet; `univar questions --help` says what they hold.",
        show_default=False,
    ),
]
BackendName = Annotated[
    Backend | None,
    typer.Option(
        "--backend",
        help="What models run on. On a CPU onnx is somewhat quicker than torch, and the same to six digits; onnx-int8 "
        "about three times as quick, and nearly the same. They are exported on first use and kept in the cache of "
        "huggingface_hub.",
        show_default="torch, or what an exported folder holds",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=COLUMN",
        callback=_pairs,
        help="The file's name for a field, as in answer=text, or a path in nested columns, as in "
        "answer=choices.0.text; repeatable.",
    ),
]
Constants = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        callback=_pairs,
        help="A field that the file has no column for, as in lang=eng; repeatable.",
    ),
]
Languages = Annotated[
    list[str] | None,
    typer.Option(
        "--lang", metavar="CODE", callback=language_codes, help="Keep only this language (ISO 639-3); repeatable."
    ),
]
RejectsFile = Annotated[
    Path | None,
    typer.Option(
        "--rejects",
        metavar="FILE",
        callback=output_file(".jsonl"),
        help="Where rows that cannot be used are written, with their reasons.",
        show_default="CORPUS.rejects.jsonl",
    ),
]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help="univar, univar-static, base, an exported folder, or a SentenceTransformer folder or Hub name.",
    ),
]
ModelOrOwn = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="univar, univar-static, base, an exported folder, or a SentenceTransformer folder or Hub name.",
        show_default="univar; of an embedded corpus its own",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]
MaxCharacters = Annotated[
    int,
    typer.Option(
        metavar="NUMBER",
        min=1,
        help="Of a QA, given to all alike; encoders whose windows are shorter read it in passages. 1000 is quicker.",
    ),
]

RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        "--config",
        metavar="NAME",
        help="minilm-stance (what answers stand for); minilm, minilm-controlled, minilm-passages (long answers) and "
        "reference (who wrote them); nomic-gpu-stance and nomic-gpu; or a YAML file of your own.",
        show_default="minilm-controlled with --control, else minilm",
    ),
]

ControlCorpora = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="CORPUS",
        exists=True,
        help="Answers of the same LLMs that elicit no values, to hold style out and to measure on; repeatable.",
    ),
]

_LARGEST_SEED = 2**32 - 1  # that numpy and scikit-learn take
Seed = Annotated[int, typer.Option(metavar="NUMBER", min=0, max=_LARGEST_SEED, help="Same seed, same result.")]


Untranslated = Annotated[
    bool,
    typer.Option(
        "--untranslated",
        help="Encode answers in languages that the model does not read by its card as they are, where they have no "
        "English version; all that follows says so.",
    ),
]


ReadingFile = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        callback=output_file(".md", ".json", ".html"),
        help="Also write what was found: .md, .json (all of it), or .html (with the picture).",
    ),
]


def check_plan(plan: bool, out_file: Path | None) -> None:
    """Refuses the page of a plan, which has no picture."""
    if plan and out_file is not None and out_file.suffix.lower() == ".html":
        raise typer.BadParameter("a plan is written as .md or .json", param_hint="--out")


def corpus_reader(
    columns: list[str] | None, constants: list[str] | None, lang: list[str] | None, rejects: Path | None
) -> CorpusReader:
    """What reads the corpora of one command, with the options that all commands have for it."""
    named, fixed = (dict(item.split("=", 1) for item in given or []) for given in (columns, constants))
    return CorpusReader(named, fixed, lang, rejects)


def opened(reader: CorpusReader, corpus: Path) -> "EmbeddedCorpus | list[QARecord]":
    """A corpus as it is: with its vectors where it has them."""
    from univar.model.embedded import embed, is_embedded

    return embed(corpus, **reader.options) if is_embedded(corpus) else reader.read(corpus)


def embedded(
    reader: CorpusReader,
    corpus: Path,
    model: str | None,
    backend: Backend | None = None,
    *,
    check: Callable[[Sequence["QARecord"]], object] | None = None,
    untranslated: bool = False,
) -> "EmbeddedCorpus":
    """A corpus with its vectors by the model of `--model`; one that is embedded already is read as it is.

    By default that is `univar`, and for an embedded corpus the model that it is of, which is not loaded then. `check`
    may raise at answers of which nothing can be made, before any is encoded.

    Raises:
        UntranslatedError: If answers are in languages that the model does not read, and `untranslated` is not said.
    """
    from univar.model.embedded import embed, is_embedded

    if is_embedded(corpus):
        own = None if model is None else load_named(model, backend)
        return embed(corpus, own, name=model, **reader.options)
    records = reader.read(corpus)
    if check is not None:
        check(records)
    name = model or "univar"
    encoder = load_named(name, backend)
    with bar(f"Encoding {corpus.name} with {name}", len(records)) as advance:
        return embed(records, encoder, name=name, advance=advance, untranslated=untranslated)


@contextmanager
def pole_bar(made: "Provenance") -> Iterator[Callable[[float], None] | None]:
    """A bar for the poles by the model of the answers, where they are not kept yet and must be encoded."""
    from univar.model.pole_vectors import are_kept, pole_count

    if are_kept(made):
        yield None
        return
    with suppress(typer.BadParameter):  # that it cannot be loaded is told with what the poles have to do with it
        check_models(made.model)
    with bar(f"Encoding the poles with {made.model}, once", pole_count(), "poles") as advance:
        yield advance


def poles_of(answers: "EmbeddedCorpus | None", model: str | None, backend: Backend | None) -> "EmbeddedCorpus":
    """The poles by the model of the answers, or else of `--model`: from the cache, or encoded with a bar."""
    from univar.model.encoding import Provenance
    from univar.model.pole_vectors import are_kept, embedded_poles

    encoder: SentenceTransformer | None = None
    if answers is None:
        encoder = load_named(model or "univar", backend)
        made = Provenance.of(encoder, model or "univar", ())
    else:
        made = answers.provenance
        # By its own name it is loaded with the poles, where a failure says what they have to do with it.
        if (model or backend) and not are_kept(made):
            encoder = load_named(model or made.model, backend)
    with pole_bar(made) as advance:
        return embedded_poles(made, encoder, advance=advance)


def corpus_names(paths: list[Path]) -> list[str]:
    """A name for each corpus: its file's name without the suffix, or its path where two have the same."""
    stems = Counter(path.resolve().stem for path in paths)
    return [path.resolve().stem if stems[path.resolve().stem] == 1 else str(path) for path in paths]


def spare_corpora(corpora: Sequence[Path | None], *outputs: Path | None) -> None:
    """Refuses to write over a corpus, or into its folder what would be read as part of it the next time."""
    for corpus, output in product(corpora, outputs):
        if corpus is None or output is None:
            continue
        if output.exists() and output.samefile(corpus):
            raise typer.BadParameter(f"{output} is the corpus itself and would be lost; name another file")
        inside = corpus.is_dir() and output.resolve().is_relative_to(corpus.resolve())
        if inside and output.suffix.lower() in _CORPUS_SUFFIXES and not output.stem.endswith(".rejects"):
            raise typer.BadParameter(f"{output} lies in the corpus {corpus} and would be read as part of it")


def spare_inputs(inputs: Sequence[Path | None], *outputs: Path | None) -> None:
    """Refuses to write over a file that the same command reads."""
    for given, output in product(inputs, outputs):
        if given is not None and output is not None and output.exists() and output.samefile(given):
            raise typer.BadParameter(f"{output} is read by this command and would be lost; name another file")


def check_models(*names: str, option: str = "--model") -> None:
    """Refuses folders that do not exist, and makes models of a Hub out of reach fail at once and not in a minute.

    To be called before huggingface_hub is imported, which reads HF_HUB_OFFLINE then.
    """
    remote = [
        name for name in names if name not in ("univar", "univar-static", "base", "tfidf") and not Path(name).exists()
    ]
    for name in remote:
        if name.startswith((".", "/", "~")) or name.count("/") > 1:
            raise typer.BadParameter(f"no such folder: {name}", param_hint=option)
    if not remote or "HF_HUB_OFFLINE" in os.environ:
        return
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        urllib.request.urlopen(urllib.request.Request(hub, method="HEAD"), timeout=10).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except OSError:
        os.environ["HF_HUB_OFFLINE"] = "1"


def load_named(name: str, backend: Backend | None = None) -> "SentenceTransformer":
    """The model that `--model` names, on the backend that `--backend` names."""
    if name == "tfidf":
        raise typer.BadParameter("tfidf, a baseline of `univar evaluate`, makes no embeddings", param_hint="--model")
    check_models(name)
    with loading(name):
        from univar.model.modeling import load_model

        model = load_model(name)
    if backend is None:
        return model
    from univar.model.export import with_backend

    with working(f"Preparing {name} for {backend}: a while, the first time"):
        return with_backend(model, backend.value)


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Tells in one line why a model cannot be loaded: what is in its folder may raise anything."""
    with working(f"Loading {name}"):
        from univar.model.weights import WeightsError

        try:
            yield
        except (WeightsError, MemoryError, ImportError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {problem(error)}"
            if not Path(name).exists() and os.environ.get("HF_HUB_OFFLINE") == "1":
                reason = "no folder here, and the Hub is out of reach"
            raise RuntimeError(
                f"cannot load the model {name!r} ({reason}); give univar, univar-static, base, a folder that "
                "`univar train` or `univar export` wrote, or the name of a SentenceTransformer on the Hub"
            ) from error

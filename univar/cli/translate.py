"""The commands that translate: `univar corpus translate` and `univar questions translate`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from univar.cli.options import (
    Columns,
    Constants,
    CorpusPath,
    Json,
    QuestionFile,
    RejectsFile,
    check_models,
    corpus_reader,
    language_codes,
    output_file,
    output_folder,
    spare_corpora,
    spare_inputs,
)
from univar.cli.terminal import CorpusReader, bar, out, result, say, working
from univar.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

    from univar.corpus.translation.answers import Tally, Translating

answer_commands, question_commands = typer.Typer(), typer.Typer()


class BackendName(StrEnum):
    """What runs the translator."""

    ctranslate2 = "ctranslate2"
    transformers = "transformers"


class PrecisionName(StrEnum):
    """Of the translator's weights."""

    float32 = "float32"
    float16 = "float16"
    int8 = "int8"


TranslatorName = Annotated[
    str | None,
    typer.Option(
        "--translator",
        metavar="NAME",
        help="NLLB-200: folder or Hub name; the paper used facebook/nllb-200-3.3B. Its licence forbids commercial use.",
        show_default="the smallest, of 600 M parameters",
    ),
]
BackendOption = Annotated[
    BackendName | None,
    typer.Option("--backend", help="What runs it.", show_default="ctranslate2 where it is installed"),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="cpu or cuda.", show_default="a GPU, if there is one")
]
PrecisionOption = Annotated[
    PrecisionName | None,
    typer.Option("--precision", help="Of its weights.", show_default="float16 on a GPU, else int8 or float32"),
]
Beams = Annotated[int, typer.Option(metavar="NUMBER", min=1, help="1 is fastest.")]
BatchTokens = Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Of a batch; fewer if memory runs out.")]
MemoryFile = Annotated[
    Path | None,
    typer.Option(
        "--memory",
        metavar="FILE",
        callback=output_file(".sqlite"),
        help="Translations of earlier runs, to share between outputs.",
        show_default="beside the output",
    ),
]


@answer_commands.command(epilog="Example:  univar corpus translate answers/ --out english/ --round-trip")
def translate(
    corpus: CorpusPath,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the translated answers.")],
    translator: TranslatorName = None,
    backend: BackendOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    beams: Beams = 4,
    batch_tokens: BatchTokens = 4096,
    round_trip: Annotated[
        bool, typer.Option("--round-trip", help="Translate back too and compare; takes twice as long.")
    ] = False,
    memory: MemoryFile = None,
    columns: Columns = None,
    constants: Constants = None,
    rejects: RejectsFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how much there is to translate.")] = False,
    as_json: Json = False,
) -> None:
    """Give every answer in another language an English version, and say what speaks against each translation.

    After an interruption the same command goes on with what is missing; no sentence is translated twice.
    """
    from univar.corpus.translation.answers import MEMORY, translate_answers, workload

    if out_folder.resolve().is_relative_to(corpus.resolve()):
        raise typer.BadParameter(f"{out_folder} lies in {corpus} and would be read as answers", param_hint="--out")
    spare_corpora([corpus], rejects, memory)
    output_folder(out_folder)
    options = {"model": translator, "backend": backend, "device": device, "precision": precision}
    with (
        corpus_reader(columns, constants, None, rejects) as reader,
        translating(
            {**options, "beams": beams, "batch_tokens": batch_tokens},
            memory or out_folder / MEMORY,
            there_and_back=round_trip,
        ) as how,
    ):
        with working("Counting what is to be translated"):
            work = workload(_tables(corpus, reader, again=False), how)
        say(
            f"{work.sentences:,} sentences, {work.known:,} of them translated before; "
            f"{work.tokens:,} tokens to go" + (", there and back" if round_trip else "")
        )
        if dry_run:
            result(asdict(work), as_json=as_json)
            return
        load_translator(how)
        with bar(f"Translating with {how.translator.name}", work.sentences, "sentences") as advance:
            found = translate_answers(_tables(corpus, reader, again=True), out_folder, how, advance=advance)
    _show(found, out_folder, as_json=as_json)


@question_commands.command(
    "translate", epilog="Example:  univar questions translate mine.jsonl --lang fra --lang deu --out translated.jsonl"
)
def translate_question_set(
    file: QuestionFile,
    out_file: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", callback=output_file(".jsonl"), help="The questions in all languages."),
    ],
    langs: Annotated[
        list[str] | None,
        typer.Option(
            "--lang",
            metavar="CODE",
            callback=language_codes,
            help="A language to translate to (ISO 639-3); repeatable.",
            show_default="all 24",
        ),
    ] = None,
    translator: TranslatorName = None,
    backend: BackendOption = None,
    device: DeviceOption = None,
    memory: MemoryFile = None,
    as_json: Json = False,
) -> None:
    """Translate English questions, there and back; translations with a defect go to OUT.rejects.jsonl.

    The file of all languages is one for univar elicit --questions.
    """
    from univar.corpus.languages import languages
    from univar.corpus.questions.files import read_questions, write_questions
    from univar.corpus.translation.answers import tallies, translate_questions

    rejects = out_file.with_suffix(".rejects.jsonl")
    spare_inputs([file], out_file, rejects, memory)
    english = [question for question in read_questions(file) if question.lang == "eng"]
    if not english:
        raise typer.BadParameter(f"{file} has no questions in English to translate from")
    wanted = [code for code in langs or languages() if code != "eng"]
    options = {"model": translator, "backend": backend, "device": device}
    with translating(options, memory or out_file.with_suffix(".sqlite"), there_and_back=True) as how:
        load_translator(how)
        with bar(f"Translating with {how.translator.name}", None, "sentences") as advance:
            translated = list(translate_questions(english, wanted, how, advance=advance))
    write_questions([*english, *(question for question, said in translated if not said.defects)], out_file)
    rejected = [{**asdict(question), **asdict(said)} for question, said in translated if said.defects]
    if rejected:
        with replacing(rejects) as temporary:
            temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rejected), "utf-8")
    _show(tallies((question.lang, said.defects) for question, said in translated), out_file, as_json=as_json)


@contextmanager
def translating(options: Mapping[str, Any], memory: Path, *, there_and_back: bool) -> "Iterator[Translating]":
    """A translator with its memory, which an interruption leaves as it is."""
    from univar.corpus.translation.answers import Translating
    from univar.corpus.translation.translators import NLLB, TranslationMemory, Translator

    given: dict[str, Any] = {
        name: choice.value if isinstance(choice, StrEnum) else choice for name, choice in options.items()
    }
    given["model"] = given["model"] or NLLB
    check_models(given["model"], option="--translator")
    with working("Loading the translator"):
        translator = Translator(**given)
    try:
        with TranslationMemory(memory) as known:
            yield Translating(translator, known, there_and_back)
    except KeyboardInterrupt:
        say(f"Interrupted; what is translated is kept in {memory}. Run the same command again to go on.")
        raise typer.Exit(1) from None


def load_translator(how: "Translating") -> None:
    """Loads the weights, and says so."""
    with working(f"Loading the weights of {how.translator.name}; the first time they are downloaded and converted"):
        how.translator.load()


def _tables(corpus: Path, reader: CorpusReader, *, again: bool) -> "Iterator[pa.Table]":
    """Answers as tables: those of `univar elicit` with all that it says of each, others as they are read."""
    from univar.corpus.translation.answers import elicited_tables, is_elicited, tables_of

    if is_elicited(corpus):
        return elicited_tables(corpus)
    return tables_of(reader.again(corpus) if again else reader.stream(corpus))


def _show(found: "Mapping[str, Tally]", path: Path, *, as_json: bool) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("language")
    for column in ("translations", "good"):
        table.add_column(column, justify="right")
    table.add_column("what speaks against translations")
    for lang, tally in found.items():
        against = ", ".join(f"{defect} {count:,}" for defect, count in tally.defects.most_common())
        table.add_row(lang, f"{tally.translations:,}", f"{tally.good:,}", against)
    if not as_json:
        out.print(table)
    good, total = (sum(getattr(tally, name) for tally in found.values()) for name in ("good", "translations"))
    result(
        {"languages": {lang: vars(tally) for lang, tally in found.items()}, "path": str(path.resolve())},
        f"{good:,} of {total:,} translations have nothing against them: {path.resolve()}",
        as_json=as_json,
    )

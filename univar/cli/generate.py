"""The commands that have an LLM write questions: `univar questions generate`, `paraphrase` and `import`."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from univar.cli.options import Json, QuestionFile, Seed, load_named, output_file, spare_inputs
from univar.cli.terminal import bar, encoding_bar, result, say, step

if TYPE_CHECKING:
    from univar.corpus.asking.endpoints import Endpoint, Journal
    from univar.corpus.questions.checks import Embed
    from univar.corpus.questions.generation import Written
    from univar.corpus.questions.taxonomy import Taxonomy

question_writing = typer.Typer()

REPLIES = ".replies.jsonl"
"""Suffix of what an LLM said, beside the file that was made of it."""


class InstrumentName(StrEnum):
    """The instruments whose items can be imported."""

    pvq_rr = "pvq-rr"
    valueprism = "valueprism"
    wvs = "wvs"
    globe = "globe"
    valuebench = "valuebench"


EndpointUrl = Annotated[
    str,
    typer.Option(
        "--endpoint", metavar="URL", help="An OpenAI-compatible server; its key is read from UNIVAR_API_KEY, if set."
    ),
]
LlmName = Annotated[str, typer.Option("--model", metavar="NAME", help="The LLM, as the server names it.")]
OutFile = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", callback=output_file(".jsonl"), help="The questions, as JSON lines."),
]
Concurrency = Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Requests under way at once.")]


def _request(given: list[str] | None) -> dict[str, Any]:
    """Fields of requests, of `FIELD=JSON`; what is no JSON is a text."""
    from univar.corpus.asking.fields import checked_fields

    fields: dict[str, Any] = {}
    for item in given or []:
        name, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"{item!r} is not FIELD=JSON, as in max_tokens=8192 or seed=null")
        try:
            fields[name] = json.loads(value)
        except ValueError:
            fields[name] = value
    try:
        return checked_fields(fields)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _checked_request(given: list[str] | None) -> list[str] | None:
    _request(given)
    return given


RequestFields = Annotated[
    list[str] | None,
    typer.Option(
        "--request",
        metavar="FIELD=JSON",
        callback=_checked_request,
        help="A field of the requests to change or add, null to leave it out, as in max_tokens=8192; repeatable.",
    ),
]
PromptFile = Annotated[
    Path | None,
    typer.Option(
        "--prompt",
        metavar="FILE",
        exists=True,
        help="What the LLM is told: a jinja2 template, in place of the one in the folder assets/prompts of univar.",
    ),
]
TaxonomyFile = Annotated[
    Path | None,
    typer.Option(
        "--taxonomy",
        metavar="FILE",
        exists=True,
        help="YAML of families, values and control topics; `univar questions generate --help` shows one.",
        show_default="the 87 values of the bank",
    ),
]


@question_writing.command(
    epilog="Example:  univar questions generate --taxonomy my-values.yaml --endpoint http://127.0.0.1:8000 "
    "--model my-llm --out my-questions.jsonl"
)
def generate(
    endpoint: EndpointUrl,
    model: LlmName,
    out_file: OutFile,
    taxonomy_file: TaxonomyFile = None,
    per_value: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Questions to write for each value.")] = 50,
    per_topic: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="Questions to write for each control topic.")
    ] = 18,
    prompt: PromptFile = None,
    control_prompt: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, help="The same as --prompt, for control questions.")
    ] = None,
    concurrency: Concurrency = 8,
    request: RequestFields = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    r"""Have an LLM write questions for every value of a taxonomy; what fails the checks is left out.

    What is left out goes to OUT.rejects.jsonl with the reasons. After an
    interruption the same command goes on: no reply is asked for twice.

    A taxonomy of your own, where control_topics may be left out:

    families:
    - {id: mine, name: My theory, reference: Me (2026).}
    values:
    - {id: tact, name: tact, families: \[mine], reference: Me (2026).,
       definition: Holding dear that nobody is hurt by what is said.}
    control_topics:
    - {id: sums, name: sums, description: Adding numbers.}
    """
    from univar.corpus.questions.generation import EACH
    from univar.corpus.questions.generation import generate as generate_questions

    taxonomy = taxonomy_of(taxonomy_file)
    prompts = {name: path for name, path in (("generate", prompt), ("control", control_prompt)) if path is not None}
    asked = len(taxonomy.values) * -(-per_value // EACH) + len(taxonomy.control_topics) * -(-per_topic // EACH)

    def write(journal: "Journal", advance: Callable[[int], None]) -> "Written":
        return generate_questions(
            taxonomy,
            endpoint_of(endpoint, model, concurrency, request),
            journal,
            per_value=per_value,
            per_topic=per_topic,
            prompts=prompts,  # type: ignore[arg-type]
            embed=embedder(),
            seed=seed,
            advance=advance,
        )

    _stage(write, out_file, model, asked, inputs=[taxonomy_file, prompt, control_prompt], as_json=as_json)


@question_writing.command(
    epilog="Example:  univar questions paraphrase my-questions.jsonl --endpoint http://127.0.0.1:8000 "
    "--model my-llm --out my-core.jsonl"
)
def paraphrase(
    file: QuestionFile,
    endpoint: EndpointUrl,
    model: LlmName,
    out_file: OutFile,
    number: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Paraphrases of each question.")] = 4,
    prompt: PromptFile = None,
    concurrency: Concurrency = 8,
    request: RequestFields = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Have an LLM say every question in other words; questions that have paraphrases keep them.

    Questions in other languages than English stay as they are. After an
    interruption the same command goes on.
    """
    from univar.corpus.questions.files import read_questions
    from univar.corpus.questions.generation import paraphrase as paraphrase_questions

    questions = read_questions(file)

    def write(journal: "Journal", advance: Callable[[int], None]) -> "Written":
        server = endpoint_of(endpoint, model, concurrency, request)
        return paraphrase_questions(
            questions, server, journal, number=number, prompt=prompt, seed=seed, advance=advance
        )

    _stage(write, out_file, model, len(questions), inputs=[file, prompt], as_json=as_json)


@question_writing.command(
    name="import",
    epilog="Example:  univar questions import my-pvq.csv --as pvq-rr --endpoint http://127.0.0.1:8000 "
    "--model my-llm --out pvq-questions.jsonl",
)
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The items: csv, tsv, jsonl or parquet, with a column of their text and one of their values.",
            show_default=False,
        ),
    ],
    instrument: Annotated[InstrumentName, typer.Option("--as", help="The instrument that the items are from.")],
    endpoint: EndpointUrl,
    model: LlmName,
    out_file: OutFile,
    text: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of the items' text.", show_default="by the usual names"),
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of their values.", show_default="by the usual names"),
    ] = None,
    number: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Questions to write of each item.")] = 1,
    prompt: PromptFile = None,
    concurrency: Concurrency = 8,
    request: RequestFields = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Have an LLM turn the items of your own copy of an instrument into questions; univar ships none of their text.

    An instrument is a questionnaire or a data set on values. After an
    interruption the same command goes on.
    """
    from univar.corpus.questions.generation import convert
    from univar.corpus.questions.instruments import INSTRUMENTS, read_items

    described = INSTRUMENTS[instrument.value]
    items = read_items(file, described, text=text, value=value)

    def write(journal: "Journal", advance: Callable[[int], None]) -> "Written":
        server = endpoint_of(endpoint, model, concurrency, request)
        return convert(
            items,
            described.kind,
            server,
            journal,
            number=number,
            prompt=prompt,
            embed=embedder(),
            seed=seed,
            advance=advance,
        )

    _stage(write, out_file, model, len(items), inputs=[file, prompt], as_json=as_json)


def _stage(
    write: "Callable[[Journal, Callable[[int], None]], Written]",
    out_file: Path,
    model: str,
    total: int,
    *,
    inputs: Sequence[Path | None],
    as_json: bool,
) -> None:
    """Runs a stage with its journal beside its output, and writes what it made: all of it or nothing."""
    from univar.corpus.asking.endpoints import Journal
    from univar.corpus.questions.files import write_questions
    from univar.corpus.questions.generation import rows
    from univar.files import replacing

    replies = out_file.with_suffix(REPLIES)
    rejects = out_file.with_suffix(".rejects.jsonl")
    spare_inputs(inputs, out_file, replies, rejects)
    if out_file.exists() and not replies.exists():
        raise typer.BadParameter(f"{out_file} was not written by this command; name another file", param_hint="--out")
    step(f"About {total:,} requests to {model}; the replies are kept in {replies}")
    with going_on(replies), Journal(replies) as journal, bar(f"Asking {model}", total, "requests") as advance:
        written = write(journal, advance)
    if not written.questions:
        example = written.rejected[0] if written.rejected else None
        said = f"; the first: {example.reason} ({example.text[:120]!r})" if example else ""
        raise RuntimeError(f"no reply of {len(written.rejected)} holds a usable question{said}")
    with replacing(rejects) as temporary:
        temporary.write_text(rows(written.rejected), encoding="utf-8")
    write_questions(written.questions, out_file)
    reasons = Counter(rejected.reason.partition(":")[0] for rejected in written.rejected)
    found = {
        "questions": len(written.questions),
        "rejected": reasons,
        "missing": written.missing,
        "path": str(out_file.resolve()),
        "replies": str(replies.resolve()),
        "rejects": str(rejects.resolve()),
    }
    result(found, *_stage_lines(found), as_json=as_json)


def _stage_lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['questions']:,} questions: {found['path']}"
    if found["rejected"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in found["rejected"].most_common())
        yield f"Not used: {reasons}; see {found['rejects']}"
    if found["missing"]:
        short = list(found["missing"].items())
        named = ", ".join(f"{name} {number}" for name, number in short[:10])
        yield f"Still missing: {named}{f' and {len(short) - 10} more' if len(short) > 10 else ''}"


@contextmanager
def going_on(replies: Path) -> Iterator[None]:
    """Says after an interruption or a failure what is kept and how to go on."""
    from univar.corpus.asking.endpoints import EndpointError

    try:
        yield
    except KeyboardInterrupt:
        say(f"Interrupted; the replies so far are kept in {replies}. Run the same command again to go on.")
        raise typer.Exit(1) from None
    except EndpointError as error:
        if replies.exists() and replies.stat().st_size == 0:
            replies.unlink()
            raise
        raise EndpointError(f"{error}. Replies so far are kept; run the same command again to go on") from error


def taxonomy_of(file: Path | None) -> "Taxonomy":
    """The taxonomy of a file, or that of the bank."""
    from univar.corpus.questions.taxonomy import read_taxonomy, reference_taxonomy

    return reference_taxonomy() if file is None else read_taxonomy(file)


def endpoint_of(
    url: str, model: str, concurrency: int, request: list[str] | None, *, greedy: bool = False
) -> "Endpoint":
    """Whom to ask, and whether for the most likely answer."""
    from univar.corpus.asking.endpoints import Endpoint, is_endpoint

    if not is_endpoint(url):
        message = f"{url!r} is no URL; expected http://, https:// or provider:NAME"
        raise typer.BadParameter(message, param_hint="--endpoint")
    temperature = 0.0 if greedy else 1.0
    return Endpoint(url, model, concurrency=concurrency, temperature=temperature, request=_request(request))


def embedder(total: int | None = None) -> "Embed":
    """The base encoder, with a bar where many are encoded."""
    model = load_named("base")

    def embed(texts: list[str]) -> Any:
        if total is None:
            return model.encode(texts, batch_size=64, show_progress_bar=False)
        with encoding_bar(model, total, "Comparing questions"):
            return model.encode(texts, batch_size=64, show_progress_bar=False)

    return embed

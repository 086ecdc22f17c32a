"""The commands below `univar questions`: check a question set, or have an LLM write one."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from univar.cli.options import Json, Seed, load_named, output_file, spare_inputs
from univar.cli.terminal import bar, encoding_bar, result, say, step
from univar.cli.translate import question_commands

if TYPE_CHECKING:
    from univar.corpus.asking.endpoints import Endpoint, Journal
    from univar.corpus.questions.bank import Embed, Question
    from univar.corpus.questions.generation import Judgement, Written
    from univar.corpus.questions.taxonomy import Taxonomy

app = typer.Typer(
    name="questions",
    help="Check the question bank, or have an LLM write questions for values of your own.",
    epilog="Example:  univar questions check my-questions.jsonl",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(question_commands)


_REPLIES = ".replies.jsonl"


class InstrumentName(StrEnum):
    """The instruments whose items can be imported."""

    pvq_rr = "pvq-rr"
    valueprism = "valueprism"
    wvs = "wvs"
    globe = "globe"
    valuebench = "valuebench"


QuestionFile = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, show_default=False)]
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
PromptFile = Annotated[
    Path | None,
    typer.Option("--prompt", metavar="FILE", exists=True, help="A jinja2 template in place of the one that ships."),
]
TaxonomyFile = Annotated[
    Path | None,
    typer.Option(
        "--taxonomy",
        metavar="FILE",
        exists=True,
        help="YAML of families, values and control topics.",
        show_default="87 values",
    ),
]


@app.command(epilog="Example:  univar questions check my-questions.jsonl --taxonomy my-values.yaml")
def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Questions.", show_default="the bank"),
    ] = None,
    taxonomy_file: TaxonomyFile = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Also have an LLM on this server judge every question.")
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="The judge, as the server names it.")] = "",
    verdicts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=output_file(".jsonl"), help="Where the judge's verdicts are kept."),
    ] = None,
    concurrency: Concurrency = 8,
    prompt: PromptFile = None,
    as_json: Json = False,
) -> None:
    """Check the wording of every question and look for near duplicates; exit code 1 if a question fails."""
    from univar.analysis.question_probe import probe_controls
    from univar.corpus.questions.bank import (
        check_questions,
        control_questions,
        distribution,
        nearest_neighbours,
        quantiles,
        question_bank,
        read_questions,
    )

    if endpoint is not None and (verdicts is None or not model):
        raise typer.BadParameter("a judge needs --model NAME and --verdicts FILE", param_hint="--endpoint")
    if verdicts is not None:
        spare_inputs([file, taxonomy_file, prompt], verdicts, verdicts.with_suffix(_REPLIES))
    taxonomy = _taxonomy(taxonomy_file)
    questions = [*question_bank(), *control_questions()] if file is None else read_questions(file)
    with _known_values(file):
        counts = distribution(questions, taxonomy)
    vectors = _embed(len(questions))([question.question for question in questions])
    similarity, violations = nearest_neighbours(questions, vectors)
    violations = [*check_questions(questions), *violations]
    found: dict[str, Any] = {
        "questions": sum(question.value is not None for question in questions),
        "controls": sum(question.value is None for question in questions),
        "violations": [asdict(violation) for violation in violations],
        "nearest_neighbour_cosine": quantiles(similarity),
        "distribution": counts,
    }
    if (probe := probe_controls(questions, vectors)) is not None:
        interval = [round(end, 4) for end in probe.interval]
        accuracy = round(probe.accuracy, 4)
        found["value_or_control"] = {"accuracy": accuracy, "interval": interval, "chance": probe.chance, "n": probe.n}
    failed = 0
    if endpoint is not None and verdicts is not None:
        judged = _judged(questions, taxonomy, _endpoint(endpoint, model, concurrency, greedy=True), verdicts, prompt)
        found["verdicts"] = Counter(judgement.verdict for judgement in judged)
        failed = found["verdicts"]["fail"]
    result(found, *_bank_lines(found), as_json=as_json)
    if violations or failed:
        raise typer.Exit(1)


@app.command(
    epilog="Example:  univar questions generate --taxonomy my-values.yaml --endpoint http://127.0.0.1:8000 "
    "--model my-llm --out my-questions.jsonl"
)
def generate(
    endpoint: EndpointUrl,
    model: LlmName,
    out_file: OutFile,
    taxonomy_file: TaxonomyFile = None,
    per_value: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Questions a value.")] = 50,
    per_topic: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Questions a control topic.")] = 18,
    prompt: PromptFile = None,
    control_prompt: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, help="The same for control questions.")
    ] = None,
    concurrency: Concurrency = 8,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Have an LLM write questions for every value of a taxonomy; what fails the checks is left out.

    After an interruption the same command goes on: no reply is asked for twice.
    """
    from univar.corpus.questions.generation import EACH
    from univar.corpus.questions.generation import generate as generate_questions

    taxonomy = _taxonomy(taxonomy_file)
    prompts = {name: path for name, path in (("generate", prompt), ("control", control_prompt)) if path is not None}
    asked = len(taxonomy.values) * -(-per_value // EACH) + len(taxonomy.control_topics) * -(-per_topic // EACH)

    def write(journal: "Journal", advance: Callable[[int], None]) -> "Written":
        return generate_questions(
            taxonomy,
            _endpoint(endpoint, model, concurrency),
            journal,
            per_value=per_value,
            per_topic=per_topic,
            prompts=prompts,  # type: ignore[arg-type]
            embed=_embed(),
            seed=seed,
            advance=advance,
        )

    _stage(write, out_file, model, asked, inputs=[taxonomy_file, prompt, control_prompt], as_json=as_json)


@app.command(
    epilog="Example:  univar questions paraphrase my-questions.jsonl --endpoint http://127.0.0.1:8000 "
    "--model my-llm --out my-core.jsonl"
)
def paraphrase(
    file: QuestionFile,
    endpoint: EndpointUrl,
    model: LlmName,
    out_file: OutFile,
    number: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Paraphrases a question.")] = 4,
    prompt: PromptFile = None,
    concurrency: Concurrency = 8,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Have an LLM say every question in other words; questions that have paraphrases keep them."""
    from univar.corpus.questions.bank import read_questions
    from univar.corpus.questions.generation import paraphrase as paraphrase_questions

    questions = read_questions(file)

    def write(journal: "Journal", advance: Callable[[int], None]) -> "Written":
        server = _endpoint(endpoint, model, concurrency)
        return paraphrase_questions(
            questions, server, journal, number=number, prompt=prompt, seed=seed, advance=advance
        )

    _stage(write, out_file, model, len(questions), inputs=[file, prompt], as_json=as_json)


@app.command(
    name="import",
    epilog="Example:  univar questions import my-pvq.csv --as pvq-rr --endpoint http://127.0.0.1:8000 "
    "--model my-llm --out pvq-questions.jsonl",
)
def import_(
    file: QuestionFile,
    instrument: Annotated[InstrumentName, typer.Option("--as", help="What the items are from.")],
    endpoint: EndpointUrl,
    model: LlmName,
    out_file: OutFile,
    text: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of the items.")] = None,
    value: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of their values.")] = None,
    number: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Questions an item.")] = 1,
    prompt: PromptFile = None,
    concurrency: Concurrency = 8,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Have an LLM turn the items of your own copy of an instrument into questions; univar ships none of their text."""
    from univar.corpus.questions.generation import convert
    from univar.corpus.questions.instruments import INSTRUMENTS, read_items

    described = INSTRUMENTS[instrument.value]
    items = read_items(file, described, text=text, value=value)

    def write(journal: "Journal", advance: Callable[[int], None]) -> "Written":
        server = _endpoint(endpoint, model, concurrency)
        return convert(
            items,
            described.kind,
            server,
            journal,
            number=number,
            prompt=prompt,
            embed=_embed(),
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
    from univar.corpus.questions.bank import write_questions
    from univar.corpus.questions.generation import rows
    from univar.files import replacing

    replies = out_file.with_suffix(_REPLIES)
    rejects = out_file.with_suffix(".rejects.jsonl")
    spare_inputs(inputs, out_file, replies, rejects)
    if out_file.exists() and not replies.exists():
        raise typer.BadParameter(f"{out_file} was not written by this command; name another file", param_hint="--out")
    step(f"About {total:,} requests to {model}; the replies are kept in {replies}")
    with _going_on(replies), Journal(replies) as journal, bar(f"Asking {model}", total, "requests") as advance:
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
def _going_on(replies: Path) -> Iterator[None]:
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


def _judged(
    questions: "list[Question]", taxonomy: "Taxonomy", endpoint: "Endpoint", verdicts: Path, prompt: Path | None
) -> "list[Judgement]":
    from univar.corpus.asking.endpoints import Journal
    from univar.corpus.questions.generation import judge, rows
    from univar.files import replacing

    replies = verdicts.with_suffix(_REPLIES)
    with _going_on(replies), Journal(replies) as journal, bar("Judging", len(questions), "questions") as advance:
        judged = judge(questions, taxonomy, endpoint, journal, prompt=prompt, advance=advance)
    with replacing(verdicts) as temporary:
        temporary.write_text(rows(judged), encoding="utf-8")
    return judged


def _taxonomy(file: Path | None) -> "Taxonomy":
    from univar.corpus.questions.taxonomy import read_taxonomy, reference_taxonomy

    return reference_taxonomy() if file is None else read_taxonomy(file)


@contextmanager
def _known_values(file: Path | None) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise ValueError(
            f"{file} has questions about {error}, which the taxonomy does not define; give theirs with --taxonomy FILE"
        ) from error


def _endpoint(url: str, model: str, concurrency: int, *, greedy: bool = False) -> "Endpoint":
    from univar.corpus.asking.endpoints import Endpoint, is_endpoint

    if not is_endpoint(url):
        message = f"{url!r} is no URL; expected http://, https:// or provider:NAME"
        raise typer.BadParameter(message, param_hint="--endpoint")
    return Endpoint(url, model, concurrency=concurrency, temperature=0.0 if greedy else 1.0)


def _embed(total: int | None = None) -> "Embed":
    """The base encoder, with a bar where many are encoded."""
    model = load_named("base")

    def embed(texts: list[str]) -> Any:
        if total is None:
            return model.encode(texts, batch_size=64, show_progress_bar=False)
        with encoding_bar(model, total, "Comparing questions"):
            return model.encode(texts, batch_size=64, show_progress_bar=False)

    return embed


def _bank_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What `univar questions check` found, in words."""
    yield f"{found['questions']:,} value-eliciting and {found['controls']:,} control questions."
    for name in ("form", "family", "topic"):
        counts = ", ".join(f"{key} {count:,}" for key, count in found["distribution"][name].most_common())
        yield f"By {name}: {counts}."
    cosine = ", ".join(f"{place} {number:.3f}" for place, number in found["nearest_neighbour_cosine"].items())
    yield f"Cosine of each question with its nearest: {cosine}."
    if probe := found.get("value_or_control"):
        low, high = probe["interval"]
        yield (
            f"A linear probe on the base encoder tells value-eliciting from control questions: {probe['accuracy']:.1%} "
            f"({low:.1%} to {high:.1%}), chance {probe['chance']:.1%}, n = {probe['n']:,}."
        )
    yield from (f"{v['question_id']}: {v['check']}: {v['detail']}" for v in found["violations"])
    yield f"{len(found['violations'])} violations."
    if "verdicts" in found:
        yield "The judge: " + ", ".join(f"{verdict} {count:,}" for verdict, count in found["verdicts"].items()) + "."

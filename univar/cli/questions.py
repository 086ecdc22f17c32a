"""`univar questions`: what a file of questions holds, and `univar questions check`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from univar.cli.generate import (
    REPLIES,
    Concurrency,
    PromptFile,
    RequestFields,
    TaxonomyFile,
    embedder,
    endpoint_of,
    going_on,
    question_writing,
    taxonomy_of,
)
from univar.cli.options import Json, output_file, spare_inputs
from univar.cli.terminal import bar, result, say
from univar.cli.translate import question_commands

if TYPE_CHECKING:
    from univar.corpus.asking.endpoints import Endpoint
    from univar.corpus.questions.bank import Question
    from univar.corpus.questions.generation import Judgement
    from univar.corpus.questions.taxonomy import Taxonomy

_HELP = """Check the question bank, or have an LLM write questions for values of your own.

FILE, here and in univar elicit --questions, holds questions of your own:

.txt           a question on each line
.csv, .tsv     a header, and a question in each row
.jsonl, .json  for each question an object with fields, or the text alone
.parquet       a question in each row, as in the folders of save_to_disk

Of the columns or fields only the first is needed:

question       as it is asked
question_id    the same in all languages; else a hash of the text. That of a
               control question, which elicits no value, begins with control-
lang           of the question, by any code; else English
value          id of the value that it elicits, of the bank or of your own
               taxonomy; else not known
form           advice, opinion, trade-off, situation or second-person
topic          what it is about besides the value
question_eng   the English original of a question in another language
paraphrases    a list of other words for it, in English

A line of a .jsonl:
{"question": "May one lie to spare a friend?", "value": "honesty"}

load_dataset("univar-qa") is such a file after to_json, to_csv or to_parquet.
"""

app = typer.Typer(
    name="questions",
    help=_HELP,
    epilog="Example:  univar questions check my-questions.jsonl",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(question_writing)
app.add_typer(question_commands)


@app.command(epilog="Example:  univar questions check my-questions.jsonl --taxonomy my-values.yaml")
def check(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            exists=True,
            help="Questions: txt, csv, tsv, jsonl, json or parquet; `univar questions --help` says what they hold.",
            show_default="the bank and its control questions",
        ),
    ] = None,
    taxonomy_file: TaxonomyFile = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Also have an LLM on this server say whether every question brings out its value; needs --model and "
            "--verdicts. Its key is read from UNIVAR_API_KEY, if set.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="The judge, as the server names it.")] = "",
    verdicts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=output_file(".jsonl"), help="Where the judge's verdicts go, as JSON lines."
        ),
    ] = None,
    concurrency: Concurrency = 8,
    request: RequestFields = None,
    prompt: PromptFile = None,
    as_json: Json = False,
) -> None:
    """Check the wording of every question and look for near duplicates; exit code 1 if a question fails.

    A question has 5 to 60 words, ends in a question mark, does not say which
    answer is wanted, and is not like another; 2 % of all may begin with the same
    three words. Questions in other languages than English are not checked.
    """
    from univar.analysis.question_probe import probe_controls
    from univar.corpus.questions.bank import control_questions, question_bank
    from univar.corpus.questions.checks import check_questions, distribution, nearest_neighbours, quantiles
    from univar.corpus.questions.files import read_questions

    if endpoint is not None and (verdicts is None or not model):
        raise typer.BadParameter("a judge needs --model NAME and --verdicts FILE", param_hint="--endpoint")
    if verdicts is not None:
        spare_inputs([file, taxonomy_file, prompt], verdicts, verdicts.with_suffix(REPLIES))
    taxonomy = taxonomy_of(taxonomy_file)
    questions = [*question_bank(), *control_questions()] if file is None else read_questions(file)
    if others := sum(question.lang != "eng" for question in questions):
        say(f"{others:,} of {len(questions):,} questions are not in English; they are not checked", "yellow")
    questions = [question for question in questions if question.lang == "eng"]
    if not questions:
        raise typer.BadParameter(f"{file} has no questions in English to check", param_hint="FILE")
    with _known_values(file):
        counts = distribution(questions, taxonomy)
    vectors = embedder(len(questions))([question.question for question in questions])
    similarity, violations = nearest_neighbours(questions, vectors)
    violations = [*check_questions(questions), *violations]
    texts = {question.question_id: question.question for question in questions}
    found: dict[str, Any] = {
        "questions": sum(not question.control for question in questions),
        "controls": sum(question.control for question in questions),
        "violations": [{**asdict(violation), "question": texts[violation.question_id]} for violation in violations],
        "nearest_neighbour_cosine": quantiles(similarity),
        "distribution": counts,
    }
    if (probe := probe_controls(questions, vectors)) is not None:
        interval = [round(end, 4) for end in probe.interval]
        accuracy = round(probe.accuracy, 4)
        found["value_or_control"] = {"accuracy": accuracy, "interval": interval, "chance": probe.chance, "n": probe.n}
    failed = 0
    if endpoint is not None and verdicts is not None:
        judge = endpoint_of(endpoint, model, concurrency, request, greedy=True)
        judged = _judged(questions, taxonomy, judge, verdicts, prompt)
        found["verdicts"] = Counter(judgement.verdict for judgement in judged)
        failed = found["verdicts"]["fail"]
    result(found, *_bank_lines(found), as_json=as_json)
    if violations or failed:
        raise typer.Exit(1)


def _judged(
    questions: "list[Question]", taxonomy: "Taxonomy", endpoint: "Endpoint", verdicts: Path, prompt: Path | None
) -> "list[Judgement]":
    from univar.corpus.asking.endpoints import Journal
    from univar.corpus.questions.generation import judge, rows
    from univar.files import replacing

    replies = verdicts.with_suffix(REPLIES)
    with going_on(replies), Journal(replies) as journal, bar("Judging", len(questions), "questions") as advance:
        judged = judge(questions, taxonomy, endpoint, journal, prompt=prompt, advance=advance)
    with replacing(verdicts) as temporary:
        temporary.write_text(rows(judged), encoding="utf-8")
    return judged


@contextmanager
def _known_values(file: Path | None) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise ValueError(
            f"{file} has questions about {error}, which the taxonomy does not define; give theirs with --taxonomy FILE"
        ) from error


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
    yield from (f"{v['question_id']} ({v['question']:.60}): {v['check']}: {v['detail']}" for v in found["violations"])
    yield f"{len(found['violations'])} violations."
    if "verdicts" in found:
        yield "The judge: " + ", ".join(f"{verdict} {count:,}" for verdict, count in found["verdicts"].items()) + "."

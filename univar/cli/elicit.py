"""`univar elicit`: every question to every LLM."""

import difflib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from univar.cli.asking import ask, local_llm, summary
from univar.cli.options import Json, Languages, Seed, output_folder
from univar.cli.terminal import result, say
from univar.corpus.asking.fields import MAX_TOKENS

if TYPE_CHECKING:
    from univar.corpus.asking.answers import AnswerFolder
    from univar.corpus.asking.elicitation import Estimate
    from univar.corpus.asking.models import LLM
    from univar.corpus.questions.bank import Question

app = typer.Typer()


def _question_source(named: Path) -> Path:
    """Questions of one's own, or the name of a set that ships where no file has it."""
    from univar.corpus.questions.bank import SETS
    from univar.corpus.questions.files import SUFFIXES, holds_questions

    if holds_questions(named) or str(named) in SETS:
        return named
    if named.is_dir():
        raise typer.BadParameter(f"{named} is a folder, and no data set that save_to_disk wrote; name a file")
    nearest = difflib.get_close_matches(str(named), SETS, n=1)
    hint = f", did you mean {nearest[0]}?" if nearest else "."
    raise typer.BadParameter(
        f"no file {str(named)!r}{hint} There are the sets {', '.join(SETS)}, and files of your own may end in "
        f"{', '.join(SUFFIXES)}"
    )


@app.command(epilog="Example:  univar elicit --models models.yaml --lang eng --lang fra --samples 2 --out answers/")
def elicit(
    out_folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the answers; it is a corpus for the other commands.")
    ],
    models: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="YAML of the LLMs to ask; see above."),
    ] = None,
    gguf: Annotated[
        Path | None,
        typer.Option(
            "--gguf",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Instead of --models: weights of an LLM, which is served on this machine while it is asked (extra "
            "local). It is called as the file is, and asked in the languages of --lang, else in English.",
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="A system prompt for every LLM that is asked.", show_default=False),
    ] = None,
    questions: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            callback=_question_source,
            help="Questions of your own: txt, csv, tsv, jsonl, json or parquet. Or a set that ships: bank; core, two "
            "of it a value in English and one in other languages; controls, which are in English and elicit no values.",
        ),
    ] = Path("bank"),
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit-per-value",
            metavar="NUMBER",
            min=1,
            help="At most so many questions a value, or a topic of control questions: the same ones in every language "
            "and every run.",
            show_default="all",
        ),
    ] = None,
    lang: Languages = None,
    samples: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Answers to each question.")] = 1,
    max_tokens: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Of an answer.")] = MAX_TOKENS,
    temperature: Annotated[float, typer.Option(metavar="NUMBER", min=0, help="0: the most likely answer.")] = 1.0,
    top_p: Annotated[float, typer.Option(metavar="NUMBER", min=0, max=1, help="Nucleus of the sampling.")] = 0.95,
    seed: Seed = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked and what it costs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Ask LLMs the questions and keep every answer the moment it comes.

    After an interruption of any kind the same command goes on with what is missing: nothing is lost or asked for twice.
    A key is read from UNIVAR_API_KEY, or from the variable that the models file names as key_variable.

    Questions of your own are a .txt with one on each line, or a table with a
    column question; `univar questions --help` says what else a file may hold.

    The models file is YAML, a list under `models`. Of each LLM it says

    - name: in the corpus; endpoint: a URL, or provider:NAME; languages: codes
    - model: its name on the server, if it has another there
    - system: a system prompt; --system gives one to all
    - request: fields of its requests, changed or added; null leaves one out,
      as in {max_tokens: null, max_completion_tokens: 512}
    - key_variable: the environment variable of its key, if not UNIVAR_API_KEY
    - dollars_per_million_prompt_tokens, dollars_per_million_answer_tokens
    - concurrency: requests under way at once, at most (64); there are two at
      first, and more as the server bears them
    - requests_per_minute, tokens_per_minute: at most
    - timeout: in seconds; top_k: of the sampling
    - tokenizer: folder or Hub name, to count tokens beforehand

    Only name, endpoint and languages are needed.
    """
    from univar.corpus.asking.elicitation import Plan, Sampling

    output_folder(out_folder)
    llms = _llms(models, gguf, lang, system)
    sampling = Sampling(samples=samples, max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed)
    plan = Plan(_questions(questions, limit, lang, llms), llms, sampling)
    asked = ask(plan, out_folder, gguf=gguf, dry_run=dry_run, yes=yes, also=_tell_more)
    if dry_run:
        result({name: asdict(found) for name, found in asked.estimates.items()}, as_json=as_json)
        return
    described = {name: vars(found) for name, found in asked.progress.items()}  # asdict breaks counters
    path = str(out_folder.resolve())
    result({"answers": described, "path": path}, *summary(asked.progress, out_folder), as_json=as_json)
    if asked.stopped:
        say("Run the same command again to go on with what is missing.")
        raise typer.Exit(1)


def _llms(models: Path | None, gguf: Path | None, lang: Sequence[str] | None, system: str | None) -> "list[LLM]":
    """Those of the models file, or the one of a GGUF file, whose server is to come."""
    from univar.corpus.asking.models import read_models

    if (models is None) == (gguf is None):
        message = "give one of the two: --models, a file of LLMs and where they are, or --gguf, an LLM to serve here"
        raise typer.BadParameter(message, param_hint="--models")
    if models is not None:
        llms = read_models(models)
    else:
        assert gguf is not None
        llms = [local_llm(gguf, lang or ["eng"])]
    if system and (prompted := [llm.name for llm in llms if llm.system]):
        message = f"{', '.join(prompted)}: the models file has a system prompt already; leave one of the two out"
        raise typer.BadParameter(message, param_hint="--system")
    return [replace(llm, system=system) for llm in llms] if system else llms


def _questions(
    named: Path, limit: int | None, lang: Sequence[str] | None, llms: "Sequence[LLM]"
) -> "Sequence[Question]":
    """The questions in the languages asked for, by default in those that an LLM speaks."""
    from univar.corpus.languages import language_code
    from univar.corpus.questions.bank import limited, question_set
    from univar.corpus.questions.files import holds_questions, read_questions

    spoken = {language_code(code) for llm in llms for code in llm.languages}
    for code in lang or ():
        if code not in spoken:
            raise typer.BadParameter(
                f"no LLM speaks {code}; they speak {', '.join(sorted(spoken))}", param_hint="--lang"
            )
    mine = holds_questions(named)
    every: Sequence[Question] = read_questions(named) if mine else question_set(str(named))
    if limit is not None:
        every = limited(every, limit)  # before languages are left out, so that all have the same questions
    wanted, there = set(lang or spoken), {question.lang for question in every}
    lacking = wanted - there
    if lacking == wanted or (lang and lacking):
        message = f"{named} has no questions in {', '.join(sorted(lacking))}, only in {', '.join(sorted(there))}"
        unstated = "; those without lang count as English" if mine else ""
        raise typer.BadParameter(message + unstated, param_hint="--questions")
    return [question for question in every if question.lang in wanted]


def _tell_more(folder: "AnswerFolder", estimates: "dict[str, Estimate]") -> None:
    """Where prices go, and that answers of another plan in the same folder would be pooled with those to come."""
    if any(found.dollars is None for found in estimates.values()):
        say(
            "A price is dollars_per_million_prompt_tokens and dollars_per_million_answer_tokens in the models file.",
            "dim",
        )
    others = len(folder.answered) - sum(found.answered for found in estimates.values())
    if others and any(found.requests for found in estimates.values()):
        say(
            f"{folder.path} holds {others:,} answers that this plan does not ask for (other questions, LLMs or "
            "sampling); name another --out to keep them apart",
            "yellow",
        )

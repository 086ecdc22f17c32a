"""`univar elicit`: every question to every LLM."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from univar.cli.options import Json, Languages, Seed, output_folder
from univar.cli.terminal import err, printable, result, say, tell_of_cut_off, working
from univar.corpus.asking.fields import MAX_TOKENS

if TYPE_CHECKING:
    from univar.corpus.asking.answers import AnswerFolder, CutOff
    from univar.corpus.asking.elicitation import Estimate, Plan, Watch
    from univar.corpus.asking.elicitation import Progress as Elicited
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
    from univar.corpus.asking.answers import AnswerFolder, cut_off_answers
    from univar.corpus.asking.elicitation import Plan, Sampling, estimate, same_served
    from univar.corpus.asking.elicitation import elicit as elicit_answers

    output_folder(out_folder)
    llms = _llms(models, gguf, lang, system)
    sampling = Sampling(samples=samples, max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed)
    plan = Plan(_questions(questions, limit, lang, llms), llms, sampling)
    with AnswerFolder(out_folder) as folder:
        with working("Counting what is to be asked"):
            estimates = {llm.name: estimate(plan, llm, folder) for llm in llms}
        _show_estimates(estimates)
        _tell_of_others(folder, estimates)
        if dry_run:
            result({name: asdict(found) for name, found in estimates.items()}, as_json=as_json)
            return
        if not yes and any(_may_cost(llm, estimates[llm.name]) for llm in llms):
            typer.confirm("Go on?", abort=True, err=True)
        with _going_on(folder), _served(plan, gguf) as served, _lanes(plan) as watch:
            progress = elicit_answers(served, folder, watch=watch)
    stopped = {name: found.stopped for name, found in progress.items() if found.stopped}
    for name, reason in stopped.items():
        say(f"{name}: {reason}", "red")
    described = {name: vars(found) for name, found in progress.items()}  # asdict breaks counters
    _tell_of_answers(plan, progress, cut_off_answers(out_folder))
    _tell_of_served(same_served(out_folder, llms))
    result({"answers": described, "path": str(out_folder.resolve())}, *_summary(progress, out_folder), as_json=as_json)
    if stopped:
        say("Run the same command again to go on with what is missing.")
        raise typer.Exit(1)


def _llms(models: Path | None, gguf: Path | None, lang: Sequence[str] | None, system: str | None) -> "list[LLM]":
    """Those of the models file, or the one of a GGUF file, whose server is to come."""
    from univar.corpus.asking.local import PATIENCE, SLOTS, check_gguf, require_server
    from univar.corpus.asking.models import LLM, read_models

    if (models is None) == (gguf is None):
        message = "give one of the two: --models, a file of LLMs and where they are, or --gguf, an LLM to serve here"
        raise typer.BadParameter(message, param_hint="--models")
    if models is not None:
        llms = read_models(models)
    else:
        assert gguf is not None
        check_gguf(gguf)
        require_server()
        own = LLM(gguf.stem, "http://127.0.0.1", tuple(lang or ["eng"]), concurrency=SLOTS, timeout=PATIENCE)
        llms = [replace(own, dollars_per_million_prompt_tokens=0)]
    if system and (prompted := [llm.name for llm in llms if llm.system]):
        message = f"{', '.join(prompted)}: the models file has a system prompt already; leave one of the two out"
        raise typer.BadParameter(message, param_hint="--system")
    return [replace(llm, system=system) for llm in llms] if system else llms


@contextmanager
def _served(plan: "Plan", gguf: Path | None) -> "Iterator[Plan]":
    """The plan with the URL of its LLM, which is served meanwhile; without a GGUF file the plan as it is."""
    from univar.corpus.asking.local import local_server

    if gguf is None:
        yield plan
        return
    with ExitStack() as stack:
        with working(f"Loading {gguf.name}"):
            url = stack.enter_context(local_server(gguf, max_tokens=plan.sampling.max_tokens))
        yield replace(plan, llms=[replace(llm, endpoint=url) for llm in plan.llms])


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


def _may_cost(llm: "LLM", found: "Estimate") -> bool:
    """Whether money may be spent: without a price, nobody knows what any server but a local one takes."""
    from univar.corpus.asking.endpoints import is_local

    return bool(found.requests) and (not is_local(llm.endpoint) if found.dollars is None else found.dollars > 0)


def _show_estimates(estimates: "dict[str, Estimate]") -> None:
    for name, found in estimates.items():
        price = _money(found.dollars) if found.dollars is None else f"at most {_money(found.dollars)}"
        say(f"{name}: {_told(found)}, {price}")
    if len(estimates) > 1:
        say(_total(estimates))
    if any(found.dollars is None for found in estimates.values()):
        say(
            "A price is dollars_per_million_prompt_tokens and dollars_per_million_answer_tokens in the models file.",
            "dim",
        )


def _told(found: "Estimate") -> str:
    answers = "no limit to answer tokens"
    if found.answer_tokens is not None:
        answers = f"at most {found.answer_tokens:,} answer tokens"
    prompts = f"{'' if found.counted else 'about '}{found.prompt_tokens:,} prompt tokens"
    return f"{found.requests:,} requests, {prompts}, {answers}"


def _total(estimates: "dict[str, Estimate]") -> str:
    """What all LLMs take together, and whose price is not in it."""
    from univar.corpus.asking.elicitation import Estimate

    every = list(estimates.values())
    limits = [found.answer_tokens for found in every if found.answer_tokens is not None]
    total = Estimate(
        requests=sum(found.requests for found in every),
        prompt_tokens=sum(found.prompt_tokens for found in every),
        answer_tokens=sum(limits) if len(limits) == len(every) else None,
        dollars=sum(found.dollars for found in every if found.dollars is not None),
        counted=all(found.counted for found in every),
        answered=sum(found.answered for found in every),
    )
    unknown = [name for name, found in estimates.items() if found.dollars is None]
    price = f"at most {_money(total.dollars)}"
    if len(unknown) == len(every):
        price = _money(None)
    elif unknown:
        price += f" and what {', '.join(unknown)} cost, whose price is unknown"
    return f"In total: {_told(total)}, {price}"


def _tell_of_answers(plan: "Plan", progress: "dict[str, Elicited]", cut_off: "dict[str, CutOff]") -> None:
    """Answers that are none, or not whole, by the word of their server."""
    from univar.corpus.asking.fields import token_limit

    for llm in plan.llms:
        against = progress[llm.name].against if llm.name in progress else Counter[str]()
        limit = token_limit(plan.sampling.max_tokens, llm.request)
        where = "--max-tokens" if limit == plan.sampling.max_tokens else "the limit in `request` of the models file"
        if number := against["only reasoning"]:
            say(
                f"{llm.name}: {number:,} answers are only reasoning: {where} ({limit or 'none'}) is too small for what "
                "it thinks before it answers; ask again with more, or have it think less, as in "
                "`request: {reasoning_effort: low}` in the models file",
                "yellow",
            )
        elif llm.name in cut_off:
            tell_of_cut_off(
                llm.name,
                *cut_off[llm.name],
                f"{where} is {limit or 'not set'}; ask again with more and another --out, or have it be brief, as by "
                '--system "Answer in three sentences."',
            )


def _tell_of_served(same: dict[str, list[str]]) -> None:
    for served, names in same.items():
        say(
            f"{' and '.join(names)} were answered by one model, which the server calls {served}: they may be one LLM "
            "under several names; is `model` in the models file right?",
            "yellow",
        )


def _tell_of_others(folder: "AnswerFolder", estimates: "dict[str, Estimate]") -> None:
    """Answers of another plan in the same folder would be pooled with those to come."""
    others = len(folder.answered) - sum(found.answered for found in estimates.values())
    if others and any(found.requests for found in estimates.values()):
        say(
            f"{folder.path} holds {others:,} answers that this plan does not ask for (other questions, LLMs or "
            "sampling); name another --out to keep them apart",
            "yellow",
        )


def _money(dollars: float | None) -> str:
    return "price unknown" if dollars is None else f"${dollars:,.2f}"


@contextmanager
def _going_on(folder: "AnswerFolder") -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        say(f"Interrupted; {len(folder.answered):,} answers are kept in {folder.path}. Run the same command again.")
        raise typer.Exit(1) from None
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror or error}; the {len(folder.answered):,} answers so far are kept in {folder.path}. "
            "Run the same command again to go on",
        ) from error


@contextmanager
def _lanes(plan: "Plan") -> "Iterator[Watch]":
    """A bar for each LLM: done, rate, tokens, dollars, time left, errors."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TextColumn("{task.fields[told]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:
        tasks = {llm.name: bars.add_task(printable(llm.name), total=plan.count(llm), told="") for llm in plan.llms}

        def watch(progress: "dict[str, Elicited]") -> None:
            for name, found in progress.items():
                speed = bars.tasks[tasks[name]].speed or 0
                told = f"{speed:,.1f}/s  {found.prompt_tokens + found.answer_tokens:,} tokens  {_money(found.dollars)}"
                told += "".join(f"  {kind} {count}" for kind, count in found.errors.most_common(3))
                bars.update(tasks[name], completed=found.done + found.failed, told=told)

        yield watch


def _summary(progress: "dict[str, Elicited]", folder: Path) -> Iterator[str]:
    totals: Counter[str] = Counter()
    for name, found in progress.items():
        totals.update(done=found.done, planned=found.planned)
        details: list[Any] = [f"{found.done:,} of {found.planned:,} answered"]
        details += [f"{found.failed:,} refused for good (.failures.jsonl)"] if found.failed else []
        details += [f"{count:,} {reason}" for reason, count in found.against.most_common()]
        details += [f"{kind} {count:,}" for kind, count in found.errors.most_common()]
        yield f"{name}: {', '.join(details)}; {found.sent:,} requests sent, {_money(found.dollars)}"
    yield f"{totals['done']:,} of {totals['planned']:,} answers: {folder.resolve()}"

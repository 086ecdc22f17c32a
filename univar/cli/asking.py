"""What commands that ask LLMs share: what it costs told before, a bar for each LLM, what came of it, how to go on."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from univar.cli.terminal import err, printable, say, tell_of_cut_off, working

if TYPE_CHECKING:
    from univar.corpus.asking.answers import AnswerFolder, CutOff
    from univar.corpus.asking.elicitation import Estimate, Plan, Watch
    from univar.corpus.asking.elicitation import Progress as Elicited
    from univar.corpus.asking.models import LLM


class Asked(NamedTuple):
    """What was to be asked of each LLM, and what came of it."""

    estimates: "dict[str, Estimate]"
    progress: "dict[str, Elicited]"
    """Empty where nothing was to be spent."""

    @property
    def stopped(self) -> bool:
        """Whether an LLM is not asked to the end in this run."""
        return any(found.stopped for found in self.progress.values())


def ask(
    plan: "Plan",
    out_folder: Path,
    *,
    gguf: Path | None = None,
    dry_run: bool = False,
    yes: bool = False,
    also: "Callable[[AnswerFolder, dict[str, Estimate]], None]" = lambda _folder, _estimates: None,
) -> Asked:
    """Asks what a folder has no answer to, once it is told what that costs and, where it may, agreed to.

    Args:
        plan: What to ask.
        out_folder: Of the answers.
        gguf: The LLM of the plan, which is served meanwhile.
        dry_run: Ask nothing.
        yes: Agree to what it costs.
        also: Tells more of what is to be asked.

    Raises:
        typer.Exit: After an interruption.
    """
    from univar.corpus.asking.answers import AnswerFolder, cut_off_answers
    from univar.corpus.asking.elicitation import elicit, estimate, same_served

    with AnswerFolder(out_folder) as folder:
        with working("Counting what is to be asked"):
            estimates = {llm.name: estimate(plan, llm, folder) for llm in plan.llms}
        _show_estimates(estimates)
        also(folder, estimates)
        if dry_run:
            return Asked(estimates, {})
        if not yes and any(_may_cost(llm, estimates[llm.name]) for llm in plan.llms):
            typer.confirm("Go on?", abort=True, err=True)
        asked = any(found.requests for found in estimates.values())
        with _going_on(folder), _served(plan, gguf if asked else None) as served, _lanes(plan) as watch:
            progress = elicit(served, folder, watch=watch)
    for name, found in progress.items():
        if found.stopped:
            say(f"{name}: {found.stopped}", "red")
    _tell_of_answers(plan, progress, cut_off_answers(out_folder))
    _tell_of_served(same_served(out_folder, plan.llms))
    return Asked(estimates, progress)


def local_llm(weights: Path, langs: Sequence[str], *, name: str | None = None) -> "LLM":
    """The LLM of a GGUF file, whose server is to come; by default it is called as the file is.

    Raises:
        ElicitationError: If the file is none.
        ImportError: If nothing can serve it.
    """
    from univar.corpus.asking.local import PATIENCE, SLOTS, check_gguf, require_server
    from univar.corpus.asking.models import LLM

    check_gguf(weights)
    require_server()
    own = LLM(name or weights.stem, "http://127.0.0.1", tuple(langs), concurrency=SLOTS, timeout=PATIENCE)
    return replace(own, dollars_per_million_prompt_tokens=0)


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


def summary(progress: "dict[str, Elicited]", folder: Path) -> Iterator[str]:
    """What came of each LLM, a sentence each, then of all of them and where it lies."""
    totals: Counter[str] = Counter()
    for name, found in progress.items():
        totals.update(done=found.done, planned=found.planned)
        details: list[Any] = [f"{found.done:,} of {found.planned:,} answered"]
        details += [f"{found.failed:,} refused for good (.failures.jsonl)"] if found.failed else []
        details += [f"{count:,} {reason}" for reason, count in found.against.most_common()]
        details += [f"{kind} {count:,}" for kind, count in found.errors.most_common()]
        yield f"{name}: {', '.join(details)}; {found.sent:,} requests sent, {_money(found.dollars)}"
    yield f"{totals['done']:,} of {totals['planned']:,} answers: {folder.resolve()}"

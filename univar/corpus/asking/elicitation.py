"""Asks every LLM every question in every language, and keeps each answer the moment it comes."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass as validated

from univar.corpus.asking.answers import AnswerFolder, served_models
from univar.corpus.asking.endpoints import ChatRequest, Endpoint, EndpointError, Lane
from univar.corpus.asking.fields import MAX_TOKENS, as_text, token_limit
from univar.corpus.asking.models import LLM, check_keys
from univar.corpus.asking.replies import ChatReply
from univar.corpus.filters import declared_reason, is_cut_off
from univar.corpus.languages import language_code
from univar.corpus.questions.bank import Question, bank_ids

PROMPT_VERSION = "1"
"""Of how a question becomes a prompt: now it is the question itself."""

_SECONDS_BETWEEN_SYNCS = 1.0
_MOST_REFUSED = 20

# What is asked


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Sampling:
    """How answers are drawn: by default as in the paper (section 4.2), but for its 128 tokens, which cut most off.

    Attributes:
        samples: Answers to each question.
        max_tokens: Of an answer.
        temperature: 0 for the most likely answer.
        top_p: Nucleus of the sampling.
        seed: Of the first sample; the others follow.
    """

    samples: PositiveInt = 1
    max_tokens: PositiveInt = MAX_TOKENS
    temperature: Annotated[float, Ge(0)] = 1.0
    top_p: Annotated[float, Gt(0), Le(1)] = 0.95
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """One request of a plan."""

    request: ChatRequest
    question: Question
    sample: int


@dataclass(frozen=True)
class Plan:
    """Every question x LLM x language it speaks x sample, one after the other and never all at once.

    Attributes:
        questions: In the languages to ask in.
        llms: To ask.
        sampling: How.
    """

    questions: Sequence[Question]
    llms: Sequence[LLM]
    sampling: Sampling

    def of(self, llm: LLM) -> Iterator[Planned]:
        """The requests to one LLM; ids depend on what is asked and how, and on nothing else."""
        spoken = {language_code(code) for code in llm.languages}
        s = self.sampling
        how: tuple[Any, ...] = (
            llm.name,
            llm.model,
            llm.system,
            llm.top_k,
            s.max_tokens,
            s.temperature,
            s.top_p,
            PROMPT_VERSION,
        )
        how += (as_text(llm.request),) if llm.request else ()  # ids of earlier runs, which had none, stay as they are
        for sample in range(s.samples):
            for question in self.questions:
                if question.lang in spoken:
                    what = f"{how}\n{question.question_id}\n{question.lang}\n{question.question}\n{s.seed + sample}"
                    name = hashlib.sha256(what.encode()).hexdigest()[:16]
                    yield Planned(ChatRequest(name, question.question, s.seed + sample), question, sample)

    def count(self, llm: LLM) -> int:
        """How many requests there are to one LLM."""
        spoken = {language_code(code) for code in llm.languages}
        return self.sampling.samples * sum(question.lang in spoken for question in self.questions)

    def endpoint(self, llm: LLM) -> Endpoint:
        """Where and how an LLM is asked."""
        s = self.sampling
        return Endpoint(
            llm.endpoint,
            llm.model or llm.name,
            concurrency=llm.concurrency,
            timeout=llm.timeout,
            key_variable=llm.key_variable,
            requests_per_minute=llm.requests_per_minute,
            tokens_per_minute=llm.tokens_per_minute,
            system=llm.system,
            max_tokens=s.max_tokens,
            temperature=s.temperature,
            top_p=s.top_p,
            top_k=llm.top_k,
            request=llm.request,
        )


# What it will cost


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the requests to one LLM will take, at most.

    Attributes:
        requests: Neither answered yet nor refused for good.
        prompt_tokens: Of these, counted by the tokenizer or guessed at four characters each.
        answer_tokens: If every answer is as long as it may be; None if no limit is sent.
        dollars: By the prices of the models file; None without one, or without a limit.
        counted: Whether a tokenizer counted.
        answered: Requests of the plan that the folder has an answer to.
    """

    requests: int
    prompt_tokens: int
    answer_tokens: int | None
    dollars: float | None
    counted: bool
    answered: int


def estimate(plan: Plan, llm: LLM, folder: AnswerFolder) -> Estimate:
    """What is still to be asked of an LLM, and what it will cost at most; `folder` is entered."""
    count = _token_counter(llm)
    requests = tokens = answered = 0
    for planned in plan.of(llm):
        answered += planned.request.request_id in folder.answered
        if folder.lacks(planned.request.request_id):
            requests += 1
            tokens += count(planned.request.prompt)
    limit = token_limit(plan.sampling.max_tokens, llm.request)
    answers = None if limit is None else requests * limit
    dollars = None if answers is None else llm.dollars(tokens, answers)
    return Estimate(requests, tokens, answers, dollars, llm.tokenizer is not None, answered)


def _token_counter(llm: LLM) -> Callable[[str], int]:
    system = [{"role": "system", "content": llm.system}] if llm.system else []
    if llm.tokenizer is None:
        return lambda prompt: -(-(len(prompt) + len(llm.system or "")) // 4)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(llm.tokenizer)

    def count(prompt: str) -> int:
        messages = [*system, {"role": "user", "content": prompt}]
        encoded: Any = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
        return len(encoded["input_ids"])

    return count


def same_served(folder: Path, llms: Sequence[LLM]) -> dict[str, list[str]]:
    """The names of LLMs that one and the same model answered though different ones were asked, by what servers call it.

    Args:
        folder: Of the answers, of this run and earlier ones.
        llms: That were asked.
    """
    asked = {llm.name: llm.model or llm.name for llm in llms}
    named = {served: [name for name in names if name in asked] for served, names in served_models(folder).items()}
    return {served: names for served, names in named.items() if len({asked[name] for name in names}) > 1}


# Asking


@dataclass
class Progress:
    """What happened with one LLM so far.

    Attributes:
        planned: Requests of the plan.
        done: Of these, answered now or in an earlier run.
        failed: Cannot be answered; see .failures.jsonl.
        sent: Requests sent in this run, retries included.
        prompt_tokens: As the server counts them, in this run.
        answer_tokens: As the server counts them, in this run.
        dollars: Spent in this run, by the prices of the models file; None without one.
        errors: By kind, in this run; most of them healed.
        against: What speaks against answers of this run, as the server tells it, by how many.
        stopped: Why nothing more is asked of it in this run, if so.
    """

    planned: int
    done: int = 0
    failed: int = 0
    sent: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    dollars: float | None = None
    errors: Counter[str] = field(default_factory=Counter)
    against: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None


Watch = Callable[[dict[str, Progress]], None]


def elicit(plan: Plan, folder: AnswerFolder, *, watch: Watch = lambda _: None) -> dict[str, Progress]:
    """Asks what the folder has no answer to; running it again goes on with what is missing.

    Every LLM has its own lane: a slow or broken server holds up no other. What a server refuses for good in one request
    goes to .failures.jsonl; a server that refuses all, or is gone after all attempts, is left for the next run.

    Args:
        plan: What to ask.
        folder: Entered.
        watch: Is given the progress by LLM, whenever it changes.

    Returns:
        The progress by LLM.

    Raises:
        ElicitationError: If an LLM names a variable for its key that is not set; nothing is asked then.
    """
    check_keys(plan.llms)
    progress = {llm.name: Progress(plan.count(llm), dollars=llm.dollars(0, 0)) for llm in plan.llms}
    try:
        asyncio.run(_all_lanes(plan, folder, progress, watch))
    except BaseExceptionGroup as group:
        raise _first(group) from group
    folder.finish_shard()
    return progress


def _first(error: BaseException) -> BaseException:
    """What went wrong, out of the groups that tasks wrap it in."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


async def _all_lanes(plan: Plan, folder: AnswerFolder, progress: dict[str, Progress], watch: Watch) -> None:
    async with AsyncExitStack() as stack:
        lanes = [(llm, await stack.enter_async_context(Lane(plan.endpoint(llm)))) for llm in plan.llms]
        async with asyncio.TaskGroup() as group:
            syncing = group.create_task(_sync(folder))
            async with asyncio.TaskGroup() as asking:
                for llm, lane in lanes:
                    asking.create_task(_lane(plan, llm, lane, folder, progress, watch))
            syncing.cancel()


async def _sync(folder: AnswerFolder) -> None:
    """A power cut costs the answers of a second; a disk takes some milliseconds of it."""
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_SYNCS)
        folder.sync()


async def _lane(
    plan: Plan, llm: LLM, lane: Lane, folder: AnswerFolder, progress: dict[str, Progress], watch: Watch
) -> None:
    mine, before = progress[llm.name], -1
    refused: list[dict[str, str]] = []  # before any answer: who refuses all is asked wrongly, and all of it again

    def keep_refused() -> None:
        mine.failed += len(refused)
        for row in refused:
            folder.append_failure(row)
        refused.clear()

    async def answer(planned: Planned) -> None:
        answered_before = mine.done
        try:
            reply = await lane.ask(planned.request)
        except EndpointError as error:
            if error.concerns == "request":
                refused.append({"request_id": planned.request.request_id, "model": llm.name, "error": str(error)})
                if mine.done:
                    keep_refused()
            elif error.concerns == "endpoint" or mine.done == answered_before:
                mine.stopped = mine.stopped or str(error)  # else others were answered meanwhile: it is asked again
        else:
            folder.append(_row(plan, llm, planned, reply))
            mine.done += 1
            keep_refused()
            mine.prompt_tokens += reply.prompt_tokens or 0
            mine.answer_tokens += reply.completion_tokens or 0
            mine.dollars = llm.dollars(mine.prompt_tokens, mine.answer_tokens)
            mine.against.update(_against(reply))
        mine.sent, mine.errors = lane.sent, lane.errors
        watch(progress)

    mine.done = sum(planned.request.request_id in folder.answered for planned in plan.of(llm))
    mine.failed = sum(planned.request.request_id in folder.failed for planned in plan.of(llm))
    while mine.stopped is None and before < mine.done + mine.failed < mine.planned:
        before = mine.done + mine.failed
        async with _at_most(2 * llm.concurrency) as start:
            for planned in plan.of(llm):
                # Refusals come sooner than answers: it is asked on if one comes after all.
                given_up = mine.stopped or len(refused) >= _MOST_REFUSED
                if not given_up and folder.lacks(planned.request.request_id):
                    await start(answer, planned)
    if refused and mine.stopped is None:
        mine.stopped = f"{refused[-1]['error']}; it refused all of {len(refused)} requests"
    watch(progress)


def _against(reply: ChatReply) -> list[str]:
    """What speaks against an answer by the word of its server."""
    declared = declared_reason(reply.text, reply.finish_reason, reply.reasoning)
    if declared is not None:
        return [declared]
    return ["cut off"] if is_cut_off(reply.finish_reason) else []


@asynccontextmanager
async def _at_most(number: int) -> AsyncIterator[Any]:
    """Yields what starts work on something once fewer than `number` do; waits for all in the end."""
    room = asyncio.Semaphore(number)
    async with asyncio.TaskGroup() as group:

        async def start(work: Callable[[Planned], Coroutine[Any, Any, None]], on: Planned) -> None:
            await room.acquire()
            group.create_task(work(on)).add_done_callback(lambda _: room.release())

        yield start


def _row(plan: Plan, llm: LLM, planned: Planned, reply: ChatReply) -> dict[str, Any]:
    question, sampling = planned.question, plan.sampling
    sent = plan.endpoint(llm).fields(planned.request.seed)
    return {
        "question_id": question.question_id,
        "question": question.question,
        "answer": reply.text,
        "model": llm.name,
        "lang": question.lang,
        "value": question.value,
        "source": "univar-qa" if question.question_id in bank_ids() else None,
        "sample": planned.sample,
        "question_eng": question.question_eng,
        "answer_eng": reply.text if question.lang == "eng" else None,
        "reasoning": reply.reasoning,
        "request_id": reply.request_id,
        "served_model": reply.model,
        "finish_reason": reply.finish_reason,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "seconds": reply.seconds,
        "answered_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": sent.get("seed"),
        "max_tokens": token_limit(sampling.max_tokens, llm.request),
        "temperature": sent.get("temperature"),
        "top_p": sent.get("top_p"),
        "top_k": sent.get("top_k"),
        "request": as_text(llm.request),
        "system": llm.system,
        "prompt_version": PROMPT_VERSION,
    }

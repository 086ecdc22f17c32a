"""How other tools keep answers: chats, the output of batches, the logs of evaluations."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from univar.corpus.formats.columns import at
from univar.corpus.formats.rejects import UnusableRowError

Fields = dict[str, Any]


class Layout(NamedTuple):
    """What a tool writes, and how its rows become QAs.

    Attributes:
        about: To be told: what is read from where.
        needs: The columns that are read.
        gives: The fields that `fields` finds.
        fields: The fields of a row, more than once if it has several answers; counts what it leaves out, and raises
            `UnusableRowError`.
    """

    about: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    fields: Callable[[Mapping[str, Any], Counter[str]], Iterable[Fields]]


SYSTEM = "with a system prompt, which is left out"
TURNS = "with earlier turns, of which the last question and the reply to it are read"
LATER_TURNS = "with later turns, of which the first question and the answer to it are read"


class RowsBeside(Protocol):
    """Reads the files beside another, and if `above` those in the folder above it, as iterators of their rows."""

    def __call__(self, above: bool = False) -> Iterable[Iterator[Any]]:
        """An iterator a file; of another kind of file no more than the first row need be read."""


def layout_of(names: Collection[str], rows_beside: RowsBeside, *, chats: bool = True) -> Layout | None:
    """The layout of a file with columns of these names, or None.

    Args:
        names: Of its columns.
        rows_beside: Reads the files beside it, where questions may lie.
        chats: Whether questions and answers may lie in chats: they have no columns of their own.
    """
    has = frozenset(names).issuperset
    if has({"custom_id", "response"}):
        return _batch_output(rows_beside())
    if has({"eval", "input", "output"}):
        needs = ("eval", "input", "output", "epoch", "error")
        gives = ("question", "answer", "model", "sample", "source")
        return Layout("a log of inspect_ai, of which input and output are read", needs, gives, _inspect_fields)
    if has({"doc", "arguments", "resps"}):
        return _harness_samples(rows_beside())
    if has({"question_id", "choices"}):
        return _mt_bench_answers(rows_beside(above=True))
    if has({"instruction", "input", "output"}):
        about = "instructions, of which each is read together with its input; output was read as answer"
        return Layout(about, ("instruction", "input", "output"), ("question", "answer"), _instruction_fields)
    for column in ("messages", "conversations", "conversation"):
        if chats and column in names:

            def exchange(row: Mapping[str, Any], left_out: Counter[str], column: str = column) -> Iterator[Fields]:
                question, answer = _exchange(row.get(column), left_out)
                yield {"question": question, "answer": answer}

            about = f"chats, of which the last question in {column!r} and the reply to it are read"
            return Layout(about, (column,), ("question", "answer"), exchange)
    return None


_WITHOUT_ANSWERS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"custom_id", "body"}), "The requests of a batch: the answers are in its output file"),
    (frozenset({"question_id", "turns"}), "The questions of MT-bench: the answers are in its folder model_answer"),
    (frozenset({"judge", "question_id"}), "Judgments of MT-bench: the answers are in its folder model_answer"),
    (frozenset({"results", "configs"}), "Scores of lm-evaluation-harness: with --log_samples it keeps the answers"),
    (frozenset({"output_1", "output_2"}), "Pairs of alpaca_eval: the answers are in its files model_outputs.json"),
    (frozenset({"chosen", "rejected"}), "Pairs of a preference data set: name one with --column answer=chosen"),
    (frozenset({"eval", "results"}), "A log of inspect_ai without samples: write it with log_samples=True"),
)  # fmt: skip


def known_without_answers(names: Collection[str]) -> str:
    """What a file with columns of these names is, if it is known to hold no answers, and where they are; or nothing."""
    return next((about for columns, about in _WITHOUT_ANSWERS if columns <= set(names)), "")


def _instruction_fields(row: Mapping[str, Any], _: Counter[str]) -> Iterator[Fields]:
    """As Alpaca keeps them."""
    parts = [part for part in (row.get("instruction"), row.get("input")) if isinstance(part, str) and part.strip()]
    yield {"question": "\n".join(parts), "answer": row.get("output")}


# Chats

_ROLES = {
    "user": "user", "human": "user", "prompter": "user", "system": "system", "developer": "system",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
}  # fmt: skip


def _turns(messages: Any) -> list[tuple[str, str]]:
    """The turns of a chat as roles and texts; those without a text, such as calls of tools, are left out."""
    if isinstance(messages, str):
        try:
            messages = json.loads(messages)
        except (ValueError, RecursionError):
            raise UnusableRowError("not a list of messages") from None
    if not isinstance(messages, list | tuple):
        raise UnusableRowError("not a list of messages")
    turns = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise UnusableRowError("not a list of messages")
        role = str(message.get("role") or message.get("from") or "").strip().lower()
        if text := _text(message.get("content", message.get("value"))):
            turns.append((_ROLES.get(role, role), text))
    return turns


def _text(content: Any) -> str:
    """The text of a message, which may be in parts; images and the like are left out."""
    if isinstance(content, str):
        return content.strip()
    if isinstance(content, list | tuple):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
        return "\n".join(part for part in parts if isinstance(part, str)).strip()
    return ""


def _exchange(messages: Any, left_out: Counter[str]) -> tuple[str, str]:
    """The last question of a chat, and the reply to it."""
    turns = _turns(messages)
    question = _last_question(turns)
    if question is None:
        raise UnusableRowError("no question in the chat")
    place, asked = question
    replies = [text for role, text in turns[place + 1 :] if role == "assistant"]
    if not replies:
        raise UnusableRowError("no reply to the last question of the chat")
    _count_left_out(turns[:place], left_out)
    return asked, replies[-1]


def _last_question(turns: list[tuple[str, str]]) -> tuple[int, str] | None:
    asked = [(place, text) for place, (role, text) in enumerate(turns) if role == "user"]
    return asked[-1] if asked else None


def _count_left_out(before: Iterable[tuple[str, str]], left_out: Counter[str]) -> None:
    """Counts what the LLM was given and the question does not say."""
    roles = {role for role, _ in before}
    left_out[SYSTEM] += "system" in roles
    left_out[TURNS] += bool(roles - {"system"})


def _asked(prompt: Any, left_out: Counter[str]) -> str:
    """The question of a prompt, which is a text or a chat without its reply."""
    if isinstance(prompt, str) and not prompt.lstrip().startswith('[{"'):
        return prompt
    turns = _turns(prompt)
    question = _last_question(turns)
    if question is None:
        raise UnusableRowError("no question in the chat")
    _count_left_out(turns[: question[0]], left_out)
    return question[1]


# Batches of an OpenAI-compatible API: https://platform.openai.com/docs/guides/batch


def _batch_output(beside: Iterable[Iterator[Any]]) -> Layout:
    prompts: dict[str, Any] = {}
    for rows in beside:
        for row in rows:
            if not (isinstance(row, Mapping) and "custom_id" in row and isinstance(row.get("body"), Mapping)):
                break  # another kind of file
            prompt = row["body"].get("messages", row["body"].get("input", row["body"].get("prompt")))
            known = prompts.setdefault(str(row["custom_id"]), prompt)
            if known != prompt:
                prompts[str(row["custom_id"])] = None

    def fields(row: Mapping[str, Any], left_out: Counter[str]) -> Iterator[Fields]:
        body = at(row, "response.body")
        if row.get("error") or not isinstance(body, Mapping) or body.get("error"):
            raise UnusableRowError("the request failed")
        found: Fields = {"model": body.get("model")}
        if prompts:
            name = str(row.get("custom_id"))
            if name not in prompts:
                raise UnusableRowError("no request with this custom_id")
            if prompts[name] is None:
                raise UnusableRowError("several requests with this custom_id")
            found["question"] = _asked(prompts[name], left_out)
        for sample, answer in enumerate(_completions(body)):
            yield {**found, "answer": answer, "sample": sample}

    about = "the output of a batch; " + (
        "its questions are read from the requests beside it"
        if prompts
        else "it holds no questions: lay the file of requests that was sent (jsonl with custom_id and body.messages) "
        "in the same folder"
    )
    given = ("answer", "model", "sample", *(("question",) if prompts else ()))
    return Layout(about, ("custom_id", "response", "error"), given, fields)


def _completions(body: Mapping[str, Any]) -> list[str]:
    """The answers in the body of a response of chat completions, completions or responses."""
    choices = body.get("choices")
    if isinstance(choices, list):
        replies = [choice for choice in choices if isinstance(choice, Mapping)]
        return [_text(at(reply, "message.content") or reply.get("text")) for reply in replies]
    output = body.get("output")
    items = output if isinstance(output, list) else []
    parts = [_text(item.get("content")) for item in items if isinstance(item, Mapping)]
    return ["\n".join(filter(None, parts))]


# Logs of evaluations


def _inspect_fields(row: Mapping[str, Any], left_out: Counter[str]) -> Iterator[Fields]:
    """Of a sample of inspect_ai, https://inspect.aisi.org.uk/eval-logs.html."""
    if row.get("error"):
        raise UnusableRowError("the sample failed")
    choices = at(row, "output.choices")
    epoch = row.get("epoch")
    yield {
        "question": _asked(row.get("input"), left_out),
        "answer": _text(at(row, "output.choices.0.message.content")) if choices else at(row, "output.completion"),
        "model": at(row, "eval.model") or at(row, "output.model"),
        "sample": epoch - 1 if isinstance(epoch, int) and epoch > 0 else 0,
        "source": at(row, "eval.task"),
    }


def _harness_samples(beside: Iterable[Iterator[Any]]) -> Layout:
    """Samples of lm-evaluation-harness, whose results beside them name the LLM."""
    named = set()
    for rows in beside:
        first = next(rows, None)
        if isinstance(first, Mapping) and "results" in first and isinstance(name := first.get("model_name"), str):
            named.add(name)

    def fields(row: Mapping[str, Any], left_out: Counter[str]) -> Iterator[Fields]:
        prompt = at(row, "arguments.gen_args_0.arg_0") or at(row, "arguments.0.0") or at(row, "arguments.0.arg_0")
        replies = at(row, "resps.0")
        for sample, answer in enumerate(replies if isinstance(replies, list) else []):
            if not isinstance(answer, str):
                raise UnusableRowError("log-likelihoods and no text; tasks of the kind generate_until have answers")
            asked: Fields = {"question": _asked(prompt, left_out), "answer": answer, "sample": sample}
            yield asked if len(named) != 1 else {**asked, "model": next(iter(named))}

    about = "samples of lm-evaluation-harness, of which arguments and resps are read"
    gives = ("question", "answer", "sample", *(("model",) if len(named) == 1 else ()))
    return Layout(about, ("arguments", "resps"), gives, fields)


def _mt_bench_answers(beside: Iterable[Iterator[Any]]) -> Layout:
    """Answers of MT-bench, whose questions lie in a file beside them or above."""
    questions: dict[str, str] = {}
    for rows in beside:
        for row in rows:
            if not (isinstance(row, Mapping) and "question_id" in row and isinstance(row.get("turns"), list)):
                break
            if row["turns"]:
                questions.setdefault(str(row["question_id"]), str(row["turns"][0]))

    def fields(row: Mapping[str, Any], left_out: Counter[str]) -> Iterator[Fields]:
        question = questions.get(str(row.get("question_id")))
        if questions and question is None:
            raise UnusableRowError("no question with this question_id")
        choices = row.get("choices")
        for place, choice in enumerate(choices if isinstance(choices, list) else []):
            turns = choice.get("turns") if isinstance(choice, Mapping) else None
            if not isinstance(turns, list) or not turns:
                raise UnusableRowError("no turns in a choice")
            left_out[LATER_TURNS] += len(turns) > 1
            yield {"question": question, "answer": turns[0], "sample": choice.get("index", place)}

    about = "answers of MT-bench; " + (
        "their questions are read from the file beside them"
        if questions
        else "they hold no questions: lay question.jsonl in the same folder or the one above"
    )
    gives = ("answer", "sample", *(("question",) if questions else ()))
    return Layout(about, ("question_id", "choices"), gives, fields)

"""Questions that an LLM writes for a taxonomy: generated, converted from other material, paraphrased and judged.

Every stage asks its requests through a journal, so that the same call goes on where an interrupted one ended, and makes
of the replies the same questions, however often it was interrupted.
"""

import hashlib
import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import jinja2
import numpy as np

from univar.corpus.asking.endpoints import ChatRequest, Endpoint, Journal, ask_all
from univar.corpus.asking.fields import as_text
from univar.corpus.asking.replies import ChatReply
from univar.corpus.questions.bank import CONTROL_ID, FORMS, Form, Question, topics
from univar.corpus.questions.checks import (
    LARGEST_OPENING_SHARE,
    LARGEST_SIMILARITY,
    Embed,
    opening,
    wording_violations,
)
from univar.corpus.questions.taxonomy import ControlTopic, Taxonomy, Value
from univar.corpus.reasoning import split_reasoning
from univar.corpus.records import normalised_question

Prompt = Literal["generate", "control", "paraphrase", "convert", "judge"]
Verdict = Literal["pass", "fail", "unclear"]

EACH = 5
"""Questions asked for in one request: few enough that the last are as good as the first."""
PARAPHRASES = 4
_MOST_REQUESTS = 3
"""Requests for a value, as a multiple of those needed if every question could be used."""

_FORM_WORDS: dict[Form, str] = {
    "advice": "asks for advice in a situation of one's own",
    "opinion": "asks for an opinion on something debated",
    "trade-off": "sets two good things against each other",
    "situation": "tells of something that happened to others and asks what would have been right",
    "second-person": "asks the one who answers about themselves: what they would do, want or feel",
}
_CONTROL_FORM_WORDS: dict[Form, str] = {
    "advice": "asks how to do something",
    "opinion": "asks for a judgement on a technical matter",
    "trade-off": "asks which of two things fits a purpose",
    "situation": "tells of something that happened and asks why, or what to do about it",
    "second-person": "asks the one who answers to explain or to work something out",
}

_LONGER = "which leaves no room for an answer; give more, as in --request max_tokens=8192"
_ITEM = re.compile(r"^\s*(?:\(?\d{1,3}[.):]|[-*•\u2013])\s+(?P<text>.+)$")
_QUOTES = "\"'“”„«»`* \t"


# Prompts


def prompt_text(name: Prompt, override: Path | None = None) -> str:
    """The template of a stage (jinja2), or the one that a user puts in its place.

    Raises:
        ValueError: If the file cannot be read or is no template; the message names the line.
    """
    file = override or files("univar") / "assets" / "prompts" / f"{name}.jinja"
    try:
        text = file.read_text(encoding="utf-8")
        _environment().parse(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the prompt {file} cannot be read: {error}") from error
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"the prompt {file} is no template: line {error.lineno}: {error.message}") from error
    return text


def _environment() -> jinja2.Environment:
    return jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)


def _request(template: str, endpoint: Endpoint, name: str, seed: int, **variables: Any) -> ChatRequest:
    try:
        prompt = _environment().from_string(template).render(**variables).strip()
    except jinja2.UndefinedError as error:
        raise ValueError(f"the prompt names what this stage does not give: {error.message}") from error
    sampling: tuple[Any, ...] = (endpoint.model, endpoint.max_tokens, endpoint.temperature, endpoint.top_p, seed)
    sampling += (as_text(endpoint.request),) if endpoint.request else ()  # ids of earlier runs stay as they are
    digest = hashlib.sha256(f"{sampling}\n{prompt}".encode()).hexdigest()[:12]
    return ChatRequest(f"{name}-{digest}", prompt, seed)


# Replies


def parse_questions(reply: ChatReply) -> list[str]:
    """The questions in a reply: of a JSON list, of a numbered or bulleted list with or without chatter, or of lines.

    Where a reply was cut off, its last item is left out unless it ends as a question. What a reply says in other lines
    than those of its list is no question, nor is what the LLM thought.
    """
    text = split_reasoning(reply.text).answer.strip()
    items = _json_items(text)
    if items is None:
        lines = text.splitlines()
        matches = [match for line in lines if (match := _ITEM.match(line))]
        items = [match["text"] for match in matches] or [line for line in lines if line.strip().endswith("?")]
    cleaned = [" ".join(item.split()).strip(_QUOTES) for item in items]
    if reply.finish_reason == "length" and cleaned and not cleaned[-1].endswith("?"):
        cleaned.pop()
    return [item for item in cleaned if item]


def _json_items(text: str) -> list[str] | None:
    found = re.search(r"\[.*\]", text, re.DOTALL)
    if not found:
        return None
    try:
        entries = json.loads(found[0])
    except ValueError:
        return None
    texts = [entry.get("question") if isinstance(entry, dict) else entry for entry in entries]
    return [entry for entry in texts if isinstance(entry, str)] or None


def parse_verdict(text: str, reasoning: str | None = None) -> tuple[Verdict, str]:
    """The verdict of a judge and its reason; `unclear`, with what was said, if it gave none; thoughts are none."""
    text, reasoning = split_reasoning(text, reasoning)
    found = re.search(r"\{.*\}", text, re.DOTALL)
    try:
        said = json.loads(found[0]) if found else {}
    except ValueError:
        said = {}
    verdict = str(said.get("verdict", "")).strip().lower()
    if verdict in ("pass", "fail"):
        return verdict, str(said.get("reason", ""))  # type: ignore[return-value]
    return "unclear", " ".join(text.split())[:200] or (f"only reasoning, {_LONGER}" if reasoning else "")


# Stages


@dataclass(frozen=True, slots=True)
class Rejected:
    """A question, or a whole reply, that was not used.

    Attributes:
        request_id: It came with.
        text: As it was written.
        reason: Why.
    """

    request_id: str
    text: str
    reason: str


@dataclass
class Written:
    """What a stage made of its replies.

    Attributes:
        questions: Usable ones, in the order of the taxonomy.
        rejected: The others, with reasons.
        missing: How many questions fewer than wanted there are, by value or control topic.
    """

    questions: list[Question] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)


class _Sieve:
    """Lets a question pass if its wording is right and no earlier one is like it.

    `expected` is the number of questions in the end, for the share of them that may begin alike; None for any share.
    """

    def __init__(self, expected: int | None = None, embed: Embed | None = None) -> None:
        self._most = None if expected is None else max(1, int(LARGEST_OPENING_SHARE * expected))
        self._embed = embed
        self._words: set[str] = set()
        self._openings: Counter[str] = Counter()
        self._vectors: list[Any] = []

    def reason(self, text: str) -> str | None:
        """Why the question is refused, or None: then it counts as an earlier one from now on."""
        for check, detail in wording_violations(text):
            return f"{check}: {detail}"
        if (language := _language(text)) != "en":
            return f"language: {language}, not en"
        key, start = normalised_question(text), opening(text)
        if key in self._words:
            return "same words as an earlier question"
        if self._most is not None and self._openings[start] >= self._most:
            return f"opening: {self._most} questions begin with {start!r} already"
        if self._embed is not None:
            vector = np.asarray(self._embed([text]))[0]
            if self._vectors and (nearest := float((np.stack(self._vectors) @ vector).max())) > LARGEST_SIMILARITY:
                return f"near duplicate: cosine {nearest:.3f} with an earlier question"
            self._vectors.append(vector)
        self._words.add(key)
        self._openings[start] += 1
        return None


def _language(text: str) -> str:
    import py3langid

    return str(py3langid.classify(text)[0])


@dataclass
class _Wish:
    """The questions that one value or control topic still lacks."""

    entry: Value | ControlTopic
    wanted: int
    got: int = 0
    asked: int = 0

    @property
    def lacking(self) -> int:
        most = -(-self.wanted // EACH) * _MOST_REQUESTS
        return max(0, min(-(-(self.wanted - self.got) // EACH), most - self.asked))


def generate(
    taxonomy: Taxonomy,
    endpoint: Endpoint,
    journal: Journal,
    *,
    per_value: int = 50,
    per_topic: int = 18,
    prompts: Mapping[Prompt, Path] | None = None,
    embed: Embed | None = None,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Written:
    """Questions for every value and control topic of a taxonomy, in all forms and on many topics.

    For what replies leave out or the checks refuse, more is asked: three times the requests at most.

    Args:
        taxonomy: What the questions are about.
        endpoint: Whom to ask.
        journal: Open.
        per_value: Questions a value, at least 1.
        per_topic: Questions a control topic.
        prompts: Templates in place of those that ship.
        embed: The base encoder's `encode`, by which near duplicates are told; without it only equal words are.
        seed: Of the order of topics and of the sampling.
        advance: Is told how many more requests are done.

    Raises:
        EndpointError: If the endpoint refuses; run it again to go on.
    """
    if per_value < 1 or per_topic < 0:
        raise ValueError(f"per_value must be at least 1 and per_topic at least 0, got {per_value} and {per_topic}")
    templates = {name: prompt_text(name, (prompts or {}).get(name)) for name in ("generate", "control")}
    wishes = [_Wish(value, per_value) for value in taxonomy.values]
    wishes += [_Wish(topic, per_topic) for topic in taxonomy.control_topics]
    sieve = _Sieve(sum(wish.wanted for wish in wishes), embed)
    written, by_entry = Written(), {wish.entry.id: list[Question]() for wish in wishes}
    while any(wish.lacking for wish in wishes):
        round_ = [_asked_for(wish, taxonomy, templates, endpoint, seed) for wish in wishes for _ in range(wish.lacking)]
        replies = ask_all([request for request, *_ in round_], endpoint, journal, advance)
        for (_, wish, form, topic), (_, reply) in zip(round_, replies, strict=True):
            for text in _usable(reply, sieve, written, wish.wanted - wish.got):
                wish.got += 1
                by_entry[wish.entry.id].append(_question(wish.entry, wish.got, text, form, topic))
    written.questions = [question for questions in by_entry.values() for question in questions]
    written.missing = {wish.entry.id: wish.wanted - wish.got for wish in wishes if wish.got < wish.wanted}
    return written


def _asked_for(
    wish: _Wish, taxonomy: Taxonomy, templates: Mapping[str, str], endpoint: Endpoint, seed: int
) -> tuple[ChatRequest, _Wish, Form, str]:
    """The next request of a wish: form and topic change from one to the next."""
    number, entry = wish.asked, wish.entry
    wish.asked += 1
    form = FORMS[number % len(FORMS)]
    about = list(topics("value"))
    random.Random(f"{seed}-{entry.id}").shuffle(about)
    name = f"{entry.id}-{number}"
    if isinstance(entry, ControlTopic):
        words: dict[str, Any] = {"topic": entry, "form": _CONTROL_FORM_WORDS[form], "number": EACH}
        return _request(templates["control"], endpoint, name, seed + number, **words), wish, form, entry.id
    topic = about[number % len(about)]
    opposite = None if entry.opposite is None else taxonomy.value(entry.opposite)
    words = {"value": entry, "opposite": opposite, "form": _FORM_WORDS[form], "topic": topic, "number": EACH}
    return _request(templates["generate"], endpoint, name, seed + number, **words), wish, form, topic


def _usable(reply: ChatReply, sieve: _Sieve, written: Written, most: int) -> Iterator[str]:
    texts = parse_questions(reply)
    if not texts:
        answer, reasoning = split_reasoning(reply.text, reply.reasoning)
        why = f": only reasoning, {_LONGER}" if reasoning and not answer else ""
        written.rejected.append(
            Rejected(reply.request_id, reply.text or reasoning or "", f"no question in the reply{why}")
        )
    for text in texts:
        reason = "more than wanted" if most == 0 else sieve.reason(text)
        if reason is None:
            most -= 1
            yield text
        else:
            written.rejected.append(Rejected(reply.request_id, text, reason))


def _question(entry: Value | ControlTopic, number: int, text: str, form: Form, topic: str) -> Question:
    control = isinstance(entry, ControlTopic)
    name = f"{CONTROL_ID}{entry.id}" if control else entry.id
    return Question(f"{name}-{number:02d}", text, text, "eng", None if control else entry.id, form, topic)


def paraphrase(
    questions: Sequence[Question],
    endpoint: Endpoint,
    journal: Journal,
    *,
    number: int = PARAPHRASES,
    prompt: Path | None = None,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Written:
    """The questions with `number` paraphrases each; those that have them, or are not in English, are left as they are.

    Raises:
        EndpointError: If the endpoint refuses; run it again to go on.
    """
    if number < 1:
        raise ValueError(f"number must be at least 1, got {number}")
    template = prompt_text("paraphrase", prompt)
    lacking = [question for question in questions if question.lang == "eng" and len(question.paraphrases) < number]
    requests = [
        _request(template, endpoint, f"{q.question_id}-paraphrase", seed, question=q, number=number) for q in lacking
    ]
    written, found = Written(), {}
    for question, (_, reply) in zip(lacking, ask_all(requests, endpoint, journal, advance), strict=True):
        sieve = _Sieve()
        for known in (question.question, *question.paraphrases):
            sieve.reason(known)
        wanted = number - len(question.paraphrases)
        new = tuple(_usable(reply, sieve, written, wanted))
        found[question.question_id] = replace(question, paraphrases=(*question.paraphrases, *new))
        if len(new) < wanted:
            written.missing[question.question_id] = wanted - len(new)
    written.questions = [found[q.question_id] if q.lang == "eng" and q.question_id in found else q for q in questions]
    return written


@dataclass(frozen=True, slots=True)
class Item:
    """An item of an instrument, as a user's own copy has it.

    Attributes:
        item_id: Of the item.
        text: The portrait, situation, survey question or statement.
        value: What the instrument says that it is about; may be empty.
    """

    item_id: str
    text: str
    value: str


def convert(
    items: Sequence[Item],
    kind: str,
    endpoint: Endpoint,
    journal: Journal,
    *,
    number: int = 1,
    prompt: Path | None = None,
    embed: Embed | None = None,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Written:
    """`number` questions of each item; their value is the item's, or its id if it has none, in snake case.

    Args:
        items: What to convert.
        kind: What an item is, in words, as `INSTRUMENTS` of `univar.corpus.questions.instruments` has them.
        endpoint: Whom to ask.
        journal: Open.
        number: Questions an item.
        prompt: A template in place of the one that ships.
        embed: By which near duplicates are told.
        seed: Of the sampling.
        advance: Is told how many more requests are done.

    Raises:
        EndpointError: If the endpoint refuses; run it again to go on.
    """
    template = prompt_text("convert", prompt)
    requests = [
        _request(template, endpoint, item.item_id, seed, kind=kind, text=item.text, value=item.value, number=number)
        for item in items
    ]
    written, sieve = Written(), _Sieve(embed=embed)
    for item, (_, reply) in zip(items, ask_all(requests, endpoint, journal, advance), strict=True):
        texts = list(_usable(reply, sieve, written, number))
        for position, text in enumerate(texts, start=1):
            # Of an item without one, by its id: all questions of an item are about one thing.
            value = _snake_case(item.value) or _snake_case(item.item_id)
            identifier = f"{item.item_id}-{position:02d}"
            written.questions.append(Question(identifier, text, text, "eng", value, "opinion", "imported"))
        if len(texts) < number:
            written.missing[item.item_id] = number - len(texts)
    return written


def _snake_case(name: str) -> str:
    """Letters and digits of any script, with the marks that are part of them (Mn, Mc); the rest as underscores."""
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in unicodedata.normalize("NFC", name))
    return "_".join("".join(kept).lower().split())


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says of a question.

    Attributes:
        question_id: Of the question.
        verdict: `pass`, `fail`, or `unclear` where the judge gave no verdict.
        reason: In its words; untrusted.
        model: The judge.
    """

    question_id: str
    verdict: Verdict
    reason: str
    model: str


def judge(
    questions: Sequence[Question],
    taxonomy: Taxonomy,
    endpoint: Endpoint,
    journal: Journal,
    *,
    prompt: Path | None = None,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Judgement]:
    """Whether each question brings out its value, or for a control question none (paper, Definition 2), by an LLM.

    Of a question that states no value it is asked whether it brings out any.

    Raises:
        EndpointError: If the endpoint refuses; run it again to go on.
        KeyError: If a question's value is not in the taxonomy.
    """
    template = prompt_text("judge", prompt)
    requests = [
        _request(
            template,
            endpoint,
            f"{question.question_id}-judge",
            seed,
            question=question,
            value=None if question.value is None else taxonomy.value(question.value),
        )
        for question in questions
    ]
    answered = zip(questions, ask_all(requests, endpoint, journal, advance), strict=True)
    return [
        Judgement(q.question_id, *parse_verdict(reply.text, reply.reasoning), reply.model) for q, (_, reply) in answered
    ]


def rows(entries: Sequence[Rejected | Judgement]) -> str:
    """JSON lines of what a stage tells besides its questions."""
    return "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries)

"""Answers to English and questions from it, sentence by sentence, with what speaks against each translation."""

import contextlib
import hashlib
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from univar.corpus.asking.answers import TRANSLATION, shards
from univar.corpus.questions.bank import Question
from univar.corpus.reasoning import split_reasoning
from univar.corpus.records import SCHEMA, QARecord, chunked, to_row
from univar.corpus.translation.quality import Defect, defects, round_trip
from univar.corpus.translation.sentences import Line, joined, lines_of, worded
from univar.corpus.translation.translators import LONGEST_SENTENCE, TranslationError, TranslationMemory, Translator
from univar.files import locked, replacing

MEMORY = ".translations.sqlite"
"""The translation memory of a folder, out of sight of readers of the corpus."""

ROWS_PER_SHARD = 20_000

_MADE_OF = b"univar_translation"

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated text.

    Attributes:
        text: Of the translation.
        defects: What speaks against it.
        round_trip: chrF (0 to 100) of the text translated there and back against itself; None if it was not.
    """

    text: str
    defects: tuple[Defect, ...]
    round_trip: float | None = None


@dataclass
class Tally:
    """Of the translations from or to one language.

    Attributes:
        translations: All of them.
        good: Of these, those without a defect.
        defects: How many have each.
    """

    translations: int = 0
    good: int = 0
    defects: Counter[str] = field(default_factory=Counter)


def tallies(found: Iterable[tuple[str, Sequence[str]]]) -> dict[str, Tally]:
    """The tally of each language, of translations given as language and defects."""
    by_language: dict[str, Tally] = defaultdict(Tally)
    for lang, against in found:
        tally = by_language[lang]
        tally.translations += 1
        tally.good += not against
        tally.defects.update(against)
    return dict(sorted(by_language.items()))


@dataclass(frozen=True)
class Translating:
    """How texts are translated.

    Attributes:
        translator: By what.
        memory: Entered; of what was translated before.
        there_and_back: Whether every translation is also translated back and compared, which takes twice as long.
    """

    translator: Translator
    memory: TranslationMemory
    there_and_back: bool = False

    def __post_init__(self) -> None:
        """Tells what is missing before any work.

        Raises:
            TranslationError: If the libraries of the extra `translation` are not installed.
        """
        missing = [name for name in ("sentencex", "sacrebleu") if find_spec(name) is None]
        if missing:
            raise TranslationError(
                f"translation needs {' and '.join(missing)}; install them, or univar with the extra `translation`"
            )

    def translate(
        self, texts: Sequence[str], source: str, target: str, *, advance: Advance = lambda _: None
    ) -> list[Translation]:
        """Texts in another language, in their order.

        Args:
            texts: Of any length.
            source: ISO 639-3.
            target: ISO 639-3.
            advance: Is told how many more sentences are done, those that come back not counted.

        Raises:
            TranslationError: If the translator does not know a language, or cannot be loaded.
        """
        there, cut = self._rendered(texts, source, target, advance)
        back: Sequence[str | None] = [None] * len(texts)
        if self.there_and_back:
            back, _ = self._rendered(there, target, source, lambda _: None)
        return [
            Translation(
                said,
                tuple(defects(text, said, source, target, cut=stopped, back=returned)),
                None if returned is None else round_trip(text, returned),
            )
            for text, said, stopped, returned in zip(texts, there, cut, back, strict=True)
        ]

    def sentences(self, table: pa.Table) -> dict[str, list[str]]:
        """By language, the different sentences of a table's questions and answers without an English version."""
        texts = _texts_by_language(table.to_pylist())
        return {lang: _different(self._lines(of, lang)) for lang, of in texts.items()}

    def way(self, source: str, target: str) -> str:
        """What the translation of a sentence depends on besides the sentence."""
        return f"{self.translator.name} {source} {target}"

    def _lines(self, texts: Iterable[str], lang: str) -> dict[str, list[Line]]:
        """Different texts as lines of sentences."""
        size = self.translator.size
        return {text: lines_of(text, lang, size, LONGEST_SENTENCE) for text in dict.fromkeys(texts)}

    def _rendered(
        self, texts: Sequence[str], source: str, target: str, advance: Advance
    ) -> tuple[list[str], list[bool]]:
        """The translations, and whether the decoder was stopped in one of their sentences."""
        lines = self._lines(texts, source)
        wanted, way = _different(lines), self.way(source, target)
        found = self.memory.known(wanted, way)
        advance(len(found))
        for batch in self.translator.batches((text for text in wanted if text not in found), source, target):
            self.memory.keep(batch, way)
            found.update(batch)
            advance(len(batch))
        said = {sentence: rendering.text for sentence, rendering in found.items()}
        stopped = {text: any(found[sentence].cut for sentence in worded(of)) for text, of in lines.items()}
        return [joined(lines[text], said, target) for text in texts], [stopped[text] for text in texts]


def _different(lines: Mapping[str, Sequence[Line]]) -> list[str]:
    return list(dict.fromkeys(sentence for of in lines.values() for sentence in worded(of)))


# Answers to English


@dataclass(frozen=True, slots=True)
class Workload:
    """What there is to translate.

    Attributes:
        sentences: Of questions and answers without an English version, each counted once in its shard and language.
        known: Sentences that the memory has.
        tokens: Of the sentences that it does not have.
    """

    sentences: int = 0
    known: int = 0
    tokens: int = 0


def workload(tables: Iterable[pa.Table], how: Translating) -> Workload:
    """What there is to translate into English; nothing is translated."""
    total = Counter[str]()
    for table in tables:
        for lang, sentences in how.sentences(table).items():
            known = how.memory.known(sentences, how.way(lang, "eng"))
            tokens = sum(how.translator.size(sentence) for sentence in sentences if sentence not in known)
            total.update(sentences=len(sentences), known=len(known), tokens=tokens)
    return Workload(**total)


def tables_of(records: Iterable[QARecord]) -> Iterator[pa.Table]:
    """Records of any corpus as tables to translate."""
    for chunk in chunked(records, ROWS_PER_SHARD):
        yield pa.Table.from_pylist([to_row(record) for record in chunk], schema=SCHEMA)


def is_elicited(corpus: Path) -> bool:
    """Whether a corpus is a folder that `univar elicit` wrote."""
    found = shards(corpus)
    return bool(found) and "request_id" in pq.read_schema(found[0]).names


def elicited_tables(folder: Path) -> Iterator[pa.Table]:
    """The shards of a folder that `univar elicit` wrote."""
    return map(elicited_table, shards(folder))


def elicited_table(shard: Path) -> pa.Table:
    """A shard that `univar elicit` wrote, with thoughts that an earlier version left in answers apart.

    They are not translated: what becomes of their marks could not be told from the answer.
    """
    table = pq.read_table(shard)
    answers = table["answer"].to_pylist()
    known = table["reasoning"].to_pylist() if "reasoning" in table.column_names else [None] * len(answers)
    parted = [split_reasoning(answer, thoughts) for answer, thoughts in zip(answers, known, strict=True)]
    if [found.answer for found in parted] == answers:
        return table
    for name in ("answer", "reasoning"):
        column = pa.array([getattr(found, name) for found in parted], pa.string())
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), SCHEMA.field(name), column)
        else:
            table = table.append_column(SCHEMA.field(name), column)
    return table


def translate_answers(
    tables: Iterable[pa.Table],
    out: Path,
    how: Translating,
    *,
    names: Iterable[str] | None = None,
    advance: Advance = lambda _: None,
) -> dict[str, Tally]:
    """Shards with an English version of every question and answer; a question that has one keeps it.

    Running it again goes on with what is missing: a shard that was made of the same answers by the same translator is
    left as it is, and the memory has the sentences of the others.

    Args:
        tables: With the columns of a corpus and any others.
        out: Folder of the shards; no other process may write there.
        how: Translator and memory.
        names: File names of the shards, each `part-*.parquet`, one a table; without them `part-00000.parquet` and on.
        advance: Is told how many more sentences are done.

    Returns:
        What came of the answers, by language.

    Raises:
        TranslationError: If `out` holds something else or is being written, the translator does not know a language or
            cannot be loaded.
    """
    with _alone(out):
        named = zip(names or (f"part-{number:05d}.parquet" for number in itertools.count()), tables, strict=False)
        return tallies(_shards(named, out, how, advance))


def _shards(
    tables: Iterable[tuple[str, pa.Table]], out: Path, how: Translating, advance: Advance
) -> Iterator[tuple[str, list[str]]]:
    """Writes the shards; yields of each translated answer its language and defects."""
    made = set()
    for name, table in tables:
        shard = out / name
        made.add(name)
        made_of = _made_of(table, how)
        if shard.exists() and _metadata(shard) == made_of:
            advance(sum(map(len, how.sentences(table).values())))
        else:
            _write(_translated(table, how, advance), shard, made_of)
        for row in pq.read_table(shard, columns=["lang", "translation_defects"]).to_pylist():
            if row["translation_defects"] is not None:
                yield row["lang"], row["translation_defects"]
    for shard in sorted(out.glob("part-*.parquet")):
        if shard.name not in made:
            shard.unlink()  # of answers that are no longer there


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    out.mkdir(parents=True, exist_ok=True)
    if any(_metadata(shard) is None for shard in out.glob("part-*.parquet")):
        raise TranslationError(f"{out} holds answers that were not translated here; name another folder")
    try:
        with locked(out / ".lock"):
            yield
    except BlockingIOError:
        raise TranslationError(f"{out} is being written by another process; wait for it, or name another") from None


def _translated(table: pa.Table, how: Translating, advance: Advance) -> pa.Table:
    rows = [{**dict.fromkeys(TRANSLATION.names), **row} for row in table.to_pylist()]
    found: dict[tuple[str, str], Translation] = {}
    for lang, texts in _texts_by_language(rows).items():
        translations = how.translate(texts, lang, "eng", advance=advance)
        found.update({(lang, text): said for text, said in zip(texts, translations, strict=True)})
    for row in rows:
        for name in _missing(row):
            said = found[row["lang"], row[name]]
            row[f"{name}_eng"] = said.text
            row["translator"] = how.translator.name
            row["translation_defects"] = sorted({*(row["translation_defects"] or ()), *said.defects})
            if name == "answer":
                row["round_trip"] = said.round_trip
    fields = {field.name: field for field in [*table.schema, *TRANSLATION]}
    return pa.Table.from_pylist(rows, schema=pa.schema(list(fields.values())))


def _missing(row: Mapping[str, Any]) -> list[str]:
    """What of an answer has no English version."""
    return [name for name in ("question", "answer") if row["lang"] != "eng" and not row[f"{name}_eng"]]


def _texts_by_language(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    texts: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        texts[row["lang"]].update((row[name], None) for name in _missing(row))
    return {lang: list(of) for lang, of in sorted(texts.items()) if of}


def _made_of(table: pa.Table, how: Translating) -> bytes:
    """What a translated shard depends on."""
    rows = json.dumps(table.to_pylist(), ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
    source = hashlib.sha256(rows).hexdigest()
    return json.dumps([source, how.translator.name, how.there_and_back]).encode()


def _metadata(shard: Path) -> bytes | None:
    found: bytes | None = (pq.read_schema(shard).metadata or {}).get(_MADE_OF)
    return found


def _write(table: pa.Table, shard: Path, made_of: bytes) -> None:
    with replacing(shard) as temporary:
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), _MADE_OF: made_of}), temporary)


# Questions from English


def translate_questions(
    questions: Sequence[Question], langs: Sequence[str], how: Translating, *, advance: Advance = lambda _: None
) -> Iterator[tuple[Question, Translation]]:
    """English questions in other languages, with what speaks against each translation.

    Args:
        questions: In English; those in other languages are passed over.
        langs: ISO 639-3.
        how: Translator and memory.
        advance: Is told how many more sentences are done.

    Raises:
        TranslationError: If the translator does not know a language, or cannot be loaded.
    """
    english = [question for question in questions if question.lang == "eng"]
    for lang in langs:
        translations = how.translate([question.question for question in english], "eng", lang, advance=advance)
        for question, said in zip(english, translations, strict=True):
            yield replace(question, question=said.text, lang=lang, paraphrases=()), said

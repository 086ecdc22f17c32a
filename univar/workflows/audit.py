"""An audit: few questions of every value to one LLM, and what all readings find in its answers.

Nothing is measured here: questions are chosen, answers asked for, translated and embedded elsewhere, and the readings
are those of `univar.values`, `univar.distances`, `univar.shift` and `univar.place`. What one of them cannot say of
these answers is said in words, and the others are made all the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from univar.analysis.distances.reading import distances
from univar.analysis.placement import place
from univar.analysis.report.findings import Finding, finding_of
from univar.analysis.results import Result
from univar.analysis.shift.pairs import parted
from univar.analysis.shift.reading import shift
from univar.analysis.values.reading import values
from univar.corpus.asking.answers import shards
from univar.corpus.asking.elicitation import Plan, Sampling
from univar.corpus.asking.models import LLM
from univar.corpus.questions.choosing import control_part, value_questions
from univar.corpus.readers import Rejects, read_corpus
from univar.corpus.records import QARecord
from univar.corpus.translation.answers import elicited_tables
from univar.model.embedded import EmbeddedCorpus, embed
from univar.model.unread import languages_read
from univar.model.weights import shipped_record

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ANSWERS, ENGLISH, VECTORS = "answers", "english", "vectors.parquet"
"""In the folder of an audit: what was answered, its English version where it was translated, and its vectors."""

_PROMPTED = "{} prompted"
_TITLES = {"shift": "How it moved since the answers before", "prompt": "How far the system prompt moves it"}


class AuditError(ValueError):
    """Answers that no reading can be made of; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What readings found.

    Attributes:
        readings: By what each is of: `values`, `distances`, `shift` since the answers before, `prompt` (the shift by a
            system prompt), `place`.
        gaps: What could not be read, and why, a sentence each.
    """

    readings: dict[str, Result]
    gaps: tuple[str, ...]


def audit_plan(
    llm: LLM, *, system: str | None = None, budget: int = 87, controls: int = 40, sampling: Sampling | None = None
) -> Plan:
    """What an audit asks: the same questions in all languages of the LLM, plain and, if there is one, under a prompt.

    Args:
        llm: Without a system prompt.
        system: The prompt under which it is asked once more, by the name that `prompted` gives.
        budget: Questions that elicit values, in each language; see `univar.corpus.questions.choosing`.
        controls: Questions in English that elicit none.
        sampling: How.

    Raises:
        ValueError: If there are not so many questions, or none in a language.
    """
    langs = list(dict.fromkeys(llm.languages))
    asked = value_questions(langs, budget, trained_on=frozenset(shipped_record()["questions"]))
    asked += control_part(controls) if "eng" in langs else []
    under = [replace(llm, name=prompted(llm.name), model=llm.model or llm.name, system=system)] if system else []
    return Plan(asked, [llm, *under], sampling or Sampling())


def prompted(name: str) -> str:
    """What an LLM is called under a system prompt."""
    return _PROMPTED.format(name)


def answer_tables(plan: Plan, folder: Path) -> Iterator[pa.Table]:
    """The answers that a plan asks for, of a folder that may hold others."""
    wanted = pa.array([planned.request.request_id for llm in plan.llms for planned in plan.of(llm)], pa.string())
    for table in elicited_tables(folder):
        yield table.filter(pc.is_in(table["request_id"], value_set=wanted))


def audit_records(tables: Iterable[pa.Table], rejects: Rejects) -> list[QARecord]:
    """The QAs of tables of answers.

    Raises:
        CorpusError: If none can be used.
    """
    return list(read_corpus((row for table in tables for row in table.to_pylist()), rejects=rejects))


def readable(
    records: Sequence[QARecord], encoder: "SentenceTransformer", *, untranslated: bool = False
) -> tuple[list[QARecord], dict[str, int]]:
    """The QAs that an encoder reads, and by language how many it does not; all of them if `untranslated`."""
    known = languages_read(encoder)
    left: dict[str, int] = {}
    kept = []
    for record in records:
        if untranslated or known is None or record.text_lang in known:
            kept.append(record)
        else:
            left[record.lang] = left.get(record.lang, 0) + 1
    return kept, left


def embedded_answers(
    records: Sequence[QARecord],
    encoder: "SentenceTransformer",
    name: str,
    *,
    untranslated: bool = False,
    advance: Callable[[float], None] | None = None,
) -> EmbeddedCorpus:
    """The answers of an audit with their vectors.

    Raises:
        AuditError: If there are none.
    """
    if not records:
        raise AuditError("there is no answer to read")
    return embed(list(records), encoder, name=name, advance=advance, untranslated=untranslated)


def earlier_answers(folder: Path) -> Path:
    """The corpus to compare with: of an audit's folder its vectors or answers, else the path itself."""
    if (folder / VECTORS).is_file():
        return folder / VECTORS
    return next((folder / name for name in (ENGLISH, ANSWERS) if shards(folder / name)), folder)


def read_audit(
    answers: EmbeddedCorpus,
    name: str,
    *,
    before: EmbeddedCorpus | None = None,
    poles: EmbeddedCorpus | None = None,
    seed: int = 0,
    step: Callable[[str], None] = lambda _: None,
) -> Audit:
    """All readings that the answers of an audit bear.

    Args:
        answers: To value and control questions, of the LLM and, if it was asked so, of the LLM under a prompt.
        name: Of the LLM.
        before: Its answers at another time, by the same model.
        poles: The written poles by the same model; by default they are encoded once.
        seed: Of intervals and tests.
        step: Told what is being done, a sentence at a time.
    """
    readings: dict[str, Result] = {}
    gaps: list[str] = []
    asked, controls = parted(answers)

    def read(kind: str, what: str, reading: Callable[[], Result]) -> None:
        step(f"Reading {what} ...")
        try:
            readings[kind] = reading()
        except ValueError as error:
            gaps.append(f"Not read: {what}: {error}")

    if asked is None:
        return Audit(readings, ("Not read: no value question was answered.",))
    read("values", "what it stands for", lambda: values(answers, poles=poles, seed=seed))
    plain = _of(answers, name)
    if len({record.identity for record in asked.records}) > 1:
        read("distances", "how far its voices lie apart", lambda: distances(asked, controls, seed=seed))
    if before is not None:
        what = "how far it moved since the answers before"
        read("shift", what, lambda: _moved(_the_one(before, name), {name: plain}, "before", poles, seed))
    under = prompted(name)
    if any(record.model == under for record in answers.records):
        what = "how far the system prompt moves it"
        read("prompt", what, lambda: _moved(plain, {under: _of(answers, under)}, name, poles, seed))
    read("place", "which known LLMs are near", lambda: place(asked, seed=seed))
    return Audit(readings, tuple(gaps))


def findings_of(audit: Audit, answers: EmbeddedCorpus) -> list[Finding]:
    """The readings as a report shows them, and last what could not be read, or must be known of all of them."""
    kinds = {"prompt": "shift"}
    findings = [finding_of(one, kinds.get(name, name), _TITLES.get(name)) for name, one in audit.readings.items()]
    notes = (*audit.gaps, *filter(None, [answers.unread]))
    if notes:
        number = f"{len(notes)} {'thing' if len(notes) == 1 else 'things'} to know of these answers."
        findings.append(Finding("gaps", "What could not be read", number, notes, {"gaps": list(notes)}, [], None))
    return findings


def _moved(
    before: EmbeddedCorpus | None,
    after: dict[str, EmbeddedCorpus | None],
    name: str,
    poles: EmbeddedCorpus | None,
    seed: int,
) -> Result:
    later = {one: corpus for one, corpus in after.items() if corpus is not None}
    if before is None or not later:
        raise AuditError(f"{name if before is None else ', '.join(after)} has no answers here")
    return replace(shift(before, later, poles=poles, seed=seed), before=name)


def _of(corpus: EmbeddedCorpus, name: str) -> EmbeddedCorpus | None:
    """The answers of an LLM in all languages; None where there are none."""
    rows = np.flatnonzero([record.model == name for record in corpus.records])
    if not len(rows):
        return None
    return EmbeddedCorpus(tuple(corpus.records[row] for row in rows), corpus.embeddings[rows], corpus.provenance)


def _the_one(before: EmbeddedCorpus, name: str) -> EmbeddedCorpus:
    """The answers before of the LLM of this name, or of the only one that there is under whatever name."""
    found = _of(before, name)
    models = sorted({record.model for record in before.records})
    if found is None and len(models) > 1:
        raise AuditError(
            f"the answers before are of {', '.join(models[:5])}, and none of them is called {name!r}; name a corpus of "
            "one LLM, or call this one as it was called"
        )
    return before if found is None else found

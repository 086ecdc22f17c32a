"""Values: what each identity stands for, from its answers and the written poles of the questions.

How an answer becomes a number:

* **A question with poles has a ruler**, from its pole against to its pole for (`univar.analysis.values.rulers`). Its
  direction is drawn towards that of the value's other questions, since two voices an end tell little of one question
  alone.
* **Any other question of a value is read along the value's axis**, if the axis passes its own test on questions and
  voices that it is not made of.
* **The unit is what unseen voices show**: people who hold the value dear are read as 1 on average, and people who do
  not as -1. So 0.3 is the mean of 65 answers at the pole for and 35 at the pole against, and as well of 100 that all
  lean that way by a third. A number may lie outside [-1, 1], by chance or where an answer goes further than the poles
  do; none is clipped, since a mean of clipped numbers is drawn to the middle.
* **The interval** holds what other questions would have said, what the unit may be off by, and by how much a voice
  moves all readings of a value, whatever it says. Spreads are steadied over the values of the identity
  (`univar.analysis.values.spread`), since a bootstrap over two questions, or ten, covers too little.
* **What does not carry is not read.** A value whose poles are not told apart in unseen voices is not readable. What one
  value alone does not show several together may: families and Schwartz's ten are tested by themselves, and in their
  mean each value counts by how far its poles lie apart.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from univar.analysis.names import printable
from univar.analysis.values.profile import LEVELS, Level, Placed, members, placed, profile_of
from univar.analysis.values.questions import Asked, asked
from univar.analysis.values.results import Counts, ValueProfiles
from univar.analysis.values.rulers import Rulers, rulers_by
from univar.corpus.questions.taxonomy import reference_taxonomy
from univar.corpus.records import QARecord
from univar.model.embedded import Corpus, EmbeddedCorpus, EmbeddedCorpusError, embed, is_embedded, records_of
from univar.model.pole_vectors import embedded_poles

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class ValuesError(ValueError):
    """Answers that no value can be read from, or a value that there is not; the message says what to do."""


class Prepared(NamedTuple):
    """A corpus, the rulers of its model, and where the answers lie on them."""

    corpus: EmbeddedCorpus
    asked: list[Asked]
    rulers: Rulers
    placed: Placed


def values(
    corpus: Corpus,
    model: "str | SentenceTransformer | None" = None,
    *,
    by: Level = "value",
    only: Iterable[str] | None = None,
    poles: EmbeddedCorpus | None = None,
    seed: int = 0,
    untranslated: bool = False,
    advance: Callable[[float], None] | None = None,
    **options: Any,
) -> ValueProfiles:
    """What each identity of a corpus stands for: its stance on every value, from -1 (against) to 1 (for).

    An answer to a question of the bank that has poles is read by where between them it lies, any other answer of a
    value along the axis of the value; see this module for how, and for what 0.3 means.

    Args:
        corpus: Answers, or an embedded corpus, of which nothing is encoded again.
        model: What embeds the answers and the poles; by default `univar`, and of an embedded corpus its own, which is
            loaded by its name, once.
        by: The level that is shown: `value` (87), `family` (5) or `schwartz` (ten). All of them are held.
        only: Ids of the values to read; then Holm's rule counts no others.
        poles: The poles with their vectors; by default they are encoded once and kept in the cache of huggingface_hub.
        seed: Of the test of the axes.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        advance: Is told how many more poles are encoded.
        options: For `univar.read_corpus`, such as `columns=` and `lang=`.

    Raises:
        CorpusError: If the answers cannot be read.
        UntranslatedError: If some are in languages that the model does not read, and `untranslated` is not said.
        EmbeddedCorpusError: If the vectors are of another model than the one given, or the poles cannot be embedded.
        ValuesError: If no answer is of a value or to a known question, or there is no such level or value.

    Example:
        >>> import univar
        >>> found = univar.values("answers.parquet")  # doctest: +SKIP
        >>> found.telling("gpt-x", "thrift")  # doctest: +SKIP
    """
    if by not in get_args(Level):
        raise ValuesError(f"by must be one of {', '.join(get_args(Level))}, got {by!r}")
    wanted = None if only is None else check_values(only)
    found = prepared(corpus, model, poles=poles, seed=seed, untranslated=untranslated, advance=advance, **options)
    records, vectors = found.corpus.records, found.corpus.embeddings
    profiles, remarks = [], []
    for identity in sorted({record.identity for record in records}):
        rows = [row for row, record in enumerate(records) if record.identity == identity]
        own = found.placed.take(rows)
        if len(rows) > 1 and (vectors[rows] == vectors[rows[0]]).all():
            remarks.append(
                f"All {len(rows):,} answers of {printable(str(identity))} have one and the same vector: they say "
                "nothing of their questions, and no reading of them means much."
            )
        profiles.append(profile_of(identity, [records[row] for row in rows], own, found.rulers, wanted))
    return ValueProfiles(
        profiles=tuple(profiles),
        by=by,
        model=found.corpus.provenance.model,
        counts=_counts(found, by, sum(one.read[by][0] for one in profiles)),
        carrying={level: _carrying(found.rulers, level) for level in LEVELS},
        seed=seed,
        unread=found.corpus.unread,
        remarks=tuple(remarks),
    )


def prepared(
    corpus: Corpus,
    model: "str | SentenceTransformer | None" = None,
    *,
    poles: EmbeddedCorpus | None = None,
    seed: int = 0,
    untranslated: bool = False,
    advance: Callable[[float], None] | None = None,
    **options: Any,
) -> Prepared:
    """What readings of values are made of; arguments and errors as for `values`."""
    if is_embedded(corpus):
        answers = embed(corpus, model, **options)
        about = check_asked(answers.records)
    else:
        records = list(records_of(corpus, **options))
        about = check_asked(records)  # before the long work
        answers = embed(records, model, untranslated=untranslated)
    known = embedded_poles(answers.provenance, model, advance=advance) if poles is None else poles
    if known.provenance.fingerprint != answers.provenance.fingerprint:
        raise EmbeddedCorpusError(
            f"the poles are embedded by {known.provenance.model} ({known.provenance.fingerprint[:12]}…), the answers "
            f"by {answers.provenance.model} ({answers.provenance.fingerprint[:12]}…): give poles by the same model"
        )
    rulers = rulers_by(known, seed=seed)
    vectors = np.asarray(answers.embeddings, dtype=np.float64)
    return Prepared(answers, about, rulers, placed(vectors, about, rulers))


def check_asked(records: Sequence[QARecord]) -> list[Asked]:
    """What each answer was asked about.

    Raises:
        ValuesError: If none was asked about a value.
    """
    about = asked(records)
    if not any(one.value for one in about):
        raise ValuesError(
            f"none of {len(about):,} answers is to a question of the bank or names one of the 87 values; ask the "
            "questions of `univar elicit --questions core`, or give a column value with ids such as thrift "
            "(columns={'value': ...}, in the terminal --column value=COLUMN)"
        )
    return about


def check_values(names: Iterable[str]) -> list[str]:
    """The ids of some reference values.

    Raises:
        ValuesError: If one is none of them; the message names those that are alike.
    """
    known = {value.id for value in reference_taxonomy().values}
    given = list(names)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), 3, 0.5)
            hint = f"did you mean {' or '.join(near)}" if near else "their ids are in univar.values(...).to_pandas()"
            raise ValuesError(f"{name!r} is none of the {len(known)} values; {hint}?")
    return given


def _carrying(rulers: Rulers, level: Level) -> tuple[int, int, int]:
    """How many of a level are readable by the rulers of questions and along axes, and how many there are."""
    groups = [values for _, _, values in members(level)]
    own, along = rulers.carry(groups)
    return int(own.sum()), int(along.sum()), len(groups)


def _counts(found: Prepared, by: Level, read: int) -> Counts:
    about, records = found.asked, found.corpus.records
    others = Counter(
        str(record.value)
        for record, one in zip(records, about, strict=True)
        if one.value is None and not one.control and record.value
    )
    control = sum(one.control for one in about)
    known = sum(one.value is not None for one in about)
    within = {value for _, _, values in members(by) for value in values}
    elsewhere = sum(one.value is not None and one.value not in within for one in about)
    return Counts(
        answers=len(about),
        read=read,
        not_readable=known - elsewhere - read,
        elsewhere=elsewhere,
        control=control,
        no_value=len(about) - known - control - others.total(),
        other_values=tuple(others.most_common()),
    )

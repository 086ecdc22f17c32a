"""How far identities, languages or models lie apart in what they answer, how sure that is, and whether it is values."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from univar.analysis.distances.cross_naming import cross_named
from univar.analysis.distances.estimates import Estimates, excess
from univar.analysis.distances.noise import Noise, noise_of
from univar.analysis.distances.pairwise import BoolArray, FloatArray, shared_questions
from univar.analysis.distances.reliability import FEWEST, split_half
from univar.analysis.distances.results import (
    BesideControl,
    Between,
    Distance,
    Distances,
    Nearest,
    Reliability,
    Told,
    ValueDistance,
)
from univar.analysis.distances.sides import Compared, Side, compared
from univar.analysis.names import short_names
from univar.analysis.statistics import Interval, holm
from univar.corpus.records import Identity, QARecord
from univar.model.embedded import Corpus, EmbeddedCorpusError, embed, unread_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DRAWS = 1000
"""Bootstrap draws of the questions behind how often a neighbour is the nearest."""

HALVINGS = 30
"""Ways of halving the questions that the reliability rests on."""

_NONE = Interval(math.nan, math.nan)
_FEWEST_TO_TELL = 6  # one swap in 32 is the answers as they are
_FEWEST_NEIGHBOURS = 3  # of two, each is the other's nearest


def distances(
    corpus: Corpus,
    control: Corpus | None = None,
    *,
    between: Between = "identities",
    model: "str | SentenceTransformer | None" = None,
    seed: int = 0,
    untranslated: bool = False,
    **options: Any,
) -> Distances:
    """How far identities lie apart in what they answer, or the languages or models among them, two by two.

    Args:
        corpus: Answers, or an embedded corpus, of which nothing is encoded again; see `univar.embed`.
        control: Answers of the same identities that elicit no values. Without them a difference may be one of style.
        between: `identities`; `languages`, each LLM with itself; or `models`, within each language.
        model: What embeds the answers; by default `univar`, and of an embedded corpus its own.
        seed: Of swaps, draws and halvings.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        options: For `univar.read_corpus`.

    Raises:
        CorpusError: If answers cannot be read.
        UntranslatedError: If some are in languages that the model does not read, and `untranslated` is not said.
        EmbeddedCorpusError: If the two are embedded by different models.
        ValueError: If there are no two to compare, or none of them share two questions; the message says which.

    Example:
        >>> import univar
        >>> said = {"me": ("So.", "Yes."), "you": ("So.", "Never.")}
        >>> answers = [
        ...     {"question": f"Why {number}?", "answer": answer, "model": model, "lang": "eng"}
        ...     for model, both in said.items()
        ...     for number, answer in enumerate(both)
        ... ]
        >>> univar.distances(answers, model="univar-static").rows[0].questions
        2
    """
    answers = embed(corpus, model, untranslated=untranslated, **options)
    controls = None if control is None else embed(control, model, untranslated=untranslated, **options)
    if controls is not None and controls.provenance.fingerprint != answers.provenance.fingerprint:
        made, other = answers.provenance, controls.provenance
        raise EmbeddedCorpusError(
            f"the answers were embedded by {made.model} ({made.fingerprint[:12]}…), the control answers by "
            f"{other.model} ({other.fingerprint[:12]}…): embed both by one model"
        )
    found = distances_of(
        answers.records,
        answers.embeddings,
        None if controls is None else (controls.records, controls.embeddings),
        between=between,
        seed=seed,
    )
    return replace(found, unread=unread_of(answers, *([] if controls is None else [controls])))


def distances_of(
    records: Sequence[QARecord],
    vectors: npt.ArrayLike,
    control: tuple[Sequence[QARecord], npt.ArrayLike] | None = None,
    *,
    between: Between = "identities",
    seed: int = 0,
) -> Distances:
    """`distances` of records and their vectors.

    Answers whose vectors are not finite are left out, and a remark says how many of whom.

    Args:
        records: n QAs.
        vectors: `(n, d)` unit vectors.
        control: The same of control answers.
        between: See `distances`.
        seed: See `distances`.

    Raises:
        ValueError: As `distances` does, or if there is not a vector a record.
    """
    if between not in get_args(Between):
        raise ValueError(f"between must be one of {', '.join(get_args(Between))}, got {between!r}")
    given, rows, remarks = _finite(records, vectors, "")
    what = compared(sorted({record.identity for record in records}), between)
    side = Side(given, rows, what, by_value=True, seed=seed)
    if not side.readable.any():
        raise ValueError(_nothing_shared(what, side, remarks))
    controls = None
    if control is not None:
        own, vectors_of, more = _finite(*_of_identities(*control, what.identities), "control ")
        controls = Side(own, vectors_of, what, by_value=False, seed=seed) if own else None
        remarks += [*more, *_unmatched(control[0], own, what.identities)]
    found, by_value = side.found()
    distances = _rows(side, found, controls)
    told, untold = _told([(given, rows), *([(own, vectors_of)] if controls else [])], between, seed)
    reliability, why = _reliability(side)
    return Distances(
        between=between,
        names=tuple(what.names),
        short=_short(what, between),
        rows=distances[:-1],
        overall=distances[-1],
        values=_values(side, by_value),
        nearest=_nearest(side, distances[:-1]),
        reliability=reliability,
        told=tuple(told),
        noise=_noise(side, found, distances[:-1]),
        questions=distances[-1].questions,
        n=distances[-1].n,
        controlled=control is not None,
        remarks=(*remarks, *_little(side, distances[-1]), *why, *untold),
        seed=seed,
    )


def _finite(
    records: Sequence[QARecord], vectors: npt.ArrayLike, kind: str
) -> tuple[list[QARecord], FloatArray, list[str]]:
    """The answers whose vectors are finite, these, and what was left out of whom."""
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(records):
        raise ValueError(f"give one vector a record, got {rows.shape} for {len(records):,} {kind}records")
    finite: BoolArray = np.asarray(np.isfinite(rows).all(axis=1))
    lost = Counter(str(record.identity) for record, fine in zip(records, finite, strict=True) if not fine)
    remarks = [
        f"{number:,} {kind}{'answer' if number == 1 else 'answers'} of {who} left out: the vectors are not finite."
        for who, number in sorted(lost.items())
    ]
    return [record for record, fine in zip(records, finite, strict=True) if fine], rows[finite], remarks


def _of_identities(
    records: Sequence[QARecord], vectors: npt.ArrayLike, identities: Sequence[Identity]
) -> tuple[list[QARecord], FloatArray]:
    """The answers of some identities."""
    known, rows = set(identities), np.asarray(vectors, dtype=np.float64)
    own = [place for place, record in enumerate(records) if record.identity in known]
    return [records[place] for place in own], rows[own]


def _unmatched(records: Sequence[QARecord], own: Sequence[QARecord], identities: Sequence[Identity]) -> list[str]:
    """Whose control answers there are none of, and how many are of nobody who is compared."""
    known = set(identities)
    strangers = sum(record.identity not in known for record in records)
    silent = sorted(map(str, known - {record.identity for record in own}))
    remarks = [f"{strangers:,} control answers left out: they are of nobody who is compared."] if strangers else []
    if not silent:
        return remarks
    return [*remarks, f"No control answers of {', '.join(silent)}: whether they differ in values cannot be said."]


def _nothing_shared(what: Compared, side: Side, remarks: Sequence[str]) -> str:
    """Why no two can be compared."""
    reasons = Counter(side.missing(column) for column in range(len(what.labels)))
    why = "; ".join(reason for reason, _ in reasons.most_common(3))
    names = f"{', '.join(what.names[:5])}{' …' if len(what.names) > 5 else ''}"
    return (
        f"no two of {names} can be compared ({why}): ask all of them the same questions, two or more; question_id or "
        f"question_eng says which are the same in two languages{''.join(f'. {remark[:-1]}' for remark in remarks)}"
    )


def _little(side: Side, overall: Distance) -> list[str]:
    """What answers to so few questions, or all alike, cannot show."""
    remarks = [] if side.cells.means.any() else ["All answers to each question are equal: nothing lies apart."]
    if overall.questions >= _FEWEST_TO_TELL:
        return remarks
    least = 0.5 ** (overall.questions - 1)
    return [
        *remarks,
        f"{overall.questions} questions cannot show a difference: by swapping p is never below {least:.2g}. Ask "
        f"{_FEWEST_TO_TELL} or more.",
    ]


def _rows(side: Side, found: Estimates, controls: Side | None) -> tuple[Distance, ...]:
    """A distance for each two, and the mean over all pairs of identities."""
    labels = [*side.what.labels, ("all pairs", "")]
    adjusted = [*holm(found.p[:-1]), float(found.p[-1])]
    beside: list[BesideControl | None] = [None] * len(labels)
    if controls is not None:
        beside = _beside(side, found, controls)
    rows = []
    for column, (first, second) in enumerate(labels):
        readable = math.isfinite(found.squared[column])
        reason = "" if readable else side.missing(column)
        control = beside[column]
        if readable and controls is not None and (control is None or math.isnan(control.excess_p)):
            reason = (
                "no control questions in common" if control is None else "too few questions to compare with controls"
            )
        questions, n = side.counts(column)
        rows.append(
            Distance(
                first=first,
                second=second,
                squared=float(found.squared[column]),
                interval=found.interval(column),
                p=float(found.p[column]),
                adjusted=float(adjusted[column]),
                questions=questions,
                n=n,
                pairs=int((side.what.columns[:, column] * side.readable).sum()),
                control=control,
                reason=reason,
            )
        )
    return tuple(rows)


def _beside(side: Side, found: Estimates, controls: Side) -> list[BesideControl | None]:
    """Each distance beside that on control questions; None where there is none."""
    both: BoolArray = side.readable & controls.readable
    # A mean is compared with that of the same pairs.
    matched = found if (both == side.readable).all() else side.found(both)[0]
    on_controls, _ = controls.found(both)
    more, low, high, p = excess(matched, on_controls)
    adjusted = [*holm(p[:-1]), float(p[-1])]
    return [
        BesideControl(
            squared=float(on_controls.squared[column]),
            interval=on_controls.interval(column),
            excess=float(more[column]),
            excess_interval=Interval(float(low[column]), float(high[column])),
            excess_p=float(p[column]),
            excess_adjusted=float(adjusted[column]),
            **dict(zip(("questions", "n"), controls.counts(column), strict=True)),
            pairs=int((side.what.columns[:, column] * both).sum()),
        )
        if math.isfinite(more[column])
        else None
        for column in range(len(more))
    ]


def _values(side: Side, by_value: Sequence[Estimates]) -> tuple[ValueDistance, ...]:
    """The mean over all pairs for each value, the largest first."""
    if not side.cells.values:
        return ()
    adjusted = holm([float(one.p[0]) for one in by_value])
    rows = []
    for group, (value, one) in enumerate(zip(side.cells.values, by_value, strict=True)):
        questions, n = side.counts(-1, group)
        pairs = int((side.pairs[group].shared > 1).sum())
        if pairs:
            shown = (float(one.squared[0]), one.interval(0), float(one.p[0]), adjusted[group])
            rows.append(ValueDistance(value, *shown, questions, n, pairs))
    return tuple(sorted(rows, key=lambda row: (-row.squared, row.value)))


def _nearest(side: Side, rows: Sequence[Distance]) -> tuple[Nearest, ...]:
    """Whom each lies nearest to, and how often that is so by questions drawn anew."""
    if len(side.what.names) < _FEWEST_NEIGHBOURS:
        return ()
    drawn = side.drawn(DRAWS)
    found = []
    for name in side.what.names:
        own = [
            column for column, row in enumerate(rows) if name in (row.first, row.second) and math.isfinite(row.squared)
        ]
        if len(own) < _FEWEST_NEIGHBOURS - 1:
            continue
        best = min(own, key=lambda column: rows[column].squared)
        firsts = np.nanargmin(np.where(np.isfinite(drawn[:, own]), drawn[:, own], np.inf), axis=1)
        row = rows[best]
        other = row.second if row.first == name else row.first
        share = float((firsts == own.index(best)).mean())
        found.append(Nearest(name, other, row.squared, row.interval, share, len(own), row.n))
    return tuple(found)


def _reliability(side: Side) -> tuple[Reliability | None, list[str]]:
    """The reliability of all distances together, or why there is none."""
    things, least = len(side.what.names), min(map(len, side.cells.groups))
    if things < FEWEST or least < FEWEST:
        return None, [
            f"How reliable the distances are all together is not known: that takes {FEWEST} to compare and {FEWEST} "
            f"questions, here {things} and {least}."
        ]
    one, other = (half[:, :-1] for half in side.halves(HALVINGS))
    r, interval = split_half(one, other, things)
    if math.isnan(r):
        return None, ["How reliable the distances are all together is not known: too few vary."]
    known = int(np.isfinite(np.vstack([one, other])).all(axis=0).sum())
    return Reliability(r, interval, known, HALVINGS), []


def _told(
    sides: Sequence[tuple[Sequence[QARecord], FloatArray]], between: Between, seed: int
) -> tuple[list[Told], list[str]]:
    """Languages and models told from each other, by value answers and by control answers."""
    told: list[Told] = []
    remarks: list[str] = []
    if between == "identities":
        return told, remarks
    corpora: tuple[Literal["values", "control"], ...] = ("values", "control")
    for corpus, (records, vectors) in zip(corpora, sides, strict=False):
        found, more = cross_named(records, vectors, shared_questions(records), corpus, seed=seed)
        told += found
        remarks += more
    return told, remarks


def _noise(side: Side, found: Estimates, rows: Sequence[Distance]) -> Noise:
    """What a plan is made from."""
    by_pair = side.products()
    columns = side.what.columns[:, :-1] * side.readable[:, None]
    products = (by_pair @ columns) / np.maximum(columns.sum(axis=0), 1)
    each = Estimates(*(part[:-1] for part in found))
    return noise_of(each, [row.questions for row in rows], products, max(len(side.cells.values), 1), *side.sampling())


def _short(what: Compared, between: Between) -> tuple[str, ...]:
    """The names as they are drawn."""
    if between == "languages":
        return tuple(what.names)
    return tuple(short_names(what.identities if between == "identities" else [Identity(m, "") for m in what.names]))

"""From the versions of answers and their vectors to what is left of distances, and what names identities."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from univar.analysis.distances.estimates import excess
from univar.analysis.distances.pairwise import shared_questions
from univar.analysis.distances.sides import Compared, compared
from univar.analysis.identification import Identification, identify_knn, identify_linear
from univar.analysis.statistics import Interval
from univar.analysis.style.changes import said
from univar.analysis.style.features import style_features
from univar.analysis.style.results import BeyondStyle, Kind, StyleRow, StyleVerdict
from univar.analysis.style.surviving import Version, share
from univar.corpus.records import QARecord, question_fraction

Answers: TypeAlias = tuple[Sequence[QARecord], npt.ArrayLike]
"""n QAs, and `(n, d)` their vectors."""

_NONE = Interval(math.nan, math.nan)
_OF_VALUES: tuple[Kind, ...] = ("restyled", "equal length", "whole answers", "all three")
_OF_CONTROLS: tuple[Kind, ...] = ("control", "control, all three")


class _Looked(NamedTuple):
    """What is found in one version by itself."""

    records: Sequence[QARecord]
    version: Version | None
    knn: Identification | None
    linear: Identification | None
    reason: str


def style_of(
    versions: Mapping[Kind, Answers | str], *, characters: int = 0, remarks: Iterable[str] = (), seed: int = 0
) -> StyleVerdict:
    """The verdict on answers whose versions have their vectors.

    Args:
        versions: Those of `Kind` but `style alone`; instead of one, a text may say why there is none.
        characters: To which answers were cut.
        remarks: To be said beside the result.
        seed: Of swaps and draws.

    Raises:
        ValueError: If there are no two identities, none of them share two questions, or a vector of the answers as
            written is not finite.
    """
    given = versions["as written"]
    if isinstance(given, str):
        raise ValueError(f"there are no answers as written: {given}")
    records = given[0]
    what = compared(sorted({record.identity for record in records}), "identities")
    question_of, middle = _questions(records), _middle(records)
    base = _version(*given, what, question_of, by_value=True, seed=seed)
    if not base.readable.any():
        names = f"{', '.join(what.names[:5])}{' …' if len(what.names) > 5 else ''}"
        raise ValueError(
            f"no two of {names} share two questions: ask all of them the same; question_id or question_eng says which "
            "are the same in two languages"
        )
    looked = {"as written": _Looked(records, base, *_named(*given, middle, seed))}
    known = {name for own in base.names for name in own}
    for kind in _OF_VALUES:
        looked[kind] = _looked(versions.get(kind, "not given"), what, question_of, base, known, middle, seed)
    own_remarks = list(remarks)
    controls, control_middle, of_control = versions.get("control", "no control answers given"), 0.0, {}
    if not isinstance(controls, str):
        own_remarks += _unmatched(controls[0], what)
        of_control, control_middle = _questions(controls[0]), _middle(controls[0])
    for kind in _OF_CONTROLS:
        answers = versions.get(kind, "no control answers given")
        looked[kind] = _looked(answers, what, of_control, None, None, control_middle, seed)
    return StyleVerdict(
        identities=tuple(what.names),
        rows=(*_rows(looked, base), _alone(records, middle, seed)),
        beyond=_beyond(looked, base),
        characters=characters,
        controlled=not isinstance(controls, str),
        remarks=tuple(own_remarks),
        seed=seed,
    )


def _questions(records: Sequence[QARecord]) -> dict[tuple[str, str], str]:
    """What tells that two QAs answer the same question, whatever became of the answers."""
    return dict(zip(map(_asked, records), shared_questions(records), strict=True))


def _asked(record: QARecord) -> tuple[str, str]:
    return record.question_id, record.question_key


def _middle(records: Iterable[QARecord]) -> float:
    """Where the questions are halved, so that a gallery and a query have none in common."""
    fractions = sorted({question_fraction(record.question_key) for record in records})
    return fractions[len(fractions) // 2] if fractions else 0.0


def _version(
    records: Sequence[QARecord],
    vectors: npt.ArrayLike,
    what: Compared,
    question_of: Mapping[tuple[str, str], str],
    *,
    by_value: bool,
    seed: int,
) -> Version:
    rows = np.asarray(vectors, dtype=np.float64)
    return Version(records, rows, [question_of[_asked(one)] for one in records], what, by_value=by_value, seed=seed)


def _looked(
    answers: Answers | str,
    what: Compared,
    question_of: Mapping[tuple[str, str], str],
    base: Version | None,
    known: set[str] | None,
    middle: float,
    seed: int,
) -> _Looked:
    """What is found in a version of value answers, compared with `base` at its `known` questions, or of controls."""
    if isinstance(answers, str):
        return _Looked((), None, None, None, answers)
    identities, rows = set(what.identities), np.asarray(answers[1], dtype=np.float64)
    own = [place for place, record in enumerate(answers[0]) if record.identity in identities]
    records = [answers[0][place] for place in own]
    if not records:
        return _Looked((), None, None, None, "no answer is left")
    rows = rows[own]
    if not np.isfinite(rows).all():
        number = int((~np.isfinite(rows)).any(axis=1).sum())
        return _Looked((), None, None, None, f"{number:,} of {len(rows):,} vectors are not finite")
    knn, linear, reason = _named(records, rows, middle, seed)
    kept = [place for place, one in enumerate(records) if known is None or question_of[_asked(one)] in known]
    version = _version(
        [records[place] for place in kept], rows[kept], what, question_of, by_value=base is not None, seed=seed
    )
    if base is not None and bool(version.values) != bool(base.values):
        return _Looked(records, None, knn, linear, "too few questions are left to compare value by value")
    if not version.readable.any():
        return _Looked(records, None, knn, linear, "no two identities share two questions")
    return _Looked(records, version, knn, linear, reason)


def _named(
    records: Sequence[QARecord], vectors: Any, middle: float, seed: int
) -> tuple[Identification | None, Identification | None, str]:
    """How well identities are named by nearest neighbours and by a linear probe, or why that cannot be told."""
    gallery = np.array([question_fraction(record.question_key) < middle for record in records])
    labels = np.array([str(record.identity) for record in records], dtype=object)
    questions = np.array([record.question_key for record in records], dtype=object)
    rows = np.asarray(vectors, dtype=np.float64)
    sides = rows[gallery], labels[gallery], rows[~gallery], labels[~gallery], questions[~gallery]
    try:
        return identify_knn(*sides, seed=seed), identify_linear(*sides, seed=seed), ""
    except ValueError as error:
        return None, None, f"identities cannot be named: {error}"


def _rows(looked: Mapping[str, _Looked], base: Version) -> list[StyleRow]:
    """A row a version, in their order; each beside the answers as written of the same pairs."""
    weights = base.weights(1)
    rows = []
    for kind, one in looked.items():
        control = kind in _OF_CONTROLS
        origin = looked["control" if control else "as written"]
        squared, p, left, interval, left_interval, questions = math.nan, math.nan, math.nan, _NONE, _NONE, 0
        if one.version is not None:
            pairs = one.version.readable & base.readable
            found, whole = one.version.mean(one.version.readable), base.mean(pairs)
            squared, p, interval = float(found.squared[0]), float(found.p[0]), found.interval(0)
            questions = one.version.questions
            # Where there may be no distance at all there is none to be left of.
            if kind == "as written":
                left = 1.0
            elif pairs.any() and whole.interval(0).low > 0:
                left = float(one.version.mean(pairs).squared[0] / whole.squared[0])
                drawn = one.version.drawn(one.version.weights(2) if control else weights, pairs)
                left_interval = share(drawn, base.drawn(weights, pairs), min(questions, base.questions))
        rows.append(
            StyleRow(
                kind=kind,  # type: ignore[arg-type]
                knn=one.knn,
                linear=one.linear,
                squared=squared,
                interval=interval,
                p=p,
                left=left,
                left_interval=left_interval,
                questions=questions,
                n=len(one.records),
                changed=_changed(origin.records, one.records) if one.records else 0,
                reason=one.reason,
            )
        )
    return rows


def _changed(before: Sequence[QARecord], after: Sequence[QARecord]) -> int:
    """How many answers differ or are left out."""

    def counted(records: Sequence[QARecord]) -> Counter[Any]:
        return Counter((one.identity, one.question_id, one.question_key, one.sample, said(one)) for one in records)

    return len(before) - (counted(before) & counted(after)).total()


def _alone(records: Sequence[QARecord], middle: float, seed: int) -> StyleRow:
    """What style by itself names, by features that are scaled as they vary in the gallery."""
    features = style_features([said(record) for record in records])
    gallery = np.array([question_fraction(record.question_key) < middle for record in records])
    known = features[gallery] if gallery.any() else features
    spread = known.std(axis=0)
    scaled = (features - known.mean(axis=0)) / np.where(spread > 0, spread, 1)
    knn, linear, reason = _named(records, scaled, middle, seed)
    return StyleRow(
        kind="style alone",
        knn=knn,
        linear=linear,
        squared=math.nan,
        interval=_NONE,
        p=math.nan,
        left=math.nan,
        left_interval=_NONE,
        questions=len({record.question_key for record in records}),
        n=len(records),
        changed=0,
        reason=reason,
    )


def _beyond(looked: Mapping[str, _Looked], base: Version) -> BeyondStyle | None:
    """Value answers against control answers: both without their looks where that could be computed, else as written."""
    for kind, control, looks in (("all three", "control, all three", True), ("as written", "control", False)):
        values, controls = looked[kind].version, looked[control].version
        if values is None or controls is None:
            continue
        pairs = values.readable & controls.readable & base.readable
        if not pairs.any():
            continue
        more, low, high, p = excess(values.mean(pairs), controls.mean(pairs))
        whole, weights = base.mean(pairs), base.weights(1)
        ratio, ends = math.nan, _NONE
        if whole.interval(0).low > 0:
            ratio = float(more[0] / whole.squared[0])
            apart = values.drawn(weights, pairs) - controls.drawn(controls.weights(2), pairs)
            ends = share(apart, base.drawn(weights, pairs), min(values.questions, controls.questions))
        return BeyondStyle(
            excess=float(more[0]),
            interval=Interval(float(low[0]), float(high[0])),
            p=float(p[0]),
            share=ratio,
            share_interval=ends,
            looks=looks,
            pairs=int(pairs.sum()),
        )
    return None


def _unmatched(records: Sequence[QARecord], what: Compared) -> list[str]:
    """Whose control answers there are none of, and how many are of nobody who is compared."""
    known = set(what.identities)
    strangers = sum(record.identity not in known for record in records)
    silent = sorted(map(str, known - {record.identity for record in records}))
    return [
        *([f"{strangers:,} control answers left out: they are of nobody who is compared."] if strangers else []),
        *([f"No control answers of {', '.join(silent)}."] if silent else []),
    ]

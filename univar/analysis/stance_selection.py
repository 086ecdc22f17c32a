"""Which QAs of a corpus with stances are measured, in which ways, and of which a probe learns."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from univar.analysis.stance import (
    CONTRASTS,
    Matrix,
    Measure,
    Measured,
    contrasted,
    correlation,
    lacking,
    lacking_probe,
)
from univar.corpus.records import QARecord, Split, question_hash, split_of
from univar.corpus.stances import group_of, stances_of

Part: TypeAlias = Literal["validation", "test", "all"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class StanceSelection:
    """Which answers were measured.

    Attributes:
        source: `poles`, those that ship, or `corpus`.
        part: Of which split; `all` of them.
        n: QAs.
        groups: Questions or claims that they are about.
        learned: QAs of the train split that the probe of the correlation learned from; 0 where that was left out.
        no_stance: QAs left out because they have no stance.
        other_parts: QAs left out because they are of another part.
        trained_on: QAs left out because a compared model was trained on their question.
        warning: What makes these stances measure something else; None if nothing does.
    """

    source: Literal["poles", "corpus"]
    part: Part
    n: int
    groups: int
    learned: int
    no_stance: int
    other_parts: int
    trained_on: int
    warning: str | None

    def sentence(self) -> str:
        """The selection in words."""
        what = "the poles that ship" if self.source == "poles" else "answers with a stance"
        which = "all parts" if self.part == "all" else f"the {self.part} part"
        probe = f", a probe fitted to {self.learned:,} of the train part" if self.learned else ""
        return (
            f"{what[0].upper()}{what[1:]}, {which}: {self.n:,} to {self.groups:,} questions or claims{probe}; left "
            f"out: {self.no_stance:,} without a stance, {self.other_parts:,} of other parts, {self.trained_on:,} whose "
            "questions were trained on."
        )


@dataclass(frozen=True, slots=True)
class Task:
    """The QAs to encode, what they are about, stand for and are by, and which are measured, tested and learned from."""

    records: list[QARecord]
    groups: npt.NDArray[np.object_]
    stances: npt.NDArray[np.float64]
    authors: npt.NDArray[np.object_]
    measured_rows: npt.NDArray[np.intp]
    probed_rows: npt.NDArray[np.intp]
    learned: npt.NDArray[np.bool_]
    measures: tuple[Measure, ...]
    left_out: tuple[str, ...]
    selection: StanceSelection

    def measured(self, vectors: Matrix, seed: int) -> dict[Measure, Measured]:
        """Every measure that can be taken, of vectors of all records."""
        at, probed = self.measured_rows, self.probed_rows
        found: dict[Measure, Measured] = {}
        for measure in CONTRASTS:
            if measure in self.measures:
                found[measure] = contrasted(measure, vectors[at], self.groups[at], self.stances[at], self.authors[at])
        if "correlation" in self.measures:
            found["correlation"] = correlation(
                vectors[probed], self.groups[probed], self.stances[probed], self.learned[probed], seed=seed
            )
        return found


def select(records: list[QARecord], part: Part, splits: Sequence[Split] | None, trained_on: AbstractSet[str]) -> Task:
    """Which records are measured, and how; for the arguments see `stances_side_by_side`.

    Raises:
        StanceError: If the stances can measure nothing; see `univar.corpus.stances.stances_of`.
        ValueError: If there is no such part, or nothing to measure is left.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}")
    found = stances_of(records)
    groups = np.array([group_of(record) for record in records], dtype=object)
    split = np.array(splits or [split_of(group) for group in groups], dtype=object)
    given = np.array([record.stance is not None for record in records], dtype=np.bool_)
    new = np.array([question_hash(record.question_key) not in trained_on for record in records], dtype=np.bool_)
    of_part = np.full(len(records), True) if part == "all" else split == part
    measured = given & of_part & new
    tested = measured & (split == ("test" if part == "all" else part))
    learned = given & (split == "train") & ~np.isin(groups, groups[tested])
    stances = np.array([record.stance or 0.0 for record in records], dtype=np.float64)
    authors = np.array([record.model for record in records], dtype=object)
    reasons: dict[Measure, str | None] = {
        measure: lacking(measure, groups[measured], stances[measured], authors[measured]) for measure in CONTRASTS
    }
    probed = tested | learned
    reasons["correlation"] = (
        lacking_probe(groups[probed], stances[probed], learned[probed])
        if probed.any()
        else "correlation: no answers with a stance are to questions of the train or test part"
    )
    measures = tuple(measure for measure, reason in reasons.items() if reason is None)
    left_out = tuple(reason for reason in reasons.values() if reason is not None)
    learned &= "correlation" in measures
    selection = StanceSelection(
        source="corpus",
        part=part,
        n=int(measured.sum()),
        groups=len(set(groups[measured])),
        learned=int(learned.sum()),
        no_stance=int((~given).sum()),
        other_parts=int((given & ~of_part).sum()),
        trained_on=int((given & of_part & ~new).sum()),
        warning=found.warning,
    )
    if not measures:
        raise ValueError(f"nothing can be measured. {selection.sentence()} {'; '.join(left_out)}")
    kept = np.flatnonzero(measured | learned)
    return Task(
        records=[records[row] for row in kept],
        groups=groups[kept],
        stances=stances[kept],
        authors=authors[kept],
        measured_rows=np.flatnonzero(measured[kept]),
        probed_rows=np.flatnonzero((tested | learned)[kept]),
        learned=learned[kept],
        measures=measures,
        left_out=left_out,
        selection=selection,
    )

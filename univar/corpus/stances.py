"""What the stances of QAs can teach and measure: which questions are answered from both sides, and by whom."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from univar.corpus.records import Identity, QARecord, normalised_question

Side = Literal["for", "against", "between"]

SIDES: tuple[Side, ...] = ("for", "against", "between")


class StanceError(ValueError):
    """QAs whose stances can teach and measure nothing; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Stances:
    """What there is of stances in some QAs.

    Attributes:
        qas: All QAs.
        sides: How many stand on each side: for is above 0, against below, between is 0.
        two_sided: The groups, as `group_of` names them, in which some are for and some against.
        one_sided: How many groups with a stance have not both: of them nothing can be learned.
        left_out: How many QAs with a stance are in these.
        authors: How many identities are for or against more than once.
        of_one_mind: How many of these say the same sign each time.
    """

    qas: int
    sides: dict[Side, int]
    two_sided: frozenset[str]
    one_sided: int
    left_out: int
    authors: int
    of_one_mind: int

    @property
    def without(self) -> int:
        """How many QAs have no stance."""
        return self.qas - sum(self.sides.values())

    @property
    def author_is_stance(self) -> bool:
        """Whether of several identities that say more than one stance none is now for and now against."""
        return 1 < self.authors == self.of_one_mind

    @property
    def warning(self) -> str | None:
        """What makes the stances teach something else, to be told; None if nothing."""
        if not self.author_is_stance:
            return None
        return (
            f"the author is the stance: each of {self.authors:,} identities is always for or always against, so that "
            "what is learned or measured may be who answers and not what for; add answers of theirs from the other side"
        )

    def __str__(self) -> str:
        counts = ", ".join(f"{self.sides[side]:,} {side}" for side in SIDES)
        groups = len(self.two_sided) + self.one_sided
        left = f"{self.left_out:,} {'QA' if self.left_out == 1 else 'QAs'} of the other {self.one_sided:,}"
        beside = f"; left out: {left}" if self.one_sided else ""
        return (
            f"{self.qas - self.without:,} of {self.qas:,} QAs have a stance: {counts}; {len(self.two_sided):,} of "
            f"{groups:,} {'question is' if groups == 1 else 'questions are'} answered from both sides{beside}"
        )


def side_of(stance: float) -> Side:
    """On which side a stance is, by its sign."""
    return "for" if stance > 0 else "against" if stance < 0 else "between"


def group_of(record: QARecord) -> str:
    """What the stance of a QA is compared within: its claim, else its question, without case and punctuation."""
    return normalised_question(record.question_key)


def stances_of(records: Iterable[QARecord]) -> Stances:
    """What can be learned or measured from the stances of QAs; records are read once.

    Raises:
        StanceError: If nothing can: there is no stance, all are the same, or no question is answered from both sides.
    """
    qas, values = 0, Counter[float]()
    groups: dict[str, Counter[Side]] = defaultdict(Counter)
    authors: dict[Identity, Counter[Side]] = defaultdict(Counter)
    for record in records:
        qas += 1
        if record.stance is None:
            continue
        side = side_of(record.stance)
        values[record.stance] += 1
        groups[group_of(record)][side] += 1
        authors[record.identity][side] += 1
    sides = {side: sum(of[side] for of in groups.values()) for side in SIDES}
    _check(qas, sides, values)
    two_sided = frozenset(group for group, of in groups.items() if of["for"] and of["against"])
    if not two_sided:
        raise StanceError(
            f"no question is answered both for and against, of {len(groups):,}: stances are compared within a question "
            "or claim; give answers from both sides of some, and name what they are about as claim where questions "
            "differ"
        )
    twice = [of for of in authors.values() if of["for"] + of["against"] > 1]
    left_out = sum(of.total() for group, of in groups.items() if group not in two_sided)
    of_one_mind = sum(not (of["for"] and of["against"]) for of in twice)
    return Stances(qas, sides, two_sided, len(groups) - len(two_sided), left_out, len(twice), of_one_mind)


def _check(qas: int, sides: dict[Side, int], values: Counter[float]) -> None:
    """Raises StanceError if there is no stance, all are the same, or all are on one side."""
    if not values:
        raise StanceError(
            f"stance asked of a corpus without any: none of {qas:,} QAs has one; give a column stance, from -1 "
            "(against) to 1 (for)"
        )
    if len(values) == 1:
        (stance,) = values
        raise StanceError(f"all {values.total():,} stances are {stance:g}: there is nothing to tell them from")
    if not sides["for"] or not sides["against"]:
        missing = "against" if sides["for"] else "for"
        counts = ", ".join(f"{sides[side]:,} {side}" for side in SIDES)
        zero = "; where 0 stands for against, write -1" if missing == "against" and sides["between"] else ""
        raise StanceError(f"no stance is {missing}: of {values.total():,} there are {counts}{zero}")

"""Stances in training: pairs of answers to one question or claim that stand apart."""

import logging
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from univar.corpus.records import Identity, QARecord, check_record
from univar.corpus.stances import group_of, stances_of
from univar.model.views import Texts, whole_text

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

PAIRS_A_TURN = 4
"""Pairs of a group that are drawn together, at most: so many answers each has to be near to and far from."""


def stance_pairs(
    records: Sequence[QARecord],
    pairs: int,
    *,
    batch_pairs: int,
    seed: int = 0,
    margin: float = 0.15,
    texts: Texts = whole_text,
) -> "Dataset":
    """A training set of pairs of answers of one group, `univar.corpus.stances.group_of`, that stand apart.

    Two answers stand apart if their signs are opposite; in a group that has not both signs, if their stances differ by
    the margin. Pairs by one author come first, an author after the other: what tells the two apart is then the stance
    and not the voice, and what is near them in stance was written by another. Then come pairs of whoever is left.

    Groups get turns at random, each as often as the others, and give up to four pairs in a row, or what the batch has
    room for. No answer is in two of them, but where all the pairs of a group have one answer in common: then that is in
    two, since an answer whose side nobody shares has nothing to be near to.

    Args:
        records: QAs, of which those without a stance are left out, and groups in which nothing stands apart.
        pairs: How many rows; rounded down to whole batches, but one at least.
        batch_pairs: Rows of one batch.
        seed: Same seed, same pairs.
        margin: Above 0.
        texts: What is encoded of a record, one of them at a time.

    Returns:
        Columns `view_a` and `view_b` (lists of one QA text), `label` (three floats: the number of the group, and the
        stances of both), in the order of the batches.

    Raises:
        StanceError: If the stances can teach nothing; see `univar.corpus.stances.stances_of`.
        ValueError: If a number is out of range.
    """
    from datasets import Dataset

    if pairs < 1 or batch_pairs < 1 or not margin > 0:
        raise ValueError(
            f"pairs and batch_pairs must be at least 1 and margin above 0, got {pairs}, {batch_pairs} and {margin}"
        )
    groups = _usable(records, margin)
    generator = random.Random(seed)
    rows: dict[str, list[Any]] = {"view_a": [], "view_b": [], "label": []}
    order: list[int] = []
    wanted = max(1, pairs // batch_pairs) * batch_pairs
    while (drawn := len(rows["label"])) < wanted:
        if not order:
            order = generator.sample(range(len(groups)), len(groups))
        number = order.pop()
        room = batch_pairs - drawn % batch_pairs
        for a, b in groups[number].turn(min(PAIRS_A_TURN, room), generator):
            rows["view_a"].append([generator.choice(texts(a.record))])
            rows["view_b"].append([generator.choice(texts(b.record))])
            rows["label"].append([float(number), a.stance, b.stance])
    return Dataset.from_dict(rows)


def _usable(records: Sequence[QARecord], margin: float) -> list["_Group"]:
    """The groups in which some stand apart; the others are counted in a warning."""
    groups = _groups(records, margin)
    if warning := stances_of(records).warning:
        logger.warning("%s", warning)
    usable = [group for group in groups if group.answers]
    if left_out := len(groups) - len(usable):
        logger.warning(
            "%s of %s questions or claims are left out, since no two answers to them stand apart",
            *(f"{number:,}" for number in (left_out, len(groups))),
        )
    return usable


def pairable(records: Iterable[QARecord], *, margin: float = 0.15) -> list[QARecord]:
    """The answers that `stance_pairs` draws from: those that stand apart from another one of their group.

    Raises:
        StanceError: If the stances can teach nothing; see `univar.corpus.stances.stances_of`.
    """
    records = list(records)
    stances_of(records)
    return [answer.record for group in _groups(records, margin) for answer in group.answers]


def _groups(records: Iterable[QARecord], margin: float) -> list["_Group"]:
    """All with a stance, in the order of their names; of some no answers are left."""
    answers: dict[str, list[_Answer]] = defaultdict(list)
    for record in records:
        check_record(record)
        if record.stance is not None:
            answers[group_of(record)].append(_Answer(record.stance, record))
    return [_Group(of_group, margin) for _, of_group in sorted(answers.items())]


def _least(stances: Sequence[float], margin: float) -> float:
    """By how much stances of a group must differ to stand apart; 0 if it has both signs: then they must be opposite."""
    return 0 if min(stances) < 0 < max(stances) else margin


def _apart(a: float, b: float, least: float) -> bool:
    return abs(a - b) >= least if least else a * b < 0


def _with_another(answers: Sequence["_Answer"], least: float) -> list["_Answer"]:
    """Those that stand apart from another one."""
    if not answers:
        return []
    stances = [answer.stance for answer in answers]
    low, high = min(stances), max(stances)
    return [answer for answer in answers if _apart(answer.stance, low, least) or _apart(answer.stance, high, least)]


class _Answer(NamedTuple):
    stance: float
    record: QARecord


_Pair = tuple[_Answer, _Answer]


class _Group:
    """The answers of one group that stand apart from another one of it."""

    def __init__(self, answers: Sequence[_Answer], margin: float) -> None:
        self.least = _least([answer.stance for answer in answers], margin)
        self.answers = _with_another(answers, self.least)
        by_author: dict[Identity, list[_Answer]] = defaultdict(list)
        for answer in self.answers:
            by_author[answer.record.identity].append(answer)
        # Of authors who wrote two that stand apart.
        self.of_authors = [apart for _, own in sorted(by_author.items()) if (apart := _with_another(own, self.least))]

    def turn(self, most: int, generator: random.Random) -> list[_Pair]:
        """Pairs that share no answer, those by one author first, and of different authors as far as there are any."""
        found: list[_Pair] = []
        of_authors = generator.sample(self.of_authors, len(self.of_authors))
        while of_authors and len(found) < most:
            own = of_authors.pop(0)
            if pair := self._pair(own, generator):
                found.append(pair)
                of_authors.append(_without(own, pair))
        left = _without(self.answers, *found)
        while len(found) < most and (pair := self._pair(left, generator, known=found)):
            found.append(pair)
            left = _without(left, pair)
        if len(found) == 1 < most and left:
            third = generator.choice(left)
            found.append(next((third, one) for one in found[0] if _apart(third.stance, one.stance, self.least)))
        return found

    def _pair(
        self, answers: Sequence[_Answer], generator: random.Random, *, known: Sequence[_Pair] = ()
    ) -> _Pair | None:
        """Two that stand apart, by authors of none of the known pairs if there are such; None if none do."""
        able = _with_another(answers, self.least)
        if not able:
            return None
        authors = {answer.record.identity for pair in known for answer in pair}

        def drawn(some: list[_Answer]) -> _Answer:
            return generator.choice([answer for answer in some if answer.record.identity not in authors] or some)

        first = drawn(able)
        return first, drawn([answer for answer in able if _apart(first.stance, answer.stance, self.least)])


def _without(answers: Sequence[_Answer], *pairs: _Pair) -> list[_Answer]:
    gone = {id(answer) for pair in pairs for answer in pair}
    return [answer for answer in answers if id(answer) not in gone]

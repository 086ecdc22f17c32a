"""What people's positions are kept as elsewhere: labels that are stances, and topics that are asked about."""

import zlib
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from numbers import Real

from univar.corpus.formats.rejects import CorpusError, UnusableRowError

PEOPLE = "people"
"""The model of texts that name no author."""

LABELS = {
    1.0: ("for", "pro", "favor", "favour", "in favor", "in favour", "support", "supports", "supported", "supporting",
          "agree", "agrees", "agreed"),
    -1.0: ("against", "con", "contra", "anti", "oppose", "opposes", "opposed", "opposing", "disagree", "disagrees",
           "disagreed", "refute", "refutes", "refuted", "attack", "attacks"),
    0.0: ("neutral", "neither", "mixed", "undecided", "ambivalent"),
    None: ("none", "null", "n/a", "na"),
}  # fmt: skip
"""Words that are stances, whatever their case; None is no stance. Numbers from -1 to 1 are taken as they are."""

ASKING = {
    "eng": ("What is your position on this", "Where do you stand on this", "What do you think about this",
            "How do you see this"),
    "deu": ("Wie stehen Sie dazu", "Was halten Sie davon", "Wie denken Sie darüber", "Wie sehen Sie das"),
    "zho": ("您对此持什么立场", "您对此有什么看法", "您怎么看", "您如何看待这一点"),
}  # fmt: skip
"""What stands before a claim that is asked about, and takes no side; in other languages the claim alone is asked."""

ALLOWED = "a number from -1 (against) to 1 (for), or a word such as for, against, neutral"

_STANCES = {"".join(filter(str.isalnum, word)): stance for stance, words in LABELS.items() for word in words}
_MOST_SLIPS = 0.25  # the largest share of labels that are no stances, of a column of stances
_SHOWN_LABELS = 5
_SHOWN_CHARACTERS = 30


def stance_of(label: str) -> float | None:
    """The stance that a label says; None if it says that there is none.

    Example:
        >>> stance_of("In favour"), stance_of("-0.5"), stance_of("none")
        (1.0, -0.5, None)

    Raises:
        UnusableRowError: If that is not known.
    """
    try:
        number = float(label.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        folded = "".join(filter(str.isalnum, label.casefold()))
        if folded not in _STANCES:
            raise UnusableRowError("stance is no number from -1 to 1", label) from None
        return _STANCES[folded]
    if not -1 <= number <= 1:  # nor is what is no number
        raise UnusableRowError("stance is not from -1 to 1", label)
    return number + 0.0  # of -0.0 nothing is left


def question_about(claim: str, answer: str, lang: str) -> str:
    """A question about a claim that takes no side, in one of a few forms that the answer decides.

    A claim that ends in a question mark is a question already.

    Example:
        >>> question_about("Thrift is a virtue", "Waste harms everyone.", "eng")
        'What is your position on this: Thrift is a virtue'
    """
    forms = ASKING.get(lang)
    if forms is None or claim.endswith(("?", "\N{FULLWIDTH QUESTION MARK}")):
        return claim
    return f"{forms[zlib.crc32(answer.encode()) % len(forms)]}: {claim}"


def check_stances(origin: str, column: str, labels: Iterable[object], *, guessed: bool) -> None:
    """Refuses a column that is no stance: a slip costs its row alone, another scale would cost most of them.

    Args:
        origin: What the file is called.
        column: Of the labels.
        labels: Of the first rows, as they are found.
        guessed: Whether the name of the column does not say that it is a stance. Then labels that are 0 or 1 are
            refused as well: whether 0 is against or neither cannot be told.

    Raises:
        CorpusError: As said.
    """
    found = Counter(str(label).strip() for label in labels if isinstance(label, str | Real | Decimal))
    found = Counter({label: count for label, count in found.items() if label and label.casefold() != "nan"})
    stances = {label: _understood(label) for label in found}
    unknown = [label for label in found if stances[label] is None]
    slips = sum(found[label] for label in unknown)
    binary = set(stances.values()) == {0.0, 1.0}
    if not (guessed and binary) and (slips < 2 or slips <= _MOST_SLIPS * found.total()):
        return
    seen = [label if len(label) <= _SHOWN_CHARACTERS else f"{label[:_SHOWN_CHARACTERS]}…" for label in unknown or found]
    shown = ", ".join([*map(repr, seen[:_SHOWN_LABELS]), *(["…"] if len(seen) > _SHOWN_LABELS else [])])
    why = "of which 0 may be against or neither" if not unknown else "which are no stances"
    way = (
        f"Write -1 for against, or, if 0 is neither, name it with --column stance={column}"
        if not unknown
        else "Write those, or rename the column if it holds something else"
    )
    raise CorpusError(f"{origin} has in its column {column!r} {shown}, {why}: a stance is {ALLOWED}. {way}")


def _understood(label: str) -> float | str | None:
    """The stance of a label, the label itself if it says that there is none, or None if it is not known."""
    try:
        stance = stance_of(label)
    except UnusableRowError:
        return None
    return label if stance is None else stance

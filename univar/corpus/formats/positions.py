"""What people's positions are kept as elsewhere: labels that are stances."""

from univar.corpus.formats.rejects import UnusableRowError

LABELS = {
    1.0: ("for", "pro", "favor", "favour", "in favor", "in favour", "support", "supports", "supported", "supporting",
          "agree", "agrees", "agreed"),
    -1.0: ("against", "con", "contra", "anti", "oppose", "opposes", "opposed", "opposing", "disagree", "disagrees",
           "disagreed", "refute", "refutes", "refuted", "attack", "attacks"),
    0.0: ("neutral", "neither", "mixed", "undecided", "ambivalent"),
    None: ("none", "null", "n/a", "na"),
}  # fmt: skip
"""Words that are stances, whatever their case; None is no stance. Numbers from -1 to 1 are taken as they are."""

ALLOWED = "a number from -1 (against) to 1 (for), or a word such as for, against, neutral"

_STANCES = {"".join(filter(str.isalnum, word)): stance for stance, words in LABELS.items() for word in words}


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

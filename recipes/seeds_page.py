"""The page of the seeds, from the runs of `recipes.seeds`."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from recipes.ablation_page import BASE, TFIDF
from recipes.pages import filled, spread
from recipes.runs import Run
from recipes.ship import CORPORA
from recipes.variants import REFERENCE

ANEW = "univar, anew"
METHODS = {"knn": "k-NN", "linear": "linear probe"}
VALUES, CONTROL = 0, 1
"""Rows of a corpus."""


def page(runs: Iterable[Run]) -> str:
    """docs/seeds.md, its variants in the order of their first runs."""
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run["variant"], []).append(run)
    return filled(
        "seeds.md",
        values="\n\n".join(_table(by_name, corpus, VALUES) for corpus in CORPORA),
        control="\n\n".join(_table(by_name, corpus, CONTROL) for corpus in CORPORA),
        means=_means(by_name),
        verdict=_verdict(by_name),
    )


def _table(by_name: Mapping[str, Sequence[Run]], corpus: str, kind: int) -> str:
    rows = {name: [run["rows"][corpus][kind] for run in runs] for name, runs in by_name.items()}
    given = next(iter(rows.values()))[0]["knn"]
    lines = [
        f"**{corpus}**: {given['n']:,} answers by {given['identities']} LLMs to {given['questions']:,} questions, "
        f"by chance {100 * given['chance']:.1f} %.",
        "",
        "| | seeds | k-NN | linear | @5 | @10 |",
        "|---|---:|---|---|---:|---:|",
    ]
    for name, found in rows.items():
        cells = [_accuracy([row[method] for row in found]) for method in METHODS]
        cells += [_spread([row["linear"][f"accuracy_at_{names}"] for row in found]) for names in (5, 10)]
        lines.append(f"| {name} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _means(by_name: Mapping[str, Sequence[Run]]) -> str:
    """The mean of the three corpora."""
    lines = ["| | values, k-NN | linear | control, k-NN | linear |", "|---|---:|---:|---:|---:|"]
    for name, runs in by_name.items():
        cells = [_spread(_over_corpora(runs, kind, method)) for kind in (VALUES, CONTROL) for method in METHODS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _verdict(by_name: Mapping[str, Sequence[Run]]) -> str:
    """What was to be reached and what was, and where single corpora show more style than the base encoder does."""
    if not {ANEW, BASE, TFIDF, REFERENCE.name} <= by_name.keys():
        return "Not all that is to be compared has run."

    def over(other: str, kind: int, method: str, corpora: Sequence[str] = CORPORA) -> float:
        ours, theirs = (statistics.mean(_over_corpora(by_name[name], kind, method, corpora)) for name in (ANEW, other))
        return 100 * (ours - theirs)

    marks = [
        ("values, k-NN, over the base encoder", "at least 30", over(BASE, VALUES, "knn")),
        ("values, k-NN, over the reference recipe", "at least 5", over(REFERENCE.name, VALUES, "knn")),
        ("values, linear probe, over that of TF-IDF", "more than 0", over(TFIDF, VALUES, "linear")),
        ("control, k-NN, over the base encoder", "at most 0", over(BASE, CONTROL, "knn")),
        ("control, linear probe, over the base encoder", "at most 0", over(BASE, CONTROL, "linear")),
    ]
    lines = ["| points, in the mean of the corpora | to be reached | reached |", "|---|---:|---:|"]
    # Two decimals, since one would hide on which side of a mark a figure is.
    lines += [f"| {what} | {asked} | {reached:z.2f} |" for what, asked, reached in marks]
    more = [
        f"{corpus} by {METHODS[method]} ({points:.1f} points)"
        for corpus in CORPORA
        for method in METHODS
        if (points := over(BASE, CONTROL, method, [corpus])) > 0
    ]
    return "\n".join([*lines, "", f"More style than in the base encoder: {', '.join(more) or 'on no corpus'}."])


def _over_corpora(runs: Sequence[Run], kind: int, method: str, corpora: Sequence[str] = CORPORA) -> list[float]:
    """The mean accuracy of each run."""
    return [statistics.mean(run["rows"][corpus][kind][method]["accuracy"] for corpus in corpora) for run in runs]


def _accuracy(scores: Sequence[Run]) -> str:
    """Over seeds, with the widest interval of any."""
    low = min(score["interval"]["low"] for score in scores)
    high = max(score["interval"]["high"] for score in scores)
    return f"{_spread([score['accuracy'] for score in scores])} [{100 * low:.1f}, {100 * high:.1f}]"


def _spread(shares: Sequence[float | None]) -> str:
    """Mean and standard deviation in percent; nothing where there are too few LLMs for such a score."""
    known = [100 * share for share in shares if share is not None]
    return spread(known) if known else ""

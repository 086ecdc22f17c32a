"""The page of the seeds, from the runs of `recipes.seeds`."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from recipes.pages import filled, spread
from recipes.runs import Run
from recipes.ship import CORPORA

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
        cells = [_accuracy([row[method] for row in found]) for method in ("knn", "linear")]
        cells += [_spread([row["linear"][f"accuracy_at_{names}"] for row in found]) for names in (5, 10)]
        lines.append(f"| {name} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _means(by_name: Mapping[str, Sequence[Run]]) -> str:
    """The mean of the three corpora."""
    lines = ["| | values, k-NN | linear | control, k-NN | linear |", "|---|---:|---:|---:|---:|"]
    for name, runs in by_name.items():
        cells = [
            _spread([statistics.mean(run["rows"][c][kind][method]["accuracy"] for c in CORPORA) for run in runs])
            for kind in (VALUES, CONTROL)
            for method in ("knn", "linear")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _accuracy(scores: Sequence[Run]) -> str:
    """Over seeds, with the widest interval of any."""
    low = min(score["interval"]["low"] for score in scores)
    high = max(score["interval"]["high"] for score in scores)
    return f"{_spread([score['accuracy'] for score in scores])} [{100 * low:.1f}, {100 * high:.1f}]"


def _spread(shares: Sequence[float | None]) -> str:
    """Mean and standard deviation in percent; nothing where there are too few LLMs for such a score."""
    known = [100 * share for share in shares if share is not None]
    return spread(known) if known else ""

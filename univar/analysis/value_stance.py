"""Says how much of what answers stand for their embeddings hold, with chance and intervals.

# Metric card: value stance

## Metric description

A *stance* is how far an answer stands for what it is asked about, from -1 (against) to 1 (for). Given embeddings of
answers, their stances and the question or claim that each is about, this metric asks three things of every answer, each
within its question or claim: whether the nearest other answer is on the same side (*retrieval*), whether answers of
its own side are nearer than those of the other (*pairs*), and whether its side by another author is nearer than the
other side by its own author (*triplets*).

The last is the hard question. Sentence embeddings lie together by topic first and by wording and author second, and a
corpus in which each author has one opinion hides that: there a representation of style scores as one of values. Where
the same authors took both sides, triplets tell the two apart. A representation of authors alone reaches 0 there, one of
values alone 1.

## How to use

The metric needs one embedding, one stance and one group an answer, and is loaded by the path of its folder, its file
(`univar.metric_path("value_stance")`), or the Hub name of its Space.

### Inputs

- **predictions** (`list[list[float]]`): the embeddings, all of one width, dense. Rows are scaled to unit length.
- **references** (`list[float]`): the stance of each answer, in [-1, 1]. The sign is its side; answers with 0 take none
  and are left out.
- **groups** (`list[str]`): what each answer is about, its question or claim, as text or id; two groups or more. Answers
  are compared within their group, and the intervals are taken over groups.
- **authors** (`list[str]`, optional): who wrote each answer, or in which voice: what must not be taken for a stance.
  Retrieval then looks among other authors, in groups of several; without authors there are no triplets.
- **seed** (`int`, default 0): of the bootstrap.

### Output values

A dictionary. Every score lies in 0..1, higher is better, and stands beside its chance. Each of **retrieval**, **pairs**
and **triplets** has:

- **retrieval**, **pairs**, **triplets**: the share of answers, or of pairs or triplets of an answer, of which the
  question is answered with yes. What is equally near counts for its share. Each side of a group weighs the same, and
  so does each group.
- **retrieval_low**, **retrieval_high** and so on: ends of the 95 % interval, by bootstrap over groups.
- **retrieval_chance** and so on: what embeddings that hold nothing reach: 0.5 for pairs and triplets, and for retrieval
  the share of the answers to choose from that are on the same side, which is less than a half in small groups.
- **retrieval_n**, **retrieval_groups** and so on: answers measured, and groups that they are in. A group is measured
  where both of its sides have an answer to ask the question of.

What could not be measured is `None`, with 0 groups: triplets without authors who took both sides, for one.

#### Values from popular papers

No paper reports this metric. On the 3,480 answers to 870 questions that ship with univar, each question answered from
both ends in two voices, with voices as authors and 95 % intervals: TF-IDF of words and word pairs has retrieval 0.585
[0.570, 0.600], pairs 0.476 [0.465, 0.487] and triplets 0.366 [0.353, 0.380]; the sentence encoder all-MiniLM-L6-v2
0.582 [0.568, 0.597], 0.439 [0.426, 0.452] and 0.296 [0.279, 0.313]. Both hold more of the voice than of the stance.

### Examples

Two claims, each answered for and against by two authors; the first dimension is the side, the second the author:

```python
>>> import evaluate
>>> metric = evaluate.load("spaces/value_stance")
>>> result = metric.compute(
...     predictions=[[1.0, 0.5], [1.0, -0.5], [-1.0, 0.5], [-1.0, -0.5]] * 2,
...     references=[1, 1, -1, -1] * 2,
...     groups=["thrift"] * 4 + ["loyalty"] * 4,
...     authors=["ada", "bob"] * 4,
... )
>>> {name: result[name] for name in ("retrieval", "pairs", "triplets", "triplets_chance", "triplets_n")}
{'retrieval': 1.0, 'pairs': 1.0, 'triplets': 1.0, 'triplets_chance': 0.5, 'triplets_n': 8}

```

With more weight on the author than on the side the nearest answer by another author is still on the same side, but the
triplets say what the embeddings hold most of:

```python
>>> result = metric.compute(
...     predictions=[[0.5, 1.0], [0.5, -1.0], [-0.5, 1.0], [-0.5, -1.0]] * 2,
...     references=[1, 1, -1, -1] * 2,
...     groups=["thrift"] * 4 + ["loyalty"] * 4,
...     authors=["ada", "bob"] * 4,
... )
>>> {name: result[name] for name in ("retrieval", "pairs", "triplets")}
{'retrieval': 1.0, 'pairs': 0.5, 'triplets': 0.0}

```

## Limitations and bias

- The score says whether sides can be told apart, not which side is right, and nothing of how strongly it is held.
- What is for and what against is decided by whoever labelled the answers, and every error of theirs lowers the score.
- Words give sides away too ("I agree", "never"): compare a surface representation such as TF-IDF.
- Questions the encoder was trained on must be left out, or memory is measured.
- Retrieval depends on how many answers a group has; compare it with its chance, and between corpora take pairs.
- With few groups the intervals are wide; where all groups have the same score they have no width at all.

## Citation

```bibtex
@article{cahyawijaya2024univar,
  title = {High-Dimension Human Value Representation in Large Language Models},
  author = {Cahyawijaya, Samuel and Chen, Delong and Bang, Yejin and Khalatbari, Leila and Wilie, Bryan and Ji, Ziwei
            and Ishii, Etsuko and Fung, Pascale},
  journal = {arXiv preprint arXiv:2404.07900},
  year = {2024}
}
```

## Further references

- The paper on such embeddings: https://arxiv.org/abs/2404.07900
"""

# `evaluate` copies this file and the two it imports relatively to a folder of its own and runs them there. So the
# relative imports stand here one a line and without comments, and nothing imports the package.
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from .stance import CONTRASTS, Contrast, Measured, contrasted, lacking
from .statistics import Interval

_CARD = __doc__ or ""


def _section(heading: str) -> str:
    """The text of the card between a second-level heading and the next."""
    return _CARD.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].strip()


class ValueStance(evaluate.Metric):  # type: ignore[misc]
    """The metric behind `evaluate.load`; the module docstring is its card."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_section("Metric description"),
            citation=_section("Citation"),
            inputs_description=_section("How to use"),
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float32")),
                    "references": datasets.Value("float64"),
                    "groups": datasets.Value("string"),
                }
            ),
            reference_urls=["https://arxiv.org/abs/2404.07900"],
        )

    def _compute(
        self,
        *,
        predictions: Sequence[Sequence[float]],
        references: Sequence[float],
        groups: Sequence[str],
        authors: Sequence[str] | None = None,
        seed: int = 0,
    ) -> dict[str, Any]:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"seed must be at least 0 and a whole number, got {seed!r}")
        widths = sorted({len(row) for row in predictions})
        if len(widths) != 1 or widths[0] == 0:
            raise ValueError(f"predictions must be embeddings of one width, got widths {widths}")
        about = groups, references, authors
        reasons = {measure: lacking(measure, *about) for measure in CONTRASTS}
        if all(reasons.values()):
            raise ValueError(f"nothing can be measured: {'; '.join(filter(None, reasons.values()))}")
        embeddings = np.asarray(predictions, dtype=np.float32)
        scores: dict[str, Any] = {}
        for measure, reason in reasons.items():
            scores |= _flat(measure, None if reason else contrasted(measure, embeddings, *about), seed)
        return scores


def _flat(measure: Contrast, found: Measured | None, seed: int) -> dict[str, float | int | None]:
    """One measure under names of its own, flat, as other metrics have them."""
    if found is None:
        return dict.fromkeys([measure, *(f"{measure}_{end}" for end in ("low", "high", "chance"))]) | {
            f"{measure}_n": 0,
            f"{measure}_groups": 0,
        }
    ends: Interval = found.interval(seed)
    return {
        measure: found.score,
        f"{measure}_low": ends.low,
        f"{measure}_high": ends.high,
        f"{measure}_chance": found.chance,
        f"{measure}_n": found.n,
        f"{measure}_groups": len(found.groups),
    }

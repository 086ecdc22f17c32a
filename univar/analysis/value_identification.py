"""Names the identity that wrote a QA from its embedding, and says how often that was right.

# Metric card: value identification

## Metric description

An *identity* is one LLM answering in one language. Given embeddings of question-answer pairs (QAs), this metric takes
some questions as a gallery of known identities and names the identity behind every QA of the other questions: by the
vote of its nearest neighbours and by a linear probe. It is how the UniVaR paper measures whether a representation
tells the values of LLMs apart.

A high score alone says little: style, length and language identify an LLM too. Compute the same metric on *control*
QAs of the same identities (questions that elicit no values) and on a surface representation such as TF-IDF. What
speaks for values is a high score here and a low one on the control.

## How to use

The metric needs one embedding, one identity and one question a QA, and is loaded by the path of its folder, its file
(`univar.metric_path()`), or the Hub name of its Space.

### Inputs

- **predictions** (`list[list[float]]`): the embeddings, all of one width, dense. Rows are scaled to unit length.
- **references** (`list[str]`): the identity of each, such as `"llama-3 (eng)"`; two identities or more.
- **questions** (`list[str]`): the question of each, as text or id, the same string in every language. No question is
  ever on both sides, and the intervals are taken over questions.
- **gallery** (`list[bool]`, optional): which rows are the gallery. Without it, a share of the distinct questions is
  drawn. Give it to repeat a fixed split, such as UniVaR's: `[question_fraction(q) < 0.5 for q in questions]`, with
  `from univar.corpus.records import question_fraction`.
- **gallery_share** (`float`, default 0.5): the share of the questions that becomes the gallery when one is drawn.
- **k** (`int`, default 50): neighbours that vote, at most as many as the gallery's smallest identity has QAs.
- **seed** (`int`, default 0): of the split and of the bootstrap.

### Output values

A dictionary. All scores lie in 0..1, higher is better, and stand beside `chance`. A prefix tells the method: `knn_` is
the vote of the k nearest neighbours by cosine similarity, `linear_` a logistic regression.

- **knn_accuracy**, **linear_accuracy**: share of the query QAs that were named right.
- **knn_accuracy_low**, **knn_accuracy_high**, **linear_accuracy_low**, **linear_accuracy_high**: ends of the 95 %
  interval, by bootstrap over questions.
- **knn_accuracy_at_5**, **linear_accuracy_at_5**, and the same for **10**: share with the right identity among the
  first five or ten; `None` when there are no more identities than that.
- **knn_f1_weighted**, **linear_f1_weighted**: F1 averaged over identities, weighted by their queries.
- **n**, **questions**, **identities**, **k**: query QAs scored, questions among them, identities to choose from,
  neighbours that voted.
- **excluded**: query QAs left out because the gallery lacks their identity.
- **chance**: what guessing reaches: 1 / identities, or the query share of the gallery's most frequent identity.

#### Values from popular papers

Cahyawijaya et al. (2024) report, for about 128 identities (chance 0.0078), means over four value corpora: nomic-embed
k-NN 0.010 and linear 0.071, LaBSE 0.040 and 0.118, UniVaR (up to five QAs a view) 0.204 and 0.187. On the control
corpus LIMA their k-NN accuracies are 0.042, 0.066 and 0.026.

### Examples

Six questions, two identities whose embeddings point in different directions, four questions as the gallery:

```python
>>> import evaluate
>>> metric = evaluate.load("spaces/value_identification")
>>> result = metric.compute(
...     predictions=[[1.0, 0.1], [0.1, 1.0]] * 6,
...     references=["a (eng)", "b (eng)"] * 6,
...     questions=["q1", "q1", "q2", "q2", "q3", "q3", "q4", "q4", "q5", "q5", "q6", "q6"],
...     gallery=[True] * 8 + [False] * 4,
... )
>>> {name: result[name] for name in ("n", "k", "chance", "knn_accuracy", "linear_accuracy")}
{'n': 4, 'k': 4, 'chance': 0.5, 'knn_accuracy': 1.0, 'linear_accuracy': 1.0}

```

## Limitations and bias

- The score tells identities apart, not what their values are, and not which are better.
- Embeddings of raw multilingual text give the language away, and with it a part of the identity: translate first, or
  compare identities of one language.
- Questions the encoder was trained on must be left out, or memory is measured instead of values.
- With few questions the intervals are wide; where every query was named right (or wrong) they have no width at all.
- Scores of different sets of identities, corpora or text lengths cannot be compared with each other.

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

- The paper: https://arxiv.org/abs/2404.07900
"""

# `evaluate` copies this file and the two it imports relatively to a folder of its own and runs them there. So the
# relative imports stand here one a line and without comments, and nothing imports the package.
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupShuffleSplit

from .identification import Identification, identify_knn, identify_linear, is_whole
from .statistics import Interval

_CARD = __doc__ or ""
_PER_METHOD = ("accuracy", "accuracy_at_5", "accuracy_at_10", "f1_weighted")
_SHARED = ("n", "questions", "identities", "excluded", "chance")


def _section(heading: str) -> str:
    """The text of the card between a second-level heading and the next."""
    return _CARD.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].strip()


class ValueIdentification(evaluate.Metric):  # type: ignore[misc]
    """The metric behind `evaluate.load`; the module docstring is its card."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_section("Metric description"),
            citation=_section("Citation"),
            inputs_description=_section("How to use"),
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float32")),
                    "references": datasets.Value("string"),
                    "questions": datasets.Value("string"),
                }
            ),
            reference_urls=["https://arxiv.org/abs/2404.07900"],
        )

    def _compute(
        self,
        *,
        predictions: Sequence[Sequence[float]],
        references: Sequence[str],
        questions: Sequence[str],
        gallery: Sequence[bool] | None = None,
        gallery_share: float = 0.5,
        k: int = 50,
        seed: int = 0,
    ) -> dict[str, Any]:
        if not is_whole(seed, 0):
            raise ValueError(f"seed must be at least 0 and a whole number, got {seed!r}")
        embeddings = _embeddings(predictions)
        labels, groups = np.asarray(references, dtype=object), np.asarray(questions, dtype=object)
        known = _drawn_gallery(groups, gallery_share, seed) if gallery is None else _given_gallery(gallery, groups)
        sides = embeddings[known], labels[known], embeddings[~known], labels[~known], groups[~known]
        knn = identify_knn(*sides, k=k, seed=seed)
        linear = identify_linear(*sides, seed=seed)
        shared = {name: value for name, value in knn.to_dict().items() if name in _SHARED}
        return {**_prefixed(knn), **_prefixed(linear), **shared, "k": knn.k}


def _prefixed(result: Identification) -> dict[str, float | None]:
    """One method's scores under names of their own, flat, as other metrics have them."""
    interval: Interval = result.interval
    scores = {f"{result.method}_{name}": getattr(result, name) for name in _PER_METHOD}
    return scores | {f"{result.method}_accuracy_{end}": value for end, value in interval._asdict().items()}


def _embeddings(predictions: Sequence[Sequence[float]]) -> npt.NDArray[np.float32]:
    widths = sorted({len(row) for row in predictions})
    if len(widths) != 1 or widths[0] == 0:
        raise ValueError(f"predictions must be embeddings of one width, got widths {widths}")
    return np.asarray(predictions, dtype=np.float32)


def _drawn_gallery(questions: npt.NDArray[np.object_], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Marks the rows of a share of the distinct questions, drawn by the seed."""
    if len(np.unique(questions)) < 2:
        raise ValueError("a gallery and a query need different questions, got one question; add questions")
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise ValueError(f"gallery_share must be a number between 0 and 1, got {share!r}")
    split = GroupShuffleSplit(n_splits=1, train_size=share, random_state=seed)
    rows, _ = next(split.split(questions, groups=questions))
    drawn = np.zeros(len(questions), dtype=np.bool_)
    drawn[rows] = True
    return drawn


def _given_gallery(gallery: Sequence[bool], questions: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    if len(gallery) != len(questions):
        raise ValueError(f"gallery must mark every row: {len(gallery)} marks for {len(questions)} rows")
    marks = np.asarray(gallery)
    if not np.isin(marks, (0, 1)).all():  # of texts each would count as true, "no" as well
        raise ValueError(f"gallery must mark rows by True and False, got {next(iter(gallery))!r} first")
    given = marks.astype(np.bool_)
    shared = np.intersect1d(questions[given], questions[~given])
    if len(shared):
        raise ValueError(
            f"{len(shared)} questions are both in the gallery and in the query, the first is {shared[0]!r}; "
            "split by question"
        )
    return given

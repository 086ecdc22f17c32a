"""UniVaR: the values in what LLMs answer, as vectors; how far apart LLMs are, and how much of it is style.

A tour, from a corpus (a file or folder of answers with the columns question, answer, model and lang) to a map:

    import univar
    from sentence_transformers import SentenceTransformer

    corpus = univar.embed("answers.parquet")  # or csv, jsonl, a data frame; offline: the weights come with the package
    corpus.save("vectors.parquet")  # stands in for the answers from now on, and nothing is encoded again
    print(univar.compare(corpus))  # how well can the LLMs be told apart by one answer?
    print(univar.values(corpus))  # what does each LLM stand for, and how sure is that?
    print(univar.distances(corpus))  # how far do they lie apart, and how sure is that?
    print(univar.place(corpus).to_pandas())  # which known LLMs are they nearest to, and how sure is that?
    univar.value_map(corpus).plot().write_html("map.html")  # where do they lie?
    model = SentenceTransformer("univar")  # the encoder by itself
    print(model.encode(["Q: Is thrift a virtue? A: Yes, waste harms everyone."]).shape)

Every finding prints itself in a sentence and has .to_pandas(), .to_dict(), .to_markdown() and mostly .plot().
Where to go next: `help(univar.UniVaR)` for views of many QAs, `help(univar.read_corpus)` for other columns,
`load_dataset("univar-qa")` for questions to ask; in a terminal `univar --help`, where `univar demo` shows all of it.

`import univar` is quick and silent: it loads no torch. It teaches `sentence_transformers` the model name `univar`
and `datasets` the dataset name `univar-qa`, whichever is imported first. The public names below load on first use.
"""

import importlib as _importlib
import typing as _typing

from univar.registration import register as _register

if _typing.TYPE_CHECKING:
    from univar.analysis.comparison import Comparison, compare
    from univar.analysis.distances.plan import DistancesPlan, plan_distances
    from univar.analysis.distances.reading import distances
    from univar.analysis.distances.results import Distances
    from univar.analysis.map.reading import value_map
    from univar.analysis.map.results import ValueMap
    from univar.analysis.people.reading import people
    from univar.analysis.people.results import PeopleComparison
    from univar.analysis.placement import Placement, place
    from univar.analysis.shift.plan import ShiftPlan, plan_shift
    from univar.analysis.shift.reading import shift
    from univar.analysis.shift.results import Shifts
    from univar.analysis.stance_comparison import StanceComparison, compare_stances
    from univar.analysis.style.reading import style
    from univar.analysis.style.results import StyleVerdict
    from univar.analysis.values.plan import ValuesPlan, plan_values
    from univar.analysis.values.reading import values
    from univar.analysis.values.results import ValueProfiles
    from univar.corpus.readers import CorpusError, Rejects, read_corpus
    from univar.corpus.records import Identity, QARecord, qa_text, split_of, write_corpus
    from univar.model.embedded import EmbeddedCorpus, embed
    from univar.model.encoding import as_read
    from univar.model.losses import MultiViewInfoNCELoss
    from univar.model.modeling import UniVaR
    from univar.model.modules import MultiViewPooling, ViewTransformer
    from univar.workflows.shift_callback import ShiftCallback

__version__ = "0.1.0"

_HOMES = {
    "Identity": "univar.corpus.records",
    "QARecord": "univar.corpus.records",
    "qa_text": "univar.corpus.records",
    "split_of": "univar.corpus.records",
    "write_corpus": "univar.corpus.records",
    "CorpusError": "univar.corpus.readers",
    "Rejects": "univar.corpus.readers",
    "read_corpus": "univar.corpus.readers",
    "EmbeddedCorpus": "univar.model.embedded",
    "embed": "univar.model.embedded",
    "as_read": "univar.model.encoding",
    "MultiViewInfoNCELoss": "univar.model.losses",
    "UniVaR": "univar.model.modeling",
    "MultiViewPooling": "univar.model.modules",
    "ViewTransformer": "univar.model.modules",
    "Comparison": "univar.analysis.comparison",
    "compare": "univar.analysis.comparison",
    "Distances": "univar.analysis.distances.results",
    "DistancesPlan": "univar.analysis.distances.plan",
    "plan_distances": "univar.analysis.distances.plan",
    "distances": "univar.analysis.distances.reading",
    "PeopleComparison": "univar.analysis.people.results",
    "people": "univar.analysis.people.reading",
    "Placement": "univar.analysis.placement",
    "place": "univar.analysis.placement",
    "shift": "univar.analysis.shift.reading",
    "ShiftPlan": "univar.analysis.shift.plan",
    "plan_shift": "univar.analysis.shift.plan",
    "Shifts": "univar.analysis.shift.results",
    "StanceComparison": "univar.analysis.stance_comparison",
    "compare_stances": "univar.analysis.stance_comparison",
    "style": "univar.analysis.style.reading",
    "StyleVerdict": "univar.analysis.style.results",
    "ValueMap": "univar.analysis.map.results",
    "value_map": "univar.analysis.map.reading",
    "ValueProfiles": "univar.analysis.values.results",
    "values": "univar.analysis.values.reading",
    "ValuesPlan": "univar.analysis.values.plan",
    "plan_values": "univar.analysis.values.plan",
    "ShiftCallback": "univar.workflows.shift_callback",
}

__all__ = [
    "Comparison",
    "CorpusError",
    "Distances",
    "DistancesPlan",
    "EmbeddedCorpus",
    "Identity",
    "MultiViewInfoNCELoss",
    "MultiViewPooling",
    "PeopleComparison",
    "Placement",
    "QARecord",
    "Rejects",
    "ShiftCallback",
    "ShiftPlan",
    "Shifts",
    "StanceComparison",
    "StyleVerdict",
    "UniVaR",
    "ValueMap",
    "ValueProfiles",
    "ValuesPlan",
    "ViewTransformer",
    "as_read",
    "compare",
    "compare_stances",
    "distances",
    "embed",
    "metric_path",
    "people",
    "place",
    "plan_distances",
    "plan_shift",
    "plan_values",
    "qa_text",
    "read_corpus",
    "shift",
    "split_of",
    "style",
    "value_map",
    "values",
    "write_corpus",
]


def metric_path(metric: _typing.Literal["value_identification", "value_stance"] = "value_identification") -> str:
    """The file to give to `evaluate.load` for a metric: who wrote an answer, or what it stands for.

    Raises:
        ValueError: If there is no such metric.
    """
    from pathlib import Path

    if metric not in ("value_identification", "value_stance"):
        raise ValueError(f"no metric {metric!r}; there are value_identification and value_stance")
    return str(Path(__file__).parent / "analysis" / f"{metric}.py")


def __getattr__(name: str) -> _typing.Any:
    if name in _HOMES:
        return getattr(_importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'univar' has no attribute {name!r}")


def __dir__() -> list[str]:
    dunders = (name for name in globals() if name.startswith("__"))
    return sorted({*__all__, *dunders})


_register()

"""Languages named by LLMs that were not seen, and LLMs by languages that were not seen."""

import numpy as np

from univar.analysis.distances.cross_naming import cross_named
from univar.corpus.records import QARecord


def corpus(models: int = 3, langs: int = 3, questions: int = 20, *, language: float = 0, model: float = 0):
    """Vectors that hold so much of the language and of the model beside noise."""
    generator = np.random.default_rng(0)
    tongues, voices = generator.normal(size=(langs, 16)), generator.normal(size=(models, 16))
    records, rows = [], []
    for q in range(questions):
        for m in range(models):
            for lang in range(langs):
                records.append(QARecord(f"q{q}", f"Question {q}?", "A.", f"m{m}", f"l{lang}"))
                rows.append(language * tongues[lang] + model * voices[m] + generator.normal(size=16))
    return records, np.array(rows), [record.question_id for record in records]


def test_what_is_held_is_told_and_what_is_not_is_not():
    (of_language, of_model), remarks = cross_named(*corpus(language=3), "values")
    assert remarks == []
    assert (of_language.what, of_language.held_out) == ("language", "model")
    assert (of_model.what, of_model.held_out) == ("model", "language")
    assert of_language.accuracy > 0.95
    assert of_language.interval.low > of_language.chance > 0.3
    assert of_model.interval.low < 0.45 < 0.6
    assert of_model.accuracy < 0.5
    _, of_model = cross_named(*corpus(model=3), "control")[0]
    assert of_model.accuracy > 0.95
    assert "The model of an answer to control questions is told right in" in of_model.sentence()
    assert "neither its language nor its question is found" in of_model.sentence()


def test_nobody_is_named_by_their_own_answers():
    # Each model has a place of its own in each language. By its own answers it would be told; others say nothing.
    generator = np.random.default_rng(1)
    records, rows, questions = corpus(models=12, langs=2)
    places = {identity: 20 * generator.normal(size=16) for identity in sorted({record.identity for record in records})}
    of_language, _ = cross_named(records, rows + [places[r.identity] for r in records], questions, "values")[0]
    assert 0.2 < of_language.accuracy < 0.8
    assert of_language.chance == 0.5
    assert of_language.questions < 20


def test_what_cannot_be_told_is_said():
    told, remarks = cross_named(*corpus(models=1), "values")
    assert told == []
    assert remarks[0].startswith("No language of values answers could be named with the model held out: it takes two")
    assert len(remarks) == 2
    told, remarks = cross_named(*corpus(questions=1), "values")
    assert told == []
    assert remarks[0].startswith("Neither languages nor LLMs could be named: no question is left on the")

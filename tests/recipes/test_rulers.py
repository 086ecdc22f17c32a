"""Poles of questions that a model has not met, judged fold by fold."""

import numpy as np

from recipes.rulers import judged, together
from recipes.stance_corpora import FOLDS, fold_of
from univar.corpus.questions.poles import poles


def test_the_questions_of_every_value_take_turns():
    written = poles()
    of = {pole.question.question_id: (pole.question.value, fold_of(pole)) for pole in written}
    counts = {
        value: [sum(one == (value, fold) for one in of.values()) for fold in range(FOLDS)] for value, _ in of.values()
    }
    assert {tuple(sorted(count)) for count in counts.values()} == {(3, 3, 4)}


def test_what_was_not_met_is_judged_in_units_of_what_was():
    # Each model puts poles that it met 6 apart, those that it did not 2, along one axis for all values.
    written = poles()
    stances = np.array([pole.stance for pole in written], dtype=float)
    folds = []
    for fold in range(FOLDS):
        met = np.array([pole.split == "train" and fold_of(pole) != fold for pole in written])
        vectors = np.column_stack([stances * np.where(met, 3.0, 1.0), np.zeros(len(written))])
        folds.append(judged(vectors + np.random.default_rng(fold).normal(0, 0.1, vectors.shape), written, fold))
    values = tuple(dict.fromkeys(str(pole.question.value) for pole in written))
    known = together(folds, values)
    # Each question is of one fold.
    assert sum(len(np.unique(fold.by_question.question)) for fold in folds) == len({p.question for p in written})
    # Along the axes 1/3 would be seen but for the axis, which other questions of the value make: it is as long as they
    # lie apart, for all read alike.
    assert 0.2 < known.by_axis.unit < 0.5
    assert known.by_axis.carries([[value] for value in range(len(values))]).all()

"""What readings along rulers are divided by, judged where nothing was met."""

import json
from dataclasses import fields

import numpy as np
import pytest

from tests.analysis.values.test_rulers import alone, some_poles
from univar.analysis.values.rulers import judge, pairs_of, rulers_of
from univar.analysis.values.scales import Judged, KnownScales, Scale, known_scales, scale_of
from univar.corpus.questions.poles import poles
from univar.corpus.records import question_hash
from univar.model.weights import shipped_record


def judged(halves: list[float]) -> Judged:
    """Two questions of one value and one of another, each in one voice."""
    numbers = np.array(halves)
    zeros = np.zeros(3)
    return Judged(np.array([0, 1, 2]), np.array([0, 0, 1]), np.zeros(3, dtype=int), numbers, zeros, zeros, zeros)


def test_every_value_counts_the_same_in_the_unit():
    # The values have (1 + 3) / 2 = 2 and 6, of which the mean is 4.
    assert judged([1, 3, 6]).unit == 4
    assert judged([2, 6, 12]).over(2).unit == 4
    assert np.isnan(judged([-1, -3, -6]).unit)
    assert scale_of(judged([1, 3, 6]), 2).halves == pytest.approx([0.5, 1.5])


def test_what_others_saw_takes_the_place_of_the_test():
    # Poles of the train part as training leaves them, 9 from the middle on the axis of their values; in models that had
    # not met their questions they were a third as far apart.
    written = some_poles(6)
    trained = np.array([pole.split == "train" for pole in written])
    learned = np.array([[9.0 * pole.stance, 0, 0, 0, 0, 0] for pole in written]) * trained[:, None]
    vectors = learned + np.random.default_rng(0).normal(size=(len(written), 6))
    hashes = frozenset(question_hash(pole.record.question_key) for pole in written)
    pairs = pairs_of(vectors, written, list(trained))
    seen = judge(pairs, pairs.met, 0.5)
    scale = scale_of(seen.by_question.over(3 * seen.by_question.unit), len(pairs.values))
    known = KnownScales(scale, scale, 0.5, pairs.values)
    told = rulers_of(vectors, written, trained_on=hashes, known=known)
    assert alone(told)[0].sum() == len({p.question.value for p in written if p.split == "train"})
    assert told.by_question.unit == pytest.approx(seen.by_question.unit / 3)
    assert told.own_share == 0.5


def test_scales_are_kept_whole():
    scale = scale_of(judged([1, 3, 6]), 3)
    known = KnownScales(scale, scale, 0.25, ("a", "b", "c"))
    kept = KnownScales.from_dict(json.loads(json.dumps(known.to_dict())))
    assert (kept.own_share, kept.values) == (0.25, known.values)
    for field in fields(Scale):
        np.testing.assert_allclose(getattr(kept.by_axis, field.name), getattr(scale, field.name))
    assert np.isnan(kept.by_question.halves[2])  # of which nothing was judged


def test_the_weights_that_ship_have_scales_of_their_own():
    known = known_scales(shipped_record()["adapter_sha256"])
    assert known is not None
    assert list(known.values) == list(dict.fromkeys(str(pole.question.value) for pole in poles()))
    # Of questions not met poles lie less far apart than of those that were.
    assert 0.1 < known.by_question.unit < 1
    assert 0.1 < known.by_axis.unit < 1
    assert known.by_question.carries([[value] for value in range(87)]).sum() > 40
    assert known_scales("another") is None

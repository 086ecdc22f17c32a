"""The picture of distances: what lies together stands together, gaps stay gaps, and names are no markup."""

import dataclasses
import json
import re

import numpy as np
import pytest

from tests.analysis.distances.test_reading import corpus, unshared
from univar.analysis.distances.reading import distances_of
from univar.analysis.report.page import write_page


def named(names: dict[str, str], places: dict[str, float], **options: object):
    records, rows = corpus(models=len(places), questions=20, **options)
    rows += np.array([places[record.model] for record in records])[:, None]
    return [dataclasses.replace(record, model=names.get(record.model, record.model)) for record in records], rows


def test_what_lies_together_stands_together_under_its_tree():
    found = distances_of(*named({}, {"m0": 0.0, "m1": 2.0, "m2": 0.1, "m3": 2.1}))
    drawn = found.plot()
    *branches, heat = drawn.data
    order = list(drawn.layout.yaxis2.ticktext)
    assert sorted(order) == ["m0", "m1", "m2", "m3"]
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({"m0", "m2"}), frozenset({"m1", "m3"})}
    assert len(branches) == 3
    # Leaves stand over their columns: the ends of branches at 0, 1, 2 and 3.
    ends = {x for branch in branches for x, y in zip(branch.x, branch.y, strict=True) if y == 0}
    assert ends == {0, 1, 2, 3}
    z = np.array(heat.z, dtype=float)
    assert np.isnan(np.diag(z)).all()
    np.testing.assert_allclose(z, z.T)


def test_a_distance_that_could_not_be_computed_is_a_gap_with_its_reason():
    found = distances_of(*unshared(corpus(models=4, style=0.3), "m3"))
    *branches, heat = found.plot().data
    assert len(branches) == 2
    assert list(found.plot().layout.yaxis2.ticktext)[-1] == "m3"
    assert list(heat.z[-1]) == [None] * 4
    assert "not computed: no question in common" in heat.hovertext[-1][0]


def test_two_have_their_interval_drawn_beside_that_on_controls():
    controls = corpus(models=2, style=0.3, about="c")
    (marks,) = distances_of(*corpus(models=2, style=0.3), controls).plot().data
    assert list(marks.y) == ["value questions", "control questions", "more on values by"]
    (marks,) = distances_of(*corpus(models=2, style=0.3)).plot().data
    assert len(marks.y) == 1
    assert marks.error_x.array[0] > 0


@pytest.mark.parametrize("models", [2, 3])
def test_names_of_others_are_escaped_and_nothing_is_loaded(tmp_path, models):
    hostile = {"m0": "<img src=x onerror=alert(1)>", "m1": "<b>bold</b>"}
    found = distances_of(*named(hostile, {f"m{number}": 0.5 * number for number in range(models)}))
    drawn = json.dumps(found.plot().to_dict(), default=str)
    assert "<img" not in drawn
    assert "<b>" not in drawn
    write_page(found, "distances", tmp_path / "d.html")
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<img src=x" not in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert "&lt;b&gt;bold&lt;/b&gt;" in page

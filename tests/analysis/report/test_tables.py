"""Findings as tables of text: what columns hold, which answers show a finding."""

import pytest

from univar.analysis.report.findings import Finding
from univar.analysis.report.tables import MOST_ROWS, answers_of, profiles_of, tables_of, text_of


def finding(kind: str = "any", data: dict | None = None, table: list | None = None) -> Finding:
    return Finding(kind, "Title", "Sentence.", (), data or {}, table or [], None)


def reading(title: str, stance: float | None, p: float | None = 0.01, **more: object) -> dict:
    ends = (None, None) if stance is None else (stance - 0.1, stance + 0.1)
    return {"title": title, "stance": stance, "low": ends[0], "high": ends[1], "p_holm": p, "n": 6, **more}


def said(stance: float) -> dict:
    return {"stance": stance, "question": f"Asked {stance}?", "answer": f"Said {stance}."}


PROFILES = {
    "by": "value",
    "profiles": [
        {
            "model": model,
            "lang": "eng",
            "read": {"value": {"n": 12, "questions": 6}},
            "readings": {
                "value": [
                    reading("thrift", sign * 0.9, telling=[said(0.8), said(-0.7)]),
                    reading("honesty", 0.05, p=0.9, telling=[said(0.1)]),
                    reading("wisdom", None, None, telling=[]),
                ],
                "family": [],
            },
        }
        for model, sign in (("ada", 1), ("bob", -1))
    ],
}


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "-"), ("", "-"), ([], "-"), (True, "yes"), (False, "no"), (12345, "12,345"), (0.12345, "0.123"),
        (-0.5, "-0.5"), (123456.7, "123,457"), (0.0, "0"), (["a", 2], "a, 2"), ({"low": 0.5, "n": 2}, "low 0.5, n 2"),
        ("<b>", "<b>"),
    ],
)  # fmt: skip
def test_cells(cell, text):
    assert text_of(cell) == text


def test_ends_stand_in_one_column_and_empty_columns_go():
    rows = [
        {"first": "a", "squared": 0.5, "low": 0.4, "high": 0.6, "control_low": None, "control_high": None, "x": ""},
        {"first": "b", "squared": None, "low": None, "high": None, "x": None, "reason": "too few"},
    ]
    (table,) = tables_of(finding(table=rows))
    assert table.header == ("first", "squared distance", "95 % interval", "reason")
    assert table.rows == (("a", "0.5", "0.4 to 0.6", "-"), ("b", "-", "-", "too few"))
    assert table.numeric == (False, True, True, False)


def test_what_has_no_room_is_counted():
    (table,) = tables_of(finding(table=[{"n": number} for number in range(MOST_ROWS + 7)]))
    assert (len(table.rows), table.left_out) == (MOST_ROWS, 7)
    assert tables_of(finding()) == []


def test_several_identities_have_a_column_each():
    value, family = tables_of(finding("values", PROFILES))
    assert value.header == ("value", "ada (eng)", "bob (eng)")
    assert value.rows[0] == ("thrift", "+0.90 (+0.80 to +1.00)", "-0.90 (-1.00 to -0.80)")
    assert value.rows[2] == ("wisdom", "-", "-")
    assert family.rows == ()


def test_one_identity_has_a_row_a_reading_the_strongest_for_first():
    table = [
        {"model": "ada", "level": level, "title": title, "stance": stance}
        for level, title, stance in (
            ("value", "wisdom", None), ("value", "thrift", -0.5), ("value", "honesty", 0.4), ("schwartz", "power", 0.1),
        )
    ]  # fmt: skip
    alone = {"profiles": [{**PROFILES["profiles"][0], "readings": {"value": [], "schwartz": []}}]}
    value, schwartz = tables_of(finding("values", alone, table))
    assert value.header == ("title", "stance")
    assert [row[0] for row in value.rows] == ["honesty", "thrift", "wisdom"]
    assert schwartz.rows == (("power", "0.1"),)


def test_what_each_stands_for_in_a_line():
    table = profiles_of(finding("values", PROFILES))
    assert table.rows == (
        ("ada (eng)", "thrift", "-", "2 of 3", "12"),
        ("bob (eng)", "-", "thrift", "2 of 3", "12"),
    )
    assert profiles_of(finding("values", {"profiles": PROFILES["profiles"][:1]})) is None
    assert profiles_of(finding("distances", PROFILES)) is None


def test_many_stances_are_named_in_part():
    many = [reading(f"v{number}", number / 10) for number in range(1, 9)]
    profiles = [{"model": "m", "lang": lang, "readings": {"value": many}} for lang in ("eng", "fra")]
    table = profiles_of(finding("values", {"profiles": profiles}))
    assert table.rows[0] == ("m (eng)", "v8, v7, v6, v5, v4, 3 more", "-", "8 of 8", "-")


def test_answers_that_say_a_sure_stance_most_are_shown():
    (table,) = answers_of(finding("values", PROFILES))
    assert table.rows == (
        ("ada (eng)", "thrift", "+0.80", "Asked 0.8?", "Said 0.8."),
        ("bob (eng)", "thrift", "-0.70", "Asked -0.7?", "Said -0.7."),
    )


def test_answers_that_moved_most_stand_side_by_side_and_long_ones_are_cut():
    pair = {"question": "Why?", "before": "yes", "after": "no " * 400}
    data = {"shifts": [{"name": "tuned", "pairs": [pair] * 20}, {"name": "other", "pairs": []}]}
    (table,) = answers_of(finding("shift", data))
    assert table.caption == "Answers that moved most, to tuned"
    assert table.header == ("question", "before", "after")
    assert len(table.rows) == 8
    assert table.rows[0][2].endswith("no …")
    assert len(table.rows[0][2]) < 610


def test_a_finding_of_ones_own_needs_to_hold_nothing():
    for kind in ("values", "shift", "mine"):
        assert (tables_of(finding(kind)), answers_of(finding(kind)), profiles_of(finding(kind))) == ([], [], None)

import logging
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord
from univar.corpus.stances import StanceError
from univar.model.stance_pairs import PAIRS_A_TURN, pairable, stance_pairs


def qa(question: str, stance: float | None, author: str = "ada", number: int = 0) -> QARecord:
    """An answer that says all of itself: `Q: question A: author stance number`."""
    return QARecord("q", question, f"{author} {stance} {number}", author, "eng", stance=stance)


def rows(records, pairs, **options) -> list[tuple[QARecord, QARecord]]:
    """The pairs that were drawn, as records."""
    known = {record.text: record for record in records}
    drawn = stance_pairs(records, pairs, **options)
    assert drawn.column_names == ["view_a", "view_b", "label"]
    found = []
    for row in drawn:
        (text_a,), (text_b,) = row["view_a"], row["view_b"]
        a, b = known[text_a], known[text_b]
        assert row["label"][1:] == [a.stance, b.stance]
        found.append((a, b))
    return found


def turns(drawn, batch_pairs) -> list[list[tuple[QARecord, QARecord]]]:
    """Rows of one question one after the other in a batch."""
    cut: list[list[tuple[QARecord, QARecord]]] = []
    for number, (a, b) in enumerate(drawn):
        if number % batch_pairs and cut[-1][-1][0].question == a.question and len(cut[-1]) < PAIRS_A_TURN:
            cut[-1].append((a, b))
        else:
            cut.append([(a, b)])
    return cut


answers = st.lists(
    st.tuples(
        st.sampled_from(["why", "how", "who"]),
        st.sampled_from([-1.0, -0.5, 0.0, 0.1, 0.9, 1.0, None]),
        st.sampled_from(["ada", "bob", "cyd"]),
    ),
    max_size=30,
)


@given(answers, st.integers(1, 12), st.integers(0, 99))
def test_a_row_is_two_answers_of_one_group_that_stand_apart(given_answers, batch_pairs, seed):
    always = [("both", 1.0, "ada"), ("both", -1.0, "bob")]
    records = [qa(*answer, number) for number, answer in enumerate([*always, *given_answers])]
    drawn = rows(records, 3 * batch_pairs, batch_pairs=batch_pairs, seed=seed)
    assert len(drawn) == 3 * batch_pairs
    for a, b in drawn:
        assert a.question == b.question
        signs = {(r.stance > 0) - (r.stance < 0) for r in records if r.question == a.question and r.stance is not None}
        assert a.stance * b.stance < 0 if {1, -1} <= signs else abs(a.stance - b.stance) >= 0.15


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_pairs_of_a_turn_share_no_answer_but_where_one_side_is_a_single_one(pros, cons, seed):
    records = [qa("why", 1.0, f"pro {n}", n) for n in range(pros)] + [
        qa("why", -1.0, f"con {n}", n) for n in range(cons)
    ]
    a_turn = min(4, pros, cons) if min(pros, cons) > 1 else min(2, pros + cons - 1)
    drawn = rows(records, 10 * a_turn, batch_pairs=a_turn, seed=seed)
    for start in range(0, len(drawn), a_turn):
        used = Counter(answer for pair in drawn[start : start + a_turn] for answer in pair)
        # A single one is in both pairs, so that those of the other side have each other to be near to.
        assert sorted(used.values()) == ([1, 1, 2] if min(pros, cons) == 1 < max(pros, cons) else [1] * 2 * a_turn)


def test_pairs_by_one_author_come_first_an_author_after_the_other():
    both = [qa("why", stance, author, n) for author in ("ada", "bob") for stance in (1.0, -1.0) for n in range(3)]
    records = [*both, qa("why", 1.0, "cyd"), qa("why", -1.0, "dee")]
    for turn in turns(rows(records, 80, batch_pairs=4), 4):
        assert all(a.model == b.model for a, b in turn)
        assert [a.model for a, _ in turn] in (["ada", "bob"] * 2, ["bob", "ada"] * 2)


def test_where_authors_have_no_more_pairs_of_their_own_others_are_paired():
    records = [qa("why", 1.0, "ada"), qa("why", -1.0, "ada")]
    records += [
        qa("why", stance, author) for stance, author in ((1.0, "bob"), (1.0, "cyd"), (-1.0, "dee"), (-1.0, "eve"))
    ]
    for turn in turns(rows(records, 60, batch_pairs=3), 3):
        assert [a.model == b.model for a, b in turn] == [True, False, False]
        assert len({answer.model for pair in turn for answer in pair}) == 5


def test_groups_get_turns_as_often_as_each_other_however_many_answers_they_have():
    records = [
        qa(f"q{n}", stance, f"a{m}", m) for n in range(6) for stance in (1.0, -1.0) for m in range(4 + 10 * (n == 0))
    ]
    drawn = rows(records, 480, batch_pairs=24, seed=3)
    assert Counter(a.question for a, _ in drawn) == {f"q{n}": 80 for n in range(6)}
    orders = {
        tuple(turn[0][0].question for turn in turns(drawn[start : start + 24], 24)) for start in range(0, 480, 24)
    }
    assert len(orders) > 5  # and in other orders


def test_what_is_for_stands_on_either_side_of_a_row():
    records = [qa("why", stance, f"a{n}", n) for stance in (1.0, -1.0) for n in range(5)]
    first = [a.stance for a, _ in rows(records, 400, batch_pairs=4)]
    assert 150 < first.count(1.0) < 250


def test_graded_groups_teach_by_the_margin():
    records = [
        *(qa("graded", stance, number=n) for n, stance in enumerate((1.0, 0.9, 0.5))),
        qa("both", 1.0),
        qa("both", -1.0),
    ]
    apart = {frozenset((a.stance, b.stance)) for a, b in rows(records, 100, batch_pairs=2) if a.question == "graded"}
    assert apart == {frozenset((1.0, 0.5)), frozenset((0.9, 0.5))}
    wide = rows(records, 20, batch_pairs=2, margin=0.6)
    assert {a.question for a, _ in wide} == {"both"}
    assert {record.question for record in pairable(records, margin=0.6)} == {"both"}
    assert len(pairable(records)) == 5


def test_groups_in_which_nothing_stands_apart_are_left_out_and_counted(caplog):
    records = [qa("one", 1.0), qa("same", 1.0), qa("same", 0.9), qa("both", 1.0), qa("both", -1.0), qa("none", None)]
    with caplog.at_level(logging.WARNING, "univar.model.stance_pairs"):
        drawn = rows(records, 10, batch_pairs=5)
    assert {a.question for a, _ in drawn} == {"both"}
    assert "2 of 3 questions or claims are left out, since no two answers to them stand apart" in caplog.text


def test_an_author_that_is_the_stance_is_told(caplog):
    records = [qa(q, stance, author) for q in ("why", "how") for author, stance in (("pro", 1.0), ("con", -1.0))]
    stance_pairs(records, 4, batch_pairs=2)
    assert "the author is the stance: each of 2 identities is always for or always against" in caplog.text


def test_the_same_seed_gives_the_same_rows_and_another_one_others():
    records = [pole.record for pole in poles()[:200]]
    first, again, other = (stance_pairs(records, 48, batch_pairs=24, seed=seed).to_list() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_answers_to_several_questions_about_a_claim_are_one_group():
    records = [
        QARecord("q", f"question {n}?", f"{stance}", "ada", "eng", stance=stance, claim="Tax fuel")
        for n, stance in enumerate((1.0, -1.0, 1.0, -1.0))
    ]
    assert {row["label"][0] for row in stance_pairs(records, 4, batch_pairs=2)} == {0.0}


def test_one_of_the_passages_of_an_answer_is_drawn():
    records = [qa("why", 1.0), qa("why", -1.0)]
    drawn = stance_pairs(records, 40, batch_pairs=2, texts=lambda record: [f"{record.stance} {n}" for n in range(3)])
    assert {text for row in drawn for view in (row["view_a"], row["view_b"]) for text in view} == {
        f"{stance} {n}" for stance in (1.0, -1.0) for n in range(3)
    }


def test_poles_are_paired_by_their_voices():
    drawn = rows([pole.record for pole in poles()], 480, batch_pairs=48)
    assert all(a.model == b.model for a, b in drawn)
    # Answers to a question are next to each other, in several voices.
    neighbours = [(a, c) for (a, _), (c, _) in pairwise(drawn) if a.question_id == c.question_id]
    assert sum(a.model != c.model for a, c in neighbours) > len(neighbours) / 2 > 100


@pytest.mark.parametrize(
    ("stances", "message"),
    [
        ([], "stance asked of a corpus without any"),
        ([None], "stance asked of a corpus without any: none of 1 QAs has one"),
        ([1.0, 1.0], "all 2 stances are 1"),
        ([1.0, 0.5], "no stance is against"),
    ],
)
def test_stances_that_teach_nothing_are_errors(stances, message):
    with pytest.raises(StanceError, match=message):
        stance_pairs([qa("why", stance) for stance in stances], 4, batch_pairs=2)


@pytest.mark.parametrize(("pairs", "batch_pairs", "margin"), [(0, 2, 0.1), (4, 0, 0.1), (4, 2, 0)])
def test_numbers_out_of_range_are_errors(pairs, batch_pairs, margin):
    with pytest.raises(ValueError, match=f"got {pairs}, {batch_pairs} and {margin}"):
        stance_pairs([qa("why", 1.0), qa("why", -1.0)], pairs, batch_pairs=batch_pairs, margin=margin)

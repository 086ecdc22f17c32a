"""What the stances of answers can teach and measure."""

from dataclasses import replace

import pytest

from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord
from univar.corpus.simulation import simulated_records
from univar.corpus.stances import StanceError, group_of, side_of, stances_of


def qa(question, stance, model="aya", claim=None):
    return QARecord("q", question, f"{stance}", model, "eng", stance=stance, claim=claim)


BOTH = [qa("Why?", 1.0), qa("Why?", -0.5), qa("why", 0.0)]


def test_stances_are_counted_by_side_and_group():
    found = stances_of([*BOTH, qa("How?", 1.0), qa("How?", 0.0), qa("Who?", -1.0), qa("Why?", None)])
    assert (found.qas, found.without, found.sides) == (7, 1, {"for": 2, "against": 2, "between": 2})
    assert (found.two_sided, found.one_sided, found.left_out) == ({"why"}, 2, 3)
    assert str(found) == (
        "6 of 7 QAs have a stance: 2 for, 2 against, 2 between; 1 of 3 questions are answered from both sides; "
        "left out: 3 QAs of the other 2"
    )
    assert str(stances_of(BOTH)) == (
        "3 of 3 QAs have a stance: 1 for, 1 against, 1 between; 1 of 1 question is answered from both sides"
    )


def test_answers_to_several_questions_about_a_claim_are_compared():
    asked = [qa("How do you see this?", 1.0, claim="Tax fuel"), qa("Your view?", -1.0, claim="Tax fuel.")]
    assert {group_of(record) for record in asked} == {"tax fuel"}
    assert stances_of(asked).two_sided == {"tax fuel"}
    with pytest.raises(StanceError, match=r"no question is answered both for and against, of 2: .* name what they are"):
        stances_of([replace(record, claim=None) for record in asked])


@pytest.mark.parametrize(("stance", "side"), [(0.01, "for"), (-1.0, "against"), (0.0, "between"), (-0.0, "between")])
def test_the_sign_is_the_side(stance, side):
    assert side_of(stance) == side


@pytest.mark.parametrize(
    ("stances", "message"),
    [
        ([], "stance asked of a corpus without any: none of 0 QAs has one; give a column stance"),
        ([None, None], "stance asked of a corpus without any: none of 2 QAs has one; give a column stance"),
        ([1.0, 1.0, None], "all 2 stances are 1: there is nothing to tell them from"),
        ([0.0, 0.0], "all 2 stances are 0: there is nothing to tell them from"),
        ([1.0, 0.5], "no stance is against: of 2 there are 2 for, 0 against, 0 between$"),
        ([1.0, 0.0], "no stance is against: of 2 there are 1 for, 0 against, 1 between; where 0 stands for against, w"),
        ([-1.0, 0.0], "no stance is for: of 2 there are 0 for, 1 against, 1 between$"),
    ],
)
def test_stances_that_teach_nothing_are_refused(stances, message):
    with pytest.raises(StanceError, match=message):
        stances_of(qa("Why?", stance) for stance in stances)


def test_an_author_that_is_the_stance_is_told():
    questions = ("Why?", "How?")
    divided = [qa(q, stance, model) for q in questions for model, stance in (("pro", 1.0), ("con", -1.0))]
    found = stances_of(divided)
    assert found.author_is_stance
    assert found.warning.startswith("the author is the stance: each of 2 identities is always for or always against")
    # One answer of one of them from the other side, and it is no longer so.
    assert stances_of([*divided, qa("Who?", -1.0, "pro")]).warning is None


def test_authors_of_one_answer_are_not_the_stance():
    assert stances_of([qa("Why?", stance, model) for model, stance in (("a", 1.0), ("b", -1.0))]).warning is None
    assert stances_of(BOTH).warning is None


def test_poles_can_teach_stances_apart_from_their_voices():
    found = stances_of(pole.record for pole in poles())
    assert (found.sides, found.without) == ({"for": 1740, "against": 1740, "between": 0}, 0)
    assert (len(found.two_sided), found.one_sided) == (870, 0)
    assert (found.authors, found.of_one_mind) == (12, 0)  # the voices, each of which says both


def test_simulated_answers_have_stances_from_both_sides():
    found = stances_of(simulated_records(12, 30))
    assert (found.qas, found.without) == (360, 0)
    assert len(found.two_sided) > 20

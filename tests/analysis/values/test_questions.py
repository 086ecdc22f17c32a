"""Which value an answer is about, and whether its question has poles."""

from dataclasses import replace

from univar.analysis.values.questions import Asked, asked
from univar.corpus.questions.bank import control_questions, core_questions, question_bank, translated_questions
from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord

WRITTEN = poles()[0].question
OTHERS = {pole.question.question_id for pole in poles()}
BARE = next(question for question in question_bank() if question.question_id not in OTHERS)


def record(question: str, **fields: object) -> QARecord:
    return replace(QARecord("q1", question, "So.", "m", "eng"), **fields)


def test_a_question_of_the_bank_is_known_by_its_text():
    assert asked([record(WRITTEN.question)]) == [Asked(WRITTEN.value, WRITTEN.question_id, True)]
    assert asked([record(f"  {WRITTEN.question.upper()} ")]) == [Asked(WRITTEN.value, WRITTEN.question_id, True)]
    assert asked([record(BARE.question)]) == [Asked(BARE.value, BARE.question_id, False)]


def test_a_question_is_known_in_other_words_and_languages():
    core = core_questions()[0]
    assert asked([record(core.paraphrases[0])])[0].question == core.question_id
    french = next(question for question in translated_questions() if question.lang == "fra")
    in_french = record(french.question, lang="fra")
    assert asked([in_french])[0] == Asked(french.value, french.question_id, True)
    assert asked([record("Autre ?", lang="fra", question_eng=WRITTEN.question)])[0].question == WRITTEN.question_id


def test_an_id_alone_counts_where_no_english_text_is_known():
    own = record("Une traduction ?", lang="fra", question_id=WRITTEN.question_id)
    assert asked([own])[0] == Asked(WRITTEN.value, WRITTEN.question_id, True)
    # Ids such as thrift-01 are anyone's: another English text is another question.
    assert asked([record("Is rain wet?", question_id=WRITTEN.question_id)]) == [Asked()]
    assert asked([replace(own, question_eng="Is rain wet?")]) == [Asked()]


def test_any_other_question_is_of_the_value_that_it_names():
    names = ("thrift", "Thrift", "self_direction_thought", "Self-direction of thought")
    found = asked([record("Mine?", value=name) for name in names])
    assert [one.value for one in found] == ["thrift", "thrift", "self_direction_thought", "self_direction_thought"]
    assert [one.question for one in found] == [None] * 4
    assert asked([record("Mine?", value="punctuality"), record("Mine?")]) == [Asked(), Asked()]


def test_the_bank_knows_the_value_of_its_question_better():
    assert asked([record(WRITTEN.question, value="thrift")])[0].value == WRITTEN.value


def test_control_questions_are_told():
    assert asked([record(control_questions()[0].question)])[0] == Asked(
        None, control_questions()[0].question_id, False, True
    )

from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.records import (
    SCHEMA,
    Identity,
    QARecord,
    from_row,
    identity_labels,
    normalised_question,
    passages,
    qa_text,
    question_fraction,
    question_halves,
    question_hash,
    split_of,
    to_row,
    write_corpus,
)


def test_qa_text_keeps_a_short_question_whole():
    assert qa_text(" Is thrift a virtue? ", "Yes.\n") == "Q: Is thrift a virtue? A: Yes."


def test_qa_text_cuts_the_middle_of_a_long_question():
    # Budget 5: two characters of each end, one for the ellipsis.
    assert qa_text("abcdefghij", "Yes.", question_budget=5) == "Q: ab … ij A: Yes."


@given(st.text(max_size=3_000), st.text(min_size=1, max_size=50), st.integers(5, 300))
def test_no_question_pushes_the_answer_out(question: str, answer: str, budget: int):
    text = qa_text(question, answer, question_budget=budget)
    assert text.endswith(f"A: {answer.strip()}")
    # The budget, two spaces around the ellipsis, and the labels "Q: " and " A: ".
    assert len(text) <= budget + 2 + 7 + len(answer)


def test_a_budget_too_small_for_any_question_is_refused():
    with pytest.raises(ValueError, match="at least 5 characters, got 4"):
        qa_text("Why?", "Because.", question_budget=4)


def test_a_long_answer_is_cut_into_passages_under_its_question():
    # Ten characters in parts of four at most: three, of which the first ends at the space after its fourth.
    assert passages("Q: Why? A: abcd ef gh", characters=4) == ["Q: Why? A: abcd", "Q: Why? A: ef", "Q: Why? A: gh"]
    assert passages("Q: Why? A: abcdefgh", characters=4) == ["Q: Why? A: abcd", "Q: Why? A: efgh"]
    assert passages("abcd ef", characters=4) == ["abcd", "ef"]


@pytest.mark.parametrize("missing", [None, float("nan"), ["So."]])
def test_qa_text_says_what_is_no_text(missing):
    with pytest.raises(TypeError, match=r"a question and its answer are texts, got 'Why\?' and"):
        qa_text("Why?", missing)


@pytest.mark.parametrize("text", ["Q: Why? A: So.", "Q: Why? A: ", "", "no answer at all", "Q: a A: b A: c"])
def test_a_short_text_is_its_only_passage(text):
    assert passages(text) == [text]


@given(st.text(max_size=2_000), st.integers(1, 300))
def test_passages_lose_nothing_of_an_answer_but_blanks(answer: str, most: int):
    text = qa_text("Why?", answer)
    found = passages(text, characters=most)
    parts = [part.removeprefix("Q: Why? A: ") for part in found]
    assert "".join("".join(parts).split()) == "".join(answer.split())
    assert max(map(len, parts)) <= max(most, 0 if answer.strip() else len(text))
    # About equal parts: at most twice as many as are needed.
    assert len(parts) <= max(1, 2 * -(-len(answer) // most))


def test_a_passage_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1 character, got 0"):
        passages("Q: Why? A: So.", characters=0)


def test_the_english_version_is_encoded_only_if_question_and_answer_have_one():
    record = QARecord("1", "Pourquoi ?", "Parce que.", "m", "fra", question_eng="Why?", answer_eng="Because.")
    assert record.text == "Q: Why? A: Because."
    half = QARecord("1", "Pourquoi ?", "Parce que.", "m", "fra", question_eng="Why?")
    assert half.text == "Q: Pourquoi ? A: Parce que."
    assert half.question_key == "Why?"


def test_splits_do_not_depend_on_case_punctuation_or_spacing():
    assert normalised_question("  Is THRIFT a virtue?!\n") == "is thrift a virtue"
    assert question_hash("Is thrift a virtue?") == question_hash("is  thrift, a virtue")


def test_letters_with_marks_stay_apart():
    assert question_hash("क्या") != question_hash("कया")


def test_the_split_rule_never_changes():
    # blake2b (8 bytes) of "is thrift a virtue": a change of the rule would leak training questions into tests.
    assert question_hash("Is thrift a virtue?") == "369cf2dcad7f2427"
    # 0x369cf2dcad7f2427 / 2**64 = 0.2133..., below 0.8.
    assert round(question_fraction("Is thrift a virtue?"), 4) == 0.2133
    assert split_of("Is thrift a virtue?") == "train"


@pytest.mark.parametrize("question", [None, ["Why?"], 3])
def test_what_is_no_question_has_no_split(question):
    with pytest.raises(TypeError, match="a question is a text, got"):
        split_of(question)


def test_what_is_no_record_is_not_written(tmp_path):
    with pytest.raises(TypeError, match=r"\{'question': 'Why\?'\} \(dict\) is no QARecord; make one"):
        write_corpus([{"question": "Why?"}], tmp_path / "a.parquet")
    for wrong in (None, QARecord("q", "Why?", "So.", "m", "eng"), {"question": ["Why?"]}):
        with pytest.raises(TypeError, match="a corpus is written of a list or stream of QARecords, got"):
            write_corpus(wrong, tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=60))
def test_fractions_lie_in_the_half_open_unit_interval_and_decide_the_split(question: str):
    fraction = question_fraction(question)
    assert 0 <= fraction < 1
    expected = "train" if fraction < 0.8 else "validation" if fraction < 0.9 else "test"
    assert split_of(question) == expected


def test_about_eighty_percent_of_questions_are_for_training():
    # 2,000 draws: the standard deviation of a share of 0.8 is 0.009, so 0.04 is more than four of them.
    share = sum(split_of(f"question {number}") == "train" for number in range(2_000)) / 2_000
    assert abs(share - 0.8) < 0.04


@given(st.lists(st.sampled_from([f"question {n}" for n in range(12)])))
def test_halves_share_no_question_and_have_as_many_to_within_one(questions: list[str]):
    records = [QARecord(q, q, str(n), "ada", "eng") for n, q in enumerate(questions)]
    halves = question_halves(records)
    assert sorted(r.answer for half in halves for r in half) == sorted(r.answer for r in records)
    first, second = ({record.question for record in half} for half in halves)
    assert not first & second
    assert len(second) - len(first) == len(set(questions)) % 2


def test_identities_are_sorted_and_labelled():
    rows = [QARecord("1", "q", "a", model, lang) for model, lang in [("b", "eng"), ("a", "fra"), ("b", "eng")]]
    assert identity_labels(rows) == ([Identity("a", "fra"), Identity("b", "eng")], [1, 0, 1])
    assert str(Identity("a", "fra")) == "a (fra)"


def test_a_written_corpus_has_the_schema_and_reads_back(tmp_path, records):
    assert write_corpus(iter(records), tmp_path / "corpus.parquet") == len(records)
    table = pq.read_table(tmp_path / "corpus.parquet")
    assert table.schema.equals(SCHEMA)
    assert [from_row(row) for row in table.to_pylist()] == records
    assert from_row(to_row(records[0])) == records[0]


def test_a_failed_write_leaves_nothing(tmp_path, records):
    def broken():
        yield records[0]
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_corpus(broken(), tmp_path / "corpus.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_stance_and_its_claim_are_kept_to_the_last_digit(tmp_path):
    # 0.1 is no number of 32 bits: what is written in fewer would come back as another.
    record = QARecord("q", "Why?", "So.", "aya", "eng", stance=0.1, claim="Thrift is a virtue")
    write_corpus([record, QARecord("r", "Why?", "So.", "aya", "eng")], path := tmp_path / "c.parquet")
    kept, other = pq.read_table(path).to_pylist()
    assert from_row(kept) == record
    assert (other["stance"], other["claim"]) == (None, None)


def test_a_row_of_an_earlier_version_has_no_stance():
    row = to_row(QARecord("q", "Why?", "So.", "aya", "eng"))
    for name in ("reasoning", "stance", "claim"):
        del row[name]
    assert from_row(row) == QARecord("q", "Why?", "So.", "aya", "eng")


def test_the_claim_decides_the_split_where_there_is_one():
    asked = QARecord("q", "Wozu?", "So.", "aya", "deu", question_eng="Why?")
    assert asked.question_key == "Why?"
    assert replace(asked, claim="Thrift is a virtue").question_key == "Thrift is a virtue"

"""Delimited text: strictly read, and a damaged row costs its own line."""

import csv
import io
import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from univar.corpus.formats import delimited
from univar.corpus.formats.rejects import CorpusError
from univar.corpus.readers import Rejects, read_corpus

HEADER = "question,answer,model,lang\n"


def rows_of(text, delimiter=","):
    header = delimited.read_header("c.csv", io.StringIO(text, newline="\n"), delimiter)
    return list(delimited.read_rows(io.StringIO(text, newline="\n"), header))


def problems(text):
    return [(row.line, row.problem) for row in rows_of(text) if row.problem]


anything = st.text(st.one_of(st.sampled_from(',;\t"\\\r\n \0'), st.characters(exclude_categories=["Cs"])), max_size=8)
one_line = st.text(st.sampled_from(',"\\ ab;é'), max_size=8)


@given(
    st.lists(st.lists(anything, min_size=2, max_size=2), max_size=8),
    st.sampled_from([",", "\t"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\r\n", "\n"]),
)
def test_what_a_writer_wrote_comes_back(rows, delimiter, quoting, end):
    # Then the writer puts no quotes around it, and it is half of the end of the line.
    assume(quoting == csv.QUOTE_ALL or end == "\r\n" or not any(row[-1].endswith("\r") for row in rows))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([["question", "answer"], *rows])
    found = rows_of(text.getvalue(), delimiter)
    assert [row.problem for row in found] == [None] * len(rows)
    assert [list(row.content.values()) for row in found] == rows


@given(st.lists(st.tuples(one_line, one_line, one_line), min_size=1, max_size=8), st.data())
def test_a_quote_too_few_or_too_many_costs_its_row_alone(rows, data):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    lines = text.getvalue().splitlines(keepends=True)
    damaged = data.draw(st.integers(1, len(rows)))
    place = data.draw(st.integers(0, len(lines[damaged]) - 1))
    line = lines[damaged]
    without = data.draw(st.booleans())
    assume(not without or line[place] == '"')
    lines[damaged] = line[:place] + line[place + 1 :] if without else f'{line[:place]}"{line[place:]}'
    found = rows_of("".join(lines))
    assert {row.line for row in found if row.problem} <= {damaged + 1}
    others = [tuple(row.content.values()) for row in found if not row.problem and row.line != damaged + 1]
    assert others == [row for number, row in enumerate(rows, start=1) if number != damaged]


def test_quotes_that_are_never_closed_cost_the_rows_that_open_them(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text(
        f'{HEADER}Is honesty good?,"Yes it is,alpha,eng\nIs thrift good?,No it is not,alpha,eng\n'
        'Is honesty good?,"Sometimes,beta,eng\nIs thrift good?,Always,beta,eng\n'
    )
    rejects = Rejects()
    assert [record.answer for record in read_corpus(path, rejects=rejects)] == ["No it is not", "Always"]
    assert rejects.summary() == "2 rows rejected (2 rows: a quote that is not closed (lines 2, 4))"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('Why?,"She said \\"no\\" to it",aya,eng', 'a quote escaped by a backslash, not doubled as ""'),
        ('Why?,"It ends with \\"",aya,eng', 'a quote escaped by a backslash, not doubled as ""'),
        ('Why?,"So" it is,aya,eng', "quotes that do not pair"),
        ('Why?,So it is",aya,eng', "quotes that do not pair"),
        ("Why?,So,it is,aya,eng", "more fields than columns"),
        ("Why?,So,aya", "fewer fields than columns"),
        ("Why?,So,aya,eng\rHow?,So,aya,eng", "more fields than columns"),
    ],
)
def test_a_row_that_cannot_be_read_says_why_and_where(line, problem):
    whole = "How?,Thus.,aya,eng"
    found = rows_of(f"{HEADER}{whole}\n{line}\n{whole}\n")
    assert {row.problem for row in found} == {None, problem}
    assert next(row.line for row in found if row.problem) == 3
    assert [row.content["answer"] for row in found if not row.problem] == ["Thus.", "Thus."]


def test_a_damaged_answer_over_several_lines_costs_its_own_lines():
    text = f'{HEADER}Why?,"One\ntwo" three\nfour",aya,eng\nHow?,"Five\nsix",aya,eng\n'
    found = rows_of(text)
    assert [row.content["answer"] for row in found if not row.problem] == ["Five\nsix"]
    assert [row.line for row in found if row.problem] == [2, 3, 4]
    assert [row.line for row in found if not row.problem] == [5]


def test_a_carriage_return_within_a_line_is_text():
    (row,) = rows_of(f"{HEADER}Why?,So\rit is,aya,eng\r\n")
    assert row.content["answer"] == "So\rit is"
    assert row.content["lang"] == "eng"


def test_lines_may_end_in_carriage_returns_alone(tmp_path):
    (tmp_path / "c.csv").write_bytes(
        f'{HEADER}Why?,So.,aya,eng\nHow?,"One\ntwo",aya,eng\n'.replace("\n", "\r").encode()
    )
    assert [record.answer for record in read_corpus(tmp_path / "c.csv")] == ["So.", "One\rtwo"]


def test_a_measure_in_inches_is_no_damage():
    (row,) = rows_of(f'{HEADER}How long?,5" or so,aya,eng\n')
    assert row.content["answer"] == '5" or so'


def test_a_quote_that_is_never_closed_is_not_looked_for_without_end(monkeypatch):
    monkeypatch.setattr(delimited, "LONGEST_ROW", 1_000)
    lines = itertools.chain([HEADER, 'Why?,"So,aya,eng\n'], itertools.repeat("How?,Thus.,aya,eng\n"))
    rows = delimited.read_rows(lines, delimited.Header(("question", "answer", "model", "lang"), ",", False, 1))
    first, second = itertools.islice(rows, 2)
    assert (first.line, first.problem) == (2, "a quote that is not closed")
    assert (second.line, second.content["answer"]) == (3, "Thus.")


def test_columns_may_be_separated_by_another_mark_than_the_suffix_says(tmp_path):
    for number, mark in enumerate(";\t|"):
        path = tmp_path / f"{number}.csv"
        path.write_text(f'{HEADER.replace(",", mark)}Why?{mark}"So, it{mark} is"{mark}aya{mark}eng\n')
        rejects = Rejects()
        assert [record.answer for record in read_corpus(path, rejects=rejects)] == [f"So, it{mark} is"]
        assert rejects.notes == [f"{path}: its columns are separated by {mark!r}"]


def test_the_line_in_which_excel_names_the_mark_is_no_header():
    (row,) = rows_of("sep=;\r\nquestion;answer\r\nWhy?;So.\r\n")
    assert (row.line, row.content) == (3, {"question": "Why?", "answer": "So."})


def test_spaces_after_the_marks_belong_to_no_field():
    (row,) = rows_of('question, answer, model\nWhy?, "So, it is", aya\n')
    assert row.content == {"question": "Why?", "answer": "So, it is", "model": "aya"}


def test_a_header_may_have_names_over_several_lines():
    (row,) = rows_of('question,"the\nanswer"\nWhy?,So.\n')
    assert (row.line, row.content) == (3, {"question": "Why?", "the\nanswer": "So."})


def test_a_header_whose_quotes_do_not_pair_is_refused():
    with pytest.raises(CorpusError, match=r"the header of c\.csv cannot be read: its quotes do not pair, in '\"quest"):
        rows_of('"question,answer\nWhy?,So.\n')

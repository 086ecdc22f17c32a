"""JSON over many lines, value by value."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from univar.corpus.formats import json_text
from univar.corpus.formats.rejects import CorpusError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
rows = st.lists(st.dictionaries(st.text(max_size=4), values, min_size=1, max_size=3), max_size=5)


@settings(max_examples=50)
@given(rows, st.sampled_from([None, 1]), st.integers(1, 40))
def test_an_array_is_read_as_it_was_written_however_it_arrives(rows, indent, chunk):
    text = json.dumps(rows, indent=indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_CHUNK", chunk)
        found = list(json_text.read_array("c.json", io.StringIO(text)))
    assert [row.content for row in found] == rows
    for row in found:
        assert text.splitlines()[row.line - 1].lstrip("[ ").startswith("{")


def test_an_object_holds_rows_and_what_is_true_of_all():
    text = '{"model": "aya",\n "samples": [{"answer": "So."},\n {"answer": "Thus.", "model": "own"}], "end": 1}\n'
    found = list(json_text.read_objects("c.json", io.StringIO(text)))
    assert [(row.line, row.content) for row in found] == [
        (2, {"model": "aya", "answer": "So."}),
        (3, {"model": "own", "answer": "Thus."}),
    ]


def test_objects_may_follow_one_another():
    text = '{\n "answer": "So.",\n "results": [1, 2]\n}\n{\n "answer": "Thus."\n}\n'
    found = list(json_text.read_objects("c.json", io.StringIO(text)))
    assert [row.content for row in found] == [{"answer": "So."}, {"answer": "Thus."}]
    assert [row.line for row in found] == [1, 5]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[{"a": 1},\n{"a": }]', 2),
        ('[{"a": 1}\n{"a": 2}]', 2),
        ('[{"a": 1}]\n[]', 2),
        ('[{"a": 1},\n', 2),
        ("[" * 99_999, 1),
    ],
)
def test_what_is_not_json_is_told_with_its_line_after_the_rows_before(text, line):
    found = json_text.read_array("c.json", io.StringIO(text))
    if text.startswith("[{"):
        assert next(found).content == {"a": 1}
    with pytest.raises(CorpusError, match=f"c.json is not a JSON array that can be read to its end: line {line}: "):
        list(found)


@pytest.mark.parametrize(
    ("start", "suffix", "kind"),
    [
        (b'[{"a": 1}]', ".json", "array"),
        (b"\xef\xbb\xbf \n[\n{", ".json", "array"),
        (b'[\n{"a": 1}\n]', ".jsonl", "array"),
        (b"[1]\n", ".jsonl", "lines"),
        (b'{"a": 1}\n{"a": 2}\n', ".json", "lines"),
        (b'{"a": 1}\n\n', ".json", "object"),
        (b'{"a": 1,\n "b": 2}', ".json", "object"),
        (b'{\n "a": 1}', ".jsonl", "object"),
        (b'{"a": 1}\n', ".jsonl", "lines"),
        (b"hello", ".json", "lines"),
    ],
)
def test_what_a_file_holds_is_told_by_its_beginning(start, suffix, kind):
    assert json_text.json_kind(io.BytesIO(start), suffix) == kind

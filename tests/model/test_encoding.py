import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from univar.corpus.records import SCHEMA, QARecord, from_row, passages
from univar.model import encoding
from univar.model.encoding import as_read, embed_texts, encode_records, passage_given, write_embeddings


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(encoding, "_QAS_AT_ONCE", 50)


def texts(records: list[QARecord]) -> list[str]:
    return [record.text for record in records]


def test_a_corpus_is_encoded_in_its_order(records, tiny_model):
    parts = list(encode_records(records, tiny_model, batch_size=7))
    assert [len(part) for part, _ in parts] == [50, 50, 20]
    assert [record for part, _ in parts for record in part] == records
    embeddings = np.concatenate([part for _, part in parts])
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, tiny_model.encode(texts(records)), atol=1e-6)


@pytest.fixture
def passage_reader(tiny_model):
    model = copy.deepcopy(tiny_model)
    model.training_record = {"recipe": {"passages": True}}
    return model


def test_a_model_that_was_trained_on_passages_reads_long_answers_whole(records, tiny_model, passage_reader):
    long = replace(records[0], answer=" ".join([*["yes"] * 200, *["honest"] * 200]))
    short = records[1]
    assert as_read(tiny_model, [long.text, short.text]) == [long.text, short.text]
    assert as_read(passage_reader, [long.text, short.text]) == [passages(long.text), [short.text]]
    ((_, embeddings),) = encode_records([long, short], passage_reader)
    parts = tiny_model.encode(passages(long.text)).mean(axis=0)
    np.testing.assert_allclose(embeddings[0], parts / np.linalg.norm(parts), atol=1e-6)
    np.testing.assert_allclose(embeddings[1], tiny_model.encode(short.text), atol=1e-6)


def test_the_passages_of_a_model_are_as_long_as_its_window(records, passage_reader):
    passage_reader.training_record["recipe"]["max_tokens"] = 256
    text = replace(records[0], answer="yes " * 300).text
    # 1,200 characters in parts of 960, as 256 tokens read where 128 read 480: two. Of 480 at most there are three.
    assert as_read(passage_reader, [text]) == [passages(text, characters=960)]
    assert [len(passages(text, characters=most)) for most in (960, 480)] == [2, 3]


def test_any_model_reads_long_answers_whole_in_passages_of_its_window(records, tiny_model):
    class Plain:
        """A model with a window of 128 tokens, so of passages of 480 characters: 300 x 4 are in three."""

        max_seq_length = 128
        encode = staticmethod(lambda texts, **_: 2 * tiny_model.encode(list(texts)))

    long, short = replace(records[0], answer="yes " * 300).text, records[1].text
    assert passage_given(Plain()) == 480
    advanced = []
    found = embed_texts(Plain(), [long, short], advance=advanced.append)
    parts = tiny_model.encode(passages(long)).sum(axis=0)
    np.testing.assert_allclose(found, [parts / np.linalg.norm(parts), tiny_model.encode(short)], atol=1e-6)
    assert advanced == []  # no module of torch


@pytest.mark.parametrize("window", [None, 0, float("inf")])
def test_a_model_without_a_window_is_given_every_text_as_a_whole(window):
    # Of an infinite one 480 * inf // 128 is no number, which equals nothing, not even itself.
    assert passage_given(SimpleNamespace(max_seq_length=window)) is None


def test_what_is_embedded_is_told_while_it_is(records, tiny_model, passage_reader):
    long = replace(records[0], answer="yes " * 300).text
    for model in (tiny_model, passage_reader):
        advanced = []
        embed_texts(model, [long, *texts(records[1:20])], advance=advanced.append, batch_size=4)
        assert len(advanced) > 1
        assert sum(advanced) == pytest.approx(20)


def test_of_nothing_there_are_no_embeddings(tiny_model):
    assert embed_texts(tiny_model, []).shape == (0, 16)


def test_qas_are_read_however_they_come(records, tiny_model, passage_reader):
    rows = [{"question": record.question, "answer": record.answer} for record in records[:3]]
    for given in (records[:3], rows, pd.Series(texts(records[:3])), iter(texts(records[:3]))):
        assert as_read(tiny_model, given) == texts(records[:3])
    assert as_read(passage_reader, rows) == [[text] for text in texts(records[:3])]


@pytest.mark.parametrize(
    "one", ["Q: a A: b", {"question": "a", "answer": "b"}, pd.DataFrame({"question": []}), None, 3]
)
def test_a_single_qa_is_not_read_as_many(passage_reader, one):
    with pytest.raises(TypeError, match=r"(?s)as_read takes a list of QAs, got .*; of one QA give \[qa\], of a"):
        as_read(passage_reader, one)


def test_what_cannot_be_read_is_an_error_that_says_which_and_why(passage_reader):
    with pytest.raises(TypeError, match=r"^QA 1: None \(NoneType\) is no QA; give a text as univar.qa_text"):
        as_read(passage_reader, ["Q: a A: b", None])
    with pytest.raises(TypeError, match=r"^QA 0: \['Q: a A: b'\] .*; as_read takes no views$"):
        as_read(passage_reader, [["Q: a A: b"]])
    with pytest.raises(TypeError, match="the model is 'univar'; give a loaded one"):
        as_read("univar", ["Q: a A: b"])


def test_no_more_of_a_corpus_is_read_than_is_encoded(records, tiny_model):
    read = []
    stream = encode_records((read.append(record) or record for record in records), tiny_model)
    assert read == []
    next(stream)
    assert len(read) == 50


def test_embeddings_are_written_with_who_answered_what(records, tiny_model, tmp_path):
    records[0] = QARecord("q0", "is it right", "yes", "aya", "nld", "Thrift", "mine", 3, "is it", "no")
    path = tmp_path / "embeddings.parquet"
    assert write_embeddings(iter(records), tiny_model, path) == 120
    table = pq.read_table(path)
    assert table.column_names == [*SCHEMA.names, "embedding"]
    assert from_row(table.slice(0, 1).to_pylist()[0]) == records[0]
    assert table["model"].to_pylist() == [record.model for record in records]
    embeddings = np.array(table["embedding"].to_pylist(), dtype=np.float32)
    np.testing.assert_allclose(embeddings, tiny_model.encode(texts(records)), atol=1e-6)


def test_what_is_no_record_or_no_model_is_refused(tiny_model, tmp_path):
    for wrong in ({"question": "a"}, "Q: a A: b"):
        with pytest.raises(TypeError, match="is no QARecord; make one with"):
            write_embeddings([wrong], tiny_model, tmp_path / "embeddings.parquet")
    with pytest.raises(TypeError, match="the model is 'univar'; give a loaded one"):
        write_embeddings([], "univar", tmp_path / "embeddings.parquet")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_corpus_gives_an_empty_file_with_the_same_columns(records, tiny_model, tmp_path):
    assert write_embeddings([], tiny_model, tmp_path / "empty.parquet") == 0
    write_embeddings(records, tiny_model, tmp_path / "full.parquet")
    empty, full = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("empty", "full"))
    assert empty.num_rows == 0
    assert empty.schema == full.schema


def test_a_failure_midway_leaves_nothing(records, tiny_model, tmp_path):
    def broken():
        yield from records[:60]
        raise RuntimeError("the disk was pulled out")

    with pytest.raises(RuntimeError, match="pulled out"):
        write_embeddings(broken(), tiny_model, tmp_path / "embeddings.parquet")
    assert list(tmp_path.iterdir()) == []

"""The poles: both ends of every value, in voices that say nothing of the end."""

import re
from collections import Counter, defaultdict
from itertools import pairwise

import datasets
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from univar.corpus.questions.bank import FORMS, question_bank
from univar.corpus.questions.poles import VOICES, Pole, poles
from univar.corpus.records import split_of

FUNCTION_WORDS = """
a an the this that these those i me my myself we us our you your he him his she her it its they them their who
which what when where why how is are was were be been being am do does did done have has had will would shall
should can could may might must need let and or but nor so yet if then than because since though although while
unless until as of in on at by for with about against between into through before after above from to up down
out off over under again once not no never none nothing nobody neither don't doesn't didn't isn't aren't wasn't
won't wouldn't can't cannot couldn't shouldn't all any both each few more most other some such only own same too
very just also even still rather instead always often sometimes ever here there now one first yes perhaps maybe
probably possibly seems seem guess suppose somewhat likely think believe feel sure certainly definitely clearly
simply honestly frankly
"""
MARKS = ".,;:!?-\N{EN DASH}\N{EM DASH}()\"*#'\n"


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def style(text: str) -> list[float]:
    """Length, punctuation, Markdown, hedges and function words of a text."""
    words = words_of(text)
    counts, number = Counter(words), len(words)
    looks = [number, len(text), len(re.findall(r"[.!?]+", text)), len(re.findall(r"(?m)^\s*(?:[-*]|\d+\.)\s", text))]
    marks = [text.count(mark) / number for mark in MARKS]
    return [*looks, *marks, *(counts[word] / number for word in FUNCTION_WORDS.split())]


def test_every_value_has_ten_questions_of_all_forms_answered_from_both_ends_in_two_voices():
    found: dict[str, list[Pole]] = defaultdict(list)
    for pole in poles():
        found[pole.question.question_id].append(pole)
    assert len(poles()) == 3480
    assert len(found) == 870
    per_value = Counter(of[0].question.value for of in found.values())
    assert per_value == dict.fromkeys({question.value for question in question_bank()}, 10)
    per_form = Counter((of[0].question.value, of[0].question.form) for of in found.values())
    assert per_form == {(value, form): 2 for value in per_value for form in FORMS}
    for of in found.values():
        voices = {pole.voice for pole in of}
        assert len(voices) == 2
        assert {(pole.voice, pole.stance) for pole in of} == {(voice, end) for voice in voices for end in (1, -1)}


def test_every_author_wrote_both_ends_in_every_voice():
    wrote = Counter((pole.author, pole.voice, pole.stance) for pole in poles())
    authors = {pole.author for pole in poles()}
    assert len(authors) == 11
    assert wrote.keys() == {(author, voice, end) for author in authors for voice in VOICES for end in (1, -1)}
    assert min(wrote.values()) >= 11


def test_both_ends_are_as_long():
    lengths = {end: [len(pole.answer.split()) for pole in poles() if pole.stance == end] for end in (1, -1)}
    assert all(20 <= length <= 90 for of in lengths.values() for length in of)
    assert abs(np.mean(lengths[1]) - np.mean(lengths[-1])) < 0.5


def test_style_does_not_tell_the_end():
    features = np.array([style(pole.answer) for pole in poles()])
    ends = np.array([pole.stance for pole in poles()])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=2000))
    for groups in ([pole.question.value for pole in poles()], [pole.question.question_id for pole in poles()]):
        told = cross_val_predict(classifier, features, ends, groups=groups, cv=GroupKFold(8))
        assert (told == ends).mean() <= 0.53


def test_no_answer_is_nearly_another():
    runs: dict[tuple[str, ...], int] = {}
    shared: Counter[tuple[int, int]] = Counter()
    for number, pole in enumerate(poles()):
        words = words_of(pole.answer)
        for run in set(zip(*(words[start:] for start in range(5)), strict=False)):
            if run in runs:
                shared[runs[run], number] += 1
            runs[run] = number
    # Runs of five words in common, of the fifty that an answer has.
    assert max(shared.values()) <= 12


def test_nothing_learned_from_train_has_met_a_value_or_a_voice_of_test():
    splits = {pole.split for pole in poles()}
    assert splits == {"train", "validation", "test"}
    train = [pole for pole in poles() if pole.split == "train"]
    assert all(split_of(pole.question.value) == split_of(pole.voice) == "train" for pole in train)
    held_out = {pole.voice for pole in poles() if split_of(pole.voice) == "test"}
    assert held_out == {"formal", "second_language"}
    both = [p for p in poles() if p.voice in held_out and split_of(p.question.value) == "test"]
    assert len(both) > 50
    assert {pole.split for pole in both} == {"test"}


def test_the_poles_are_in_the_order_of_the_bank():
    places = {question.question_id: place for place, question in enumerate(question_bank())}
    order = [places[pole.question.question_id] for pole in poles()]
    assert all(one <= other for one, other in pairwise(order))


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def test_they_load_as_a_data_set():
    loaded = datasets.load_dataset("univar-qa", "poles")
    assert {split: len(rows) for split, rows in loaded.items()} == Counter(pole.split for pole in poles())
    row, pole = loaded["test"][0], next(pole for pole in poles() if pole.split == "test")
    features = loaded["test"].features
    assert (row["answer"], row["stance"], row["author"]) == (pole.answer, pole.stance, pole.author)
    assert features["voice"].int2str(row["voice"]) == pole.voice
    assert features["value"].int2str(row["value"]) == pole.question.value
    streamed = datasets.load_dataset("univar-qa", "poles", split="validation", streaming=True)
    assert len(list(streamed)) == len(loaded["validation"])
    with pytest.raises(ValueError, match="the configuration poles reads no files, got data_dir='mine'"):
        datasets.load_dataset("univar-qa", "poles", data_dir="mine")


def test_as_qas_they_are_their_voices_and_keep_stance_and_value():
    records = [pole.record for pole in poles()]
    for pole, record in zip(poles(), records, strict=True):
        assert (record.model, record.lang, record.value) == (pole.voice, pole.lang, pole.question.value)
        assert (record.stance, record.answer, record.claim) == (pole.stance, pole.answer, None)
        assert record.question_key == pole.question.question_key
    # Each is told from the others by who answers what, and for which side.
    assert len({(r.question_id, r.identity, r.stance) for r in records}) == len(records)

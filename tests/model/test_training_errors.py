"""What cannot be trained, and what is said of it."""

import dataclasses

import pytest
import torch

from univar.corpus.records import QARecord, split_of
from univar.model import training
from univar.model.recipes import Recipe
from univar.model.training import train


def test_too_few_identities_are_an_error_that_names_the_corpus(records, recipe, tmp_path):
    with pytest.raises(ValueError, match=r"^mine: training needs at least 2 identities .*of its training questions"):
        train({"good": records, "mine": [r for r in records if r.model == "aya"]}, tmp_path, recipe=recipe)


def test_a_corpus_without_training_questions_is_an_error(recipe, tmp_path):
    held_out = [question for question in (f"question {n}" for n in range(200)) if split_of(question) != "train"]
    records = [QARecord(q, q, "yes", model, "eng") for q in held_out for model in ("a", "b")]
    with pytest.raises(ValueError, match="got 0 of 0"):
        train({"mine": records}, tmp_path, recipe=recipe)


def test_no_corpora_are_an_error(recipe, tmp_path):
    with pytest.raises(ValueError, match="no corpora"):
        train({}, tmp_path, recipe=recipe)


@pytest.mark.parametrize("base", ["nobody/no-such-encoder", "/no/such/folder", "univar-bass"])
def test_a_base_that_cannot_be_loaded_is_an_error_before_any_work(base, tmp_path):
    # Even the missing corpora are told later.
    with pytest.raises(ValueError, match=f"cannot load the base '{base}'; set base to univar-base, a Sent"):
        train({}, tmp_path, recipe=Recipe(base=base))


@pytest.mark.parametrize(
    ("corpora", "options", "message"),
    [
        ([], {}, r"corpora are records by the name of their corpus, got \[\]; of one give \{name: records\}"),
        ({"a": [{"question": "Why?"}]}, {}, r"\{'question': 'Why\?'\} \(dict\) is no QARecord"),
        (
            {},
            {"recipe": "minilm-stance"},
            r"recipe is 'minilm-stance'; give a Recipe, as univar.model.recipes.read_recipe",
        ),
    ],
)
def test_arguments_of_another_kind_are_errors_that_say_what_to_give(corpora, options, message, recipe, tmp_path):
    with pytest.raises(TypeError, match=message):
        train(corpora, tmp_path, **{"recipe": recipe, **options})


def test_a_static_base_is_an_error_that_says_what_to_give_instead(records):
    with pytest.raises(ValueError, match=r"'univar-static' is a static model, .* set base to univar-base, univar, or"):
        train({"tiny": records}, "out", recipe=Recipe(base="univar-static"))


@pytest.mark.parametrize(
    ("mini_batch", "remedy"), [(None, "set mini_batch, to 32"), (16, "lower mini_batch, which is 16, or max_tokens")]
)
def test_out_of_memory_is_an_error_that_says_what_would_help(
    records, recipe, tmp_path, monkeypatch, mini_batch, remedy
):
    def full(*_args, **_kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(training.MultiViewInfoNCELoss, "forward", full)
    with pytest.raises(RuntimeError, match=f"out of memory in a training step; in the recipe, {remedy}"):
        train({"tiny": records}, tmp_path, recipe=dataclasses.replace(recipe, mini_batch=mini_batch))


def test_more_tokens_than_the_encoder_reads_are_an_error(records, recipe, tmp_path):
    with pytest.raises(ValueError, match=r"max_tokens is 65, but .* reads at most 64"):
        train({"tiny": records}, tmp_path, recipe=dataclasses.replace(recipe, max_tokens=65))

import subprocess
import sys

import pytest
import yaml

from univar.model.recipes import RECIPES, Recipe, read_recipe


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_recipe_that_ships_can_be_read_by_name_and_by_path(file):
    assert read_recipe(file.stem) == read_recipe(file)


def test_a_recipe_says_what_differs_from_the_defaults(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("max_qas: 20\nlearning_rate: 1e-5\nbase: someone/encoder\n")  # YAML reads 1e-5 as a text
    assert read_recipe(file) == Recipe(max_qas=20, learning_rate=1e-5, base="someone/encoder")
    file.write_text("")
    assert read_recipe(str(file)) == Recipe()


def test_a_recipe_can_be_written_down_and_read_again(tmp_path):
    recipe = Recipe(max_tokens=None, learn_temperature=True, view_pooling="attention", seed=5)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe.to_dict()))
    assert read_recipe(tmp_path / "mine.yaml") == recipe


@pytest.mark.parametrize(
    ("stances", "control", "left"),
    [(0, 0, 1), (0, 0.25, 0.75), (0.5, 0.25, 0.25), (0.8, 0.2, 0), (0.7, 0.3, 0), (1, 0, 0)],
)
def test_identities_have_the_steps_that_stances_and_control_answers_leave(stances, control, left):
    assert Recipe(stance_share=stances, control_share=control).view_share == left


def test_an_unknown_recipe_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no recipe 'minilmm': neither a file nor one of .*minilm"):
        read_recipe("minilmm")


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("max_qas: 0", "max_qas"),
        ("batch_pairs: 1", "batch_pairs"),
        ("pairs: many", "pairs"),
        ("learning_rate: 0", "learning_rate"),
        ("learning_rate: .nan", "learning_rate"),
        ("learning_rate: .inf", "learning_rate: Input should be a finite number, got inf"),
        ("weight_decay: .inf", "weight_decay: Input should be a finite number"),
        ("seed: -1", "seed: Input should be greater than or equal to 0, got -1"),
        ("seed: 4294967296", "seed: Input should be less than 4294967296"),
        ("weight_decay: -0.1", "weight_decay"),
        ("warmup: 700", "warmup"),
        ("warmup: -0.1", "warmup"),
        ("schedule: inverse", "schedule"),
        ("temperature: 0", "temperature"),
        ("view_pooling: max", "view_pooling"),
        ("positives: all", "positives"),
        ("max_tokens: -5", "max_tokens"),
        ("lr: 0.1", "lr"),
        ("mini_batch: 0", "mini_batch"),
        ("control_share: 1", "control_share"),
        ("stance_share: 1.1", "stance_share: Input should be less than or equal to 1, got 1.1"),
        ("stance_share: -0.1", "stance_share"),
        ("stance_temperature: 0", "stance_temperature"),
        ("stance_margin: 0", "stance_margin"),
        ("direction_weight: -1", "direction_weight"),
        ("corpus_weights: {a: 0}", "corpus_weights: Input should be greater than 0, got 0"),
        ("corpus_weights: 2", "corpus_weights"),
        ("min_qas: 0", "min_qas"),
        ("min_qas: 6", "min_qas is 6, more than max_qas, which is 5; lower one of them"),
        (
            "stance_share: 0.8\ncontrol_share: 0.3",
            "stance_share 0.8 and control_share 0.3 are more than all steps; together they may be 1",
        ),
        ("control_weight: 0", "control_weight"),
        ("patience: 0", "patience"),
        ("view_encoder: concat\nview_pooling: attention", "view_pooling attention goes with view_encoder pool"),
        ("mask_false_negatives: false\npositives: identity", "mask_false_negatives"),
        ("passages: true\nview_encoder: concat", "passages: true goes with view_encoder pool"),
        ("passages: true\nmax_tokens: 64", "passages: true needs max_tokens of 128 at least, got 64"),
        ("- a list", "recipe"),
        ("a: b: c", "recipe"),
    ],
)
def test_a_mistake_in_a_recipe_is_an_error_that_names_the_file_and_the_field(tmp_path, line, field):
    file = tmp_path / "mine.yaml"
    file.write_text(line + "\n")
    with pytest.raises(ValueError, match=r"mine\.yaml is no recipe") as caught:
        read_recipe(file)
    assert field in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("learning_rat: 0.1", "no field 'learning_rat', did you mean learning_rate?"),
        ("batchpairs: 3", "no field 'batchpairs', did you mean batch_pairs?"),
        ("lr: 0.1", "no field 'lr', there are base, view_encoder, view_pooling, min_qas"),
        ("max_qas: 0", "max_qas: Input should be greater than 0, got 0"),
        ("positives: all", "positives: Input should be 'pair', 'identity' or 'proxy', got 'all'"),
        (
            "max_qs: 3\npairs: 0",
            "pairs: Input should be greater than 0, got 0; no field 'max_qs', did you mean max_qas?",
        ),
    ],
)
def test_a_mistake_is_told_with_what_would_be_right(tmp_path, line, words):
    (tmp_path / "mine.yaml").write_text(line + "\n")
    with pytest.raises(ValueError, match="mine") as caught:
        read_recipe(tmp_path / "mine.yaml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_recipes_are_read_without_torch():
    code = "import sys, univar.model.recipes as r; r.read_recipe('minilm'); print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_the_reference_recipe_is_the_papers():
    reference = read_recipe("reference")
    assert reference.view_encoder == "concat"
    assert not reference.mask_false_negatives
    assert reference.temperature == 1 / 50
    assert reference.batch_pairs == 64

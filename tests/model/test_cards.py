import pytest
import yaml
from huggingface_hub import ModelCard

from univar.model import weights
from univar.model.cards import static_card
from univar.model.modeling import UniVaR
from univar.model.recipes import Recipe


@pytest.fixture
def trained(tiny_model):
    tiny_model.training_record = {
        "recipe": Recipe(view_pooling="attention", max_qas=7, max_tokens=None, learning_rate=1e-5).to_dict(),
        "corpora": {
            "valuebench": {"qas": 12345, "identities": 6, "questions": 1000, "qas_held_out": 678},
            "mine": {"qas": 10, "identities": 2, "questions": 5, "qas_held_out": 0},
        },
        "questions": [],
    }
    return tiny_model


def block(card: str, language: str) -> str:
    return card.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_head_is_what_the_hub_reads(trained):
    data = ModelCard(trained.render_card()).data.to_dict()
    assert data["library_name"] == "sentence-transformers"
    assert data["pipeline_tag"] == "sentence-similarity"
    assert data["license"] == "apache-2.0"
    assert {"sentence-transformers", "univar"} <= set(data["tags"])


def test_the_card_tells_what_was_trained_on(trained):
    card = trained.render_card()
    assert "| valuebench | 12,345 | 6 | 1,000 | 678 |\n| mine | 10 | 2 | 5 | 0 |\n" in card
    assert "A view is 1..7 QAs of one identity; QAs are read up to 32 tokens and pooled by mean." in card


def test_the_card_tells_of_control_answers_that_were_trained_on(trained):
    assert "Control answers" not in trained.render_card()
    trained.training_record["recipe"]["control_share"] = 0.25
    trained.training_record["control"] = {"qas": 9876, "identities": 20, "questions": 543, "qas_held_out": 12}
    card = trained.render_card()
    assert "take 25 % of the steps (9,876 QAs of 20 identities to 543 questions):\nwhoever gave them" in card


def test_the_recipe_on_the_card_can_be_trained_with(trained):
    recipe = yaml.safe_load(block(trained.render_card(), "yaml"))
    assert Recipe(**recipe).to_dict() == trained.training_record["recipe"]


def test_the_card_of_a_training_that_went_on_tells_of_the_one_before(trained):
    assert "### One training before" not in trained.render_card()
    first = Recipe(temperature=0.07).to_dict()
    corpora = {"older": {"qas": 4321, "identities": 3, "questions": 99, "qas_held_out": 7}}
    trained.training_record["base"] = {"recipe": first, "corpora": corpora, "control": {"qas": 5}}
    before, _, after = trained.render_card().partition("### One training before\n")
    assert "| valuebench | 12,345 |" in before
    assert "| older |" not in before
    assert "with control answers, on\n\n| corpus |" in after
    assert "| older | 4,321 | 3 | 99 | 7 |\n" in after
    assert Recipe(**yaml.safe_load(block(after, "yaml"))).to_dict() == first
    trained.training_record["base"]["base"] = {"corpora": {"oldest": corpora["older"] | {"qas": 1234}}}
    oldest = trained.render_card().partition("### 2 trainings before\n\nThe base of that was trained before")[2]
    assert "| oldest | 1,234 | 3 | 99 | 7 |\n" in oldest
    assert "| older |" not in oldest
    trained.training_record["base"] = {"checkpoint": "last"}  # of an earlier version, which kept less
    assert "The base was trained before.\n" in trained.render_card()


def test_the_card_shows_what_was_measured(trained):
    table = "| representation | accuracy |\n|---|---|\n| univar | 61 % |"
    card = trained.render_card(comparisons={"valuebench": table}, notes={"Data": "Some licence."})
    assert f"### valuebench\n\n{table}\n" in card
    assert "## Data\n\nSome licence.\n" in card
    assert "Not measured." not in card


def test_a_card_claims_nothing_that_was_not_done(tiny_model):
    card = tiny_model.render_card()
    assert "Not trained by univar." in card
    assert "Not measured." in card
    assert "A view is 1..k QAs" in card
    assert "```yaml" not in card


def test_the_dimensions_on_the_card_are_those_of_the_model(tiny_model):
    code = block(tiny_model.render_card(), "python")
    assert "(1, 16)" in code
    assert "(2, 16)" in code
    compile(code, "card", "exec")


def test_every_card_states_limits_and_source(tiny_model):
    card = tiny_model.render_card()
    for words in ("## Limits", "control scores", "Do not use it to judge people", "## Citation", "2404.07900"):
        assert words in card
    assert "{{" not in card
    assert "{%" not in card


# The static student


def test_the_card_of_the_static_student_is_the_rendered_one_with_its_measurements():
    rendered = static_card(
        UniVaR("univar-static").training_record,
        dimension=384,
        comparisons={"mine": "| 50.0 |"},
        attribution="- mine: CC0.",
    )
    assert "### mine\n\n| 50.0 |\n" in rendered
    assert "## Data and licences\n\n- mine: CC0.\n" in rendered
    shipped = (weights.STATIC_ASSETS / weights.CARD_FILE).read_text(encoding="utf-8")
    assert shipped.partition("## Evaluation")[0] == rendered.partition("## Evaluation")[0]
    assert "### What an answer stands for: the poles\n" in shipped
    measures = ("retrieval", "pairs", "triplets", "correlation")
    assert [name for name in measures if shipped.count(f"| {name} | univar-static |") != 1] == []

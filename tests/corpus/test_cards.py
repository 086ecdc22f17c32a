from pathlib import Path

from huggingface_hub import DatasetCard

from univar.corpus.cards import dataset_card

DATASET_CARD = Path(__file__).parents[2] / "hub_cards" / "dataset.md"


def test_the_card_of_the_question_bank_is_the_rendered_one():
    """`make cards` writes it anew."""
    assert DATASET_CARD.read_text(encoding="utf-8") == dataset_card()


def test_the_head_of_the_question_bank_is_what_the_hub_reads():
    data = DatasetCard(dataset_card()).data.to_dict()
    assert data["license"] == "cc-by-4.0"
    assert len(data["language"]) == 25


def test_the_card_of_the_question_bank_counts_what_is_there():
    card = dataset_card()
    for fact in ("4,524 questions in English about 87 human values, 174 of them", "648 control", "24 more languages"):
        assert fact in " ".join(card.split())
    assert "{{" not in card


if __name__ == "__main__":
    DATASET_CARD.write_text(dataset_card(), encoding="utf-8")

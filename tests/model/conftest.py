import pytest

from univar.model.recipes import Recipe


@pytest.fixture
def recipe(tiny_encoder_folder) -> Recipe:
    """20 steps of 12 pairs, a checkpoint every 5."""
    return Recipe(
        base=str(tiny_encoder_folder), max_qas=2, pairs=240, batch_pairs=12, learning_rate=1e-3, bf16=False, seed=3
    )

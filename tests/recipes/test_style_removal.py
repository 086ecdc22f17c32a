import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from recipes.style_removal import (
    IDENTITIES_A_BATCH,
    AdversaryLoss,
    ClassMeansLoss,
    control_rows,
    erased,
    fit_eraser,
)
from univar.corpus.records import QARecord
from univar.model.recipes import Recipe


def styled(questions: int, seed: int) -> tuple[np.ndarray, list[str], list[str]]:
    """Answers of four identities: where the question lies, the same shift for an identity everywhere, and noise."""
    generator = np.random.default_rng(seed)
    shifts = np.random.default_rng(7).normal(size=(4, 16))
    places = generator.normal(size=(questions, 16)) * 3
    rows = [(place + shift) for place in places for shift in shifts]
    names = [(f"question {q}", f"identity {i}") for q in range(questions) for i in range(4)]
    return np.array(rows) + generator.normal(size=(len(rows), 16)) * 0.3, *map(list, zip(*names, strict=True))


def centred(embeddings: np.ndarray) -> np.ndarray:
    """What is left when the mean answer to each question is taken away: four answers in a row have one question."""
    grouped = embeddings.reshape(-1, 4, embeddings.shape[1])
    return (grouped - grouped.mean(axis=1, keepdims=True)).reshape(len(embeddings), -1)


def test_no_linear_probe_finds_identities_after_the_eraser():
    embeddings, questions, identities = styled(100, seed=1)
    others, _, names = styled(100, seed=2)
    erase = fit_eraser(embeddings, questions, identities)

    def found(first: np.ndarray, second: np.ndarray) -> float:
        return LogisticRegression(max_iter=1000).fit(centred(first), identities).score(centred(second), names)

    assert found(embeddings, others) > 0.95
    assert found(erase(embeddings), erase(others)) < 0.45  # chance is 0.25


def test_the_eraser_leaves_questions_apart():
    embeddings, questions, identities = styled(50, seed=1)
    after = fit_eraser(embeddings, questions, identities)(embeddings)
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1)
    similar = after @ after.T
    nearest = np.where(np.eye(len(after), dtype=bool), -1, similar).argmax(axis=1)
    assert np.mean(nearest // 4 == np.arange(len(after)) // 4) > 0.95  # four answers in a row are to one question


def test_an_encoder_passes_through_the_eraser():
    def encode(gallery, query):
        return np.ones((len(gallery), 2)), np.zeros((len(query), 2))

    first, second = erased(encode, lambda rows: rows + 1)(["a"], ["b", "c"])
    assert first.tolist() == [[2, 2]]
    assert second.tolist() == [[1, 1], [1, 1]]


RECORDS = [
    QARecord(question, question, f"{model} on {question}", model, "eng", source=source)
    for source in ("one", "two")
    for question in (f"{source} {n}" for n in range(5))
    for model in (f"model {n}" for n in range(9))
]


def test_a_control_batch_is_of_one_source_and_of_few_identities():
    rows = control_rows(RECORDS, 16, Recipe(batch_pairs=8))
    assert len(rows) == 16
    for start in (0, 8):
        batch = rows[start : start + 8]
        assert len({view[0].split()[1] for view in batch["view_a"]}) == 1
        assert len({owner for label in batch["label"] for owner in label[:2]}) <= IDENTITIES_A_BATCH
        assert [label[2] for label in batch["label"]] == [0, 1] * 4
        for view_a, view_b in zip(batch["view_a"], batch["view_b"], strict=True):
            question = view_a[0].split(" A: ")[0]
            assert view_b[0].startswith(question)
            assert view_a != view_b


@pytest.fixture
def class_means(tiny_model) -> ClassMeansLoss:
    return ClassMeansLoss(tiny_model, weight=1.0)


def price(loss, *pairs: tuple[list[float], float]) -> float:
    """Of answers by the identities 0 and 1 that lie at a place and at its opposite, in a half of the questions."""
    shift, half = torch.tensor([place for place, _ in pairs]), torch.tensor([half for _, half in pairs])
    owners = torch.tensor([0] * len(pairs) + [1] * len(pairs))
    return float(loss._price(torch.cat([shift, -shift]), owners, half.repeat(2)))


def test_the_same_shift_in_both_halves_costs_one(class_means):
    # Each identity's means in the halves are (1, 0) and (1, 0), or their opposites: product 1, all shifts of length 1.
    assert price(class_means, ([1.0, 0.0], 0), ([1.0, 0.0], 1)) == pytest.approx(1)


def test_unrelated_shifts_cost_nothing_and_opposite_ones_less(class_means):
    assert price(class_means, ([1.0, 0.0], 0), ([0.0, 1.0], 1)) == pytest.approx(0)
    assert price(class_means, ([1.0, 0.0], 0), ([-1.0, 0.0], 1)) == pytest.approx(-1)


def test_an_identity_of_one_half_alone_says_nothing(class_means):
    assert price(class_means, ([1.0, 0.0], 0)) == 0


def test_answers_that_are_all_alike_cost_nothing(class_means):
    assert price(class_means, ([0.0, 0.0], 0), ([0.0, 0.0], 1)) == 0


def test_the_adversary_learns_what_the_encoder_unlearns(tiny_model):
    loss = AdversaryLoss(tiny_model, identities=3, weight=1.0)
    shifts = torch.randn(6, tiny_model.get_embedding_dimension(), requires_grad=True)
    owners = torch.tensor([0, 1, 2, 0, 1, 2])
    parameters = [shifts, *loss.head.parameters()]
    against = torch.autograd.grad(loss._price(shifts, owners, torch.zeros(6)), parameters)
    plainly = torch.autograd.grad(
        functional.cross_entropy(loss.head(shifts * shifts.shape[1] ** 0.5), owners), parameters
    )
    torch.testing.assert_close(against[0], -plainly[0])
    for found, expected in zip(against[1:], plainly[1:], strict=True):
        torch.testing.assert_close(found, expected)


def test_the_price_is_weighted_and_kept_without_its_weight(tiny_model):
    loss = ClassMeansLoss(tiny_model, weight=3.0)
    views = functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    both = torch.tensor([[0.0, 1, 0], [0, 1, 1], [1, 2, 0], [1, 2, 1]])
    value = loss.of_views(views, -views, both)
    # Shifts are the views themselves and their opposites.
    owners, halves = torch.tensor([0, 0, 1, 1, 1, 1, 2, 2]), torch.tensor([0.0, 1, 0, 1]).repeat(2)
    price = loss._price(torch.cat([views, -views]), owners, halves).item()
    assert price != 0
    assert value.item() == pytest.approx(3 * price)
    assert loss.measured["control_distance"].item() == pytest.approx(price)

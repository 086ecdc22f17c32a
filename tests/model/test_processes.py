"""Training in two processes (gloo, on the CPU) against one process with the same batches."""

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.model import processes


@pytest.fixture(scope="module")
def together(tiny_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have left their results."""
    out = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", processes.__name__, str(tiny_encoder_folder), "2", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("number", range(len(processes.LOSSES)), ids=lambda number: str(processes.LOSSES[number]))
def test_gathered_negatives_give_the_loss_and_the_gradients_of_one_process(tiny_encoder_folder, together, number):
    alone = processes.gradients(str(tiny_encoder_folder), number)
    assert len(alone) > 30
    for rank in (0, 1):
        found = safetensors.torch.load_file(together / f"loss-{number}-{rank}.safetensors")
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)


def test_two_processes_train_what_one_trains(tiny_encoder_folder, together, tmp_path):
    alone = processes.trained(str(tiny_encoder_folder), tmp_path)
    first, second = (safetensors.torch.load_file(together / f"trained-{rank}.safetensors") for rank in (0, 1))
    torch.testing.assert_close(first, alone, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close({**second, "logs": first["logs"]}, first)
    assert sorted(path.name for path in (together / "run").iterdir()) == sorted(
        path.name for path in tmp_path.iterdir()
    )


def test_a_batch_that_processes_cannot_share_equally_is_an_error(together):
    for rank in (0, 1):
        message = (together / f"uneven-{rank}.txt").read_text()
        assert message == (
            "batch_pairs is 3, which 2 processes cannot share equally; set it to a multiple of 2 in the recipe"
        )

"""What several processes do together, each on its share, for test_processes.py.

    python -m tests.model.processes ENCODER PROCESSES OUT

Started once for all: importing the libraries takes longer than all that is done with them.
"""

import dataclasses
import os
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, distributed
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from transformers import TrainerCallback

from univar.corpus.records import QARecord
from univar.model.losses import ControlLoss, MultiViewInfoNCELoss
from univar.model.modeling import UniVaR
from univar.model.recipes import Recipe
from univar.model.stance_loss import StanceLoss
from univar.model.training import train
from univar.model.view_loss import ViewLoss

VIEWS = (
    [["q yes", "q always"], ["q never"], ["q save", "q law", "q"], ["q honest"]],
    [["q honest thrift"], ["q never", "q save"], ["q family law"], ["q thrift", "a"]],
)
LABELS = [0, 1, 1, 2]  # the pairs of identity 1 are on both sides of the border between two processes
LOSSES: list[dict[str, Any]] = [
    {"positives": positives, "mini_batch": mini_batch, "mask_false_negatives": positives == "identity" or masked}
    for positives, mini_batch, masked in [
        ("pair", None, True),
        ("pair", 2, True),
        ("pair", None, False),
        ("identity", None, True),
        ("identity", 2, True),
    ]
]
LOSSES += [{"positives": "proxy", "mini_batch": mini_batch, "proxies": True} for mini_batch in (None, 2)]
LOSSES += [{"kind": kind, "mini_batch": mini_batch} for kind in ("stances", "control") for mini_batch in (None, 2)]
STANCES = [[0.0, 1.0, -1.0], [1.0, 1.0, -1.0], [1.0, 0.5, -0.5], [0.0, 1.0, -1.0]]  # groups on both sides of it too


def gradients(encoder: str, number: int, rank: int = 0, processes: int = 1) -> dict[str, Tensor]:
    """Of one of `LOSSES` on this process's share of `VIEWS`: its value, the bound and every gradient."""
    model = UniVaR(encoder, view_pooling="attention", device="cpu").train()
    model.view_pooling.score.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    loss_of, labels = _loss(model, **LOSSES[number])
    if processes > 1:  # as the Trainer does
        loss_of.model = DistributedDataParallel(model, find_unused_parameters=True, broadcast_buffers=False)
    share = slice(rank * len(LABELS) // processes, (rank + 1) * len(LABELS) // processes)
    loss = loss_of([model.preprocess(side[share]) for side in VIEWS], torch.tensor(labels[share]))
    loss.backward()
    of_model = {name: p.grad for name, p in model.named_parameters()}
    of_loss = {name: p.grad for name, p in loss_of.named_parameters() if not name.startswith("model.")}
    found = {name: gradient for name, gradient in {**of_model, **of_loss}.items() if gradient is not None}
    return {"loss": loss.detach(), **loss_of.measured, **found}


def _loss(model: UniVaR, *, kind: str = "views", mini_batch: int | None, **options: Any) -> tuple[ViewLoss, list[Any]]:
    """A loss, and the labels of `VIEWS` for it."""
    generator = torch.Generator().manual_seed(0)
    width = model.get_embedding_dimension()
    if kind == "stances":
        torch.manual_seed(0)
        return StanceLoss(model, temperature=0.1, mini_batch=mini_batch), STANCES
    if kind == "control":
        targets = functional.normalize(torch.randn(len(LABELS), width, generator=generator), dim=1)
        return ControlLoss(model, weight=2.0, mini_batch=mini_batch), targets.tolist()
    if options.get("proxies"):
        options["proxies"] = [torch.randn(identities, width, generator=generator) for identities in (3, 2)]
    return MultiViewInfoNCELoss(model, 0.1, learn_temperature=True, mini_batch=mini_batch, **options), LABELS


def recipe(encoder: str) -> Recipe:
    """3 steps of 6 views, 3 of stances and 2 of control answers, without dropout: its draws differ with the share."""
    return Recipe(
        base=encoder,
        max_qas=2,
        pairs=30,
        batch_pairs=6,
        mini_batch=4,
        view_pooling="attention",
        learn_temperature=True,
        dropout=0.0,
        checkpoints=2,
        bf16=False,
        learning_rate=1e-3,
        control_share=0.3,
        stance_share=0.3,
    )


def corpora() -> dict[str, list[QARecord]]:
    """Two corpora, of which the batches of one must not be mixed with those of the other."""
    said = {"aya": "yes always", "solar": "no never", "command": "i think one should"}
    records = [QARecord(f"q{n}", f"is it right {n}", said[model], model, "eng") for n in range(30) for model in said]
    stance_of = {"aya": 1.0, "solar": -1.0, "command": 0.5}
    family = [
        dataclasses.replace(record, question=f"family {record.question}", stance=stance_of[record.model])
        for record in records[:45]
    ]
    return {"plain": records, "family": family}


def control() -> list[QARecord]:
    """Answers of the same identities to other questions."""
    return [dataclasses.replace(record, question=f"boil {record.question}") for record in corpora()["plain"]]


class Logs(TrainerCallback):
    """What was logged with the loss."""

    def __init__(self) -> None:
        self.logs: list[float] = []

    def on_log(self, args, state, control, logs, **kwargs):
        if "loss" in logs:
            self.logs.append(float(logs["loss"]))


def trained(encoder: str, out: Path) -> dict[str, Tensor]:
    """The weights that training gives, and what it logged."""
    logs = Logs()
    model = train(corpora(), out, control=control(), recipe=recipe(encoder), callbacks=[logs])
    return {"logs": torch.tensor(logs.logs), **model.state_dict()}


def _process(encoder: str, processes: int, rank: int, out: Path, port: int) -> None:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT")  # what torchrun sets
    os.environ |= dict(zip(names, map(str, (rank, rank, processes, processes, port)), strict=True))
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    weights = trained(encoder, out / "run")
    safetensors.torch.save_file(weights, out / f"trained-{rank}.safetensors")
    for number in range(len(LOSSES)):
        found = gradients(encoder, number, rank, processes)
        safetensors.torch.save_file(found, out / f"loss-{number}-{rank}.safetensors")
    uneven = dataclasses.replace(recipe(encoder), batch_pairs=processes + 1)
    try:
        train(corpora(), out / "uneven", control=control(), recipe=uneven)
    except ValueError as error:
        (out / f"uneven-{rank}.txt").write_text(str(error))
    distributed.destroy_process_group()


def main() -> None:
    encoder, processes, out = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(processes):
        child = os.fork()
        if child == 0:
            try:
                _process(encoder, processes, rank, out, port)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))


if __name__ == "__main__":
    main()

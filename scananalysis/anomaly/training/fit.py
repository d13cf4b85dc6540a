"""The training loop: seeded, resumable, logged as CSV."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from scananalysis.anomaly.training.examples import IGNORE
from scananalysis.anomaly.training.network import DeclaredCargoNetwork
from scananalysis.core import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scananalysis.anomaly.training.cache import Crops


_WORST = 0.01
_STRICTEST = 0.3
_LENIENT = 0.3
"""Share of the cells that counts as the worst; what they count in the end; share of the steps in which they do not count."""

_LEAST_SEEN = 1.0
"""Cells of an insert, at full weight, from which a crop teaches it."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Parameters
    ----------
    steps : int
    peak_rate : float
        Highest learning rate of the one-cycle schedule.
    weight_decay : float
    insert_weight : float
        Weight of the insert head's loss; see `insert_loss`.
    checkpoint_every : int
        Steps between checkpoints.
    threads : int
    seed : int
    """

    steps: int = 10_000
    peak_rate: float = 4e-3
    weight_decay: float = 1e-4
    insert_weight: float = 3.0
    checkpoint_every: int = 100
    threads: int = 2
    seed: int = 0


def class_weights(counts: Any) -> torch.Tensor:
    """Return weights that lift rare classes by the root of their rarity, with mean 1 over the classes seen."""
    counts = np.asarray(counts, np.float64)
    weight = np.where(counts > 0, 1 / np.sqrt(np.maximum(counts, 1)), 0)
    weight = np.minimum(weight, 10 * np.median(weight[weight > 0]))
    return torch.tensor(weight / weight[weight > 0].mean(), dtype=torch.float32)


def insert_loss(
    logits: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor, strictness: float = 0.0
) -> torch.Tensor:
    """Return the binary cross-entropy in which cells with and without an insert count alike, and every insert like any other.

    Averaged over all cells, a car would outweigh a thousand small blocks of lead.

    Parameters
    ----------
    logits, wanted, weight : torch.Tensor, (crop, y, x)
        ``weight`` is how much each cell counts.
    strictness : float
        Share of the part without an insert that comes from the worst 1 % of its cells alone: the highest score of a whole scan
        decides an alarm.

    Examples
    --------
    >>> logits, wanted = torch.tensor([[[0.0, 0.0, 0.0, 4.0]]]), torch.tensor([[[0.0, 0.0, 0.0, 1.0]]])
    >>> round(float(insert_loss(logits, wanted, torch.ones(1, 1, 4))), 3)
    0.356
    """
    each = weight * nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    cells = (weight * wanted).sum((1, 2))
    seen = (cells >= _LEAST_SEEN).float()
    held = ((each * wanted).sum((1, 2)) / cells.clamp(min=_LEAST_SEEN) * seen).sum() / seen.sum().clamp(min=1.0)
    none = each * (1 - wanted)
    empty = none.sum() / (1 - wanted).sum().clamp(min=1.0)
    if strictness > 0:
        worst = none.flatten().topk(max(1, int(_WORST * none.numel()))).values.mean()
        empty = (1 - strictness) * empty + strictness * worst
    return (held + empty) / 2


def strictness(schedule: Schedule, step: int) -> float:
    """Return how much the worst cells count at a step: not at all while the network learns what inserts are, then more and more.

    Examples
    --------
    >>> [round(strictness(Schedule(steps=100), step), 2) for step in (0, 30, 65, 100)]
    [0.0, 0.0, 0.15, 0.3]
    """
    return _STRICTEST * max(0.0, (step / schedule.steps - _LENIENT) / (1 - _LENIENT))


def learning_rate(schedule: Schedule, step: int) -> float:
    """Return the rate of a step: up to the peak over the first quarter, down to nearly nothing after it, both as half a cosine.

    One cycle as Smith and Topin (arXiv 1708.07120) use it. It depends on the step alone, so that training can resume.

    Examples
    --------
    >>> schedule = Schedule(steps=100, peak_rate=4e-3)
    >>> learning_rate(schedule, 25), learning_rate(schedule, 100) < 1e-6
    (0.004, True)
    """
    rise = 0.25 * schedule.steps
    if step < rise:
        return schedule.peak_rate * (0.04 + 0.96 * (1 - math.cos(math.pi * step / rise)) / 2)
    fall = (step - rise) / (schedule.steps - rise)
    return schedule.peak_rate * (1e-5 + (1 - 1e-5) * (1 + math.cos(math.pi * fall)) / 2)


def train(
    network: DeclaredCargoNetwork,
    crops: Crops,
    weights: torch.Tensor,
    schedule: Schedule,
    folder: Path,
    *,
    progress: Callable[[int, int, float], None] | None = None,
) -> DeclaredCargoNetwork:
    """Train a network, going on from the last checkpoint in ``folder`` if there is one.

    Parameters
    ----------
    network : DeclaredCargoNetwork
        Fresh; its weights are replaced when a checkpoint exists.
    crops : Crops
    weights : torch.Tensor, (class,)
        Of the family head's loss.
    schedule : Schedule
    folder : Path
        Gets ``checkpoint.safetensors`` and ``log.csv``.
    progress : callable, optional
        Called with (step, steps, loss).

    Returns
    -------
    DeclaredCargoNetwork
        In evaluation mode.
    """
    torch.set_num_threads(schedule.threads)
    # Depthwise convolutions on a CPU take little more than half the time when channels are innermost.
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]  # annotated since 2.14
    folder.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.peak_rate, weight_decay=schedule.weight_decay)
    checkpoint = folder / "checkpoint.safetensors"
    start = _resume(checkpoint, network, optimiser) if checkpoint.is_file() else 0
    family_loss = nn.CrossEntropyLoss(weight=weights, ignore_index=IGNORE)
    network.train()
    with _log(folder / "log.csv", start).open("a", newline="") as stream:
        log = csv.writer(stream)
        for step in range(start, schedule.steps):
            rate = learning_rate(schedule, step)
            for group in optimiser.param_groups:
                group["lr"] = rate
            planes, labels, inserts, weight = (torch.from_numpy(np.ascontiguousarray(part)) for part in crops[step])
            logits = network(planes.to(memory_format=torch.channels_last))
            family = family_loss(logits[:, :-1], labels)
            insert = insert_loss(logits[:, -1], inserts, weight, strictness(schedule, step))
            loss = family + schedule.insert_weight * insert
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            log.writerow([step, f"{family.item():.5f}", f"{insert.item():.5f}", f"{rate:.3g}"])
            if (step + 1) % schedule.checkpoint_every == 0 or step + 1 == schedule.steps:
                stream.flush()
                _save(checkpoint, network, optimiser, step + 1)
            if progress is not None:
                progress(step + 1, schedule.steps, loss.item())
    return network.eval()


def _log(path: Path, start: int) -> Path:
    """Keep the rows before the step from which training goes on; later ones belong to work that was lost."""
    rows = path.read_text(encoding="ascii").splitlines()[: start + 1] if start and path.is_file() else []
    rows = rows or ["step,family_loss,insert_loss,learning_rate"]
    path.write_text("\n".join(rows) + "\n", encoding="ascii")
    return path


def _save(path: Path, network: DeclaredCargoNetwork, optimiser: torch.optim.Optimizer, step: int) -> None:
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{key}": value for key, value in state.items()}
    part = path.with_suffix(".part")
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, part, metadata={"step": str(step)})
    part.replace(path)


def _resume(path: Path, network: DeclaredCargoNetwork, optimiser: torch.optim.Optimizer) -> int:
    weights: dict[str, torch.Tensor] = {}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    with safe_open(path, framework="pt") as stored:
        step = int(stored.metadata()["step"])
        for key in stored.keys():  # noqa: SIM118 - not a dict: the handle is not iterable
            owner, _, rest = key.partition(".")
            if owner == "network":
                weights[rest] = stored.get_tensor(key)
            else:
                index, _, name = rest.partition(".")
                moments.setdefault(int(index), {})[name] = stored.get_tensor(key)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ConfigurationError(
            "checkpoint of another network", source=path, remedy="train in an empty folder"
        ) from error
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    return step

"""Exports a trained network to ONNX and proves that both give the same answer."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from scananalysis.anomaly.features import PLANES
from scananalysis.core import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scananalysis.anomaly.training.network import DeclaredCargoNetwork

PARITY = 1e-4
"""Largest allowed difference between a logit of the exported and of the trained network."""


def export_onnx(network: DeclaredCargoNetwork, path: Path, planes: Sequence[NDArray[np.float32]]) -> float:
    """Write the network as one ONNX file of free height and width.

    Parameters
    ----------
    network : DeclaredCargoNetwork
    path : Path
    planes : sequence of ndarray of float32, (plane, y, x)
        Scans or crops on which both are compared. Noise would not do: on planes that no scanner makes, logits are ten times as large and
        so are their rounding errors.

    Returns
    -------
    float
        Largest difference of any logit.

    Raises
    ------
    ModelError
        The exported network disagrees by more than `PARITY`.
    """
    network.eval()
    example = torch.zeros(1, len(PLANES), 64, 96)
    part = path.with_suffix(".part")
    with warnings.catch_warnings():
        # The exporter warns about its own deprecated internals; none of it concerns the result, which is checked.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            str(part),
            input_names=["planes"],
            output_names=["logits"],
            dynamic_axes={"planes": {2: "y", 3: "x"}, "logits": {2: "y_half", 3: "x_half"}},
            opset_version=17,
            dynamo=False,
        )
    difference = parity(network, part, planes)
    if difference > PARITY:
        part.unlink()
        raise ModelError(f"exported network differs by {difference:.2g}", source=path, expected=f"at most {PARITY:g}")
    part.replace(path)
    return difference


def parity(network: DeclaredCargoNetwork, path: Path, planes: Sequence[NDArray[np.float32]]) -> float:
    """Return the largest difference of any logit between a network and an ONNX file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    worst = 0.0
    for each in planes:
        given = np.ascontiguousarray(each[None], np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(given)).numpy()
        found = session.run(None, {"planes": given})[0]
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst

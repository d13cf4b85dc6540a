"""Finds and opens anomaly models: those that ship with the package, and a user's own folders."""

from __future__ import annotations

import functools
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from scananalysis.anomaly.metadata import read_metadata
from scananalysis.core import ModelError

if TYPE_CHECKING:
    from scananalysis.anomaly.model import AnomalyModel

MODELS = Path(__file__).parent / "models"
"""Folder of the shipped models."""


def shipped() -> tuple[str, ...]:
    """Return the names of the shipped models.

    Examples
    --------
    >>> "mahalanobis" in shipped()
    True
    """
    return tuple(sorted(path.parent.name for path in MODELS.glob("*/metadata.json")))


def load(model: str | PathLike[str] | None = None) -> AnomalyModel:
    """Open an anomaly model; weights are read once per process.

    Parameters
    ----------
    model : str or path-like, optional
        Name of a shipped model (see `shipped`) or a folder with ``metadata.json`` and weights. By default the
        shipped network.

    Returns
    -------
    AnomalyModel

    Raises
    ------
    ModelError
        No such model, or its weights are not those its metadata speaks of.

    Examples
    --------
    >>> load("mahalanobis").name
    'mahalanobis'
    """
    name = DEFAULT if model is None else fspath(model)
    folder = MODELS / name if name in shipped() else Path(name)
    if not folder.is_dir():
        raise ModelError(
            f"no anomaly model {name!r}",
            expected=f"a folder, or one of {', '.join(shipped())}",
            remedy="name a shipped model or the folder of your own",
        )
    described = folder / "metadata.json"
    # Part of the key: a model may be calibrated anew while the process runs.
    return _open(folder.resolve(), described.stat().st_mtime_ns if described.is_file() else 0)


DEFAULT = "network"
"""Model that is used where none is named."""


@functools.lru_cache(maxsize=4)
def _open(folder: Path, _changed: int) -> AnomalyModel:
    metadata = read_metadata(folder)
    if metadata.kind == "mahalanobis":
        from scananalysis.anomaly.mahalanobis import MahalanobisModel

        return MahalanobisModel(folder, metadata)
    if metadata.kind == "expected-density":
        from scananalysis.anomaly.expected import ExpectedDensityModel

        return ExpectedDensityModel(folder, metadata)
    from scananalysis.anomaly.network import NetworkModel

    return NetworkModel(folder, metadata)

"""Anomaly models: places whose density does not fit the declared cargo, at a false-alarm rate that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scananalysis.anomaly.conformal import ScanMaxima, combine
from scananalysis.anomaly.store import load, shipped

if TYPE_CHECKING:
    from os import PathLike

    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.core import AnomalyMap, Declaration, MaterialMap

__all__ = ["ScanMaxima", "combine", "find_anomalies", "load", "shipped"]


def find_anomalies(
    materials: MaterialMap,
    declaration: Declaration | None = None,
    model: AnomalyModel | str | PathLike[str] | None = None,
) -> AnomalyMap:
    """Compare a material map with the declared cargo.

    Parameters
    ----------
    materials : MaterialMap
    declaration : Declaration, optional
        Without one, only what needs none is scored.
    model : AnomalyModel, str or path-like, optional
        An open model, the name of a shipped one or a folder; by default the shipped network.

    Returns
    -------
    AnomalyMap

    Raises
    ------
    ModelError
        No such model, its bytes were changed, or it was never calibrated for this scanner.
    """
    opened = load(model) if model is None or not hasattr(model, "score") else model
    return opened.score(materials, declaration)

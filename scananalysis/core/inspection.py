"""`Inspection`: the recommendation for one scan, with everything it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scananalysis.core.declaration import Declaration
from scananalysis.core.maps import AnomalyMap, MaterialMap, Radiograph
from scananalysis.core.provenance import Provenance
from scananalysis.core.scan import RawScan

Verdict = Literal["clear", "inspect", "not-inspectable"]


@dataclass(frozen=True, slots=True)
class SuspectRegion:
    """One area that does not fit the declaration.

    Parameters
    ----------
    box : (int, int, int, int)
        First row, first column, row after the last, column after the last, in pixels of the maps.
    box_mm : (float, float, float, float)
        The same at the object plane: top, left, bottom, right.
    mass_kg, sigma_mass_kg : float
        What is there above the surroundings or, for a whole-load alarm, all of it.
    areal_density, sigma_areal_density : float
        Mean of the region, g/cm².
    z_eff, sigma_z : float
        Of the pooled region; NaN for single energy.
    p_value : float
        Scan-level p-value of the region's highest score.
    score : float
    head : str
        Which score raised it.
    reason : str
        One sentence for the officer.
    surroundings_areal_density : float
        Mean around the region, g/cm²; NaN for a whole-load alarm.
    z_added, sigma_z_added : float
        Atomic number of what is there beyond the surroundings, if it lies *on top of* them; NaN where unknown.
    looks_like : str
        Material class that fits ``z_added``, or an empty text where the uncertainty does not allow one.
    material : str
        Class of the region as a whole, one of `materials.CLASSES`; an empty text where it was not asked for.
    probability : mapping of str to float
        Of each class between organic and heavy metal, all errors counted; empty where nothing is known.
    p_one_material : float
        p-value of the region being one material, whatever its thickness does; NaN where it cannot be tested.
    """

    box: tuple[int, int, int, int]
    box_mm: tuple[float, float, float, float]
    mass_kg: float
    sigma_mass_kg: float
    areal_density: float
    sigma_areal_density: float
    z_eff: float
    sigma_z: float
    p_value: float
    score: float
    head: str
    reason: str
    surroundings_areal_density: float = math.nan
    z_added: float = math.nan
    sigma_z_added: float = math.nan
    looks_like: str = ""
    material: str = ""
    probability: Mapping[str, float] = field(default_factory=dict)
    p_one_material: float = math.nan


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of "declared against measured".

    Parameters
    ----------
    quantity : str
        What is compared, e.g. ``"mass of the load"``.
    unit : str
        Unit of both sides; empty where they are words.
    declared : str
        What the papers say or lead to expect.
    measured : str
        What the scan shows, with its σ.
    agrees : bool or None
        None where the scan cannot tell.
    note : str
        What the judgement rests on.
    """

    quantity: str
    unit: str
    declared: str
    measured: str
    agrees: bool | None
    note: str = ""


@dataclass(frozen=True, eq=False)
class EarlierScan:
    """How a scan differs from an earlier one of the same container, on cells of the new scan.

    Parameters
    ----------
    source : str
        Name of the earlier scan's file, or of its scanner for a scan from memory.
    now, before : ndarray of float32, (y, x)
        Areal density of both scans at the atomic number that both show, g/cm².
    difference, sigma : ndarray of float32, (y, x)
        Now less before, g/cm², and its 1-σ: noise of both, shared errors, and what registration leaves at edges.
    compared : ndarray of bool, (y, x)
        Where both scans give a measurement of the container.
    labels : ndarray of int32, (y, x)
        Number of the place of every cell, 0 for none.
    pixel_mm : (float, float)
        Height and width of a cell.
    regions : tuple of SuspectRegion
        Places that differ beyond chance, largest first; ``surroundings_areal_density`` is what the earlier scan shows there.
    measured : mapping of str to float
        Registration and shares of the picture; docs/earlier.md says what each is.
    false_alarm_rate : float
        Share of pairs of like scans that may show any place.
    provenance : Provenance
        Of the earlier scan: how it was read and calibrated.
    mirrored : bool
        The container moved the other way in the earlier scan, whose picture was mirrored.
    """

    source: str
    now: NDArray[np.float32]
    before: NDArray[np.float32]
    difference: NDArray[np.float32]
    sigma: NDArray[np.float32]
    compared: NDArray[np.bool_]
    labels: NDArray[np.int32]
    pixel_mm: tuple[float, float]
    regions: tuple[SuspectRegion, ...]
    measured: Mapping[str, float]
    false_alarm_rate: float
    provenance: Provenance = field(default_factory=Provenance)
    mirrored: bool = False


@dataclass(frozen=True)
class Inspection:
    """Verdict, regions, maps, declaration and provenance of one scan. It recommends; an officer decides.

    Parameters
    ----------
    verdict : {"clear", "inspect", "not-inspectable"}
    reasons : tuple of str
        Sentences that led to the verdict.
    regions : tuple of SuspectRegion
        Strongest first.
    measured : mapping of str to float
        ``load_mass_kg``, ``sigma_load_mass_kg``, ``inspectable_share``, ``false_alarm_rate`` and the like.
    scan, radiograph, materials, anomalies
        The stages; ``anomalies`` is None where no declaration was given and the model needs one.
    declaration : Declaration or None
    findings : tuple of str
        What the declaration's own checks found.
    advice : tuple of str
        Handling advice (dangerous goods, rescan).
    comparisons : tuple of Comparison
        Declared against measured; empty without a declaration.
    limits : mapping of str to float
        Limits that the verdict was held against, kept apart from what was measured.
    provenance : Provenance
    earlier : EarlierScan or None
        How it differs from an earlier scan, if one was named.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    regions: tuple[SuspectRegion, ...]
    measured: Mapping[str, float]
    scan: RawScan
    radiograph: Radiograph
    materials: MaterialMap
    anomalies: AnomalyMap | None
    declaration: Declaration | None
    findings: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    earlier: EarlierScan | None = None

    def save(self, output: str | PathLike[str]) -> Path:
        """Write ``report.html``, ``inspection.json``, ``maps.h5`` and ``overlay.png`` into a folder.

        Nothing is left half written: files get their names only when all are complete.

        Parameters
        ----------
        output : path-like
            Folder; made if missing.

        Returns
        -------
        pathlib.Path
            The folder.
        """
        import importlib

        # The writer draws the report and so lives far above this layer; it is found by name at run time.
        write = importlib.import_module("scananalysis.inspection.save").save_inspection
        return Path(write(self, output))

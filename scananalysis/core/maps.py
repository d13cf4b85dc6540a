"""The image stages: `Radiograph`, `MaterialMap`, `AnomalyMap`. Image axes are (y, x), y vertical, x along travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core.cells import CellPlane, OnDemand
from scananalysis.core.errors import FormatError
from scananalysis.core.provenance import Provenance
from scananalysis.core.uncertainty import SystematicTerm, mean_covariance

if TYPE_CHECKING:
    import xarray

Float32 = NDArray[np.float32]


def _check_planes(name: str, shape: tuple[int, ...], planes: Mapping[str, NDArray[Any]]) -> None:
    for plane, array in planes.items():
        if array.shape != shape:
            raise FormatError(f"{name}.{plane} has shape {array.shape}", expected=f"{shape}")


@dataclass(frozen=True)
class Radiograph:
    """Attenuation α = −ln(transmission) with its uncertainty. Row 0 is the top of the picture.

    Parameters
    ----------
    attenuation, variance : ndarray of float32, (channel, y, x)
        α and its independent (noise) variance, dimensionless.
    quality : ndarray of uint32, (channel, y, x)
        `Quality` bits.
    systematic : mapping of str to SystematicTerm
        Named shared errors of α.
    noise_area : ndarray of float32, (channel,)
        Noise power at zero frequency over pixel variance (1: white noise).
    pixel_mm : (float, float)
        Height and width of a pixel at the object plane.
    fan_angle_rad : ndarray of float32, (y,)
        Angle between each row's rays and the beam axis.
    scanner : str
    curves : mapping of str to ndarray, or None
        Parameters of the material curves that belong to the calibration, if it measured any.
    metadata, provenance
    """

    attenuation: Float32
    variance: Float32
    quality: NDArray[np.uint32]
    systematic: Mapping[str, SystematicTerm]
    noise_area: Float32
    pixel_mm: tuple[float, float]
    fan_angle_rad: Float32
    scanner: str
    curves: Mapping[str, NDArray[Any]] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        if self.attenuation.ndim != 3:
            raise FormatError(f"attenuation has shape {self.attenuation.shape}", expected="(channel, y, x)")
        shape = self.attenuation.shape
        _check_planes("Radiograph", shape, {"variance": self.variance, "quality": self.quality})
        _check_planes("Radiograph", shape[:1], {"noise_area": self.noise_area})
        _check_planes("Radiograph", shape[1:2], {"fan_angle_rad": self.fan_angle_rad})

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns."""
        channels, height, width = self.attenuation.shape
        return channels, height, width

    def mean_covariance(
        self, mask: NDArray[np.bool_], weights: Float32 | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the covariance of the mean α in ``mask``; see `core.uncertainty.mean_covariance`."""
        return mean_covariance(self.variance, self.systematic, self.noise_area, mask, weights)

    def to_xarray(self) -> xarray.Dataset:
        """Return a labelled dataset (needs the extra ``xarray``)."""
        return _dataset(
            {name: (("channel", "y", "x"), getattr(self, name)) for name in ("attenuation", "variance", "quality")},
            self.pixel_mm,
            {"scanner": self.scanner},
        )


@dataclass(frozen=True)
class Regions:
    """Areas of an image that were measured as one.

    Parameters
    ----------
    labels : ndarray of int32, (y, x)
        0 outside every region, else the row of the table plus one.
    table : tuple of mapping
        One mapping per region; each says its columns' units in the column names.
    """

    labels: NDArray[np.int32]
    table: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class MaterialMap:
    """Element-equivalent areal density and effective atomic number of every pixel.

    Parameters
    ----------
    areal_density, sigma_areal_density : ndarray of float32, (y, x)
        g/cm²; σ of independent noise only. Element-equivalent: hydrogen makes it read high.
    z_eff, sigma_z : ndarray of float32, (y, x)
        Atomic number of the element that gives the same attenuations; NaN for single energy.
    correlation : ndarray of float32, (y, x)
        Correlation of the two errors; NaN for single energy.
    quality : ndarray of uint32, (y, x)
        Bits of all channels, and those of the inversion.
    radiograph : Radiograph
        What the map was made from; regions are measured on it, since shared errors live there.
    curves : mapping of str to ndarray
        Parameters of the material model that was used.
    regions : Regions
    metadata, provenance
    """

    areal_density: Float32
    z_eff: Float32
    sigma_areal_density: Float32
    sigma_z: Float32
    correlation: Float32
    quality: NDArray[np.uint32]
    radiograph: Radiograph
    curves: Mapping[str, NDArray[Any]]
    regions: Regions
    metadata: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        planes = ("areal_density", "z_eff", "sigma_areal_density", "sigma_z", "correlation", "quality")
        _check_planes("MaterialMap", self.radiograph.shape[1:], {name: getattr(self, name) for name in planes})

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.areal_density.shape
        return height, width

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Height and width of a pixel at the object plane."""
        return self.radiograph.pixel_mm

    @property
    def scanner(self) -> str:
        """Name of the scanner."""
        return self.radiograph.scanner

    def to_xarray(self) -> xarray.Dataset:
        """Return a labelled dataset (needs the extra ``xarray``)."""
        planes = ("areal_density", "z_eff", "sigma_areal_density", "sigma_z", "correlation", "quality")
        return _dataset(
            {name: (("y", "x"), getattr(self, name)) for name in planes},
            self.pixel_mm,
            {"scanner": self.scanner, "areal_density_unit": "g/cm²"},
        )


@dataclass(frozen=True)
class AnomalyMap:
    """How far every place is from what was declared.

    Planes of (…, y, x) may be given as a `core.cells.CellPlane` where they are constant over cells of several pixels. They still read as
    arrays of pixels, which are made when first asked for and are read-only; `cells` gives what they are made of.

    Parameters
    ----------
    heads : tuple of str
        What each score speaks of, e.g. ``("declared", "insert")``.
    score : ndarray of float32, (head, y, x)
        Raw score, larger is stranger; NaN where nothing was scored.
    p_value : ndarray of float32, (head, y, x)
        Share of clean calibration scans whose *maximum* reaches the pixel's score: a scan-level p-value.
    family : ndarray of int16, (y, x)
        Most likely radiographic family as an index of ``families``; −1 where none.
    families : tuple of str
    minimum_detectable : ndarray of float32, (y, x)
        Smallest added areal density that would have been noticed here, g/cm²; infinite where nothing would.
    scan_p_value : mapping of str to float
        One p-value per head, and ``"combined"``.
    load : ndarray of bool, (y, x)
        Where the load is: no air, container structure or vehicle.
    model : str
        Name of the anomaly model.
    pixel_mm : (float, float)
        Of these maps, which have the size of the material map.
    expected_areal_density : ndarray of float32, (quantile, y, x), or None
        10, 50 and 90 % of what the declaration leads to expect, g/cm².
    metadata, provenance
    """

    heads: tuple[str, ...]
    score: Float32
    p_value: Float32
    family: NDArray[np.int16]
    families: tuple[str, ...]
    minimum_detectable: Float32
    scan_p_value: Mapping[str, float]
    load: NDArray[np.bool_]
    model: str
    pixel_mm: tuple[float, float]
    expected_areal_density: Float32 | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        held = vars(self)
        shape = held["family"].shape
        _check_planes("AnomalyMap", (len(self.heads), *shape), {name: held[name] for name in ("score", "p_value")})
        _check_planes("AnomalyMap", shape, {name: held[name] for name in ("minimum_detectable", "load")})

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = vars(self)["family"].shape
        return height, width

    def cells(self, plane: str) -> CellPlane:
        """Return a plane as cells; where it was given as pixels, each is a cell.

        Parameters
        ----------
        plane : str
            One of the planes, such as ``"score"``.
        """
        held = vars(self)[plane]
        return held if isinstance(held, CellPlane) else CellPlane(held, (1, 1), held.shape[-2:])

    def every(self, steps: tuple[int, int]) -> AnomalyMap:
        """Return the map of every n-th pixel along y and x."""
        planes: dict[str, Any] = {name: self.cells(name).every(steps) for name in _ON_CELLS}
        expected = self.expected_areal_density
        return AnomalyMap(
            heads=self.heads,
            families=self.families,
            scan_p_value=self.scan_p_value,
            model=self.model,
            pixel_mm=(self.pixel_mm[0] * steps[0], self.pixel_mm[1] * steps[1]),
            expected_areal_density=None if expected is None else expected[:, :: steps[0], :: steps[1]],
            metadata=self.metadata,
            provenance=self.provenance,
            **planes,
        )

    def to_xarray(self) -> xarray.Dataset:
        """Return a labelled dataset (needs the extra ``xarray``)."""
        arrays: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
            name: (("head", "y", "x"), getattr(self, name)) for name in ("score", "p_value")
        }
        for name in ("family", "minimum_detectable", "load"):
            arrays[name] = (("y", "x"), getattr(self, name))
        dataset = _dataset(arrays, self.pixel_mm, {"model": self.model})
        return dataset.assign_coords(head=np.array(self.heads))


_ON_CELLS = ("score", "p_value", "family", "minimum_detectable", "load")

for _name in _ON_CELLS:
    # Not in the class body, where they would be defaults.
    setattr(AnomalyMap, _name, OnDemand(_name))


def _dataset(
    arrays: Mapping[str, tuple[tuple[str, ...], NDArray[Any]]],
    pixel_mm: tuple[float, float],
    attrs: Mapping[str, Any],
) -> xarray.Dataset:
    try:
        import xarray
    except ImportError as error:
        raise ImportError("to_xarray() needs xarray: pip install 'scananalysis[xarray]'") from error
    height, width = next(iter(arrays.values()))[1].shape[-2:]
    coords = {
        "y": ("y", (np.arange(height) + 0.5) * pixel_mm[0], {"units": "mm"}),
        "x": ("x", (np.arange(width) + 0.5) * pixel_mm[1], {"units": "mm"}),
    }
    return xarray.Dataset(dict(arrays), coords=coords, attrs=dict(attrs))

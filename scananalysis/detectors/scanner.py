"""What a scanner is: source, array, readout and pulses.

Element 0 is the topmost. Heights are above the ground on which the load stands or rolls; the beam axis is horizontal.
"""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from scananalysis.core import ConfigurationError
from scananalysis.detectors.array import Geometry, Model, NotNegative, Positive
from scananalysis.detectors.spectra import read_spectrum
from scananalysis.physics import SCINTILLATORS, Beam, deposited_energy, mass_attenuation
from scananalysis.physics import material as named_material


class Readout(Model):
    """What the electronics make of the signal, counts."""

    bits: int = Field(ge=8, le=32, description="Bits of the converter")
    offset_counts: NotNegative = Field(description="Mean reading without beam")
    offset_spread_counts: NotNegative = Field(description="1-σ spread of the offset between elements")
    electronic_noise_counts: NotNegative = Field(description="1-σ noise of one reading without beam")
    air_counts: Positive = Field(description="Open-beam signal above the offset on the axis")
    gain_spread: NotNegative = Field(description="1-σ relative spread of the gain between elements")
    mode: Literal["integrating", "counting"] = Field(description="Signal is deposited energy, or a number of photons")
    low_gain_from_counts: NotNegative = Field(
        default=0, description="Reading from which a second, lower gain is used; 0: one gain"
    )
    low_gain_step_counts: float = Field(default=1, ge=1, description="Counts per step of the converter at the low gain")
    low_gain_noise_counts: NotNegative = Field(
        default=0, description="1-σ electronic noise of one reading at the low gain"
    )
    low_gain_spread: NotNegative = Field(
        default=0,
        description="1-σ relative spread between elements of the low gain over the high one, as the electronics join them",
    )

    @model_validator(mode="after")
    def _two_gains(self) -> Readout:
        if self.low_gain_from_counts >= self.full_scale_counts:
            raise ValueError("low_gain_from_counts must be below full scale")
        if not self.low_gain_from_counts and (
            self.low_gain_step_counts > 1 or self.low_gain_noise_counts or self.low_gain_spread
        ):
            raise ValueError("a low gain is described, but low_gain_from_counts does not say from where it is used")
        return self

    @property
    def full_scale_counts(self) -> int:
        """Highest reading."""
        return (1 << self.bits) - 1


class Pulse(Model):
    """How the source varies from line to line."""

    fluctuation_common: NotNegative = Field(description="1-σ relative fluctuation that all channels share")
    fluctuation_channel: NotNegative = Field(description="1-σ relative fluctuation of each channel on its own")
    interlaced: bool = Field(description="The low-energy pulse comes half a line later")
    monitor_noise: NotNegative = Field(description="1-σ relative noise of the beam monitor")
    monitor: bool = Field(description="Whether scans carry a monitor reading")


class Channel(Model):
    """One beam with the layer that measures it. The first channel is the one with the harder signal."""

    label: str
    spectrum: str = Field(description="Name of a table in detectors/spectra/")
    photons_per_line: Positive = Field(description="Open-beam photons on an element on the axis per line")
    scintillator: str
    thickness_mm: Positive = Field(description="Depth of the element along the beam, mm")
    filter: dict[str, NotNegative] = Field(
        default_factory=dict, description="Material and areal density (g/cm²) in front of the element"
    )


class Artefacts(Model):
    """What array, beam and drive add to an ideal signal; simulated, and taken off again by calibration. Zero where not stated.

    With S the ideal signal per line n and element e, in the order in which they act:

    - scatter (beam): S + share · (K ∗ P), where P = T ln(1/T) of the open beam's signal is what single scattering is proportional to
      (Ohnesorge, Flohr and Klingenbeck-Regn, Eur. Radiol. 9 (1999) 563, doi:10.1007/s003300050710) and K a normalised Gaussian along
      the array of ``scatter_range_mm`` 1-σ;
    - crosstalk (array): (1 − 2x) S(e) + x (S(e − 1) + S(e + 1)); at the ends what leaves the array is lost to both;
    - afterglow (scintillator): (1 − Σ a) S(n) + Σ a q(n) with q(n) = r q(n − 1) + (1 − r) S(n), r = exp(−Δt/τ), Δt the time
      between two lines of a channel; a steady signal keeps its level;
    - linearity (electronics): reading = S (1 − curvature · S / full scale) above the offset;
    - drift (source): the open beam's level changes linearly along a scan by ``drift``, 1-σ, common to all elements;
    - wobble (drive): the true travel per line varies by ``wobble``, 1-σ relative, smooth over ``wobble_mm``.
    """

    scatter_share: NotNegative = Field(default=0.0, le=1, description="Scattered over ln(1/T) times transmitted signal")
    scatter_range_mm: Positive = Field(default=150.0, description="1-σ width of scatter along the array, mm")
    crosstalk: NotNegative = Field(default=0.0, lt=0.25, description="Share of a signal that each neighbour receives")
    focal_spot_mm: NotNegative = Field(default=0.0, description="Full width at half maximum of the source, mm")
    afterglow_share: tuple[NotNegative, ...] = Field(default=(), description="Share a of each component of afterglow")
    afterglow_time_s: tuple[Positive, ...] = Field(default=(), description="Decay time τ of each component, s")
    curvature: float = Field(default=0.0, gt=-0.5, lt=0.5, description="Relative loss of signal at full scale")
    drift: NotNegative = Field(default=0.0, lt=0.5, description="1-σ relative change of the open beam along a scan")
    wobble: NotNegative = Field(default=0.0, lt=0.3, description="1-σ relative variation of the travel per line")
    wobble_mm: Positive = Field(default=2000.0, description="Travel over which the speed varies, mm")

    @model_validator(mode="after")
    def _pairs(self) -> Artefacts:
        if len(self.afterglow_share) != len(self.afterglow_time_s) or sum(self.afterglow_share) >= 1:
            raise ValueError("afterglow needs a time for each share, and shares that sum to less than 1")
        return self


class Scanner(Model):
    """A scanner of the catalogue, or a variant of one.

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> portal = scanner("cargo-6-4mv")
    >>> portal.elements, portal.binned(4, 4).elements
    (1378, 344)
    """

    name: str
    title: str
    modality: Literal["dual-energy-mv", "single-energy", "dual-energy-kv"]
    source: str = Field(description="Where the figures come from")
    lines_per_s: Positive
    typical_lines: int = Field(gt=0, description="Lines of a usual scan")
    reference_lines: int = Field(gt=1, description="Dark and open-beam lines taken before a scan")
    stated_material: str | None = Field(default=None, description="Single energy: what areal density is stated for")
    largest_areal_density: Positive = Field(description="Largest areal density of the material map, g/cm²")
    geometry: Geometry
    readout: Readout
    pulse: Pulse
    artefacts: Artefacts = Artefacts()
    channels: tuple[Channel, ...] = Field(min_length=1, max_length=2)

    @model_validator(mode="after")
    def _columns(self) -> Scanner:
        columns = self.geometry.columns
        if columns > 1 and self.artefacts.afterglow_share:
            raise ValueError(
                "afterglow with several columns per pulse is not modelled: state no afterglow, or one column"
            )
        if columns > 2 and self.pulse.interlaced:
            raise ValueError("interlaced energies more than a line apart cannot be registered: state at most 2 columns")
        return self

    @property
    def elements(self) -> int:
        """Elements of the array."""
        return self.geometry.elements

    @property
    def element_pitch_mm(self) -> float:
        """Distance between elements, mm."""
        return self.geometry.element_pitch_mm

    @property
    def line_pitch_mm(self) -> float:
        """Travel of the load per line, mm."""
        return self.geometry.line_pitch_mm

    @property
    def magnification(self) -> float:
        """Size at the array over size at the object plane."""
        return self.geometry.source_to_array_mm / self.geometry.source_to_object_mm

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Height and width of a pixel at the object plane, mm."""
        return self.element_pitch_mm / self.magnification, self.line_pitch_mm

    @property
    def _rise_mm(self) -> NDArray[np.float64]:
        """Height over the source at which each element's ray crosses the plane of the vertical array, (element,), mm."""
        return self.geometry.rise_mm(np.arange(self.elements, dtype=np.float64) + 0.5)

    @property
    def element_height_mm(self) -> NDArray[np.float64]:
        """Height of each element above ground, (element,), mm, topmost ray first; elements of a boom share one."""
        return self.geometry.source_height_mm + self._rise_mm * self.element_depth_mm / self.geometry.source_to_array_mm

    @property
    def element_depth_mm(self) -> NDArray[np.float64]:
        """Distance of each element from the source along the beam axis, (element,), mm.

        Elements of a boom stand where their rays cross its height, the lower edge of the lowest of them being at the corner, or at one
        pitch from the corner on.
        """
        depth, boom = np.full(self.elements, self.geometry.source_to_array_mm), self.geometry.boom_elements
        if self.geometry.boom_pitch_mm:
            depth[:boom] -= (np.arange(boom)[::-1] + 0.5) * self.geometry.boom_pitch_mm
        elif boom:
            rise = self._rise_mm
            depth[:boom] *= (rise[boom - 1] - self.element_pitch_mm / 2) / rise[:boom]
        return depth

    @property
    def element_exposure(self) -> NDArray[np.float64]:
        """Photons on each element over those on one on the axis, (element,), for a source that radiates alike in all directions.

        cos³ of the fan angle, by distance and obliquity of a straight array. An element of a boom is wider across the fan as it stands
        nearer to the source; along the fan it fills the same angle, or at one pitch the angle at which it is seen from there, lying flat.
        """
        angle = self.fan_angle_rad.astype(np.float64)
        exposure: NDArray[np.float64] = np.cos(angle) ** 3 * (self.geometry.source_to_array_mm / self.element_depth_mm)
        edges, boom = self.geometry.row_edges, self.geometry.boom_elements
        if edges is not None:
            exposure[:boom] *= np.diff(edges[: boom + 1])
        return exposure

    @property
    def boom_exposure(self) -> NDArray[np.float64]:
        """Photons on each element over those on one of a straight array at its ray, (element,), where those of a boom have one pitch.

        1 for all others: what they receive runs smoothly along the array.
        """
        edges, boom = self.geometry.row_edges, self.geometry.boom_elements
        found = np.ones(self.elements)
        if edges is not None:
            found[:boom] = np.diff(edges[: boom + 1]) * self.geometry.source_to_array_mm / self.element_depth_mm[:boom]
        return found

    @property
    def object_height_mm(self) -> NDArray[np.float64]:
        """Height above ground at which each element's ray crosses the object plane, (element,), mm."""
        return self.geometry.source_height_mm + self._rise_mm / self.magnification

    @property
    def fan_angle_rad(self) -> NDArray[np.float32]:
        """Angle of each element's ray from the beam axis, (element,), rad, positive upwards."""
        return np.arctan2(self._rise_mm, self.geometry.source_to_array_mm).astype(np.float32)

    @property
    def rows(self) -> int:
        """Rows of a picture whose rows are equally high: the elements, unless a boom shows pixels of unequal height."""
        return self.geometry.row_rise_mm.size

    @property
    def row_height_mm(self) -> NDArray[np.float64]:
        """Height above ground of each row's middle at the object plane, (row,), mm."""
        return self.geometry.source_height_mm + self.geometry.row_rise_mm / self.magnification

    @property
    def row_angle_rad(self) -> NDArray[np.float32]:
        """Angle of each row's middle from the beam axis, (row,), rad."""
        return np.arctan2(self.geometry.row_rise_mm, self.geometry.source_to_array_mm).astype(np.float32)

    def beams(self) -> tuple[Beam, ...]:
        """Return one `Beam` per channel, with an angle axis that covers the array."""
        edge = self.geometry.element_edge_mm
        return tuple(_beam(channel.model_dump_json(), self.readout.mode, edge) for channel in self.channels)

    def binned(self, lines: int, elements: int) -> Scanner:
        """Return the scanner as its readout sums ``lines`` lines and averages ``elements`` elements into one.

        Photons add up; readings stay on the same scale, so electronic noise falls with the root of their number.
        """
        if lines < 1 or elements < 1 or self.elements // elements < 1:
            raise ConfigurationError(f"binning {lines} × {elements}", expected="whole numbers from 1")
        if (lines, elements) == (1, 1):
            return self
        if self.geometry.boom_pitch_mm and self.geometry.boom_elements % elements:
            raise ConfigurationError(
                f"binning by {elements} elements of an array with {self.geometry.boom_elements} on its boom",
                expected="a divisor of them: no reading is of both legs",
            )
        merged = lines * elements
        geometry = self.geometry.model_copy(
            update={
                "elements": self.elements // elements,
                "boom_elements": self.geometry.boom_elements // elements,
                "boom_pitch_mm": self.geometry.boom_pitch_mm * elements,
                "columns": self._columns_binned(lines),
                "element_pitch_mm": self.element_pitch_mm * elements,
                "line_pitch_mm": self.line_pitch_mm * lines,
            }
        )
        # Lines of one pulse share its fluctuation.
        root = float(np.sqrt(lines * geometry.columns / self.geometry.columns))
        # Only the outermost of the merged elements have a neighbour outside.
        artefacts = self.artefacts.model_copy(update={"crosstalk": self.artefacts.crosstalk / elements})
        pulse = self.pulse.model_copy(
            update={
                key: getattr(self.pulse, key) / root
                for key in ("fluctuation_common", "fluctuation_channel", "monitor_noise")
            }
        )
        noise = self.readout.electronic_noise_counts / float(np.sqrt(merged))
        spread = float(np.sqrt(elements))
        return self.model_copy(
            update={
                "geometry": geometry,
                "pulse": pulse,
                "artefacts": artefacts,
                "readout": self.readout.model_copy(
                    update={
                        "electronic_noise_counts": noise,
                        "offset_spread_counts": self.readout.offset_spread_counts / spread,
                        "gain_spread": self.readout.gain_spread / spread,
                        "low_gain_step_counts": max(1.0, self.readout.low_gain_step_counts / merged),
                        "low_gain_noise_counts": self.readout.low_gain_noise_counts / float(np.sqrt(merged)),
                        "low_gain_spread": self.readout.low_gain_spread / spread,
                    }
                ),
                "channels": tuple(
                    c.model_copy(update={"photons_per_line": c.photons_per_line * merged}) for c in self.channels
                ),
                "typical_lines": max(1, self.typical_lines // lines),
                "lines_per_s": self.lines_per_s / lines,
            }
        )

    def _columns_binned(self, lines: int) -> int:
        columns = self.geometry.columns
        if columns % lines and lines % columns:
            raise ConfigurationError(
                f"binning by {lines} lines of a scanner that reads {columns} columns per pulse",
                expected="a divisor or a multiple of the columns",
            )
        return max(1, columns // lines)

    def with_elements(self, elements: int) -> Scanner:
        """Return the scanner with an array of another length about the same middle (a file may hold a cut-out)."""
        if elements == self.elements:
            return self
        shift = (elements - self.elements) * self.element_pitch_mm / 2
        # The corner stays where it is.
        boom, pitch = self.geometry.boom_elements + (elements - self.elements) // 2, self.geometry.boom_pitch_mm
        if pitch:
            # The upper end of the vertical elements is the corner, unless the cut goes through them.
            shift = min(boom, 0) * self.element_pitch_mm
        geometry = self.geometry.model_copy(
            update={
                "elements": elements,
                "array_top_mm": self.geometry.array_top_mm + shift,
                "boom_elements": max(0, boom),
                "boom_pitch_mm": pitch if boom > 0 else 0.0,
            }
        )
        return self.model_copy(update={"geometry": geometry})


@functools.lru_cache(maxsize=32)
def _beam(channel_json: str, mode: str, edge_mm: float) -> Beam:
    channel = Channel.model_validate_json(channel_json)
    energy, angle, spectrum = read_spectrum(channel.spectrum)
    if mode == "counting":
        crystal = named_material(SCINTILLATORS[channel.scintillator].material)
        depth = crystal.density_g_cm3 * channel.thickness_mm / 10
        reaches = np.ones_like(energy)
        for name, areal_density in channel.filter.items():
            reaches *= np.exp(-areal_density * mass_attenuation(name, energy))
        mean = -reaches * np.expm1(-mass_attenuation(crystal.name, energy, "total_without_coherent") * depth)
        square = mean
    else:
        mean, square = deposited_energy(
            channel.scintillator, channel.thickness_mm, energy, edge_mm=edge_mm, filter=channel.filter
        )
    return Beam(energy, spectrum, mean, response_square=square, fan_angle_rad=angle, label=channel.label)

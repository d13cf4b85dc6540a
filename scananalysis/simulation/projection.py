"""Threat image projection: puts an object into a measured radiograph, with the noise that it would have there.

Transmissions multiply, T = T(load) · T(object), so nothing of the load is lost and no picture is pasted. Behind the object fewer quanta
arrive; their noise is drawn anew, so that the pixel's is what the stated variance says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration import Recipe
from scananalysis.calibration.noise import growth
from scananalysis.core import ConfigurationError, Quality, Radiograph, SystematicTerm, sha256_array
from scananalysis.detectors import Scanner
from scananalysis.detectors import scanner as find_scanner
from scananalysis.physics import Beam, mass_attenuation
from scananalysis.simulation.render import rays_of
from scananalysis.simulation.scene import Piece, Scene
from scananalysis.simulation.trace import trace

Float64 = NDArray[np.float64]

_CHUNK = 4096
_OPAQUE = 1e-30
_ABSOLUTE = ("dark-", "scatter", "afterglow", "crosstalk")
"""Shared errors that are so much transmission: they weigh more where less arrives."""


def shadow(radiograph: Radiograph, pieces: Sequence[Piece], *, load: str = "water") -> NDArray[np.float64]:
    """Return the transmission of an object by the beam that comes through the load, as the radiograph's scanner sees it.

    Parameters
    ----------
    radiograph : Radiograph
    pieces : sequence of Piece
        x in mm from the left edge of the picture, y in mm above ground, z in mm from the source.
    load : str
        Material that stands for the load: as much of it as makes the attenuation of the first channel hardens the beam.

    Returns
    -------
    ndarray of float64, (channel, y, x)
        1 where the object is not.

    Examples
    --------
    >>> from scananalysis.calibration import calibrate
    >>> from scananalysis.detectors import scanner
    >>> from scananalysis.simulation import Box, Matter, Piece, Scene, render
    >>> empty = calibrate(render(Scene((), 800.0), scanner("cargo-6-4mv").binned(8, 8)).scan)
    >>> block = Piece(Box((200, 600), (1500, 2500), (5950, 6050)), Matter.of("Fe"), 7.87)
    >>> alone = shadow(empty, [block])
    >>> alone.shape == empty.shape, float(alone.max()), bool(alone.min() < 0.05)
    (True, 1.0, True)
    """
    scanner = _scanner_of(radiograph)
    x = ((np.arange(radiograph.shape[2]) + 0.5) * scanner.line_pitch_mm).astype(np.float64)
    layers = trace(Scene(tuple(pieces), float(x[-1] + x[0])), rays_of(scanner, x), 0)
    rows, columns = np.nonzero(layers.total() > 0)
    paths = layers.areal_density[:, rows, columns].astype(np.float64)
    beams = scanner.beams()
    depth = _equivalent(beams[0], load, radiograph.attenuation[0, rows, columns])
    angle = scanner.fan_angle_rad.astype(np.float64)
    alone = np.ones(radiograph.shape)
    for c, beam in enumerate(beams):
        mu = np.stack([mass_attenuation(dict(m.composition), beam.energy_mev) for m in layers.matter])
        weights = beam.signal_weights(angle)
        before = mass_attenuation(load, beam.energy_mev)
        for first in range(0, len(rows), _CHUNK):
            part = slice(first, first + _CHUNK)
            arriving = weights[rows[part]] * np.exp(-np.outer(depth[part], before))
            left = (arriving * np.exp(-paths[:, part].T @ mu)).sum(axis=1) / arriving.sum(axis=1)
            alone[c, rows[part], columns[part]] = np.clip(left, _OPAQUE, 1)
    return alone


def _equivalent(beam: Beam, material: str, attenuation: NDArray[np.floating]) -> Float64:
    """Return the areal density of a material with the given attenuations, g/cm²; 0 where α is below 0 or no number."""
    depth = np.linspace(0, 600, 601)
    alpha = -np.log(np.exp(-np.outer(depth, mass_attenuation(material, beam.energy_mev))) @ beam.signal_weights())
    found: Float64 = np.interp(np.nan_to_num(attenuation.astype(np.float64), nan=0.0), alpha, depth)
    return found


def project(radiograph: Radiograph, transmission: NDArray[np.floating], *, seed: int = 0) -> Radiograph:
    """Put an object into a radiograph.

    Parameters
    ----------
    radiograph : Radiograph
        Measured or simulated.
    transmission : ndarray of float, (channel, y, x)
        Of the object alone, above 0 and at most 1; see `shadow`. Where it is 1 nothing changes.
    seed : int

    Returns
    -------
    Radiograph
        α, its variance, the flag `STARVED` and the shared errors of dark level, scatter, afterglow and crosstalk behind the object;
        the others are as they were.

    Raises
    ------
    ConfigurationError
        The transmission does not fit the radiograph, or is not one.

    Notes
    -----
    The beam behind the load is harder than the open beam: a megavolt object behind 40 g/cm² of goods has a sixth less attenuation than
    alone, which `shadow` allows for. The scatter that the object makes is not added, nor is its edge blurred.

    Examples
    --------
    >>> from scananalysis.calibration import calibrate
    >>> from scananalysis.detectors import scanner
    >>> from scananalysis.simulation import Scene, render
    >>> empty = calibrate(render(Scene((), 800.0), scanner("cargo-6-4mv").binned(8, 8)).scan)
    >>> half = np.ones(empty.shape)
    >>> half[:, 60:80, 5:15] = 0.5
    >>> found = project(empty, half)
    >>> round(float((found.attenuation - empty.attenuation)[:, 60:80, 5:15].mean()), 2)
    0.69
    """
    alone = np.asarray(transmission, np.float64)
    if alone.shape != radiograph.shape:
        raise ConfigurationError(
            f"transmission has shape {alone.shape}", expected=f"{radiograph.shape} as the radiograph"
        )
    if not np.all((alone > 0) & (alone <= 1)):
        raise ConfigurationError(
            "transmission of the object leaves 0 to 1", expected="above 0 and at most 1 everywhere"
        )
    scanner = _scanner_of(radiograph)
    sigmas = Recipe.for_scanner(scanner).logarithm.starved_sigmas
    attenuation, variance, quality = (
        radiograph.attenuation.copy(),
        radiograph.variance.copy(),
        radiograph.quality.copy(),
    )
    for c, seeds in enumerate(np.random.SeedSequence(seed).spawn(len(attenuation))):
        behind = _Noise(scanner, c)
        rows, columns = np.nonzero((alone[c] < 1) & np.isfinite(attenuation[c]) & np.isfinite(variance[c]))
        if not rows.size:
            continue
        # A rectangle around the object: noise of neighbouring columns belongs together.
        at = np.s_[c, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        part = np.zeros(radiograph.shape[1:], bool)
        part[rows, columns] = True
        inside = part[at[1:]]
        element = np.arange(at[1].start, at[1].stop)
        level, share = np.exp(-attenuation[at].astype(np.float64)), alone[at]
        level[~inside], share = 1.0, np.where(inside, share, 1.0)
        stated = np.where(inside, variance[at].astype(np.float64), 0) / behind.of(level, element)
        area = float(radiograph.noise_area[c])
        seen = share * level + behind.draw(level, share, stated, element, area, np.random.default_rng(seeds))
        dark = np.sqrt(behind.electronic[element])[:, None] * np.ones_like(seen)
        starved = inside & (seen < sigmas * dark)
        seen = np.maximum(seen, dark / 2)
        attenuation[at][inside] = -np.log(seen[inside])
        variance[at][inside] = (stated * behind.of(seen, element))[inside]
        quality[at][starved] |= np.uint32(Quality.STARVED.value)
    weight = np.exp(np.where(alone < 1, attenuation - radiograph.attenuation, 0)).astype(np.float32)
    weight[~np.isfinite(weight)] = 1
    systematic = {
        name: SystematicTerm(term.effect * weight, term.shared_along) if name.startswith(_ABSOLUTE) else term
        for name, term in radiograph.systematic.items()
    }
    record = radiograph.provenance.then(
        "simulation.project", parameters={"seed": seed}, inputs={"transmission": sha256_array(np.asarray(transmission))}
    )
    return replace(
        radiograph,
        attenuation=attenuation,
        variance=variance,
        quality=quality,
        systematic=systematic,
        provenance=record,
    )


def _scanner_of(radiograph: Radiograph) -> Scanner:
    if "rows" in radiograph.metadata:
        raise ConfigurationError(
            "rows of the radiograph are not the elements of the array, whose boom was brought to rows of equal height",
            expected="one row per element",
            remedy="calibrate with geometry.rows = false",
        )
    lines, elements = radiograph.metadata.get("binning", (1, 1))
    return find_scanner(radiograph.scanner).binned(lines, elements).with_elements(radiograph.shape[1])


class _Noise:
    """Noise of a channel's transmission by the scanner's figures; what a radiograph states is a multiple of it.

    Parameters
    ----------
    scanner : Scanner
    channel : int
    """

    def __init__(self, scanner: Scanner, channel: int) -> None:
        beam, readout = scanner.beams()[channel], scanner.readout
        photons = scanner.channels[channel].photons_per_line / beam.photons().sum() * scanner.element_exposure
        spectrum = beam.photons(scanner.fan_angle_rad.astype(np.float64)) * photons[:, None]
        mean, square = spectrum @ beam.response, spectrum @ beam.response_square
        air = readout.air_counts * mean / (scanner.channels[channel].photons_per_line * beam.mean_signal())
        self.quantum: Float64 = square / mean**2
        """What one quantum adds to transmission, (element,)."""
        self.electronic: Float64 = (readout.electronic_noise_counts / air) ** 2
        """Variance of transmission without beam, (element,)."""
        self._growth = growth(beam)

    def worth(self, transmission: Float64, element: NDArray[np.intp]) -> Float64:
        """Return what one quantum adds behind matter, (y, x)."""
        grown = np.interp(-np.log(np.maximum(transmission, 1e-12)), *self._growth)
        found: Float64 = self.quantum[element][:, None] * grown
        return found

    def of(self, transmission: Float64, element: NDArray[np.intp]) -> Float64:
        """Return the variance of attenuation, (y, x)."""
        level = np.maximum(transmission, np.sqrt(self.electronic[element])[:, None] / 2)
        found: Float64 = (self.electronic[element][:, None] + self.worth(level, element) * level) / level**2
        return found

    def draw(
        self,
        level: Float64,
        share: Float64,
        stated: Float64,
        element: NDArray[np.intp],
        area: float,
        rng: np.random.Generator,
    ) -> Float64:
        """Draw the noise that a pixel lacks when its transmission, noise and all, is multiplied by a share."""
        positive = np.maximum(level, 0)
        worth = self.worth(positive * share, element)
        quanta = np.maximum(positive * share * (worth - share * self.worth(positive, element)), 0)
        electronic = self.electronic[element][:, None] * (1 - share**2)
        number = quanta / worth**2
        some = number > 0
        unit = (rng.poisson(number) - number) / np.sqrt(np.where(some, number, 1))
        # Resampling has averaged the quanta of two lines, which ``stated`` knows.
        found: Float64 = _along(unit, area) * np.sqrt(quanta)
        found += _along(rng.standard_normal(level.shape), area) * np.sqrt(electronic)
        return found * np.sqrt(stated)


def _along(unit: Float64, area: float) -> Float64:
    """Give white noise of variance 1 the correlation along the lines that linear resampling leaves; its variance stays 1."""
    # Weights 1 − s and s of two lines leave a variance of 1/area = (1 − s)² + s².
    share = (1 - np.sqrt(max(2 / area - 1, 0))) / 2
    if share <= 0 or unit.shape[1] < 2:
        return unit
    beside = np.concatenate([unit[:, 1:], unit[:, -2:-1]], axis=1)
    mixed: Float64 = ((1 - share) * unit + share * beside) / np.sqrt((1 - share) ** 2 + share**2)
    return mixed

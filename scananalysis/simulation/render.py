"""Renders a scene to raw counts with references: polychromatic transmission, compound-Poisson noise, electronics, imperfections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Provenance, RawScan, sha256_json
from scananalysis.detectors import Scanner
from scananalysis.physics import Beam, mass_attenuation
from scananalysis.simulation.artefacts import Scatter, artefacts_truth, blur, focal_kernels
from scananalysis.simulation.contrast import local_contrast
from scananalysis.simulation.imperfections import Imperfections
from scananalysis.simulation.product import product
from scananalysis.simulation.pulses import draw_pulses, draw_travel, times_of
from scananalysis.simulation.quadrature import effective_beam
from scananalysis.simulation.rays import Rays
from scananalysis.simulation.readout import Channel, Quanta, draw_elements, drop_lines, two_energies
from scananalysis.simulation.scene import Scene
from scananalysis.simulation.trace import Block, Traced, Tracer
from scananalysis.simulation.truth import Truth

Float32 = NDArray[np.float32]

_FEW_QUANTA = 50.0
_BLOCK_PIXELS = 90_000
_CHUNK_PIXELS = 12_288
_MUCH_BRIGHTER = 0.1

__all__ = ["Imperfections", "Simulated", "render"]


@dataclass(frozen=True)
class Simulated:
    """A simulated scan and what is true of it.

    Parameters
    ----------
    scan : RawScan
        With dark and open-beam references.
    truth : mapping of str to ndarray
        Maps (y, x): ``areal_density``, ``cargo_areal_density``, ``object_areal_density`` (g/cm²), ``family``, ``heading`` (int16, −1 for
        none), ``insert``, ``load``, ``structure`` (bool); maps (channel, y, x): ``transmission`` of an ideal scanner, ``scatter``
        relative to the open beam, ``flickering`` (bool); elements (channel, element): ``offset``, ``gain``, ``dead``, ``hot``,
        ``flicker``; lines (channel, line): ``pulse``, ``drift``, ``position_mm``, ``dropped``. Of a readout with two gains also
        ``at_low_gain`` (channel, y, x) and ``low_gain`` (channel, element), the error with which the low gain is joined. What acts
        alike everywhere, where it acts: ``afterglow`` (component, 2) as share and time (s), ``crosstalk`` and ``curvature`` (1,),
        ``focal_spot_elements`` and ``focal_spot_lines``, the kernels; ``jump`` (channel, element) of flickering elements, counts.
    labels : mapping
        Of the scene; a hidden object's also say how it stands out: ``contrast`` (α per channel), ``contrast_g_cm2``, ``pixels``.
    """

    scan: RawScan
    truth: Mapping[str, NDArray[Any]]
    labels: Mapping[str, Any] = field(default_factory=dict)


def rays_of(scanner: Scanner, x_mm: NDArray[np.float64]) -> Rays:
    """Return the rays of a scanner whose lines meet the load at some positions."""
    slope = np.tan(scanner.fan_angle_rad.astype(np.float64))
    return Rays(slope, scanner.geometry.source_height_mm, x_mm, scanner.line_pitch_mm)


def render(
    scene: Scene,
    scanner: Scanner,
    seed: int = 0,
    *,
    imperfections: Imperfections | None = None,
    goods_seed: int | None = None,
) -> Simulated:
    """Scan a scene.

    Parameters
    ----------
    scene : Scene
        May be empty: an open-beam scan.
    scanner : Scanner
        Of the catalogue, or a binned variant.
    seed : int
        The same seed gives the same bytes.
    imperfections : Imperfections, optional
        All but dropped lines by default.
    goods_seed : int, optional
        Of the grain inside packages; ``seed`` by default. Two scans of the same goods have it in common and differ in ``seed``.

    Returns
    -------
    Simulated

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> from scananalysis.simulation import Box, Matter, Piece, Scene
    >>> block = Piece(Box((400, 800), (1000, 2000), (5900, 6100)), Matter.of("steel"), 7.85)
    >>> simulated = render(Scene((block,), 1200.0), scanner("cargo-6-4mv").binned(8, 8), seed=1)
    >>> simulated.scan.shape
    (2, 30, 172)
    """
    flaws = imperfections or Imperfections()
    lines, channels = max(1, int(scene.length_mm // scanner.line_pitch_mm)), len(scanner.channels)
    element_seed, pulse_seed, travel_seed, *channel_seeds = np.random.SeedSequence(seed).spawn(3 + channels)
    elements = draw_elements(scanner, flaws, np.random.default_rng(element_seed))
    pulses = draw_pulses(scanner, lines, flaws, np.random.default_rng(pulse_seed))
    position = draw_travel(scanner, lines, flaws, np.random.default_rng(travel_seed))
    tracer = Tracer(scene, seed if goods_seed is None else goods_seed)
    truth = Truth(tracer.matter, (scanner.elements, lines), channels, scatter=_scatters(scanner, flaws))
    counts = np.empty((channels, lines, scanner.elements), np.uint16 if scanner.readout.bits <= 16 else np.uint32)
    low = np.zeros(counts.shape, bool) if scanner.readout.low_gain_from_counts else None
    air: list[NDArray[Any]] = []
    dark: list[NDArray[Any]] = []
    dropped: list[NDArray[np.bool_]] = []
    block_lines = max(1, round(_BLOCK_PIXELS / scanner.elements))
    for c, beam in enumerate(scanner.beams()):
        view = _View(tracer, scanner, beam, c, position[c], flaws)
        readout_seed, drop_seed = channel_seeds[c].spawn(2)
        array = Channel(scanner, c, elements, view.open_beam, flaws, readout_seed)
        for kept, reference in zip((air, dark), array.references(pulses.air_pulse[c]), strict=True):
            kept.append(reference)
        glow, active = array.start(lit=True), array.active(lines)
        for first in range(0, lines, block_lines):
            at = slice(first, min(first + block_lines, lines))
            signal = view.signal(at)
            counts[c, at] = array.counts(
                signal.mean,
                signal.square,
                signal.few,
                pulses.level[c, at],
                glow,
                active[:, at],
                None if low is None else low[c, at],
            )
            truth.add_signal(c, at, signal.transmission, signal.scatter)
            if c == 0:
                truth.add_matter(at, signal.block, view.halo)
        truth.add_flicker(c, elements.flicker[c], active, array.jump)
        dropped.append(drop_lines(counts[c], flaws.dropped_line_share, np.random.default_rng(drop_seed)))
    has_monitor = scanner.pulse.monitor
    provenance = Provenance().then(
        "simulation.render",
        parameters={
            "seed": seed,
            "scanner": scanner.name,
            "imperfections": asdict(flaws),
            "labels": dict(scene.labels),
            **({} if goods_seed is None else {"goods_seed": goods_seed}),
        },
        inputs={"scanner": sha256_json(scanner.model_dump(mode="json"))},
    )
    scan = RawScan(
        counts,
        scanner=scanner.name,
        dark=np.stack(dark),
        air=np.stack(air),
        monitor=pulses.monitor.astype(np.float32) if has_monitor else None,
        air_monitor=pulses.air_monitor.astype(np.float32) if has_monitor else None,
        position_mm=position,
        time_s=times_of(scanner, lines, flaws),
        binning=_binning(scanner),
        metadata={"simulated": True},
        provenance=provenance,
    )
    lines_truth = {
        "pulse": pulses.pulse,
        "drift": np.broadcast_to(pulses.drift, pulses.pulse.shape).copy(),
        "position_mm": position,
        "dropped": np.stack(dropped),
    }
    elements_truth = {name: getattr(elements, name) for name in ("offset", "gain", "dead", "hot", "flicker")}
    if low is not None:
        elements_truth["low_gain"] = elements.low_gain
        lines_truth["at_low_gain"] = np.ascontiguousarray(low.transpose(0, 2, 1))
    everything = truth.maps() | elements_truth | lines_truth | artefacts_truth(scanner, flaws)
    labels = dict(scene.labels)
    if "hidden" in labels:
        labels["hidden"] = dict(labels["hidden"]) | local_contrast(everything)
    return Simulated(scan, everything, labels)


def _scatters(scanner: Scanner, flaws: Imperfections) -> bool:
    return flaws.scatter and scanner.artefacts.scatter_share > 0


def _binning(scanner: Scanner) -> tuple[int, int]:
    from scananalysis.detectors import scanner as find

    full = find(scanner.name)
    return round(scanner.line_pitch_mm / full.line_pitch_mm), round(scanner.element_pitch_mm / full.element_pitch_mm)


@dataclass(frozen=True, eq=False)
class _Signal:
    """What reaches the array in a block of lines, (element, line): mean energy and its variance, MeV and MeV²."""

    mean: Float32
    square: Float32
    few: Quanta | None
    transmission: Float32
    scatter: Float32 | None
    block: Block


def _blurred(moments: NDArray[np.float64], wide: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the moments of the energy in pixels that blur gave another mean and mean square, MeV and MeV², (2, n).

    What comes in from much brighter neighbours counts as quanta of one energy, since a pixel may have had none of its own; where
    little changes, the pixel's own spectrum does.
    """
    mean, square = wide - moments[1:3]
    came = (mean > _MUCH_BRIGHTER * moments[1]) & (square > 0)
    kept = np.divide(wide[0], moments[1], out=np.ones_like(mean), where=~came & (moments[1] > 0))
    found: NDArray[np.float64] = moments * kept
    found[:, came] += mean[came] * (square[came] / mean[came]) ** np.arange(-1, 3)[:, None]
    return found


@lru_cache(maxsize=4096)
def _attenuation(composition: tuple[tuple[str, float], ...], beam: Beam) -> Float32:
    """Return the mass attenuation of some matter in every bin of a beam, (k,), cm²/g; loads hold the same matter again and again."""
    return mass_attenuation(dict(composition), beam.energy_mev).astype(np.float32)


class _OpenBeam(NamedTuple):
    """Mean and variance of the energy in every element, (element,), and what the bins of the reduced beam add, (k, element, 1)."""

    mean: NDArray[np.float64]
    square: NDArray[np.float64]
    weights: Float32


@lru_cache(maxsize=64)
def _open_beam(beam: Beam, photons_per_line: float, angles: bytes, exposure: bytes) -> _OpenBeam:
    """Return the open beam at some fan angles, float32 as bytes, and exposures, float64 as bytes: the same for every scene."""
    angle, few = np.frombuffer(angles, np.float32).astype(np.float64), effective_beam(beam)
    # Fewer photons off the axis: by spectrum, distance and obliquity.
    scale = photons_per_line / beam.photons().sum() * np.frombuffer(exposure)[:, None]
    full, photons = beam.photons(angle) * scale, few.photons(angle) * scale
    mean, square = (full * beam.response).sum(axis=1), (full * beam.response_square).sum(axis=1)
    weights = photons * few.response
    # The reduced beam's open signal differs from the full one's in the fourth digit.
    weights *= (mean / weights.sum(axis=1))[:, None]
    return _OpenBeam(mean, square, np.ascontiguousarray(weights.T.astype(np.float32))[:, :, None])


class _View:
    """The scene as one beam sees it."""

    def __init__(
        self, tracer: Tracer, scanner: Scanner, beam: Beam, c: int, x_mm: NDArray[np.float64], flaws: Imperfections
    ) -> None:
        self._noise = flaws.noise
        along, across = focal_kernels(scanner) if flaws.focal_spot else (np.ones(1, np.float32),) * 2
        self._kernels = along, across
        self.halo = across.size // 2
        before = x_mm[0] - scanner.line_pitch_mm * np.arange(self.halo, 0, -1)
        after = x_mm[-1] + scanner.line_pitch_mm * np.arange(1, self.halo + 1)
        self._traced: Traced = tracer.over(rays_of(scanner, np.concatenate([before, x_mm, after])))
        few = effective_beam(beam)
        self._mu = np.stack(
            [_attenuation(m.composition, few) for m in tracer.matter] or [np.empty(few.energy_mev.size, np.float32)]
        )
        lit = _open_beam(
            beam,
            scanner.channels[c].photons_per_line,
            scanner.fan_angle_rad.tobytes(),
            scanner.element_exposure.tobytes(),
        )
        self.open_beam, self._weights = (lit.mean, lit.square), lit.weights
        self._open = tuple(part.astype(np.float32)[:, None] for part in self.open_beam)
        worth = few.response_square / few.response
        self._moments = np.stack([np.ones_like(worth), worth]).astype(np.float32)
        # Signal in a bin, times these: number of quanta, energy, square and cube of the energy that they deposit.
        self._powers = (worth ** np.arange(-1, 3)[:, None]).astype(np.float32)
        self._work = np.empty(0, np.float32)
        self._scatter = Scatter(scanner) if _scatters(scanner, flaws) else None

    def signal(self, at: slice) -> _Signal:
        """Return what some lines see."""
        block = self._traced.block(at.start, at.stop + 2 * self.halo)
        lines, halo = at.stop - at.start, self.halo
        mean, square = (np.repeat(part, lines, axis=1) for part in self._open)
        transmission = np.ones_like(mean)
        if not block.matter:
            return _Signal(mean, square, None, transmission, None, block)
        # Blur reaches beyond the elements that meet anything.
        reach = self._kernels[0].size // 2
        rows = slice(max(block.rows.start - reach, 0), min(block.rows.stop + reach, mean.shape[0]))
        wide = [np.repeat(part[rows], lines + 2 * halo, axis=1) for part in self._open]
        few, moments = self._attenuate(block, wide[0], wide[1], rows.start)
        core = wide[0][:, halo : halo + lines]
        np.divide(core, self._open[0][rows], out=transmission[rows])
        if any(kernel.size > 1 for kernel in self._kernels):
            wide = [blur(part, *self._kernels) for part in wide]
            moments = _blurred(moments, np.stack([part.reshape(-1)[few] for part in wide]))
        mean[rows], square[rows] = wide
        few += rows.start * lines
        scatter = None
        if self._scatter is not None:
            scatter = self._scatter.of(mean, self._open[0])
            worth = self._open[1] / self._open[0]
            mean += scatter
            square += scatter * worth
            own = worth[few // lines, 0]
            moments += scatter.reshape(-1)[few] * own ** np.arange(-1, 3)[:, None]
            scatter /= self._open[0]
        quanta = two_energies(few, moments) if few.size else None
        return _Signal(mean, square, quanta, transmission, scatter, block)

    def _attenuate(
        self, block: Block, mean: Float32, square: Float32, top: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Write mean and variance behind a block's matter; return pixels with few quanta, and the moments of their energy.

        ``top`` is the element with which ``mean`` and ``square`` begin; pixels are counted without the halo.
        """
        mu = np.ascontiguousarray(-self._mu[list(block.matter)].T)
        width, halo = mean.shape[1], self.halo
        lines = width - 2 * halo
        step = max(1, _CHUNK_PIXELS // width)
        if self._work.size < len(mu) * step * width:
            self._work = np.empty(len(mu) * step * width, np.float32)
        found = []
        for first in range(block.rows.start, block.rows.stop, step):
            rows = slice(first, min(first + step, block.rows.stop))
            depth = block.areal_density[:, rows.start - block.rows.start : rows.stop - block.rows.start]
            depth = depth.reshape(len(mu.T), -1)
            # The same memory for all chunks: new pages cost as much as what is done in them.
            survive = self._work[: len(mu) * depth.shape[1]].reshape(len(mu), -1)
            product(mu, depth, survive)
            np.exp(survive, out=survive)
            spectral = survive.reshape(len(survive), -1, width)
            spectral *= self._weights[:, rows]
            both = product(self._moments, survive).reshape(2, -1, width)
            mean[rows.start - top : rows.stop - top], square[rows.start - top : rows.stop - top] = both
            if self._noise:
                inner = both[:, :, halo : halo + lines]
                at = np.flatnonzero(inner[0] ** 2 < _FEW_QUANTA * inner[1])
                if at.size:
                    row, column = np.divmod(at, lines)
                    members = product(self._powers, survive[:, row * width + column + halo])
                    found.append((at + (first - top) * lines, members))
        if not found:
            return np.zeros(0, np.intp), np.zeros((4, 0))
        return np.concatenate([a for a, _ in found]), np.concatenate([m for _, m in found], axis=1).astype(np.float64)

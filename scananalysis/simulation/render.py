"""Renders a scene to raw counts with references: polychromatic transmission, compound-Poisson noise, electronics, imperfections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Provenance, RawScan, sha256_json
from scananalysis.detectors import Scanner
from scananalysis.physics import Beam, mass_attenuation
from scananalysis.simulation.scene import Layers, Scene
from scananalysis.simulation.solids import Rays
from scananalysis.simulation.trace import trace

_FEW_QUANTA = 50.0
_ROWS = 8


@dataclass(frozen=True)
class Imperfections:
    """What a real scanner does to a scan; each can be switched off.

    Parameters
    ----------
    noise, offset, gain, pulse, interlace : bool
        Quantum and electronic noise; offset and gain by element; pulse-to-pulse fluctuation; the low energy half a line later.
    dead_share, hot_share : float
        Share of elements that count nothing, or read far too high.
    dropped_line_share : float
        Share of lines that the readout lost (they repeat the line before).
    """

    noise: bool = True
    offset: bool = True
    gain: bool = True
    pulse: bool = True
    interlace: bool = True
    dead_share: float = 0.002
    hot_share: float = 0.001
    dropped_line_share: float = 0.0

    @classmethod
    def none(cls) -> Imperfections:
        """Return a perfect scanner."""
        return cls(noise=False, offset=False, gain=False, pulse=False, interlace=False, dead_share=0.0, hot_share=0.0)


@dataclass(frozen=True)
class Simulated:
    """A simulated scan and what is true of it.

    Parameters
    ----------
    scan : RawScan
        With dark and open-beam references.
    truth : mapping of str to ndarray
        Maps (y, x): ``areal_density``, ``cargo_areal_density``, ``object_areal_density`` (g/cm²), ``family``, ``heading`` (int16, −1 for
        none), ``insert``, ``load``, ``structure`` (bool); ``transmission`` (channel, y, x); elements: ``offset``, ``gain``, ``dead``,
        ``hot`` (channel, element); lines: ``pulse`` (channel, line).
    labels : mapping
        Of the scene.
    """

    scan: RawScan
    truth: Mapping[str, NDArray[Any]]
    labels: Mapping[str, Any] = field(default_factory=dict)


def rays_of(scanner: Scanner, length_mm: float, shift_lines: float = 0.0) -> Rays:
    """Return the rays of a scanner over a travel, optionally a fraction of a line later."""
    pitch = scanner.line_pitch_mm
    lines = max(1, int(length_mm // pitch))
    x = (np.arange(lines, dtype=np.float64) + 0.5 + shift_lines) * pitch
    return Rays(np.tan(scanner.fan_angle_rad.astype(np.float64)), scanner.geometry.source_height_mm, x, pitch)


def render(scene: Scene, scanner: Scanner, seed: int = 0, *, imperfections: Imperfections | None = None) -> Simulated:
    """Scan a scene.

    Parameters
    ----------
    scene : Scene
    scanner : Scanner
        Of the catalogue, or a binned variant.
    seed : int
        The same seed gives the same bytes.
    imperfections : Imperfections, optional
        All but dropped lines by default.

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
    root = np.random.SeedSequence(seed)
    element_seed, *channel_seeds = root.spawn(1 + 2 * len(scanner.channels) + 2)
    pulse_rng = np.random.default_rng(channel_seeds[-1])
    layers = [
        trace(scene, rays_of(scanner, scene.length_mm, 0.5 * c * flaws.interlace * scanner.pulse.interlaced), seed)
        for c in range(len(scanner.channels))
        if c == 0 or (flaws.interlace and scanner.pulse.interlaced)
    ]
    lines, references = layers[0].areal_density.shape[2], scanner.reference_lines
    elements = _elements(scanner, flaws, np.random.default_rng(element_seed))
    common = pulse_rng.normal(0, scanner.pulse.fluctuation_common, lines + references) * flaws.pulse
    planes: dict[str, list[NDArray[Any]]] = {}
    for c, beam in enumerate(scanner.beams()):
        rng = np.random.default_rng(channel_seeds[c])
        own = rng.normal(0, scanner.pulse.fluctuation_channel, lines + references) * flaws.pulse
        pulse = np.maximum(1 + common + own, 0.05)
        monitor = pulse * (1 + rng.normal(0, scanner.pulse.monitor_noise, pulse.size) * (flaws.pulse and flaws.noise))
        layer = layers[min(c, len(layers) - 1)]
        mean, square, few = _signal(layer, scanner, beam, c)
        readout = _Readout(
            scanner, c, elements["offset"][c], elements["gain"][c], elements["dead"][c], elements["hot"][c], flaws
        )
        counts = readout.counts(mean, square, few, pulse[:lines], rng)
        open_mean, open_square = (np.broadcast_to(p, (p.shape[0], references)) for p in _open(scanner, beam, c))
        air = readout.counts(open_mean, open_square, None, pulse[lines:], rng)
        dark = readout.counts(np.zeros_like(open_mean), np.zeros_like(open_square), None, pulse[lines:], rng)
        kept = _drop_lines(counts, flaws.dropped_line_share, rng)
        axis = _open(scanner, beam, c)[0]
        for name, plane in (
            ("counts", kept), ("air", air), ("dark", dark), ("pulse", pulse[:lines]), ("monitor", monitor[:lines]),
            ("air_monitor", monitor[lines:]), ("transmission", (mean / axis).astype(np.float32)),
        ):  # fmt: skip
            planes.setdefault(name, []).append(plane)
    stacked = {name: np.stack(parts) for name, parts in planes.items()}
    pitch, lag = scanner.line_pitch_mm, 0.5 * flaws.interlace * scanner.pulse.interlaced
    position = np.stack([(np.arange(lines) + 0.5 + lag * c) * pitch for c in range(len(scanner.channels))])
    has_monitor = scanner.pulse.monitor
    provenance = Provenance().then(
        "simulation.render",
        parameters={
            "seed": seed,
            "scanner": scanner.name,
            "imperfections": asdict(flaws),
            "labels": dict(scene.labels),
        },
        inputs={"scanner": sha256_json(scanner.model_dump(mode="json"))},
    )
    scan = RawScan(
        stacked["counts"],
        scanner=scanner.name,
        dark=stacked["dark"],
        air=stacked["air"],
        monitor=stacked["monitor"].astype(np.float32) if has_monitor else None,
        air_monitor=stacked["air_monitor"].astype(np.float32) if has_monitor else None,
        position_mm=position,
        time_s=position / pitch / scanner.lines_per_s,
        binning=_binning(scanner),
        metadata={"simulated": True},
        provenance=provenance,
    )
    truth = _truth(layers[0]) | elements | {"pulse": stacked["pulse"], "transmission": stacked["transmission"]}
    return Simulated(scan, truth, scene.labels)


def _binning(scanner: Scanner) -> tuple[int, int]:
    from scananalysis.detectors import scanner as find

    full = find(scanner.name)
    return round(scanner.line_pitch_mm / full.line_pitch_mm), round(scanner.element_pitch_mm / full.element_pitch_mm)


def _elements(scanner: Scanner, flaws: Imperfections, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    shape = (len(scanner.channels), scanner.elements)
    readout = scanner.readout
    offset = np.full(shape, readout.offset_counts) + rng.normal(0, readout.offset_spread_counts, shape) * flaws.offset
    gain = np.maximum(1 + rng.normal(0, readout.gain_spread, shape) * flaws.gain, 0.2)
    draw = rng.random(scanner.elements)
    # An element is one diode for both interlaced energies, so both see its defect.
    dead = np.broadcast_to(draw < flaws.dead_share, shape)
    hot = np.broadcast_to(draw > 1 - flaws.hot_share, shape)
    return {"offset": np.maximum(offset, 0), "gain": gain, "dead": dead.copy(), "hot": hot.copy()}


def _photons(scanner: Scanner, beam: Beam, c: int) -> NDArray[np.float64]:
    """Incident photons per element, line and bin, (element, k): fewer off the axis, by spectrum, distance and obliquity."""
    rows = beam.photons(scanner.fan_angle_rad.astype(np.float64))
    scale = scanner.channels[c].photons_per_line / beam.photons().sum()
    photons: NDArray[np.float64] = rows * scale * np.cos(scanner.fan_angle_rad.astype(np.float64))[:, None] ** 3
    return photons


def _open(scanner: Scanner, beam: Beam, c: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    photons = _photons(scanner, beam, c)
    return (photons @ beam.response)[:, None], (photons @ beam.response_square)[:, None]


@dataclass(frozen=True)
class _Few:
    """Pixels with few quanta, to be drawn photon by photon: their rows, columns, and quanta per bin with the energy of each."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    quanta: NDArray[np.float64]
    energy: NDArray[np.float64]


def _signal(
    layers: Layers, scanner: Scanner, beam: Beam, c: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], _Few]:
    """Mean and variance of the deposited energy per pixel, (element, line), MeV and MeV²."""
    mu = np.stack([mass_attenuation(dict(m.composition), beam.energy_mev) for m in layers.matter]).astype(np.float32)
    photons = _photons(scanner, beam, c)
    weights = np.stack([photons * beam.response, photons * beam.response_square], axis=-1).astype(np.float32)
    density = layers.areal_density
    shape = density.shape[1:]
    mean, square = np.empty(shape), np.empty(shape)
    for start in range(0, shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        block = density[:, rows].reshape(len(layers.matter), -1)
        survive = np.exp(-(block.T @ mu)).reshape(-1, shape[1], mu.shape[1])
        both = survive @ weights[rows]
        mean[rows], square[rows] = both[..., 0], both[..., 1]
    # A photon of a bin deposits v with probability q, such that mean and mean square come out: the least that two moments ask.
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = np.where(beam.response > 0, beam.response_square / beam.response, 0)
        chance = np.where(energy > 0, beam.response / energy, 0)
        number = np.where(square > 0, mean**2 / square, 0)
    y, x = np.nonzero(number < _FEW_QUANTA)
    alive = np.exp(-(density[:, y, x].T @ mu)).astype(np.float64)
    return mean, square, _Few(y, x, photons[y] * alive * chance, energy)


@dataclass(frozen=True)
class _Readout:
    """Turns deposited energy into counts."""

    scanner: Scanner
    channel: int
    offset: NDArray[np.float64]
    gain: NDArray[np.float64]
    dead: NDArray[np.bool_]
    hot: NDArray[np.bool_]
    flaws: Imperfections

    def counts(
        self,
        mean: NDArray[np.float64],
        square: NDArray[np.float64],
        few: _Few | None,
        pulse: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> NDArray[Any]:
        """Draw counts (line, element) for (element, line) means and variances of the energy."""
        readout = self.scanner.readout
        signal = mean * pulse
        if self.flaws.noise:
            signal = signal + rng.standard_normal(signal.shape, np.float32) * np.sqrt(square * pulse)
            if few is not None and few.rows.size:
                drawn = rng.poisson(few.quanta * pulse[few.columns][:, None])
                signal[few.rows, few.columns] = drawn @ few.energy
        channel = self.scanner.channels[self.channel]
        per_mev = readout.air_counts / (channel.photons_per_line * self.scanner.beams()[self.channel].mean_signal())
        values = signal * (self.gain * per_mev * ~self.dead)[:, None] + self.offset[:, None]
        values[self.hot] += 0.3 * readout.full_scale_counts
        if self.flaws.noise:
            values += rng.standard_normal(values.shape, np.float32) * readout.electronic_noise_counts
        dtype = np.uint16 if readout.bits <= 16 else np.uint32
        return np.clip(np.rint(values), 0, readout.full_scale_counts).astype(dtype).T.copy()


def _drop_lines(counts: NDArray[Any], share: float, rng: np.random.Generator) -> NDArray[Any]:
    """Lost lines repeat the line before them."""
    if share > 0:
        lost = np.flatnonzero(rng.random(counts.shape[0]) < share)
        for line in lost[lost > 0]:
            counts[line] = counts[line - 1]
    return counts


def _truth(layers: Layers) -> dict[str, NDArray[Any]]:
    cargo, hidden, structure = (layers.total(kind) for kind in ("cargo", "hidden", "structure"))
    shape = cargo.shape
    goods = [(i, m) for i, m in enumerate(layers.matter) if m.kind == "cargo" and m.family >= 0]
    family, heading = np.full(shape, -1, np.int16), np.full(shape, -1, np.int16)
    load = cargo > _LEAST_GOODS
    if goods:
        strongest = layers.areal_density[[i for i, _ in goods]].argmax(axis=0)
        family = np.where(load, np.array([m.family for _, m in goods], np.int16)[strongest], family)
        heading = np.where(load, np.array([m.heading for _, m in goods], np.int16)[strongest], heading)
    return {
        "areal_density": layers.total(),
        "cargo_areal_density": cargo,
        "object_areal_density": hidden,
        "family": family,
        "heading": heading,
        "load": load,
        "structure": (structure > _LEAST_GOODS) & ~load,
        "insert": layers.hidden_mm > _LEAST_PATH_MM,
    }


_LEAST_GOODS = 1.0
"""Areal density from which matter counts as there, g/cm²."""

_LEAST_PATH_MM = 5.0
"""Path through a hidden object or void from which its pixel counts as covered, mm."""

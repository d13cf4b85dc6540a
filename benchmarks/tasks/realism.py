"""Sets simulated scans beside real ones: pictures at one scale, and the statistics that decide what can be found in them.

    python -m benchmarks.tasks.realism [FOLDER] [--output out/realism]

FOLDER (or the environment variable SCANANALYSIS_REAL_DATA) holds real dual-energy scans as ``rail_cargo_*.npy``: unsigned 16-bit
(y, x, channel), channel 0 the higher energy, normalised to air = 60 000, 0 where starved, pixels of about 5 mm. Without it only the
simulated scans are measured. Real pictures go to the output folder and nowhere else.

Simulated scans (scanner ``rail-6-4mv``, full size) are brought to the same form: per element (counts − dark)/(air − dark), divided by
the pulse monitor, times 60 000, rounded and clipped to 16 bits.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, median_filter, uniform_filter

import scananalysis as sa
from scananalysis.simulation import container_scene, render

AIR = 60_000.0
PIXEL_MM = 5.0
CONTAINER_SHARE_REAL = 0.80
"""Share of a real picture's height that lies above the container's floor."""
SIDE_PIXELS = 60
"""Columns at either end that belong to posts and doors."""

SIMULATED = {
    "polyethylene on pallets": (8, ("3901",), "22G1"),
    "milk powder on pallets": (0, ("0402",), "22G1"),
    "polyethylene in sacks": (4, ("3901",), "22G1"),
    "sugar in sacks": (1, ("1701",), "22G1"),
    "rice in sacks": (11, ("1006",), "22G1"),
    "paper in reels": (3, ("4810",), "22G1"),
    "coils, eye to the side": (2, ("7208",), "22G1"),
    "coils, eye to the sky": (7, ("7210",), "22G1"),
    "cable on drums": (5, ("8544",), "22G1"),
    "diesel engines": (7, ("8408",), "22G1"),
}
"""Loads as dense as those of the real scans: seed, headings, container. The first five resemble scan a, the others scan b."""

Array = NDArray[np.float64]
ALPHA_BANDS = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
SIGNAL_BANDS = (150, 400, 1000, 2500, 6000, 15_000, 40_000, 56_000, 62_000)
WAVELENGTHS_MM = (10, 20, 40, 80, 160, 320, 640, 1280)


@dataclass(frozen=True)
class Scan:
    """A dual-energy scan normalised to air.

    Parameters
    ----------
    name : str
    counts : ndarray of uint16, (2, y, x)
    floor : int
        Row of the container's floor.
    """

    name: str
    counts: NDArray[np.uint16]
    floor: int

    @property
    def alpha(self) -> Array:
        """Attenuation, starved pixels as if they had half a count, (2, y, x)."""
        return -np.log(np.maximum(self.counts.astype(np.float64), 0.5) / AIR)

    @property
    def load(self) -> NDArray[np.bool_]:
        """Pixels of the goods: above the floor, between the posts, darker than walls, (y, x)."""
        smooth = median_filter(self.alpha[0], 7)
        found = smooth > 0.5
        found[self.floor :] = False
        found[:, :SIDE_PIXELS] = False
        found[:, -SIDE_PIXELS:] = False
        return found


def real_scans(folder: Path) -> list[Scan]:
    """Read the real scans of a folder."""
    scans = []
    for path in sorted(folder.glob("rail_cargo_*.npy")):
        counts = np.moveaxis(np.load(path, allow_pickle=False), -1, 0)
        scans.append(Scan(f"real {path.stem[-1]}", counts, round(CONTAINER_SHARE_REAL * counts.shape[1])))
    return scans


def simulated_scan(name: str, seed: int, cargo: tuple[str, ...], size: str, stated: dict[str, float]) -> Scan:
    """Simulate a scan at full size, with artefacts other than the scanner's, and normalise it like the real ones."""
    scanner = sa.scanner("rail-6-4mv")
    scanner = scanner.model_copy(update={"artefacts": scanner.artefacts.model_copy(update=stated)})
    load = container_scene(seed, scanner, cargo=cargo, size=size)
    scan = render(load.scene, scanner, seed).scan
    dark = scan.dark.mean(axis=1)[:, None]
    span = np.maximum(scan.air.mean(axis=1)[:, None] - dark, 1.0)
    transmission = (scan.counts - dark) / span
    if scan.monitor is not None:
        transmission *= scan.air_monitor.mean(axis=1)[:, None, None] / scan.monitor[:, :, None]
    counts = np.clip(np.rint(AIR * transmission), 0, 65535).astype(np.uint16).transpose(0, 2, 1)
    heights = scanner.object_height_mm
    floor = int(np.searchsorted(-heights, -1340.0))
    return Scan(name, np.ascontiguousarray(counts), floor)


def noise(scan: Scan) -> dict[str, list[list[float]]]:
    """Relative spread from pixel to pixel by signal, per channel: [counts, σ, σ of what the energies do not share].

    Second differences along y, (a − 2b + c)/√6, leave out what varies slowly. Texture is common to both energies: its share of the
    variance is what the high channel's differences predict of the low one's, and the rest is independent noise.
    """
    counts = scan.counts.astype(np.float64)
    valid = (counts > 0).all(axis=0) & (counts < 65535).all(axis=0)
    triple = valid[:-2] & valid[1:-1] & valid[2:]
    difference = (counts[:, :-2] - 2 * counts[:, 1:-1] + counts[:, 2:]) / np.sqrt(6)
    level = uniform_filter(counts, (0, 3, 1))[:, 1:-1]
    found: dict[str, list[list[float]]] = {}
    for channel, label in enumerate(("high", "low")):
        rows = []
        for low, high in itertools.pairwise(SIGNAL_BANDS):
            inside = triple & (level[channel] >= low) & (level[channel] < high)
            if inside.sum() < 500:
                continue
            mean = float(level[channel][inside].mean())
            both = np.stack([difference[c][inside] / level[c][inside] for c in range(2)])
            # Edges are no noise: keep what lies within four robust spreads.
            spread = 1.4826 * np.median(np.abs(both), axis=1)
            both = both[:, (np.abs(both) < 4 * spread[:, None]).all(axis=0)]
            covariance = np.cov(both)
            # Texture δλ moves both channels nearly alike, so its variance is their covariance.
            own = max(covariance[channel, channel] - max(covariance[0, 1], 0.0), 0.0)
            rows.append([mean, float(np.sqrt(covariance[channel, channel])), float(np.sqrt(own))])
        found[label] = rows
    return found


def counts_per_quantum(rows: list[list[float]]) -> float:
    """Variance over signal of the independent noise, median over the darker bands."""
    return float(np.median([own**2 * mean for mean, _, own in rows if mean < 20_000] or [np.nan]))


def clutter(scan: Scan) -> list[list[float]]:
    """Local spread of α of 20 mm cells in windows of 200 mm by α: [α, quartile, median, quartile].

    Cells average 4×4 pixels, so quantum noise is small; a plane is taken out of every window of 10×10 cells.
    """
    counts, mask = scan.counts[0].astype(np.float64), scan.load
    height, width = (n // 4 * 4 for n in counts.shape)
    cells = counts[:height, :width].reshape(height // 4, 4, width // 4, 4).mean(axis=(1, 3))
    inside = mask[:height, :width].reshape(height // 4, 4, width // 4, 4).all(axis=(1, 3))
    alpha = -np.log(np.maximum(cells, 1.0) / AIR)
    y, x = np.mgrid[:10, :10]
    plane = np.stack([np.ones(100), y.ravel(), x.ravel()], axis=1)
    project = np.eye(100) - plane @ np.linalg.pinv(plane)
    means, spreads = [], []
    for top in range(0, alpha.shape[0] - 9, 5):
        for left in range(0, alpha.shape[1] - 9, 5):
            window = (slice(top, top + 10), slice(left, left + 10))
            if inside[window].all():
                values = alpha[window].ravel()
                means.append(values.mean())
                spreads.append((project @ values).std())
    means, spreads = np.array(means), np.array(spreads)
    rows = []
    for low, high in zip(ALPHA_BANDS, (*ALPHA_BANDS[1:], np.inf), strict=True):
        chosen = spreads[(means >= low) & (means < high)]
        if chosen.size >= 8:
            rows.append(
                [(low + min(high, 9.0)) / 2, *np.quantile(chosen, [0.25, 0.5, 0.75]).tolist(), int(chosen.size)]
            )
    return rows


def power(scan: Scan) -> dict[str, list[float]]:
    """Root of the mean power of α per octave of wavelength, along rows and along columns of the goods."""
    alpha, mask = np.minimum(scan.alpha[0], 9.0), scan.load
    found = {}
    for label, a, m in (("along rows", alpha, mask), ("along columns", alpha.T, mask.T)):
        sums, used = np.zeros(len(WAVELENGTHS_MM) - 1), 0
        length = 256 if label == "along rows" else 64
        for line, inside in zip(a[::3], m[::3], strict=True):
            for start in range(0, line.size - length + 1, length // 2):
                part = slice(start, start + length)
                if inside[part].mean() < 0.95:
                    continue
                values = line[part] - np.polyval(np.polyfit(np.arange(length), line[part], 1), np.arange(length))
                window = np.hanning(length)
                spectrum = np.abs(np.fft.rfft(values * window)) ** 2 * 2 / (length * (window**2).sum())
                wavelength = length * PIXEL_MM / np.maximum(np.arange(spectrum.size), 1e-9)
                index = np.digitize(wavelength, WAVELENGTHS_MM) - 1
                for band in range(sums.size):
                    sums[band] += spectrum[(index == band) & (np.arange(spectrum.size) > 0)].sum()
                used += 1
        found[label] = np.sqrt(sums / max(used, 1)).tolist() if used else []
    return found


def distribution(scan: Scan) -> dict[str, float | list[float]]:
    """Quantiles of α in the goods, energy ratio by α, shares of starved and saturated pixels."""
    alpha, mask = scan.alpha, scan.load
    high = uniform_filter(scan.counts[0].astype(np.float64), 5)
    low = uniform_filter(scan.counts[1].astype(np.float64), 5)
    smooth = [-np.log(np.maximum(p, 1.0) / AIR) for p in (high, low)]
    ratio = smooth[1] / np.maximum(smooth[0], 1e-3)
    rows: list[list[float]] = []
    for a, b in itertools.pairwise(ALPHA_BANDS):
        inside = mask & (smooth[0] >= a) & (smooth[0] < b)
        if inside.sum() > 300:
            rows.append([(a + b) / 2, *np.quantile(ratio[inside], [0.1, 0.5, 0.9]).tolist()])
    shares = {
        f"starved {label}": float((scan.counts[c][: scan.floor] == 0).mean()) for c, label in enumerate(("high", "low"))
    }
    return {
        "alpha quantiles 5, 25, 50, 75, 95 %": np.quantile(alpha[0][mask], [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(),
        "histogram of alpha": (np.histogram(alpha[0][mask], np.arange(0, 12.5, 0.5), density=True)[0]).tolist(),
        "energy ratio by alpha": rows,
        "goods' share above the floor": float(mask[: scan.floor].mean()),
        **shares,
        "starved goods high": float((scan.counts[0][mask] == 0).mean()),
        "saturated high": float((scan.counts[0] == 65535).mean()),
    }


def open_beam(scan: Scan) -> dict[str, float]:
    """Spread of brightness where nothing stands in the beam: of pixels, and of column means (pulses)."""
    counts = scan.counts[0].astype(np.float64)
    smooth = gaussian_filter(counts, 4)
    clear = smooth > 0.93 * AIR
    columns = np.flatnonzero(clear.sum(axis=0) > 60)
    if columns.size < 50:
        return {}
    means = np.array([counts[clear[:, x], x].mean() for x in columns])
    local = means - median_filter(means, 31)
    rest = np.concatenate([np.diff(counts[clear[:, x], x]) / np.sqrt(2) for x in columns])
    return {
        "pixel %": float(100 * 1.4826 * np.median(np.abs(rest)) / AIR),
        "column %": float(100 * 1.4826 * np.median(np.abs(local)) / AIR),
    }


def measure(scan: Scan) -> dict[str, Any]:
    """All statistics of a scan."""
    found = noise(scan)
    return {
        "open beam": open_beam(scan),
        "noise": found,
        "counts per quantum": {label: counts_per_quantum(rows) for label, rows in found.items()},
        "clutter": clutter(scan),
        "power": power(scan),
        "distribution": distribution(scan),
    }


def grey(scan: Scan) -> NDArray[np.uint8]:
    """Return α of the high channel, 0 (white) to 9 (black), one pixel per pixel."""
    found: NDArray[np.uint8] = (255 - np.clip(scan.alpha[0] / 9, 0, 1) * 255).astype(np.uint8)
    return found


def beside(scans: list[Scan], path: Path) -> None:
    """Write all scans below each other at one scale, a white line between two."""
    planes = [grey(scan) for scan in scans]
    width = max(plane.shape[1] for plane in planes)
    rows = [np.pad(plane, ((0, 8), (0, width - plane.shape[1])), constant_values=255) for plane in planes]
    Image.fromarray(np.vstack(rows)).save(path)


def at(rows: list[list[float]], place: float, column: int, width: float) -> str:
    """Return a column of the row that lies nearest a place, in per cent or as it is; a dash where none is near."""
    near = [row for row in rows if abs(row[0] - place) <= width]
    return f"{min(near, key=lambda row: abs(row[0] - place))[column]:.3f}" if near else "–"


def figures(found: dict[str, Any]) -> dict[str, str]:
    """Return the figures of one scan that are set side by side, by label."""
    clear = found["open beam"]
    lines = {f"open beam, {key}": f"{clear[key]:.2f}" if key in clear else "–" for key in ("pixel %", "column %")}
    for label, rows in found["noise"].items():
        for counts in (600, 4000, 29_000):
            lines[f"noise at {counts} counts, {label}"] = at(rows, counts, 2, 0.2 * counts)
        lines[f"counts per quantum, {label}"] = f"{found['counts per quantum'][label]:.0f}"
    spread = found["distribution"]
    for share, value in zip((5, 25, 50, 75, 95), spread["alpha quantiles 5, 25, 50, 75, 95 %"], strict=True):
        lines[f"α of goods, {share} %"] = f"{value:.2f}"
    for alpha in (2.5, 4.5, 5.5, 6.5):
        lines[f"clutter at α = {alpha}"] = at(found["clutter"], alpha, 2, 0.1)
    for alpha in (1.5, 3.5, 5.5, 6.5):
        lines[f"energy ratio at α = {alpha}"] = at(spread["energy ratio by alpha"], alpha, 2, 0.1)
    for label, values in found["power"].items():
        for low, value in zip(WAVELENGTHS_MM, values, strict=False):
            if value > 0:
                lines[f"power {label}, {low}–{2 * low} mm"] = f"{value:.3f}"
    for key in ("starved goods high", "starved high", "starved low"):
        lines[f"{key}, %"] = f"{100 * spread[key]:.2f}"
    return lines


def table(result: dict[str, dict[str, Any]]) -> str:
    """Set the figures of all scans side by side as a Markdown table."""
    columns = [figures(found) for found in result.values()]
    labels = list(dict.fromkeys(label for column in columns for label in column))
    rows = ["| figure | " + " | ".join(result) + " |", "|---" * (len(result) + 1) + "|"]
    rows += [f"| {label} | " + " | ".join(column.get(label, "–") for column in columns) + " |" for label in labels]
    return "\n".join(rows) + "\n"


def main() -> int:
    """Write pictures and statistics."""
    parser = argparse.ArgumentParser(description="Set simulated scans beside real ones")
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("SCANANALYSIS_REAL_DATA"))
    parser.add_argument("--output", type=Path, default=Path("out/realism"))
    parser.add_argument("--only", nargs="*", default=list(SIMULATED), help="simulated loads to make", choices=SIMULATED)
    parser.add_argument("--scatter-share", type=float, help="scatter instead of what the scanner states")
    parser.add_argument("--scatter-range-mm", type=float, help="its range, mm")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    scans = real_scans(Path(options.folder)) if options.folder else []
    if options.folder and not scans:
        parser.error(f"no rail_cargo_*.npy in {options.folder}")
    asked = {"scatter_share": options.scatter_share, "scatter_range_mm": options.scatter_range_mm}
    stated = {name: value for name, value in asked.items() if value is not None}
    scans += [simulated_scan(name, *SIMULATED[name], stated) for name in options.only]
    result = {}
    for scan in scans:
        Image.fromarray(grey(scan)).save(options.output / f"{scan.name.replace(', ', '-').replace(' ', '-')}.png")
        result[scan.name] = measure(scan)
    beside(scans, options.output / "beside.png")
    (options.output / "statistics.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    (options.output / "statistics.md").write_text(table(result), encoding="utf-8")
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What calibration does to banding of the open beam and to the shift between interlaced energies, on real and on simulated scans.

    python -m benchmarks.tasks.banding [FOLDER] [--no-record]

FOLDER (or the environment variable SCANANALYSIS_REAL_DATA) holds real dual-energy scans as ``rail_cargo_*.npy``, read with the layout
``rail-air-normalised``. Without it only the simulated control is measured: a scan of the scanner ``cargo-6-4mv`` with pulses that fluctuate
by 2 %, brought to the same air-normalised form, monitor and positions left out.

Banding: second differences of transmission along the travel, averaged over the elements that see the open beam on three lines running.
Their power over what the noise of single pixels explains is 1 without banding of lines; the same along the elements is banding of rows.
Pulses are found on even elements and banding of lines is measured on odd ones, so nothing is measured where it was corrected.

Shift: phase of the cross spectrum of both energies in windows around edges that stand across the travel, as lines by which the low energy
lags; its error by bootstrap over places. Rising and falling edges are measured apart, since hardening moves them in opposite directions
and a shift does not. The same along the elements is a control, and so is half a line that is put in. ``scatter`` is the spread of the lag
from place to place (robust 1-σ): what no constant shift can put right.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scananalysis as sa
from benchmarks.record import record
from scananalysis.calibration import Calibration, Recipe
from scananalysis.detectors import scanner as find_scanner
from scananalysis.simulation import container_scene, render

Array = NDArray[np.float64]
LAYOUT = "rail-air-normalised"
AIR = 60_000.0
BAND = 0.06
HALF = 12
TAPER = np.minimum(1.0, 2 * np.hanning(2 * HALF + 1))
"""Flat over the edge: a window that falls where the shifted edge stands pulls it back."""
LEAST_SIGNAL = 0.07
LEAST_STEP = 0.35
LEAST_EDGES = 5
LEAST_ROWS = 6


def planes_of(scan: sa.RawScan, recipe: Recipe | None = None) -> tuple[Array, Array, dict[str, Any]]:
    """Return transmission before and after calibration, (channel, y, x), and what calibration found."""
    radiograph = sa.calibrate(scan, recipe=recipe)
    steps = {step.name.partition(".")[2]: step.parameters.get("found", {}) for step in radiograph.provenance.steps}
    levels = np.array(steps["open_beam"]["air_level"])
    before = scan.counts.transpose(0, 2, 1) / levels[:, None, None]
    found = {
        "air_level": levels.round(1).tolist(),
        "pulse_source": steps["pulse"]["source"],
        "lines_without_pulse": steps["pulse"]["lines_uncorrected"],
        "lag_lines": steps["registration"]["lag_lines"],
    }
    return before, np.nan_to_num(np.exp(-radiograph.attenuation.astype(np.float64))), found


def second_difference(plane: Array, mask: NDArray[np.bool_], axis: int) -> Array:
    """Return second differences with the variance of one pixel, NaN where one of the three pixels is not in the mask."""
    moved = np.moveaxis(plane, axis, -1)
    inside = np.moveaxis(mask, axis, -1)
    change = (moved[..., 2:] - 2 * moved[..., 1:-1] + moved[..., :-2]) / np.sqrt(6)
    whole = inside[..., 2:] & inside[..., 1:-1] & inside[..., :-2]
    return np.moveaxis(np.where(whole, change, np.nan), -1, axis)


def banding(plane: Array, mask: NDArray[np.bool_], axis: int) -> dict[str, float]:
    """Return the power of lines (axis 1) or rows (axis 0) over that of independent noise, and the excess in per cent (1-σ)."""
    change = second_difference(plane, mask, axis)
    known = np.isfinite(change)
    number = known.sum(axis=1 - axis)
    used = number >= 4
    if used.sum() < LEAST_ROWS:
        return {"lines": int(used.sum())}
    clean = np.where(known, change, 0.0)
    mean = clean.sum(axis=1 - axis)[used] / number[used]
    # Noise of one pixel from what is left when each line's own mean is taken off.
    spread = (clean**2).sum(axis=1 - axis)[used] - number[used] * mean**2
    noise = float(spread.sum() / (number[used] - 1).sum())
    power = float(np.average(mean**2 * number[used] / noise, weights=number[used]))
    excess = float(np.average(mean**2 - noise / number[used], weights=number[used]))
    return {
        "lines": int(used.sum()),
        "pixels": int(known.sum()),
        "over_noise": round(power, 3),
        "excess_percent": round(100 * float(np.sqrt(max(excess, 0.0))), 3),
    }


def open_beam(before: Array) -> NDArray[np.bool_]:
    """Return which pixels see the open beam in both channels: within the band of 1, as their neighbours do."""
    from scipy.ndimage import uniform_filter

    near = np.all(np.abs(before - 1) < BAND, axis=0)
    found: NDArray[np.bool_] = near & (uniform_filter(near.astype(np.float32), 3, mode="nearest") > 0.95)
    return found


def measured_banding(before: Array, after: Array, rows: NDArray[np.bool_]) -> dict[str, Any]:
    """Return banding before and after by channel, on the rows that found no pulses."""
    mask = open_beam(before)
    found: dict[str, Any] = {}
    for c in range(len(before)):
        figures = {
            when: {"lines": banding(planes[c], mask & rows[:, None], 1), "rows": banding(planes[c], mask, 0)}
            for when, planes in (("before", before), ("after", after))
        }
        for when in ("before", "after"):
            line, row = (figures[when][name].get("over_noise") for name in ("lines", "rows"))
            figures[when]["line_power_over_row_power"] = round(line / row, 3) if line and row else None
        line_power = [figures[when]["lines"].get("over_noise") for when in ("before", "after")]
        figures["line_power_after_over_before"] = round(line_power[1] / line_power[0], 3) if all(line_power) else None
        found[f"channel {c}"] = figures
    return found


def held_out(scan: sa.RawScan, recipe: Recipe | None = None) -> tuple[Array, Array, NDArray[np.bool_], dict[str, Any]]:
    """Return transmissions where pulses were found on even elements alone, and the odd elements."""
    elements = np.arange(scan.shape[2])
    even = elements % 2 == 0
    half = replace(scan, counts=np.ascontiguousarray(scan.counts[:, :, even]))
    plain = (recipe or Recipe.for_scanner(find_scanner(scan.scanner))).model_dump()
    plain["registration"]["enabled"] = False
    seen, corrected, found = planes_of(half, Recipe.model_validate(plain))
    pulse = np.ones(seen.shape[::2])
    if found["pulse_source"] != "none":
        # What calibration divided a line by is the same for all its pixels; those of the open beam tell it best.
        bright = np.abs(corrected - 1) < BAND
        ratio = np.ma.masked_array(seen / np.where(bright, corrected, 1.0), mask=~bright)
        pulse = np.ma.median(ratio, axis=1).filled(1.0)
    levels = np.array(found["air_level"])
    before = scan.counts.transpose(0, 2, 1) / levels[:, None, None]
    # Where nothing was corrected nothing need be held out.
    return before, before / pulse[:, None, :], ~even | (found["pulse_source"] == "none"), found


def edges(planes: Array, sign: int) -> tuple[NDArray[np.intp], Array]:
    """Return places (y, x) and normalised cross spectra of windows around edges along the last axis."""
    log = np.log(np.maximum(planes, 1e-4))
    usable = np.all((planes > LEAST_SIGNAL) & (planes < 65_400 / AIR), axis=0)
    slope = np.zeros(planes.shape[1:])
    slope[:, 1:-1] = sign * (log[0, :, 2:] - log[0, :, :-2])
    peak = (slope > LEAST_STEP) & (slope >= np.roll(slope, 1, 1)) & (slope > np.roll(slope, -1, 1))
    y, x = np.nonzero(peak)
    inside = (x > HALF + 1) & (x < planes.shape[2] - HALF - 2)
    y, x = y[inside], x[inside]
    columns = x[:, None] + np.arange(-HALF - 1, HALF + 2)
    whole = usable[y[:, None], columns].all(axis=1)
    y, x, columns = y[whole], x[whole], columns[whole]
    change = np.diff(log[:, y[:, None], columns], axis=2)[:, :, : 2 * HALF + 1] * TAPER
    spectrum = np.fft.rfft(change, n=64, axis=2)
    weight = np.abs(change).sum(axis=2).prod(axis=0)
    return np.stack([y, x], axis=1), np.conj(spectrum[0]) * spectrum[1] / weight[:, None]


def lag_of(cross: Array) -> float:
    """Return the lag that a cross spectrum shows, lines: weighted least squares of phase = 2π f lag below 0.2 per line."""
    frequency = np.fft.rfftfreq(64)
    used = (frequency > 0) & (frequency < 0.2)
    weight, f = np.abs(cross[used]), frequency[used]
    return float((weight * f * np.angle(cross[used])).sum() / (2 * np.pi * (weight * f**2).sum()))


def shift(planes: Array, seed: int = 0) -> dict[str, Any]:
    """Return the lag along the last axis at rising and falling edges and in all, each with its bootstrap error."""
    rng = np.random.default_rng(seed)
    sums, several = [], []
    found: dict[str, Any] = {}
    for name, sign in (("rising", 1), ("falling", -1)):
        place, cross = edges(planes, sign)
        # Neighbouring edges are parts of one object.
        cells, index = np.unique(place // (40, 8), axis=0, return_inverse=True)
        total = np.zeros((len(cells), cross.shape[1]), complex)
        np.add.at(total, index.ravel(), cross)
        sums.append(total)
        several.append(np.bincount(index.ravel(), minlength=len(cells)) >= LEAST_EDGES)
        found[name] = _with_error(total, rng) | {"edges": len(place)}
    every = np.concatenate(sums)
    lags = np.array([lag_of(total) for total in every[np.concatenate(several)]])
    spread = 1.4826 * float(np.median(np.abs(lags - np.median(lags)))) if len(lags) >= 10 else None
    return found | {"all": _with_error(every, rng) | {"scatter": None if spread is None else round(spread, 3)}}


def _with_error(total: Array, rng: np.random.Generator) -> dict[str, Any]:
    if len(total) < 10:
        return {"places": len(total)}
    drawn = [lag_of(total[rng.integers(0, len(total), len(total))].sum(axis=0)) for _ in range(200)]
    return {"lag": round(lag_of(total.sum(axis=0)), 3), "sigma": round(float(np.std(drawn)), 3), "places": len(total)}


def half_line(planes: Array) -> Array:
    """Return the planes with the low energy moved on by half a line."""
    moved = planes.copy()
    moved[1, :, :-1] = (planes[1, :, :-1] + planes[1, :, 1:]) / 2
    return moved


def measure(scan: sa.RawScan) -> dict[str, Any]:
    """Measure one scan."""
    before, after, found = planes_of(scan)
    test, corrected, rows, halves = held_out(scan)
    across = before.transpose(0, 2, 1)
    return {
        "shape": list(scan.shape),
        "calibration_found": found,
        "banding": {
            "pulse_source": halves["pulse_source"],
            "lines_without_pulse": halves["lines_without_pulse"],
            **measured_banding(test, corrected, rows),
        },
        "shift_lines": {
            "before": shift(before),
            "after": shift(after),
            "before, half a line put in": shift(half_line(before))["all"],
            "along the elements (control)": shift(across)["all"],
        },
    }


def simulated(seed: int = 5, binning: int = 2) -> sa.RawScan:
    """Return a simulated scan as an archive holds it: air-normalised by element, pulses left in, no monitor, no positions."""
    device = find_scanner("cargo-6-4mv").binned(binning, binning)
    scan = render(container_scene(seed, device, size="22G1").scene, device, seed).scan
    used = Calibration.from_references(scan)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.nan_to_num((scan.counts - used.offset[:, None]) / used.gain[:, None], posinf=0.0, neginf=0.0)
    counts = (AIR * level).round().clip(0, 65_534).astype(np.uint16)
    return sa.RawScan(counts, scan.scanner, stage="air-normalised", binning=scan.binning)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("SCANANALYSIS_REAL_DATA"))
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    found: dict[str, Any] = {"simulated control": measure(simulated())}
    if options.folder:
        paths = sorted(Path(options.folder).glob("rail_cargo_*.npy"))
        if not paths:
            parser.error(f"{options.folder}: no rail_cargo_*.npy")
        for path in paths:
            scan = sa.read(path, layout=LAYOUT)
            found[path.name] = measure(scan)
            # One row of open beam is not enough for the recipe; what if it had to do?
            forced = Recipe.for_scanner(find_scanner(scan.scanner)).model_dump()
            forced["pulse"]["least_elements"] = 1
            before, after, facts = planes_of(scan, Recipe.model_validate(forced))
            elsewhere = np.arange(scan.shape[2]) >= 8
            found[path.name]["banding, pulses of a single open row"] = {
                "lines_without_pulse": facts["lines_without_pulse"],
                **measured_banding(before, after, elsewhere),
            }
    print(json.dumps(found, indent=1))
    if not options.no_record:
        print(record("banding", found))


if __name__ == "__main__":
    main()

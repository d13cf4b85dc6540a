"""How fast and how lean a full-size scan is calibrated, against memory copies and against plain NumPy/SciPy over whole arrays.

Run from the root of the repository: ``python -m benchmarks.tasks.calibration [--lines 4000] [--elements 2000] [--repeats 3]``
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, gaussian_filter1d
from scipy.signal import lfilter

from benchmarks.record import OUTPUT, memory_copy_s, record
from scananalysis.calibration import Calibration, Recipe, calibrate
from scananalysis.calibration.corrections import Corrections
from scananalysis.calibration.plan import plans_of
from scananalysis.core import Radiograph, RawScan
from scananalysis.detectors import Scanner
from scananalysis.detectors import scanner as find_scanner

NAME = "cargo-6-4mv"
FULL = {
    "linearity": {"curvature": 0.02},
    "afterglow": {"share": (0.01, 0.005), "time_s": (0.003, 0.03)},
    "crosstalk": {"share": 0.01},
    "scatter": {"share": 0.005, "range_mm": 150.0},
}
BASIC = {
    name: {"enabled": False}
    for name in (
        "linearity",
        "afterglow",
        "crosstalk",
        "scatter",
        "defects",
        "dropped_lines",
        "registration",
        "geometry",
    )
}

Float32 = NDArray[np.float32]


def made_scan(lines: int, elements: int) -> tuple[RawScan, Scanner]:
    """Return a dual-energy scan with boxes of many densities, and its scanner with as many elements."""
    full = find_scanner(NAME)
    # The same array in finer elements: the beam reaches no further.
    pitch = full.element_pitch_mm * full.elements / elements
    geometry = full.geometry.model_copy(update={"elements": elements, "element_pitch_mm": pitch})
    device = full.model_copy(update={"geometry": geometry})
    rng = np.random.default_rng(0)
    alpha = np.repeat(np.repeat(rng.uniform(0, 6, (lines // 40 + 1, elements // 50 + 1)), 40, axis=0), 50, axis=1)
    transmission = np.exp(-alpha[:lines, :elements]).astype(np.float32)
    transmission[:, : elements // 8] = 1
    shape = (2, lines, elements)
    counts = np.empty(shape, np.uint16)
    for c in range(2):
        level = 50_000 * transmission ** (1 + 0.15 * c)
        level += rng.standard_normal(level.shape, np.float32) * np.sqrt(5 * level + 9)
        counts[c] = np.clip(level + 900, 0, 65_535)
    references = [
        rng.normal(mean, sigma, (2, 200, elements)).round().astype(np.uint16)
        for mean, sigma in ((900, 3), (50_900, 500))
    ]
    references[1][:, :, 7::100] = 900
    return RawScan(
        counts,
        NAME,
        dark=references[0],
        air=references[1],
        monitor=rng.normal(1, 0.01, (2, lines)).astype(np.float32),
        air_monitor=rng.normal(1, 0.01, (2, 200)).astype(np.float32),
    ), device


class OwnScanner:
    """Makes `calibrate` see a scanner with another number of elements while it runs."""

    def __init__(self, device: Scanner) -> None:
        self._device = device

    def __enter__(self) -> None:
        from scananalysis.calibration import chain, references

        self._modules = chain, references
        for module in self._modules:
            module.find_scanner = lambda _: self._device

    def __exit__(self, *_: object) -> None:
        for module in self._modules:
            module.find_scanner = find_scanner


def plain(scan: RawScan, device: Scanner, used: Calibration, recipe: Recipe, *, full: bool) -> list[Any]:
    """Calibrate as one would by hand: every step over the whole array, in NumPy and SciPy."""
    corrections, plans = Corrections.of(device, recipe), plans_of(used, device, 0.5, recipe)
    out = []
    for c, plan in enumerate(plans):
        signal = scan.counts[c].astype(np.float32) - plan.offset
        if full:
            signal = 2 * signal / (1 + np.sqrt(1 - 4 * corrections.curvature / corrections.full_scale * signal))
        signal = signal * plan.inverse_gain
        glowing = signal
        if full:
            signal = _without_afterglow(signal, corrections)
        pulse = (scan.monitor[c] / used.air_monitor[c]).astype(np.float32)[:, None]
        signal = signal / pulse
        effects = [(signal - glowing) * 0.05] if full else []
        quality = np.broadcast_to(plan.repair.flags, signal.shape).copy()
        quality[scan.counts[c] >= plan.full_scale] |= 2
        if full:
            repeats = (scan.counts[c][1:] == scan.counts[c][:-1]).all(axis=1)
            quality[1:][repeats] |= 128
            signal = _filled(signal, plan.repair)
            kernel = plan.unmixing.kernel
            signal = convolve1d(signal * plan.unmixing.level, kernel, axis=1, mode="constant")
            signal *= plan.unmixing.inverse_profile
            effects.append(
                0.05 * corrections.crosstalk * convolve1d(signal, np.array([1.0, -2, 1], np.float32), axis=1)
            )
            scattered = _scattered(signal, plan, corrections)
            effects.append(0.1 * scattered)
            signal = signal - scattered
        positive = np.maximum(signal, 1e-9)
        depth = -np.log(np.maximum(positive, 1e-7))
        variance = (1 + plan.growth.rise * depth / (1 + plan.growth.bend * depth)) * positive * plan.quantum / pulse
        variance = variance + plan.dark_variance / pulse**2
        if full:
            variance = variance + scattered * plan.quantum / pulse
            variance = _filled(variance, plan.repair)
        quality[signal < 3 * plan.zero_noise] |= 1
        if full:
            near, far = 1 - abs(plan.shift), abs(plan.shift)
            step = -1 if plan.shift > 0 else 1
            signal = near * signal + far * np.roll(signal, step, axis=0)
            variance = near**2 * variance + far**2 * np.roll(variance, step, axis=0)
            quality = quality | np.roll(quality, step, axis=0)
            effects = [near * e + far * np.roll(e, step, axis=0) for e in effects]
        signal = np.maximum(signal, np.maximum(plan.zero_noise / 2, 1e-9))
        out.append(np.ascontiguousarray((-np.log(signal)).T))
        out.append(np.ascontiguousarray((variance / signal**2).T))
        out.append(np.ascontiguousarray(quality.T))
        out.append(np.ascontiguousarray((plan.dark_error / pulse / signal).T))
        out.extend(np.ascontiguousarray((e / signal).T) for e in effects)
        if full:
            out.append(np.ascontiguousarray((0.05 * corrections.curvature * plan.counts_per_gain * (1 - signal)).T))
    return out


def _scattered(signal: Float32, plan: Any, corrections: Corrections) -> Float32:
    """Find the scatter of every line by iteration."""
    scattered = np.zeros_like(signal)
    for _ in range(plan.scatter.rounds):
        direct = np.clip(signal - scattered, 1e-30, 1)
        potential = -direct * np.log(direct) / plan.scatter.inverse_profile
        spread = gaussian_filter1d(potential, corrections.scatter_elements, axis=1, mode="constant")
        scattered = corrections.scatter_share * spread * plan.scatter.inverse_profile
    return scattered


def _without_afterglow(signal: Float32, corrections: Corrections) -> Float32:
    """Invert M = H S with the filter H(z) = 1 − Σ a + Σ a (1 − r)/(1 − r z⁻¹), after the open beam."""
    keep = np.exp(-1 / np.array(corrections.afterglow_lines))
    poles = np.poly(keep)
    forward = (1 - sum(corrections.afterglow_share)) * poles
    for i, (share, r) in enumerate(zip(corrections.afterglow_share, keep, strict=True)):
        forward[: keep.size] += share * (1 - r) * np.poly(np.delete(keep, i))
    # A scan after a long time in the open beam: what differs from it starts at zero.
    return (1 + lfilter(poles, forward, signal - 1, axis=0)).astype(np.float32)


def _filled(plane: Float32, repair: Any) -> Float32:
    """Interpolate bad elements."""
    good = np.setdiff1d(np.arange(plane.shape[1]), repair.bad)
    filled = plane.copy()
    for element in repair.bad:
        low, high = good[good < element][-1:], good[good > element][:1]
        filled[:, element] = plane[:, np.concatenate([low, high])].mean(axis=1)
    return filled


def best(work: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Return the least time of some runs, and the least processor time, s: the latter is what a busy machine leaves alone."""
    wall, processor = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return min(wall), min(processor)


def copy_processor_s(moved: int) -> float:
    """Return the least processor time of a memory copy, s."""
    source = np.ones(max(moved // 8, 1), np.float32)
    target = np.empty_like(source)
    return best(lambda: np.copyto(target, source), 5)[1]


def touched_bytes(radiograph: Radiograph) -> int:
    """Return the bytes of the planes that hold numbers: a term of one channel leaves the others' pages untouched."""
    planes = radiograph.attenuation.nbytes + radiograph.variance.nbytes + radiograph.quality.nbytes
    for name, term in radiograph.systematic.items():
        one = name.startswith(("dark", "gain", "pulse", "level"))
        planes += term.effect.nbytes // (len(radiograph.attenuation) if one else 1)
    return int(planes)


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _memory(lines: int, elements: int) -> dict[str, float]:
    """Measure the peak of a calibration alone, in this process: nothing else has run in it."""
    scan, device = made_scan(lines, elements)
    recipe = Recipe.model_validate(FULL)
    with OwnScanner(device):
        small = RawScan(scan.counts[:, :64].copy(), NAME, dark=scan.dark, air=scan.air, monitor=scan.monitor[:, :64],
                        air_monitor=scan.air_monitor)  # fmt: skip
        used = Calibration.from_references(scan, recipe=recipe)
        with Path("/proc/self/status").open(encoding="ascii") as status:
            held = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        calibrate(small, used, recipe=recipe)
        # The peak so far was that of making the scan; it is reset, where the system allows it.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        made = calibrate(scan, used, recipe=recipe)
    with Path("/proc/self/status").open(encoding="ascii") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    both = scan.counts.nbytes + touched_bytes(made)
    grown = (peak - held) * 1024 + scan.counts.nbytes
    return {"peak_mb": grown / 1e6, "input_and_output_mb": both / 1e6, "peak_over_input_and_output": grown / both}


def measure(lines: int, elements: int, repeats: int) -> dict[str, Any]:
    """Return the figures."""
    scan, device = made_scan(lines, elements)
    figures: dict[str, Any] = {"shape": [2, lines, elements]}
    for name, sections in (("full", FULL), ("offset_gain_pulse_log", BASIC)):
        recipe = Recipe.model_validate(sections)
        with OwnScanner(device):
            used = Calibration.from_references(scan, recipe=recipe)
            made = calibrate(scan, used, recipe=recipe)
            moved = scan.counts.nbytes + touched_bytes(made)
            del made
            ours = best(lambda used=used, recipe=recipe: calibrate(scan, used, recipe=recipe), repeats)
            copy = memory_copy_s(moved)
            by_hand = best(
                lambda used=used, recipe=recipe, full=name == "full": plain(scan, device, used, recipe, full=full), 1
            )
        figures[name] = {
            "calibrate_s": ours[0],
            "plain_numpy_scipy_s": by_hand[0],
            "times_faster": by_hand[0] / ours[0],
            "memory_copy_s": copy,
            "memory_copies": ours[0] / copy,
            "megapixels_per_s": 2 * lines * elements / 1e6 / ours[0],
            "calibrate_processor_s": ours[1],
            "processor_times_less": by_hand[1] / ours[1],
            "processor_memory_copies": ours[1] / copy_processor_s(moved),
        }
    return figures


def main() -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=4000)
    parser.add_argument("--elements", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--memory", action="store_true", help="measure memory alone and print it")
    arguments = parser.parse_args()
    if arguments.memory:
        import json

        sys.stdout.write(json.dumps(_memory(arguments.lines, arguments.elements)) + "\n")
        return
    import json

    figures = measure(arguments.lines, arguments.elements, arguments.repeats)
    command = [sys.executable, "-m", "benchmarks.tasks.calibration", "--memory", "--lines", str(arguments.lines)]
    alone = subprocess.run(
        [*command, "--elements", str(arguments.elements)], capture_output=True, text=True, check=True
    )
    figures["memory"] = json.loads(alone.stdout)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    sys.stdout.write(f"{record('calibration', figures, arguments.output)}\n")


if __name__ == "__main__":
    main()

"""How long a block of lines takes while a scan is being taken, and how many lines per second are sustained.

Run:  python -m benchmarks.tasks.streaming [--lines 1200] [--scanner cargo-6-4mv] [--no-record]

Two streams are fed the same full-size scan of random loads in blocks of several sizes: ``calibration.Stream`` (counts to attenuation) and
``stream`` (counts to areal density and atomic number, with the calibration below). Latency is the time of one ``feed``; lines wait
``delay_lines`` longer for a neighbour. A scanner is kept up with where the sustained rate is above its own. The blocks are joined and held
against the whole scan: not a bit may differ.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scananalysis as sa
from benchmarks.record import record
from scananalysis.calibration import Calibration, Stream

BLOCKS = (1, 8, 64, 256)
Opener = Callable[[], Any]


def made(scanner: str, lines: int, seed: int = 0) -> sa.RawScan:
    """Return a scan of boxes of random transmission, with references and monitor, as the readout delivers it."""
    device = sa.scanner(scanner)
    rng = np.random.default_rng(seed)
    channels, elements = len(device.channels), device.elements
    shape = (channels, lines, elements)
    offset = rng.normal(device.readout.offset_counts, device.readout.offset_spread_counts, (channels, 1, elements))
    signal = device.readout.air_counts * rng.normal(1, device.readout.gain_spread, (channels, 1, elements))
    boxes = (
        rng.uniform(0.2, 4.0, (1, lines // 40 + 1, elements // 60 + 1)) * np.array([0.9, 1.0])[:channels, None, None]
    )
    load = np.exp(-np.repeat(np.repeat(boxes, 40, 1), 60, 2)[:, :lines, :elements])
    pulse = rng.normal(1, 0.02, (channels, lines, 1))
    references = device.reference_lines

    def read(expected: NDArray[np.float64]) -> NDArray[np.uint16]:
        noisy = expected + rng.normal(0, 1, expected.shape) * np.sqrt(6 + 4 * np.maximum(expected - offset, 0))
        return noisy.round().clip(0, 65_535).astype(np.uint16)

    reference_pulse = rng.normal(1, 0.02, (channels, references, 1))
    return sa.RawScan(
        read(offset + signal * load * pulse).reshape(shape),
        scanner,
        dark=read(np.broadcast_to(offset, (channels, references, elements))),
        air=read(offset + signal * reference_pulse),
        air_monitor=reference_pulse[..., 0].astype(np.float32),
        monitor=pulse[..., 0].astype(np.float32),
    )


def feed(opened: Any, scan: sa.RawScan, size: int) -> tuple[list[float], list[Any]]:
    """Feed a scan in blocks; return the time of every call, s, and the results."""
    times, parts = [], []
    monitor = scan.monitor
    if monitor is None:
        raise SystemExit("a scan without monitor readings cannot be streamed")
    for first in range(0, scan.shape[1], size):
        block, reading = scan.counts[:, first : first + size], monitor[:, first : first + size]
        start = time.perf_counter()
        part = opened.feed(block, reading)
        times.append(time.perf_counter() - start)
        parts.append(part)
    parts.append(opened.close())
    return times, [part for part in parts if part is not None]


def measured(open_: Opener, scan: sa.RawScan, size: int, names: tuple[str, ...], whole: Any) -> dict[str, Any]:
    """Return the figures of one stream at one block size, and fail where its bits are not those of the whole scan."""
    opened = open_()
    times, parts = feed(opened, scan, size)
    for name in names:
        joined = np.concatenate([getattr(part, name) for part in parts], axis=-1)
        if not np.array_equal(joined, getattr(whole, name), equal_nan=True):
            raise SystemExit(f"blocks of {size} lines: {name} is not that of the whole scan")
    own = sa.scanner(scan.scanner).lines_per_s
    # The first call warms caches and threads; a scanner runs before the truck arrives.
    late = np.array(times[1:] or times)
    rate = size * len(late) / float(late.sum())
    return {
        "block_lines": size,
        "delay_lines": opened.delay_lines,
        "latency_ms": {
            "median": round(1e3 * float(np.median(late)), 3),
            "p99": round(1e3 * float(np.quantile(late, 0.99)), 3),
            "largest": round(1e3 * float(late.max()), 3),
        },
        "lines_per_s": round(rate, 1),
        "times_the_scanner": round(rate / own, 2),
    }


def figures(scanner: str, lines: int, blocks: tuple[int, ...] = BLOCKS) -> dict[str, Any]:
    """Measure both streams at all block sizes."""
    scan = made(scanner, lines)
    used = Calibration.from_references(scan)
    radiograph = sa.calibrate(scan, used)
    materials = sa.discriminate(radiograph)
    streams: dict[str, tuple[Opener, tuple[str, ...], Any]] = {
        "calibration": (lambda: Stream(scanner, used), ("attenuation", "variance", "quality"), radiograph),
        "materials": (lambda: sa.stream(scanner, used), ("areal_density", "z_eff", "sigma_z", "quality"), materials),
    }
    found: dict[str, Any] = {
        "scanner": scanner, "shape": list(scan.shape), "scanner_lines_per_s": sa.scanner(scanner).lines_per_s,
    }  # fmt: skip
    for name, (open_, planes, whole) in streams.items():
        found[name] = [measured(open_, scan, size, planes, whole) for size in blocks]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1200)
    parser.add_argument("--scanner", default="cargo-6-4mv")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    found = figures(options.scanner, options.lines)
    print(json.dumps(found, indent=1))
    if not options.no_record:
        print(record("streaming", found))


if __name__ == "__main__":
    main()

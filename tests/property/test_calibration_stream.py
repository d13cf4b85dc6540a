"""A stream gives the bits of the whole scan, in blocks of any size."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scananalysis.calibration import Calibration, Recipe, Stream, calibrate
from scananalysis.core import RawScan
from scananalysis.detectors import scanner

ELEMENTS = scanner("cargo-6-4mv").binned(16, 16).elements


def scan_of(lines, seed):
    rng = np.random.default_rng(seed)
    shape = (2, 16, ELEMENTS)
    counts = np.clip(rng.normal(900 + 49_100 * np.exp(-rng.uniform(0, 9, (2, lines, ELEMENTS))), 20), 0, 65_535)
    counts = counts.round().astype(np.uint16)
    counts[:, lines // 3] = counts[:, max(lines // 3 - 1, 0)]
    monitor = rng.normal(1, 0.02, (2, lines)).astype(np.float32)
    monitor[0, lines // 2] = 0
    air = rng.normal(50_000, 110, shape).round().astype(np.uint16)
    # Bad elements are filled with regard to the lines before and after.
    air[:, :, rng.integers(0, 9) :: 9] = 900
    return RawScan(
        counts,
        scanner="cargo-6-4mv",
        binning=(16, 16),
        dark=rng.normal(900, 3, shape).round().astype(np.uint16),
        air=air,
        monitor=monitor,
        air_monitor=rng.normal(1, 0.02, (2, 16)).astype(np.float32),
    )


def fed(scan, sizes, recipe=None):
    stream = Stream("cargo-6-4mv", Calibration.from_references(scan), recipe=recipe, binning=(16, 16))
    blocks, at = [], 0
    while at < scan.shape[1]:
        size = sizes[len(blocks) % len(sizes)]
        blocks.append(stream.feed(scan.counts[:, at : at + size], scan.monitor[:, at : at + size]))
        at += size
    blocks.append(stream.close())
    return [block for block in blocks if block is not None]


@given(
    lines=st.integers(1, 80),
    sizes=st.lists(st.sampled_from([1, 2, 7, 64, 1000]), min_size=1, max_size=4),
    seed=st.integers(0, 20),
    registered=st.booleans(),
)
def test_a_stream_gives_the_bits_of_the_whole_scan(lines, sizes, seed, registered):
    scan = scan_of(lines, seed)
    recipe = Recipe.model_validate({"registration": {"enabled": registered}})
    whole, blocks = calibrate(scan, recipe=recipe), fed(scan, sizes, recipe)
    for name in ("attenuation", "variance", "quality"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(b, name) for b in blocks], axis=2), getattr(whole, name), name
        )
    for name, term in whole.systematic.items():
        parts = [np.broadcast_to(b.systematic[name].effect, b.shape) for b in blocks]
        np.testing.assert_array_equal(np.concatenate(parts, axis=2), np.broadcast_to(term.effect, whole.shape))
    starts = [b.metadata["first_line"] for b in blocks]
    assert starts == list(np.cumsum([0] + [b.shape[2] for b in blocks])[:-1])

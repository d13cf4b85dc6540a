import dataclasses
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import scananalysis as sa
from scananalysis.calibration import Calibration, StepWedge, calibrate
from scananalysis.core import CalibrationError, Quality
from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel, discriminate, stream
from scananalysis.simulation import Box, Matter, Piece, Scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
PLANES = ("areal_density", "z_eff", "sigma_areal_density", "sigma_z", "correlation", "quality")


@pytest.fixture(scope="module")
def scan():
    block = Piece(Box((400, 3200), (500, 2500), (5900, 6000)), Matter.of("steel"), 7.85)
    return render(Scene((block,), 4000.0), SCANNER, seed=3).scan


@pytest.fixture(scope="module")
def used(scan):
    return Calibration.from_references(scan)


@pytest.fixture(scope="module")
def fitted(used):
    """The set with curves a few per cent off the nominal ones."""
    nominal = DualEnergyModel.nominal(SCANNER)
    z, depth = np.repeat([6.0, 26.0, 82.0], 3), np.tile([20.0, 60.0, 100.0], 3)
    high, low = nominal.forward(depth, z)
    model = DualEnergyModel.fit(nominal.beams, StepWedge(z, depth, [1.03 * high, 1.02 * low]))
    return dataclasses.replace(used, curves=model.curves)


def run(opened, scan, size):
    parts = [
        opened.feed(scan.counts[:, k : k + size], scan.monitor[:, k : k + size]) for k in range(0, scan.shape[1], size)
    ]
    return [part for part in (*parts, opened.close()) if part is not None]


@pytest.mark.parametrize(("size", "curves"), [(1, False), (7, False), (64, False), (10_000, False), (33, True)])
def test_blocks_of_any_size_give_the_bits_of_the_whole_scan(scan, used, fitted, size, curves):
    calibration = fitted if curves else used
    # Recorded positions say the lag to a millionth of a line, and so does the scanner's timing.
    whole = discriminate(calibrate(dataclasses.replace(scan, position_mm=None), calibration))
    parts = run(sa.stream(SCANNER, calibration), scan, size)
    for name in PLANES:
        joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
        np.testing.assert_array_equal(joined, getattr(whole, name), err_msg=name)
    flagged = (whole.quality & Quality.NOMINAL_CURVES.value) != 0
    assert flagged.all() != curves
    assert flagged.any() != curves


def test_a_model_that_is_given_is_used_and_nothing_is_flagged_nominal(scan, used, fitted):
    model = DualEnergyModel.from_calibration(fitted)
    (given, _), (stored, _) = (run(s, scan, 10_000) for s in (stream(SCANNER, used, model), stream(SCANNER, fitted)))
    np.testing.assert_array_equal(given.areal_density, stored.areal_density)
    assert not (given.quality & Quality.NOMINAL_CURVES.value).any()
    assert not (given.areal_density == run(stream(SCANNER, used), scan, 10_000)[0].areal_density).all()


def test_one_energy_streams_too():
    device = scanner("gamma-co60").binned(4, 4)
    block = Piece(Box((400, 1200), (500, 2500), (5900, 6000)), Matter.of("steel"), 7.85)
    scan = render(Scene((block,), 1600.0), device, seed=1).scan
    opened = sa.stream(device, Calibration.from_references(scan))
    found = opened.feed(scan.counts, scan.monitor)
    assert opened.delay_lines == 0
    np.testing.assert_array_equal(found.areal_density, discriminate(calibrate(scan)).areal_density)
    assert np.isnan(found.z_eff).all()


def test_blocks_of_several_threads_fill_the_scan_once(scan, used):
    opened = sa.stream(SCANNER, used)
    found = []

    def work():
        found.extend(opened.feed(scan.counts[:, :10], scan.monitor[:, :10]) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.append(opened.close())
    blocks = sorted((f.metadata["first_line"], f.areal_density.shape[1]) for f in found if f is not None)
    assert [first for first, _ in blocks] == list(np.cumsum([0, *(n for _, n in blocks)])[:-1])
    assert sum(n for _, n in blocks) == opened.lines_done == 200


def test_cancelling_from_another_thread_ends_it(scan, used):
    opened = sa.stream(SCANNER, used)
    begun, refused = threading.Event(), []

    def work():
        try:
            while True:
                opened.feed(scan.counts[:, :5], scan.monitor[:, :5])
                begun.set()
        except CalibrationError as error:
            refused.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(30)
    opened.cancel()
    thread.join(30)
    assert not thread.is_alive()
    assert "was cancelled" in refused[0]
    with pytest.raises(CalibrationError, match="was cancelled"):
        opened.close()


def test_a_set_that_does_not_fit_is_refused_before_the_first_line(scan, used, tmp_path):
    used.save(tmp_path / "set.h5")
    with pytest.raises(CalibrationError, match="has scanner rail-6-4mv"):
        sa.stream("rail-6-4mv", tmp_path / "set.h5", binning=(8, 8))
    late = dataclasses.replace(used, valid_until=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(CalibrationError, match="one until 2020"):
        sa.stream(SCANNER, late)
    assert sa.stream(SCANNER, late, moment=datetime(2019, 1, 1, tzinfo=UTC)).lines_done == 0


def test_the_benchmark_measures_both_streams_and_holds_them_against_the_whole_scan():
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.tasks.streaming",
            "--scanner",
            "gamma-co60",
            "--lines",
            "300",
            "--no-record",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    found = json.loads(done.stdout)
    for name in ("calibration", "materials"):
        assert [each["block_lines"] for each in found[name]] == [1, 8, 64, 256]
        for each in found[name]:
            assert 0 < each["latency_ms"]["median"] <= each["latency_ms"]["largest"]
            assert each["lines_per_s"] > 0

import dataclasses
import threading
from datetime import UTC, datetime

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, Stream
from scananalysis.core import CalibrationError
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Matter, Piece, Scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)


@pytest.fixture(scope="module")
def scan():
    block = Piece(Box((400, 1200), (500, 2500), (5900, 6000)), Matter.of("steel"), 7.85)
    return render(Scene((block,), 1600.0), SCANNER, seed=3).scan


@pytest.fixture
def stream(scan):
    return Stream(SCANNER, Calibration.from_references(scan))


def test_results_lag_by_one_line_only(scan, stream):
    assert stream.delay_lines == 1
    assert stream.feed(scan.counts[:, :1], scan.monitor[:, :1]) is None
    assert stream.feed(scan.counts[:, 1:2], scan.monitor[:, 1:2]).shape == (2, SCANNER.elements, 1)
    assert stream.lines_done == 1


def test_whole_scan_steps_are_refused_by_name(scan):
    used = Calibration.from_references(scan)
    with pytest.raises(CalibrationError, match="pulses from the image are a step over the whole scan"):
        Stream(SCANNER, used, recipe=Recipe.model_validate({"pulse": {"source": "image"}}))
    blind = Calibration.from_references(dataclasses.replace(scan, air_monitor=None))
    with pytest.raises(CalibrationError, match="whole scan"):
        Stream(SCANNER, blind)
    off = Stream(SCANNER, blind, recipe=Recipe.model_validate({"pulse": {"enabled": False}}))
    assert off.feed(scan.counts).shape[2] == scan.shape[1] - 1


def test_a_set_of_another_scanner_or_time_is_refused(scan):
    used = Calibration.from_references(scan, valid_until=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(CalibrationError, match="scan has scanner rail-6-4mv"):
        Stream("rail-6-4mv", used, binning=(8, 8))
    with pytest.raises(CalibrationError, match="one until 2020"):
        Stream(SCANNER, used)
    Stream(SCANNER, used, moment=datetime(2019, 1, 1, tzinfo=UTC))


def test_blocks_that_do_not_fit_are_refused(scan, stream):
    with pytest.raises(CalibrationError, match="expected unsigned integers of shape"):
        stream.feed(scan.counts[:, :, :-1], scan.monitor)
    with pytest.raises(CalibrationError, match="without monitor readings"):
        stream.feed(scan.counts)
    with pytest.raises(CalibrationError, match="monitor has shape"):
        stream.feed(scan.counts, scan.monitor[:, 1:])


def test_a_closed_or_cancelled_stream_takes_no_more(scan, stream):
    stream.feed(scan.counts, scan.monitor)
    assert stream.close().shape[2] == 1
    with pytest.raises(CalibrationError, match="was closed"):
        stream.feed(scan.counts, scan.monitor)
    other = Stream(SCANNER, Calibration.from_references(scan))
    other.cancel()
    with pytest.raises(CalibrationError, match="was cancelled"):
        other.close()


def test_many_threads_lose_no_line(scan, stream):
    results = []

    def work():
        results.extend(stream.feed(scan.counts[:, :10], scan.monitor[:, :10]) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.append(stream.close())
    assert sum(r.shape[2] for r in results if r is not None) == 200
    assert all(np.isfinite(r.attenuation).all() for r in results if r is not None)


def test_where_no_pulse_is_known_the_usual_drift_is_an_error(scan, stream):
    recipe = Recipe.model_validate({"pulse": {"enabled": False}, "drift": {"sigma": 0.004}})
    blind = Stream(SCANNER, Calibration.from_references(scan), recipe=recipe)
    effect = blind.feed(scan.counts).systematic["drift"].effect
    np.testing.assert_allclose(effect, 0.004, rtol=1e-6)
    assert "drift" not in stream.feed(scan.counts, scan.monitor).systematic

"""The command that sets simulated scans beside real ones measures what it says: on images with known statistics."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "tasks" / "realism.py"


@pytest.fixture(scope="module")
def realism():
    if not SCRIPT.is_file():
        pytest.skip("benchmarks are not part of an installed package")
    spec = importlib.util.spec_from_file_location("realism", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["realism"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["realism"]


def image(alpha, quantum, seed=0):
    """Counts (2, y, x) of an α map with Poisson noise of ``quantum`` counts per quantum, both energies alike but for noise."""
    rng = np.random.default_rng(seed)
    mean = 60_000 * np.exp(-np.stack([alpha, 1.1 * alpha]))
    return np.minimum(quantum * rng.poisson(mean / quantum), 65_535).astype(np.uint16)


def test_quantum_is_found_under_texture(realism):
    rng = np.random.default_rng(3)
    y = np.arange(400)[:, None]
    alpha = 2.5 + 1.5 * y / 400 + 0.03 * rng.standard_normal((400, 600))
    found = realism.noise(realism.Scan("x", image(alpha, 20), 400))
    assert realism.counts_per_quantum(found["high"]) == pytest.approx(20, rel=0.15)
    for mean, spread, own in found["high"]:
        assert spread > own
        assert own == pytest.approx(np.sqrt(20 / mean), rel=0.15)


def test_clutter_is_the_spread_of_the_goods_and_not_of_a_slope(realism):
    y, x = np.mgrid[:300, :600]
    slope = 3.2 + 0.5 * y / 300
    flat = realism.clutter(realism.Scan("x", image(slope, 1), 300))
    waves = realism.clutter(realism.Scan("x", image(slope + 0.2 * np.sin(2 * np.pi * x / 20), 1), 300))
    assert max(row[2] for row in flat) < 0.02
    # Cells of 4 pixels average a wave of 20 by sinc(1/5): 0.2/√2 · 0.935.
    assert np.median([row[2] for row in waves]) == pytest.approx(0.132, rel=0.1)


def test_power_of_a_wave_lies_in_its_octave(realism):
    _, x = np.mgrid[:300, :700]
    alpha = 3 + 0.3 * np.sin(2 * np.pi * x / 20)
    power = np.array(realism.power(realism.Scan("x", image(alpha, 1), 300))["along rows"])
    # 20 pixels of 5 mm are 100 mm: between 80 and 160.
    assert power.argmax() == 3
    assert power[3] == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_distribution_and_starved_pixels(realism):
    alpha = np.full((200, 400), 4.0)
    counts = image(alpha, 10)
    counts[:, 50, 60:340:4] = 0
    found = realism.distribution(realism.Scan("x", counts, 200))
    assert found["alpha quantiles 5, 25, 50, 75, 95 %"][2] == pytest.approx(4.0, abs=0.02)
    assert found["starved goods high"] == pytest.approx(70 / (200 * 280), rel=0.01)
    assert found["energy ratio by alpha"][0][2] == pytest.approx(1.1, abs=0.01)


def test_open_beam(realism):
    rng = np.random.default_rng(1)
    pulse = 1 + 0.006 * rng.standard_normal(400)
    counts = 57_000 * pulse + 57_000 * 0.013 * rng.standard_normal((2, 300, 400))
    found = realism.open_beam(realism.Scan("x", counts.astype(np.uint16), 240))
    assert found["pixel %"] == pytest.approx(1.3 * 57 / 60, rel=0.05)
    assert found["column %"] == pytest.approx(0.6 * 57 / 60, rel=0.15)


def test_command_writes_table_and_pictures(realism, tmp_path, monkeypatch, capsys):
    alpha = np.full((340, 500), 3.0)
    alpha[:60] = 0.02
    np.save(tmp_path / "rail_cargo_z.npy", np.moveaxis(image(alpha, 20), 0, -1))
    monkeypatch.setattr(
        sys, "argv", ["realism", str(tmp_path), "--output", str(tmp_path / "out"), "--only", "coils, eye to the sky"]
    )
    assert realism.main() == 0
    out = capsys.readouterr().out
    assert "| figure | real z | coils, eye to the sky |" in out
    assert (tmp_path / "out" / "beside.png").is_file()
    saved = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert saved["real z"]["counts per quantum"]["high"] == pytest.approx(20, rel=0.2)
    # The scanner's dose was set to what real rail scans show.
    assert saved["coils, eye to the sky"]["open beam"]["pixel %"] == pytest.approx(1.3, abs=0.25)


def test_an_empty_folder_is_refused(realism, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["realism", str(tmp_path), "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        realism.main()
    assert "no rail_cargo_" in capsys.readouterr().err

import dataclasses

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from scananalysis.calibration import Calibration, StepWedge
from scananalysis.core import ConfigurationError, RawScan
from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel
from scananalysis.materials.curves import _named
from scananalysis.report import plot
from scananalysis.report.sets import figure, save_figure


def references():
    rng = np.random.default_rng(1)
    dark, air = (rng.normal(n, s, (2, 50, 172)).round().astype(np.uint16) for n, s in ((900, 3), (50_000, 110)))
    air[1, :, 7] = dark[1, :, 7]
    return Calibration.from_references(RawScan(air[:, :1], "cargo-6-4mv", dark=dark, air=air, binning=(8, 8)))


def with_curves():
    nominal = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    z, depth = np.array([6.0, 26.0, 82.0]), np.array([20.0, 60.0, 100.0])
    points = StepWedge(z, depth, nominal.forward(depth, z), fan_angle_rad=np.zeros(3))
    model = DualEnergyModel.fit(nominal.beams, points)
    return dataclasses.replace(references(), curves={**model.curves, **_named(points)})


def test_bad_elements_are_marked_in_their_own_channel():
    axes = plot(references())
    marks = [line for line in axes.lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in marks] == [[7]]
    assert len([line for line in axes.lines if len(line.get_xdata()) == 172]) == 2
    plt.close("all")


def test_the_fit_is_drawn_where_a_set_has_curves():
    titles = [axes.get_title() for axes in figure(with_curves()).axes]
    assert titles[3].startswith("wedge: χ² per degree of freedom 0.0")
    assert titles[4] == "corrections: what they go by"
    axes = figure(with_curves()).axes[3]
    off = np.concatenate([line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 3])
    # Points of the very model that was fitted lie on it.
    assert np.abs(off).max() < 0.01


def test_the_figure_says_that_corrections_were_not_measured():
    said = figure(references()).axes[3].texts[0].get_text()
    assert said.count("from the scanner definition, not measured") == 5
    assert "the nominal ones of the scanner serve" in said


def test_a_picture_is_whole_or_not_there(tmp_path):
    save_figure(references(), tmp_path / "set.png")
    assert (tmp_path / "set.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["set.png"]
    with pytest.raises(ConfigurationError, match="folder does not exist"):
        save_figure(references(), tmp_path / "no" / "set.png")

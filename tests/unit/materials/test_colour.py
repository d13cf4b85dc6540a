"""Hues of the palettes as people with colour blindness see them."""

import itertools

import numpy as np
import pytest

from scananalysis.materials.colour import FIELD, SAFE, legend

# Machado et al. 2009, severity 1, linear RGB.
SEEN = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "normal": np.eye(3),
}
GREY = (128, 128, 128)
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(rgb, kind):
    share = np.asarray(rgb, float) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(SEEN[kind]) @ linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def least_apart(stops, kind):
    seen = [lab(rgb, kind) for _, rgb, _ in stops]
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))


@pytest.mark.parametrize("kind", SEEN)
def test_hues_of_the_safe_palette_stay_apart(kind):
    assert least_apart(SAFE, kind) > 20


@pytest.mark.parametrize("kind", ["deuteranopia", "protanopia", "normal"])
def test_no_safe_hue_looks_like_the_grey_of_the_unknown(kind):
    """Lightness says areal density, so hue and saturation alone must tell."""
    grey = lab(GREY, kind)
    assert min(float(np.linalg.norm((lab(rgb, kind) - grey)[1:])) for _, rgb, _ in SAFE) > 25


def test_the_palette_of_the_field_is_why_the_other_is_needed():
    assert least_apart(FIELD, "normal") > 20
    assert least_apart(FIELD, "deuteranopia") < 15


def test_both_palettes_name_the_same_classes():
    assert [name for name, _ in legend("field")] == [name for name, _ in legend("safe")]

from collections.abc import Callable

import numpy as np
import pytest

from scananalysis.core import Inspection, SystematicTerm
from scananalysis.inspection.crop import Window, crop, thin, window


def test_window_is_cut_at_the_border() -> None:
    mask = np.zeros((10, 12), bool)
    mask[0, 11] = True
    assert window(mask, (3, 2)) == Window(slice(0, 4), slice(9, 12))


def test_cropping_changes_no_error_of_a_region(inspection: Inspection) -> None:
    whole = inspection.radiograph
    channels, height, width = whole.shape
    rng = np.random.default_rng(1)
    whole = type(whole)(
        **{
            **{name: getattr(whole, name) for name in whole.__dataclass_fields__},
            "systematic": {
                "gain": SystematicTerm(rng.normal(0, 0.01, (channels, height, 1)).astype(np.float32), "x"),
                "pulse": SystematicTerm(rng.normal(0, 0.01, (channels, 1, width)).astype(np.float32), "y"),
                "air": SystematicTerm(np.full((channels, 1, 1), 0.01, np.float32), "xy"),
            },
        }
    )
    mask = np.zeros((height, width), bool)
    mask[40:60, 100:180] = True
    part = window(mask, (5, 5))
    cut = crop(whole, part)
    assert cut.attenuation.shape == (2, 30, 90)
    for full, small in zip(
        whole.mean_covariance(mask), cut.mean_covariance(mask[part.rows, part.columns]), strict=True
    ):
        assert full == pytest.approx(small, rel=1e-6)


def test_thinning_keeps_sums_over_the_load(inspection_maker: Callable[..., Inspection]) -> None:
    materials = inspection_maker(540, 960).materials
    thinned = thin(materials, (3, 2))
    area, small_area = (m.pixel_mm[0] * m.pixel_mm[1] for m in (materials, thinned))
    whole = float(materials.areal_density.sum()) * area
    assert float(thinned.areal_density.sum()) * small_area == pytest.approx(whole, rel=0.02)
    assert thinned.radiograph.shape[1:] == thinned.shape == (180, 480)
    assert thin(materials, (1, 1)) is materials

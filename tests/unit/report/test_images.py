import struct
import zlib

import numpy as np
import pytest

from scananalysis.core import ConfigurationError
from scananalysis.report.images import MISSING, colour, colour_map, data_uri, display_size, png, shrink, shrink_mask


def decode(data: bytes) -> np.ndarray:
    import cv2

    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_pictures_have_square_millimetres() -> None:
    rows, columns = display_size((1378, 2295), (3.33, 5.0), 1200)
    assert columns / (2295 * 5.0) == pytest.approx(rows / (1378 * 3.33), rel=0.002)
    assert max(rows, columns) == 1200


def test_small_data_are_not_blown_up_beyond_their_finer_axis() -> None:
    assert display_size((100, 50), (2.0, 8.0), 4000) == (100, 200)


def test_shrink_averages_over_areas() -> None:
    plane = np.arange(64, dtype=np.float32).reshape(8, 8)
    small = shrink(plane, (2, 2))
    assert small == pytest.approx(plane.reshape(2, 4, 2, 4).mean(axis=(1, 3)))


def test_shrink_leaves_places_without_a_value_out_of_the_mean() -> None:
    plane = np.full((8, 8), 5.0, np.float32)
    plane[:4, :2] = np.nan
    plane[4:] = np.nan
    small = shrink(plane, (2, 2))
    assert small[0] == pytest.approx([5.0, 5.0])
    assert np.isnan(small[1]).all()


def test_shrink_mask_takes_the_majority() -> None:
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True
    mask[2, 2] = True
    assert shrink_mask(mask, (2, 2)).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("name", ["grey", "grey-inverted", "viridis", "cividis", "inferno"])
def test_colour_maps_run_monotonically_in_lightness(name: str) -> None:
    lut = colour_map(name).astype(float)
    lightness = lut @ [0.2126, 0.7152, 0.0722]
    steps = np.diff(lightness[::16])
    assert (steps > 0).all() or (steps < 0).all()


def test_viridis_is_viridis() -> None:
    # First and last entry of the published map (matplotlib's, CC0).
    assert np.abs(colour_map("viridis")[[0, 255]].astype(int) - [[68, 1, 84], [253, 231, 37]]).max() <= 1


def test_unknown_colour_map_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no colour map 'jet'; expected grey"):
        colour_map("jet")


def test_colour_ends_and_missing_values() -> None:
    lut = colour_map("grey")
    picture = colour(np.array([[-5.0, 0.0, 1.0, 9.0, np.nan]], np.float32), 0.0, 1.0, lut)
    assert picture[0].tolist() == [[0, 0, 0], [0, 0, 0], [255, 255, 255], [255, 255, 255], list(MISSING)]


def test_png_keeps_every_pixel_and_its_channel_order() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    encoded = png(picture)
    assert (decode(encoded) == picture).all()
    # Independent of the encoder's own library: size from the header, checksum of the first chunk.
    width, height = struct.unpack(">II", encoded[16:24])
    assert (height, width) == (7, 9)
    assert zlib.crc32(encoded[12:29]) == struct.unpack(">I", encoded[29:33])[0]


def test_data_uri_is_png() -> None:
    assert data_uri(np.zeros((2, 2, 3), np.uint8)).startswith("data:image/png;base64,iVBORw0KGgo")

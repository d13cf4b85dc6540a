import pytest

from scananalysis.core import FormatError
from scananalysis.io import limits


def test_files_that_cannot_be_scans(tmp_path):
    (tmp_path / "empty").touch()
    for path, text in ((tmp_path / "none", "does not exist"), (tmp_path / "empty", "is empty"), (tmp_path, "folder")):
        with pytest.raises(FormatError, match=text):
            limits.checked_file(path)


def test_a_file_above_the_limit_is_refused_by_its_size_alone(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(limits.MAX_BYTES + 1)  # sparse: occupies nothing
    with pytest.raises(FormatError, match=f"expected at most {limits.MAX_BYTES}"):
        limits.checked_file(path)
    with path.open("wb") as stream:
        stream.truncate(limits.MAX_BYTES)
    assert limits.checked_file(path) == path


@pytest.mark.parametrize("shape", [(1 << 15, 1 << 15), (1,)])
def test_shapes_up_to_the_limit_pass(shape):
    assert limits.checked_shape(shape, "a") == shape


@pytest.mark.parametrize(
    ("shape", "itemsize", "text"),
    [
        ((1 << 15, (1 << 15) + 1), 1, "samples"),
        ((1 << 15, 1 << 15), 8, "bytes; expected at most"),
        ((3, 0), 1, "at least one"),
        ((-1, -5), 1, "at least one"),
    ],
)
def test_shapes_beyond_are_refused(shape, itemsize, text):
    with pytest.raises(FormatError, match=text):
        limits.checked_shape(shape, "a", itemsize=itemsize)


def test_expansion_is_asked_for_large_images_alone():
    limits.checked_expansion(limits.MAX_BLOCK, 10, "a")
    limits.checked_expansion(limits.MAX_EXPANSION << 20, 1 << 20, "a")
    with pytest.raises(FormatError, match="would unpack"):
        limits.checked_expansion((limits.MAX_EXPANSION << 20) + 1, 1 << 20, "a")

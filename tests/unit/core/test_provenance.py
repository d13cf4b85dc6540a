import hashlib

import numpy as np
import pytest

from scananalysis import __version__
from scananalysis.core import Provenance, sha256_array, sha256_file, sha256_json


def test_file_hash_agrees_with_hashlib_beyond_one_chunk(tmp_path):
    data = np.arange(700_000, dtype=np.uint32).tobytes()
    path = tmp_path / "data.bin"
    path.write_bytes(data)
    assert sha256_file(path) == hashlib.sha256(data).hexdigest()


def test_array_hash_sees_shape_dtype_and_values_but_not_memory_layout():
    array = np.arange(6, dtype=np.uint16).reshape(2, 3)
    assert sha256_array(array) == sha256_array(np.asfortranarray(array))
    assert sha256_array(array) != sha256_array(array.reshape(3, 2))
    assert sha256_array(array) != sha256_array(array.astype(np.uint32))
    changed = array.copy()
    changed[1, 2] += 1
    assert sha256_array(array) != sha256_array(changed)
    assert sha256_array(np.zeros((0, 2))) != sha256_array(np.zeros((2, 0)))


def test_json_hash_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match="JSON"):
        sha256_json({"a": float("nan")})


def test_record_round_trips_and_keeps_order():
    record = Provenance().then("io.read", inputs={"scan": "ab"}).then("calibration.offset", parameters={"n": [1, 2]})
    again = Provenance.from_json(record.to_json())
    assert again == record
    assert again.steps[0].version == __version__
    found = again.find("calibration.offset")
    assert found is not None
    assert found.parameters == {"n": [1, 2]}
    assert again.find("missing") is None

import shutil

import pytest

from scananalysis.anomaly import load, shipped
from scananalysis.anomaly.store import MODELS
from scananalysis.core import ModelError


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(MODELS / "mahalanobis", tmp_path / "mine")


def test_a_changed_byte_in_the_weights_is_refused(copy):
    weights = next(copy.glob("*.npz"))
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="sha256"):
        load(copy)


def test_missing_and_malformed_metadata_are_refused(copy, tmp_path):
    (copy / "metadata.json").write_text('{"name": "x"}')
    with pytest.raises(ModelError, match=r"metadata\.json"):
        load(copy)
    with pytest.raises(ModelError, match="no anomaly model"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="no metadata"):
        load(tmp_path / "empty")


@pytest.mark.parametrize("name", shipped())
def test_shipped_models_know_every_family_and_scanner(name):
    from scananalysis import cargo, detectors

    model = load(name)
    assert model.families == cargo.families()
    assert set(model.metadata.calibration) == set(detectors.scanners())
    assert model.metadata.training["simulated"] is True
    with pytest.raises(ModelError, match="no clean scans of scanner"):
        model.metadata.scanner("other")

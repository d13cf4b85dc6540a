import pickle

import pytest

from scananalysis.core import CalibrationError, FormatError, InputError, ScanAnalysisError


def test_sentence_names_file_found_expected_and_remedy():
    error = FormatError("has 3 channels", source="a.h5", expected="1 or 2.", remedy="name a layout")
    assert str(error) == "a.h5: has 3 channels; expected 1 or 2; name a layout."
    assert error.exit_code == 3


def test_at_names_the_file_once():
    error = CalibrationError("no air reference").at("b.h5")
    assert isinstance(error, CalibrationError)
    assert str(error) == "b.h5: no air reference."
    assert str(error.at("c.h5")) == "b.h5: no air reference."


def test_every_refusal_is_a_scananalysis_error():
    with pytest.raises(ScanAnalysisError):
        raise InputError("x")


def test_survives_pickling_between_processes():
    error = pickle.loads(pickle.dumps(FormatError("odd", source="a.h5", expected="even")))  # noqa: S301 - our own bytes
    assert str(error) == "a.h5: odd; expected even."

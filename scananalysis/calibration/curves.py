"""Whether the material curves of a set may be used: how well they fitted their wedge, and until when that wedge holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import CalibrationError

if TYPE_CHECKING:
    from scananalysis.calibration.references import Calibration

WORST_CHI2 = 25.0
"""χ² per degree of freedom above which the beams cannot be brought to fit the points of a wedge."""

VALID = "curves_valid"
"""Name under which a set states from when and until when its curves hold (ISO 8601 or None), where not as long as the set."""


def check_fit(curves: Mapping[str, NDArray[Any]]) -> None:
    """Refuse curves that did not fit their wedge, or that do not know their own errors.

    Raises
    ------
    CalibrationError

    Examples
    --------
    >>> check_fit({"reduced_chi2": np.array([1.1, 80.0])})
    Traceback (most recent call last):
    scananalysis.core.errors.CalibrationError: curves of channel 1 fit their step wedge with χ² per degree of freedom 80.0;
    expected at most 25; measure the wedge again and rebuild the set.
    """
    remedy = "measure the wedge again and rebuild the set"
    for c, chi2 in enumerate(np.atleast_1d(curves.get("reduced_chi2", np.zeros(0)))):
        if not chi2 <= WORST_CHI2:
            raise CalibrationError(
                f"curves of channel {c} fit their step wedge with χ² per degree of freedom {float(chi2):.1f}",
                expected=f"at most {WORST_CHI2:g}",
                remedy=remedy,
            )
    for name in ("coefficients", "covariance"):
        values = np.asarray(curves.get(name, 0.0), np.float64)
        if not np.isfinite(values).all():
            raise CalibrationError(f"{name} of the curves are not finite", expected="fitted curves", remedy=remedy)
    if "covariance" in curves:
        spread = np.diagonal(np.asarray(curves["covariance"], np.float64), axis1=-2, axis2=-1)
        if np.any(spread < 0):
            raise CalibrationError("a variance of the curves is negative", expected="fitted curves", remedy=remedy)


def curves_for(calibration: Calibration, first: datetime | None, last: datetime | None) -> Calibration:
    """Return the set with its own time of validity for its curves.

    Parameters
    ----------
    calibration : Calibration
        With curves.
    first, last : datetime or None
        With a time zone; None: no limit beside the set's.

    Raises
    ------
    CalibrationError
        The set has no curves, or the dates do not fit together.
    """
    if calibration.curves is None:
        raise CalibrationError(
            "a time of validity for the curves of a set without any", expected="a set with a step wedge"
        )
    for moment in (first, last):
        if moment is not None and moment.tzinfo is None:
            raise CalibrationError(f"validity {moment.isoformat()}", expected="a date with a time zone")
    if first is not None and last is not None and last <= first:
        raise CalibrationError(
            f"curves hold until {last.isoformat()}", expected=f"after they start, {first.isoformat()}"
        )
    stated = [None if moment is None else moment.isoformat() for moment in (first, last)]
    return replace(calibration, metadata={**calibration.metadata, VALID: stated})


def validity(metadata: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Return from when and until when the curves of a set hold, None where the set itself is the limit.

    Raises
    ------
    CalibrationError
        What the set says are no dates with a time zone.

    Examples
    --------
    >>> validity({"curves_valid": [None, "2026-05-01T00:00:00+00:00"]})[1].year
    2026
    """
    stated = metadata.get(VALID, (None, None))
    wrong = CalibrationError(
        f"metadata {VALID} is {stated!r}", expected="two dates in ISO 8601 with a time zone, or none"
    )
    try:
        first, last = (None if text is None else datetime.fromisoformat(text) for text in stated)
    except (TypeError, ValueError) as error:
        raise wrong from error
    if any(moment is not None and moment.tzinfo is None for moment in (first, last)):
        raise wrong
    return first, last


def check_curves(calibration: Calibration, moment: datetime) -> None:
    """Refuse a set whose curves did not fit their wedge, or do not hold at a moment.

    Raises
    ------
    CalibrationError
    """
    if calibration.curves is None:
        return
    check_fit(calibration.curves)
    first, last = validity(calibration.metadata)
    early, late = first is not None and moment < first, last is not None and moment > last
    limit = first if early else last
    if (early or late) and limit is not None:
        raise CalibrationError(
            f"scan of {moment.isoformat(timespec='seconds')}",
            expected=f"one {'from' if early else 'until'} {limit.isoformat(timespec='seconds')}, for which the step wedge of the set holds",
            remedy="measure the wedge again and rebuild the set",
        )

"""From counts to the signal over that of the open beam: offset, curvature and gain, before anything that mixes pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.linearity import linearise
from scananalysis.calibration.planes import Counts, along_elements

if TYPE_CHECKING:
    from scananalysis.calibration.blocks import ChannelPlan

Float32 = NDArray[np.float32]


def transmission_of(plan: ChannelPlan, counts: Counts, inverse_pulse: Float32) -> Float32:
    """Return (N − offset) / (gain · pulse), (line, element), afterglow and all."""
    signal = signal_of(plan, counts)
    signal *= inverse_pulse[:, None]
    return signal


def signal_of(plan: ChannelPlan, counts: Counts) -> Float32:
    """Return the straightened signal over that of the open beam, (line, element)."""
    if counts.dtype.itemsize <= 2 and along_elements(counts):
        signal = counts.astype(np.float32)
        signal -= plan.offset
    elif counts.dtype.itemsize <= 2:
        import cv2

        # One pass from integers to float32 differences; NumPy needs a converted copy first.
        native = np.ascontiguousarray(counts, counts.dtype.newbyteorder("="))
        signal = np.asarray(cv2.subtract(native, plan.offset_lines(len(counts)), dtype=cv2.CV_32F), np.float32)
    else:
        signal = (counts - plan.offset.astype(np.float64)).astype(np.float32)
    signal = signal.reshape(counts.shape)
    linearise(signal, plan.curvature, plan.readout_scale)
    signal *= plan.inverse_gain
    return signal

"""Shared errors of attenuation: dark level, gain, pulse and level, each a named term with the axis along which it is one variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import SystematicTerm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scananalysis.calibration.blocks import ChannelPlan
    from scananalysis.calibration.pulse import Pulses

Float32 = NDArray[np.float32]


def shared_errors(
    plans: tuple[ChannelPlan, ...],
    pulses: Pulses,
    dark: tuple[Float32, ...],
    level_sigma: NDArray[np.float64],
    effects: Mapping[str, Float32] | None = None,
    drift: Float32 | None = None,
) -> dict[str, SystematicTerm]:
    """Return the shared errors of a scan with references.

    Parameters
    ----------
    plans : tuple of ChannelPlan
    pulses : Pulses
    dark : tuple of ndarray of float32, each (channel, element, line)
        Effect of the dark level's error: σ(offset) / (gain · pulse · T), zero in the other channels. It grows with α.
    level_sigma : ndarray of float64, (channel,)
        Relative error of the open-beam level that all elements share.
    effects : mapping of str to ndarray of float32, each (channel, element, line), optional
        Effect of the error of each step's parameter.
    drift : ndarray of float32, (channel, line), optional
        Relative error of every line's level by the drift of the open beam.

    Notes
    -----
    ``dark-c``, ``gain-c`` and, of readouts with two gains, ``join-c`` are one variable per element, ``pulse-c`` one per line,
    ``level-c`` one for the channel; ``linearity``, ``afterglow``, ``crosstalk``, ``scatter`` and ``drift``, where they act, are one for
    the scan.
    """
    channels = len(plans)
    terms: dict[str, SystematicTerm] = {}
    for c, plan in enumerate(plans):
        # A pulse that was read in the image was read against this very level, whose error cancels.
        level = 0.0 if pulses.source == "image" else level_sigma[c]
        terms[f"dark-{c}"] = SystematicTerm(dark[c], "x")
        terms[f"gain-{c}"] = SystematicTerm(_only(c, channels, plan.gain_error[:, None]), "x")
        terms[f"pulse-{c}"] = SystematicTerm(_only(c, channels, plan.blurred(pulses.sigma[c])[None]), "y")
        terms[f"level-{c}"] = SystematicTerm(_only(c, channels, np.full((1, 1), level)), "xy")
    for name, effect in (effects or {}).items():
        if name != "join":
            terms[name] = SystematicTerm(effect, "xy")
            continue
        # Two gains are joined by each element's own electronics.
        for c in range(channels):
            terms[f"join-{c}"] = SystematicTerm(_only(c, channels, effect[c]), "x")
    if drift is not None and drift.any():
        rows = [d if p.taps is None else p.taps.mean(d) for d, p in zip(drift, plans, strict=True)]
        terms["drift"] = SystematicTerm(np.stack(rows)[:, None], "xy")
    return terms


def _only(c: int, channels: int, effect: NDArray[np.floating]) -> Float32:
    full = np.zeros((channels, *effect.shape), np.float32)
    full[c] = effect
    return full

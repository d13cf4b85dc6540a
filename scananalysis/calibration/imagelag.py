"""By how much one energy stands behind the other, measured at the edges of the picture itself.

The phase of the cross spectrum of both energies grows in proportion to frequency and lag; blur that is symmetrical, and any difference
in contrast, leave it alone. Only windows around edges are looked at: elsewhere there is noise, and pulses that were left in move whole
lines, which over a whole picture hides a lag of half a line.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

LEAST_LAG, LARGEST_LAG = 0.05, 1.0
"""Lags beyond these are not believed, lines."""

_HALF = 12
_POINTS = 64
_HIGHEST_FREQUENCY = 0.2
_MOST_ROWS = 512
_LEAST_SIGNAL = 0.07
"""Share of the brightest level below which noise makes edges of its own."""

_LEAST_STEP = 0.35
"""Change of the logarithm over two lines that makes an edge."""

_PLACE = (40, 8)
"""Elements and lines of a place: edges inside one are parts of one object."""

_LEAST_PLACES = 6
_PARTS = 20
_TAPER = np.minimum(1.0, 2 * np.hanning(2 * _HALF + 1)).astype(np.float32)
"""Flat over the edge: a window that falls where the shifted edge stands pulls it back."""


def lag_of_image(counts: NDArray[np.unsignedinteger]) -> float:
    """Return by how many lines the second channel lags behind the first, from the picture.

    Parameters
    ----------
    counts : ndarray of unsigned integer, (2, line, element)

    Returns
    -------
    float
        0 where it is below 0.05 lines, above 1, not significant (three times its jackknife error over places), or smaller than its
        own spread from place to place, which no constant shift can put right.

    Examples
    --------
    >>> x = np.arange(400.0)
    >>> seen = [30_000 + 20_000 * np.tanh(np.sin((x + lag) / 9) * 8) for lag in (0.0, 0.5)]
    >>> counts = np.stack([np.tile(s[:, None], (1, 60)) for s in seen]).astype(np.uint16)
    >>> round(lag_of_image(counts), 1)
    0.5
    """
    lines, elements = counts.shape[1:]
    if lines < 2 * _HALF + 4:
        return 0.0
    chosen = counts[:, :, :: max(1, elements // _MOST_ROWS)].transpose(0, 2, 1)
    place, cross = _edges(chosen)
    if len(place) == 0:
        return 0.0
    _, index = np.unique(place // _PLACE, axis=0, return_inverse=True)
    index = index.ravel()
    total = np.zeros((int(index.max()) + 1, cross.shape[1]), np.complex128)
    np.add.at(total, index, cross)
    if len(total) < _LEAST_PLACES:
        return 0.0
    every = total.sum(axis=0)
    lag = _lag(every)
    # Delete-a-part jackknife over places, in parts that are spread over the picture.
    parts = min(_PARTS, len(total))
    without = np.array([_lag(every - total[k::parts].sum(axis=0)) for k in range(parts)])
    error = float(np.sqrt((parts - 1) * np.mean((without - without.mean()) ** 2)))
    lags = np.array([_lag(one) for one in total])
    spread = 1.4826 * float(np.median(np.abs(lags - np.median(lags))))
    usable = LEAST_LAG <= abs(lag) <= LARGEST_LAG and abs(lag) > 3 * error and abs(lag) > spread
    return lag if usable else 0.0


def _edges(counts: NDArray[np.unsignedinteger[Any]]) -> tuple[NDArray[np.intp], NDArray[np.complex128]]:
    """Return places (element, line) of edges along the lines, and the cross spectrum in a window around each, equally weighted."""
    top = float(np.quantile(counts[0, ::4, ::4], 0.995))
    full = np.iinfo(counts.dtype).max
    usable = np.all((counts > _LEAST_SIGNAL * top) & (counts < full), axis=0)
    log: Float32 = np.log(np.maximum(counts, 1).astype(np.float32))
    slope = np.zeros(counts.shape[1:], np.float32)
    slope[:, 1:-1] = np.abs(log[0, :, 2:] - log[0, :, :-2])
    peak = slope > _LEAST_STEP
    peak[:, 1:] &= slope[:, 1:] >= slope[:, :-1]
    peak[:, :-1] &= slope[:, :-1] > slope[:, 1:]
    element, line = np.nonzero(peak)
    inside = (line > _HALF) & (line < counts.shape[2] - _HALF - 2)
    element, line = element[inside], line[inside]
    window = line[:, None] + np.arange(-_HALF - 1, _HALF + 2)
    whole = usable[element[:, None], window].all(axis=1)
    element, line, window = element[whole], line[whole], window[whole]
    change = np.diff(log[:, element[:, None], window], axis=2)[:, :, : 2 * _HALF + 1] * _TAPER
    high, low = np.fft.rfft(change, n=_POINTS, axis=2)
    weight = np.maximum(np.abs(change).sum(axis=2).prod(axis=0), 1e-6)
    return np.stack([element, line], axis=1), (np.conj(high) * low) / weight[:, None]


def _lag(cross: NDArray[np.complex128]) -> float:
    """Return the lag that a cross spectrum shows: weighted least squares of phase = 2π f lag."""
    frequency = np.fft.rfftfreq(_POINTS)
    used = (frequency > 0) & (frequency < _HIGHEST_FREQUENCY)
    f, weight, phase = frequency[used], np.abs(cross[used]), np.angle(cross[used])
    inertia = float((weight * f**2).sum())
    return float((weight * f * phase).sum()) / (2 * np.pi * inertia) if inertia > 0 else 0.0

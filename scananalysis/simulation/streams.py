"""Many independent streams of random numbers at once: those of ``np.random.default_rng([seed, i])``, seeded together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

Words = NDArray[np.uint32]

_POOL, _STATE = 4, 8
_ALL = 0xFFFFFFFF


class _Seeded(ISeedSequence):
    """What a bit generator asks a seed sequence for, worked out before."""

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        if (n_words, np.dtype(dtype)) != (self._words.size, self._words.dtype):
            raise ValueError(f"{n_words} words of {np.dtype(dtype)}, made for {self._words.size} of 64 bits")
        return self._words


class _Hash:
    """The hash of `numpy.random.SeedSequence`: a multiplier that steps on with every word."""

    def __init__(self, start: int, step: int) -> None:
        self._at, self._step = start, step

    def __call__(self, words: Words) -> Words:
        words = words ^ np.uint32(self._at)
        self._at = self._at * self._step & _ALL
        words *= np.uint32(self._at)
        words ^= words >> np.uint32(16)
        return words


def _mix(x: Words, y: Words) -> Words:
    mixed = x * np.uint32(0xCA01F9DD) - y * np.uint32(0x4973F715)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def streams(seed: int, members: Sequence[int]) -> list[np.random.Generator]:
    """Return ``np.random.default_rng([seed, i])`` for every i of ``members``, in a fraction of the time.

    NumPy hashes one seed at a time, in Python for the most part; here every step of that hash (which NumPy keeps the same from version
    to version) is one operation on all of them.

    Parameters
    ----------
    seed : int
        Not negative.
    members : sequence of int
        0 to 2³² − 1.

    Returns
    -------
    list of Generator

    Examples
    --------
    >>> first, second = streams(7, (0, 5))
    >>> bool(second.random() == np.random.default_rng([7, 5]).random())
    True
    """
    words = [seed & _ALL]
    while seed := seed >> 32:
        words.append(seed & _ALL)
    own = np.asarray(members, np.uint32)
    entropy = [np.full_like(own, word) for word in words] + [own]
    entropy += [np.zeros_like(own)] * (_POOL - len(entropy))
    hashed = _Hash(0x43B0D7E5, 0x931E8875)
    pool = [hashed(word) for word in entropy[:_POOL]]
    for source in range(_POOL):
        for target in range(_POOL):
            if source != target:
                pool[target] = _mix(pool[target], hashed(pool[source]))
    for word in entropy[_POOL:]:
        pool = [_mix(part, hashed(word)) for part in pool]
    hashed = _Hash(0x8B51F9DD, 0x58F38DED)
    state = np.stack([hashed(pool[k % _POOL]) for k in range(_STATE)], axis=1)
    # Two words of 32 bits make one of 64, the lower first.
    wide = state.astype("<u4").view("<u8").astype(np.uint64)
    seeded: Any = map(_Seeded, wide)
    # Any: the stub of PCG64 knows no seed sequence but NumPy's own; its documentation takes any ISeedSequence.
    return [np.random.Generator(np.random.PCG64(each)) for each in seeded]

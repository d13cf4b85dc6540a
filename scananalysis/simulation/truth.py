"""Collects what is true of a simulated scan while it is rendered."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.simulation.scene import Matter
from scananalysis.simulation.trace import Block

_LEAST_GOODS = 1.0
"""Areal density from which matter counts as there, g/cm²."""

_LEAST_PATH_MM = 5.0
"""Path through a hidden object or void from which its pixel counts as covered, mm."""


class Truth:
    """Maps of a scan, filled block by block.

    Parameters
    ----------
    matter : tuple of Matter
        Of the scene.
    shape : (int, int)
        Elements and lines.
    channels : int
    scatter : bool
        Whether there is a map of scatter.
    """

    def __init__(self, matter: tuple[Matter, ...], shape: tuple[int, int], channels: int, *, scatter: bool) -> None:
        self._kind = np.array([("cargo", "hidden", "structure").index(m.kind) for m in matter], np.intp)
        self._family = np.array([m.family for m in matter], np.int16)
        self._heading = np.array([m.heading for m in matter], np.int16)
        self._goods = (self._kind == 0) & (self._family >= 0)
        self._maps: dict[str, NDArray[Any]] = {
            "areal_density": np.zeros(shape, np.float32),
            "cargo_areal_density": np.zeros(shape, np.float32),
            "object_areal_density": np.zeros(shape, np.float32),
            "family": np.full(shape, -1, np.int16),
            "heading": np.full(shape, -1, np.int16),
            "load": np.zeros(shape, bool),
            "structure": np.zeros(shape, bool),
            "insert": np.zeros(shape, bool),
            "transmission": np.empty((channels, *shape), np.float32),
            "flickering": np.zeros((channels, *shape), bool),
            "jump": np.zeros((channels, shape[0]), np.float32),
        }
        if scatter:
            self._maps["scatter"] = np.zeros((channels, *shape), np.float32)

    def add_matter(self, lines: slice, block: Block, halo: int) -> None:
        """Take up what a block of lines, with a halo on either side, meets."""
        if not block.matter:
            return
        at = block.rows, lines
        core = block.areal_density[:, :, halo : halo + lines.stop - lines.start]
        total = self._maps["areal_density"][at]
        sums: list[NDArray[np.float32] | None] = [None, None, None]
        goods: list[tuple[int, NDArray[np.float32]]] = []
        for slot, each in zip(block.matter, core, strict=True):
            kind = int(self._kind[slot])
            sums[kind] = each if sums[kind] is None else sums[kind] + each
            if self._goods[slot]:
                goods.append((slot, each))
        cargo, hidden, structure = sums
        for part in sums:
            if part is not None:
                total += part
        if hidden is not None:
            self._maps["object_areal_density"][at] = hidden
        if block.hidden_mm is not None:
            self._maps["insert"][at] = block.hidden_mm[:, halo : halo + lines.stop - lines.start] > _LEAST_PATH_MM
        load = self._maps["load"][at]
        if cargo is not None:
            self._maps["cargo_areal_density"][at] = cargo
            np.greater(cargo, _LEAST_GOODS, out=load)
        if structure is not None:
            np.greater(structure, _LEAST_GOODS, out=self._maps["structure"][at])
            self._maps["structure"][at] &= ~load
        self._name(at, load, goods)

    def _name(
        self, at: tuple[slice, slice], load: NDArray[np.bool_], goods: list[tuple[int, NDArray[np.float32]]]
    ) -> None:
        """Give every pixel of the load the family and heading of the goods of which it holds most."""
        for name, values in (("family", self._family), ("heading", self._heading)):
            target = self._maps[name][at]
            most = None
            for slot, each in goods:
                where = load if most is None else load & (each > most)
                np.copyto(target, values[slot], where=where)
                most = each if most is None else np.maximum(most, each)

    def add_signal(
        self, channel: int, lines: slice, transmission: NDArray[np.float32], scatter: NDArray[np.float32] | None
    ) -> None:
        """Take up what a channel sees of a block of lines."""
        self._maps["transmission"][channel, :, lines] = transmission
        if scatter is not None:
            self._maps["scatter"][channel, :, lines] = scatter

    def add_flicker(
        self, channel: int, elements: NDArray[np.bool_], active: NDArray[np.bool_], jump: NDArray[np.float64]
    ) -> None:
        """Take up when the flickering elements, (element,), stood on their second level, (flickering element, line), and how high."""
        self._maps["flickering"][channel, elements] = active
        self._maps["jump"][channel, elements] = jump

    def maps(self) -> dict[str, NDArray[Any]]:
        """Return the maps."""
        return dict(self._maps)

"""Material maps of lines as they arrive: `calibration.Stream` below, and one model that is built before the first line."""

from __future__ import annotations

from datetime import datetime
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration import Calibration, Recipe, Stream
from scananalysis.core import MaterialMap, Radiograph
from scananalysis.detectors import Scanner
from scananalysis.materials.discriminate import Model, apply, fitted_model, nominal_model
from scananalysis.materials.dualenergy import DualEnergyModel


class MaterialStream:
    """A scan that is still being taken, as blocks of a material map; see `stream`.

    Parameters
    ----------
    below : Stream
    model : DualEnergyModel or SingleEnergyModel
    nominal : bool
        The model is the scanner's nominal one: every pixel is flagged so.
    """

    def __init__(self, below: Stream, model: Model, *, nominal: bool) -> None:
        self._below, self._model, self._nominal = below, model, nominal
        # Tables are built on first use; they must not hold up the first line.
        one = np.ones(1, np.float32)
        if isinstance(model, DualEnergyModel):
            model.invert(one, one, one, one)
        else:
            model.invert(one, one)

    @property
    def delay_lines(self) -> int:
        """Lines by which results lag behind what was fed."""
        return self._below.delay_lines

    @property
    def lines_done(self) -> int:
        """Lines whose results were returned."""
        return self._below.lines_done

    def feed(
        self, counts: NDArray[np.unsignedinteger[Any]], monitor: NDArray[np.floating] | None = None
    ) -> MaterialMap | None:
        """Take the next lines and return the map of those that are ready, or None if there are none yet.

        Parameters
        ----------
        counts : ndarray of unsigned integer, (channel, n, element)
        monitor : ndarray of float, (channel, n)
            As for `calibration.Stream.feed`.

        Returns
        -------
        MaterialMap or None
            ``metadata["first_line"]`` says where the block stands, so blocks of several threads can be put in order.

        Raises
        ------
        CalibrationError
            As for `calibration.Stream.feed`.
        """
        return self._map(self._below.feed(counts, monitor))

    def close(self) -> MaterialMap | None:
        """End the scan and return the lines that were waiting for a neighbour, or None if there are none."""
        return self._map(self._below.close())

    def cancel(self) -> None:
        """Give the scan up: what waits is dropped, and further blocks are refused."""
        self._below.cancel()

    def _map(self, block: Radiograph | None) -> MaterialMap | None:
        return None if block is None else apply(block, self._model, nominal=self._nominal)


def stream(
    scanner: str | Scanner,
    calibration: Calibration | str | PathLike[str],
    model: Model | None = None,
    *,
    recipe: Recipe | None = None,
    binning: tuple[int, int] = (1, 1),
    moment: datetime | None = None,
) -> MaterialStream:
    """Open a stream: feed blocks of lines as they arrive, get blocks of a material map.

    Parameters
    ----------
    scanner : str or Scanner
        A scanner of the catalogue (give ``binning`` too), or a binned one.
    calibration : Calibration or path-like
        A set with monitor readings, since pulses in the image are a step over the whole scan.
    model : DualEnergyModel or SingleEnergyModel, optional
        By default the curves of the set; where it has none, the scanner's nominal ones, and every pixel is flagged
        `NOMINAL_CURVES`.
    recipe : Recipe, optional
        The scanner's by default.
    binning : (int, int)
    moment : datetime, optional
        When the scan is taken, for the set's validity; now by default.

    Returns
    -------
    MaterialStream
        May be fed from several threads and cancelled from another. The size of the blocks changes no bit of the result.

    Raises
    ------
    CalibrationError
        The set does not fit the scanner or has expired, or the recipe asks for a step that needs the whole scan.

    Examples
    --------
    >>> from scananalysis.core import RawScan
    >>> rng = np.random.default_rng(1)
    >>> counts, dark, air = (
    ...     rng.normal(level, 20, (2, 30, 172)).round().astype(np.uint16) for level in (6_000, 900, 50_000)
    ... )
    >>> monitor = np.ones((2, 30), np.float32)
    >>> scan = RawScan(counts, "cargo-6-4mv", dark=dark, air=air, air_monitor=monitor, binning=(8, 8))
    >>> lines = stream("cargo-6-4mv", Calibration.from_references(scan), binning=(8, 8))
    >>> lines.feed(counts, monitor).areal_density.shape, lines.close().areal_density.shape
    ((172, 29), (172, 1))
    """
    used = calibration if isinstance(calibration, Calibration) else Calibration.load(calibration)
    below = Stream(scanner, used, recipe=recipe, binning=binning, moment=moment)
    if model is not None:
        return MaterialStream(below, model, nominal=False)
    if used.curves is not None:
        return MaterialStream(below, fitted_model(used.curves), nominal=False)
    return MaterialStream(below, nominal_model(used.scanner), nominal=True)

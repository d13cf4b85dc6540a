"""`convert`: from one format to another."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from scananalysis.core import ConfigurationError, FormatError
from scananalysis.io import registry
from scananalysis.io.files import read, write
from scananalysis.io.limits import checked_file
from scananalysis.io.readers.hdf5 import SUFFIXES as CONTAINER
from scananalysis.io.writers.arrays import WRITERS, ending


def convert(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    format: str | None = None,
    layout: str | PathLike[str] | None = None,
    scanner: str | None = None,
) -> Path:
    """Convert a file; the target's ending says to what: ``.h5`` (whole scan), ``.npy`` or ``.tif`` (counts alone).

    Counts are written as (channel, y, x). A grey image whose scanner is not known is written to ``.npy`` and ``.tif`` as
    it is.

    Parameters
    ----------
    source, target : path-like
    format, layout, scanner : str, optional
        As for `read`.

    Returns
    -------
    pathlib.Path
        The target.

    Raises
    ------
    FormatError
        The target's ending is none of these, or the source cannot be read.
    ConfigurationError
        ``.h5`` is asked for, and no scanner is named; or source and target are the same file.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "image.npy", np.zeros((3, 5), np.uint16))
    >>> convert(folder / "image.npy", folder / "image.h5", scanner="gamma-co60").name
    'image.h5'
    >>> read(folder / "image.h5").shape
    (1, 5, 3)
    """
    goal, found = Path(target), checked_file(source)
    kind = ending(goal)
    if kind not in (*CONTAINER, *WRITERS):
        raise FormatError(f"ending {kind!r}", source=goal, expected=".h5, .npy or .tif")
    if goal.exists() and goal.samefile(found):
        raise ConfigurationError("is source and target at once", source=goal, expected="another target")
    name = format or registry.sniff(found)
    load = getattr(registry.reader(name), "load", None)
    if kind in CONTAINER:
        write(read(found, format=name, layout=layout, scanner=scanner), goal)
    elif layout is None and scanner is None and load is not None:
        WRITERS[kind](load(found), goal)
    else:
        scan = read(found, format=name, layout=layout, scanner=scanner)
        WRITERS[kind](scan.counts.transpose(0, 2, 1), goal)
    return goal

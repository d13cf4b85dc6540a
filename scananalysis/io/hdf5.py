"""Guarded access to HDF5: nothing outside the file is followed, and sizes are checked before reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import FormatError
from scananalysis.io.limits import MAX_TEXT, checked_file, checked_shape

if TYPE_CHECKING:
    import h5py


@contextmanager
def opened(path: str | PathLike[str]) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; what HDF5 itself finds wrong becomes one sentence."""
    import h5py

    found = checked_file(path)
    try:
        with h5py.File(found, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise FormatError(
            f"is damaged or truncated ({str(error).splitlines()[0][:120]})",
            source=found,
            expected="a complete HDF5 file",
        ) from error


def dataset(file: h5py.File, name: str, path: str | PathLike[str]) -> h5py.Dataset | None:
    """Return a dataset stored in this very file, or None where there is none.

    Every part of the name is checked: soft and external links, external storage and virtual datasets are refused.
    """
    import h5py

    group: Any = file
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or part not in group.keys():  # noqa: SIM118 - "in group" follows links
            return None
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise FormatError(f"{name} is a link", source=path, expected="data inside the file")
        group = group[part]
    if not isinstance(group, h5py.Dataset):
        return None
    if group.external or group.is_virtual:
        raise FormatError(f"{name} lies in another file", source=path, expected="data inside the file")
    checked_shape(group.shape, path, name)
    return group


def array(file: h5py.File, name: str, path: str | PathLike[str], kinds: str = "biuf") -> NDArray[Any] | None:
    """Read a numerical dataset, or None where there is none.

    Raises
    ------
    FormatError
        Another kind of data, or data that the file declares and does not hold.
    """
    found = dataset(file, name, path)
    if found is None:
        return None
    if found.dtype.kind not in kinds:
        raise FormatError(f"{name} is {found.dtype}", source=path, expected=f"numbers of kind {kinds}")
    stored = found.id.get_storage_size()
    # A file may declare terabytes and store nothing; compression of real counts stays far below this ratio.
    if found.size * found.dtype.itemsize > 5000 * stored + MAX_TEXT:
        raise FormatError(f"{name} declares {found.shape} and stores {stored} bytes", source=path, expected="its data")
    values: NDArray[Any] = found[()]
    return values


def text(file: h5py.File, name: str) -> str:
    """Read a short text attribute of the root, empty where there is none."""
    value = file.attrs.get(name, "")
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise FormatError(f"attribute {name} is not a short text", expected="text")
    return value


def write_maps(
    path: str | PathLike[str], groups: Mapping[str, Mapping[str, Any]], attributes: Mapping[str, Any] | None = None
) -> None:
    """Write named arrays as one HDF5 file, compressed; the file gets its name only when it is complete.

    Parameters
    ----------
    path : path-like
    groups : mapping of str to mapping of str to array-like
        Arrays by group.
    attributes : mapping, optional
        Attributes of the root.
    """
    import h5py

    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        with h5py.File(part, "w") as file:
            for key, value in (attributes or {}).items():
                file.attrs[key] = value
            for group, arrays in groups.items():
                for name, values in arrays.items():
                    _write(file, f"{group}/{name}", np.asarray(values))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _write(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    if values.size < 4096:
        file.create_dataset(name, data=values)
        return
    # Chunks of about 256 kB along the last two axes; level 1 compresses counts nearly as well as 9, many times faster.
    chunk = [1] * max(values.ndim - 2, 0) + [min(n, 256) for n in values.shape[-2:]]
    file.create_dataset(name, data=values, chunks=tuple(chunk), compression="gzip", compression_opts=1, shuffle=True)


def read_maps(path: str | PathLike[str]) -> tuple[dict[str, dict[str, NDArray[Any]]], dict[str, Any]]:
    """Read what `write_maps` wrote: arrays by group, and the root's attributes."""
    import h5py

    groups: dict[str, dict[str, NDArray[Any]]] = {}
    with opened(path) as file:
        attributes = {
            key: value.item() if isinstance(value, np.generic) else value for key, value in file.attrs.items()
        }
        for group in file.keys():  # noqa: SIM118 - "in file" would follow links
            if not isinstance(file.get(group, getlink=True), h5py.HardLink) or not isinstance(file[group], h5py.Group):
                raise FormatError(f"{group} is not a group", source=path, expected="groups of arrays")
            for name in file[group].keys():  # noqa: SIM118 - the same
                values = array(file, f"{group}/{name}", path)
                if values is not None:
                    groups.setdefault(group, {})[name] = values
    return groups, attributes

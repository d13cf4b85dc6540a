"""Guarded access to HDF5: nothing outside the file is followed, and sizes are checked before reading."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import FormatError
from scananalysis.io.atomic import complete
from scananalysis.io.limits import MAX_BLOCK, MAX_TEXT, checked_file, checked_shape

if TYPE_CHECKING:
    import h5py

_MOST_GROUPS = 1024
_LEVEL = 1
_DEFLATE = 5000
"""Above what deflate can reach (1032): a file that claims more declares data it does not hold."""


@contextmanager
def opened(path: str | PathLike[str]) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; what HDF5 itself finds wrong becomes one sentence."""
    import h5py

    found = checked_file(path)
    try:
        with h5py.File(found, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(
            f"is damaged or truncated ({(str(error).splitlines() or [''])[0][:120]})",
            source=found,
            expected="a complete HDF5 file",
        ) from error


def _node(file: h5py.File, name: str, path: str | PathLike[str]) -> Any:
    """Return the object of a name, every part of which is stored in this very file; None where there is none."""
    import h5py

    node: Any = file
    for part in name.split("/"):
        if not isinstance(node, h5py.Group) or part not in node.keys():  # noqa: SIM118 - "in group" follows links
            return None
        if not isinstance(node.get(part, getlink=True), h5py.HardLink):
            raise FormatError(f"{name} is a link", source=path, expected="data inside the file")
        node = node[part]
    return node


def dataset(file: h5py.File, name: str, path: str | PathLike[str]) -> h5py.Dataset | None:
    """Return a dataset stored in this very file, or None where there is none.

    Every part of the name is checked: soft and external links, external storage and virtual datasets are refused.
    """
    import h5py

    found = _node(file, name, path)
    if not isinstance(found, h5py.Dataset):
        return None
    if found.external or found.is_virtual:
        raise FormatError(f"{name} lies in another file", source=path, expected="data inside the file")
    if found.shape is None:
        raise FormatError(f"{name} is empty", source=path, expected="numbers")
    if 0 not in found.shape:
        checked_shape(found.shape, path, name, found.dtype.itemsize)
    # A chunk is unpacked whole, even where the array inside it is small.
    if found.chunks is not None and math.prod(found.chunks) * found.dtype.itemsize > MAX_BLOCK:
        raise FormatError(f"{name} has chunks of {found.chunks}", source=path, expected=f"at most {MAX_BLOCK} bytes")
    return found


def children(file: h5py.File, name: str, path: str | PathLike[str]) -> tuple[str, ...]:
    """Return the names inside a group of this very file, sorted; none where there is no such group."""
    import h5py

    found = _node(file, name, path)
    return tuple(sorted(found.keys())) if isinstance(found, h5py.Group) else ()


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
    # A file may declare terabytes and store nothing.
    if found.size * found.dtype.itemsize > _DEFLATE * stored + MAX_TEXT:
        raise FormatError(f"{name} declares {found.shape} and stores {stored} bytes", source=path, expected="its data")
    values: NDArray[Any] = found[()]
    return values


def _scalar(file: h5py.File, name: str, path: str | PathLike[str]) -> Any:
    """Read one value of the root's attributes, None where there is none; arrays are refused before they are read."""
    if name not in file.attrs:
        return None
    if file.attrs.get_id(name).shape != ():
        raise FormatError(f"attribute {name} is not one value", source=path, expected="one value")
    return file.attrs[name]


def text(file: h5py.File, name: str, path: str | PathLike[str]) -> str:
    """Read a short text attribute of the root, empty where there is none."""
    value = _scalar(file, name, path)
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise FormatError(f"attribute {name} is not a short text", source=path, expected="text")
    return value


def whole_number(file: h5py.File, name: str, path: str | PathLike[str]) -> int:
    """Read a whole number from the root's attributes, 0 where there is none."""
    value = _scalar(file, name, path)
    if value is None:
        return 0
    if not isinstance(value, np.integer):
        raise FormatError(f"attribute {name} is {value!r}", source=path, expected="a whole number")
    return int(value)


def write_maps(
    path: str | PathLike[str],
    groups: Mapping[str, Mapping[str, Any]],
    attributes: Mapping[str, Any] | None = None,
    *,
    notes: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write named arrays as one HDF5 file, compressed; the file gets its name only when it is complete.

    Parameters
    ----------
    path : path-like
    groups : mapping of str to mapping of str to array-like
        Arrays by group.
    attributes : mapping, optional
        Attributes of the root.
    notes : mapping of str to mapping of str to str, optional
        Attributes of groups (``"entry"``) and arrays (``"entry/counts"``); names that are not written are passed over.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "maps.h5"
    >>> write_maps(path, {"materials": {"z_eff": np.ones((2, 3))}}, {"scanner": "cargo-6-4mv"})
    >>> read_maps(path)[0]["materials"]["z_eff"].shape
    (2, 3)
    """
    import h5py

    with complete(path) as part, h5py.File(part, "w") as file:
        for key, value in (attributes or {}).items():
            file.attrs[key] = value
        for group, arrays in groups.items():
            file.require_group(group)
            for name, values in arrays.items():
                _write(file, f"{group}/{name}", np.asarray(values))
        for name, said in (notes or {}).items():
            if name in file:
                file[name].attrs.update(said)


def _write(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    if values.size < 4096:
        file.create_dataset(name, data=values)
        return
    # Chunks of about 256 kB along the last two axes; level 1 compresses counts nearly as well as 9, many times faster.
    chunk = tuple([1] * max(values.ndim - 2, 0) + [min(n, 256) for n in values.shape[-2:]])
    stored = file.create_dataset(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunk,
        compression="gzip",
        compression_opts=_LEVEL,
        shuffle=True,
    )
    starts = list(itertools.product(*(range(0, n, step) for n, step in zip(values.shape, chunk, strict=True))))
    # HDF5 compresses one chunk after the other; ISA-L does not hold the interpreter, so threads can do it side by side.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start, packed in zip(starts, pool.map(partial(_packed, values, chunk), starts), strict=True):
            stored.id.write_direct_chunk(start, packed)


def _packed(values: NDArray[Any], chunk: tuple[int, ...], start: tuple[int, ...]) -> bytes:
    """Return a chunk as HDF5's filters would store it: filled up, bytes of equal rank together, deflated.

    ISA-L deflates five times as fast as zlib at a tenth more bytes; whatever reads HDF5 inflates both.
    """
    from isal import isal_zlib

    part = values[tuple(slice(at, at + size) for at, size in zip(start, chunk, strict=True))]
    if part.shape != chunk:
        part = np.pad(part, [(0, size - n) for size, n in zip(chunk, part.shape, strict=True)])
    by_rank = np.ascontiguousarray(part).view(np.uint8).reshape(-1, values.dtype.itemsize).T
    return isal_zlib.compress(by_rank.tobytes(), _LEVEL)


def read_maps(path: str | PathLike[str]) -> tuple[dict[str, dict[str, NDArray[Any]]], dict[str, Any]]:
    """Read what `write_maps` wrote: arrays by group, and the root's attributes."""
    import h5py

    groups: dict[str, dict[str, NDArray[Any]]] = {}
    with opened(path) as file:
        attributes = {
            key: value.item() if isinstance(value, np.generic) else value for key, value in file.attrs.items()
        }
        names = children_of_root(file)
        if len(names) > _MOST_GROUPS:
            raise FormatError(f"{len(names)} groups", source=path, expected=f"at most {_MOST_GROUPS}")
        for group in names:
            if not isinstance(_node(file, group, path), h5py.Group):
                raise FormatError(f"{group} is not a group", source=path, expected="groups of arrays")
            for name in children(file, group, path):
                values = array(file, f"{group}/{name}", path)
                if values is not None:
                    groups.setdefault(group, {})[name] = values
    return groups, attributes


def children_of_root(file: h5py.File) -> tuple[str, ...]:
    """Return the names at the root; none of them is followed."""
    return tuple(file.keys())

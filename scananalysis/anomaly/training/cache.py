"""Examples on disk, so that an interrupted training goes on without simulating anything twice.

Each example is three ``.npy`` files: planes as float16, label with insert as uint8, and some cells' features. They
are memory-mapped, so a crop reads only its own bytes. The insert is 0 where there is none, and else 1 to 255 with how far it can
be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scananalysis.anomaly.features import FEATURES
from scananalysis.anomaly.grid import working_scale
from scananalysis.anomaly.training.examples import IGNORE, Example, example
from scananalysis.core import ConfigurationError
from scananalysis.core.parallel import in_parallel
from scananalysis.datasets import Recipe, sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


_CELLS_PER_CLASS = 120
_TOWARDS_INSERT = 0.7
"""Share of the crops of a scan with an insert that hold a part of it, where any can be seen."""

_PLAIN = 254


@dataclass(frozen=True)
class Source:
    """A run of samples of one recipe.

    Parameters
    ----------
    recipe : Recipe
    split : str
    count : int
    families : int
        Number of families.
    pitch_mm : (float, float)
        Working cell.
    """

    recipe: Recipe
    split: str
    count: int
    families: int
    pitch_mm: tuple[float, float]


def _write(path: Path, array: NDArray[np.generic]) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
    part.replace(path)


def _make(job: tuple[Source, int, Path]) -> None:
    source, index, stem = job
    drawn = sample(source.recipe, source.split, index)
    hidden = "hidden" in drawn.simulated.labels
    twin = sample(source.recipe, source.split, index, fraud="none").simulated if hidden else None
    made = example(drawn.simulated, source.families, source.pitch_mm, twin=twin)
    _write(Path(f"{stem}.planes.npy"), made.planes(working_scale(made.cells.scanner)).astype(np.float16))
    _write(Path(f"{stem}.cells.npy"), _some_cells(made, np.random.default_rng([7, index])))
    # The label comes last: it marks the example as complete.
    _write(Path(f"{stem}.label.npy"), np.stack([made.label, _insert_code(made)]))


def _insert_code(made: Example) -> NDArray[np.uint8]:
    return np.where(made.insert, 1 + np.round(_PLAIN * made.visible), 0).astype(np.uint8)


def _some_cells(made: Example, rng: np.random.Generator) -> NDArray[np.float32]:
    """Pick up to `_CELLS_PER_CLASS` cells of every class: rows of label and features, for the baseline."""
    features = made.features().reshape(len(FEATURES), -1)
    label = made.label.ravel()
    picked = []
    for value in np.unique(label[label != IGNORE]):
        at = np.flatnonzero(label == value)
        at = rng.choice(at, min(at.size, _CELLS_PER_CLASS), replace=False)
        picked.append(np.column_stack([np.full(at.size, value, np.float32), features[:, at].T]))
    return np.concatenate(picked).astype(np.float32)


def fill(
    sources: list[Source],
    folder: Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Make every missing example and return the stems of all of them, sorted.

    Parameters
    ----------
    sources : list of Source
    folder : Path
        Made if missing.
    workers : int, optional
        Processes; one per core by default.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    list of Path
        ``stem`` such that ``stem.planes.npy`` and ``stem.label.npy`` exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [
        (source, index, folder / f"{source.recipe.name}-{source.split}-{index:06d}")
        for source in sources
        for index in range(source.count)
    ]
    missing = [job for job in wanted if not Path(f"{job[2]}.label.npy").is_file()]
    for done, _ in enumerate(in_parallel(_make, missing, workers), start=len(wanted) - len(missing) + 1):
        if progress is not None:
            progress(done, len(wanted))
    return sorted(stem for _, _, stem in wanted)


class Batch(NamedTuple):
    """What a step of training sees, (batch, …).

    Parameters
    ----------
    planes : ndarray of float32, (…, plane, y, x)
    label, insert, weight : ndarray of int64, float32 and float32, (…, y/2, x/2)
        Class, whether an insert covers the cell, and how much the cell counts for the insert head.
    """

    planes: NDArray[np.float32]
    label: NDArray[np.int64]
    insert: NDArray[np.float32]
    weight: NDArray[np.float32]


class Crops:
    """Random crops of cached examples; batch *k* depends only on the seed and *k*, so training can resume.

    Parameters
    ----------
    stems : list of Path
        From `fill`.
    size : (int, int)
        Rows and columns of a crop in working cells, multiples of 16.
    batch : int
    seed : int
    """

    def __init__(self, stems: list[Path], size: tuple[int, int], batch: int, seed: int) -> None:
        if not stems:
            raise ConfigurationError("no training examples", expected="at least one")
        self._stems, self._size, self._batch, self._seed = stems, size, batch, seed

    def __getitem__(self, step: int) -> Batch:
        """Return batch ``step``."""
        rng = np.random.default_rng([self._seed, step])
        chosen = rng.integers(len(self._stems), size=self._batch)
        crops = [self._crop(self._stems[i], rng) for i in chosen]
        return Batch(*(np.stack(part) for part in zip(*crops, strict=True)))

    def _crop(self, stem: Path, rng: np.random.Generator) -> Batch:
        planes = np.load(f"{stem}.planes.npy", mmap_mode="r", allow_pickle=False)
        truth = np.load(f"{stem}.label.npy", mmap_mode="r", allow_pickle=False)
        height, width = self._size
        rows_free, columns_free = (max(0, n - m) // 2 for n, m in zip(planes.shape[1:], self._size, strict=True))
        top, left = int(rng.integers(rows_free + 1)), int(rng.integers(columns_free + 1))
        if rng.random() < _TOWARDS_INSERT and (held := np.argwhere(truth[1] > 1)).size:
            # Inserts cover few cells of few scans; a crop anywhere would seldom hold one.
            row, column = held[rng.integers(len(held))]
            top = int(np.clip(row - rng.integers(height // 2), 0, rows_free))
            left = int(np.clip(column - rng.integers(width // 2), 0, columns_free))
        top, left = 2 * top, 2 * left
        x = np.array(planes[:, top : top + height, left : left + width], np.float32)
        y = np.array(truth[:, top // 2 : (top + height) // 2, left // 2 : (left + width) // 2])
        rows, columns = height - x.shape[1], width - x.shape[2]
        x = np.pad(x, [(0, 0), (0, rows), (0, columns)], mode="edge")
        half = [(0, height // 2 - y.shape[1]), (0, width // 2 - y.shape[2])]
        label, insert = np.pad(y[0], half, constant_values=IGNORE), np.pad(y[1], half)
        if rng.random() < 0.5:
            x, label, insert = x[..., ::-1], label[:, ::-1], insert[:, ::-1]
        # A gain error of 1 % is within what a calibration may leave.
        x[:2] *= 1 + 0.01 * rng.standard_normal()
        covered = insert > 0
        weight = np.where(covered, (insert.astype(np.float32) - 1) / _PLAIN, 1)
        return Batch(x, label.astype(np.int64), covered.astype(np.float32), weight.astype(np.float32))

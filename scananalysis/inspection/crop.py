"""Cuts a rectangle out of the stages, so that measuring a small region of a large scan costs little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import MaterialMap, Radiograph, Regions, SystematicTerm

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Window:
    """Rows and columns of a rectangle."""

    rows: slice
    columns: slice

    def of(self, plane: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the rectangle of (…, y, x)."""
        return plane[..., self.rows, self.columns]


def window(mask: NDArray[np.bool_], margin: tuple[int, int] = (0, 0)) -> Window:
    """Return the bounding rectangle of a mask, grown by a margin and cut at the border.

    Examples
    --------
    >>> mask = np.zeros((6, 8), bool); mask[2:4, 5] = True
    >>> window(mask, (1, 4))
    Window(rows=slice(1, 5, None), columns=slice(1, 8, None))
    """
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    return Window(
        slice(max(0, int(rows[0]) - margin[0]), min(mask.shape[0], int(rows[-1]) + 1 + margin[0])),
        slice(max(0, int(columns[0]) - margin[1]), min(mask.shape[1], int(columns[-1]) + 1 + margin[1])),
    )


def crop(radiograph: Radiograph, part: Window) -> Radiograph:
    """Return the part of a radiograph inside a window; shared errors keep their axes."""

    def cut(effect: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = part.rows if effect.shape[1] > 1 else slice(None)
        columns = part.columns if effect.shape[2] > 1 else slice(None)
        return effect[:, rows, columns]

    return replace(
        radiograph,
        attenuation=radiograph.attenuation[:, part.rows, part.columns],
        variance=radiograph.variance[:, part.rows, part.columns],
        quality=radiograph.quality[:, part.rows, part.columns],
        systematic={
            name: SystematicTerm(cut(term.effect), term.shared_along) for name, term in radiograph.systematic.items()
        },
        fan_angle_rad=radiograph.fan_angle_rad[part.rows],
    )


def thin(materials: MaterialMap, steps: tuple[int, int]) -> MaterialMap:
    """Return every n-th row and column of a material map, as views; each pixel then stands for the area of its block.

    Means and sums over the whole load hardly change, and cost as much less.
    """
    if steps == (1, 1):
        return materials
    pick = (slice(None, None, steps[0]), slice(None, None, steps[1]))
    radiograph = thin_radiograph(materials.radiograph, steps)
    return replace(
        materials,
        areal_density=materials.areal_density[pick],
        z_eff=materials.z_eff[pick],
        sigma_areal_density=materials.sigma_areal_density[pick],
        sigma_z=materials.sigma_z[pick],
        correlation=materials.correlation[pick],
        quality=materials.quality[pick],
        radiograph=radiograph,
        regions=Regions(materials.regions.labels[pick], materials.regions.table),
    )


def thin_radiograph(whole: Radiograph, steps: tuple[int, int]) -> Radiograph:
    """Return every n-th row and column of a radiograph, as views."""
    pick = (slice(None, None, steps[0]), slice(None, None, steps[1]))

    def cut(effect: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = pick[0] if effect.shape[1] > 1 else slice(None)
        columns = pick[1] if effect.shape[2] > 1 else slice(None)
        return effect[:, rows, columns]

    return replace(
        whole,
        attenuation=whole.attenuation[:, *pick],
        variance=whole.variance[:, *pick],
        quality=whole.quality[:, *pick],
        systematic={
            name: SystematicTerm(cut(term.effect), term.shared_along) for name, term in whole.systematic.items()
        },
        pixel_mm=(whole.pixel_mm[0] * steps[0], whole.pixel_mm[1] * steps[1]),
        fan_angle_rad=whole.fan_angle_rad[pick[0]],
    )

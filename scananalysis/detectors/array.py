"""Where source, load and array of a scanner are, and which pixels of the object plane its elements see.

An array stands upright behind the load. Its topmost elements may lie on a boom that goes from its upper end towards the source: either
where their pixels in the load are as high as all others, or at one pitch, as modules are made, and then their pixels are of unequal height.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Model(BaseModel):
    """Part of a scanner's definition."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Geometry(Model):
    """Where source, object plane and array are."""

    elements: int = Field(gt=0, le=100_000, description="Elements of the array")
    element_pitch_mm: Positive = Field(description="Distance between elements, mm")
    source_to_array_mm: Positive = Field(description="Source to array plane along the beam axis, mm")
    source_to_object_mm: Positive = Field(description="Source to the middle of the load, mm")
    source_height_mm: float = Field(description="Height of the source above ground, mm")
    array_top_mm: float = Field(description="Height of the array's upper end above ground, mm")
    line_pitch_mm: Positive = Field(description="Travel of the load per line, mm")
    element_edge_mm: Positive = Field(description="Smaller edge of one element across the beam, mm")
    source_to_object_sigma_mm: NotNegative = Field(
        description="1-σ of where the load's middle stands along the beam, mm"
    )
    boom_elements: int = Field(
        default=0,
        ge=0,
        description="Topmost elements that stand on a horizontal boom from the upper end of the vertical ones towards the source, "
        "at distances that keep the height of their pixels unless boom_pitch_mm says otherwise",
    )
    boom_pitch_mm: float = Field(
        default=0.0,
        ge=0,
        description="Distance between the elements along the boom where it is the same for all, mm; array_top_mm is then the height of "
        "the corner, and pixels of the boom are of unequal height. 0: none",
    )
    columns: int = Field(
        default=1, ge=1, le=16, description="Columns of elements that read one pulse, a line each, side by side"
    )

    @model_validator(mode="after")
    def _corner(self) -> Geometry:
        if self.boom_elements >= self.elements:
            raise ValueError("boom_elements must be fewer than elements")
        if self.boom_pitch_mm:
            if not self.boom_elements:
                raise ValueError("boom_pitch_mm is stated for an array without boom_elements")
            if self.array_top_mm <= self.source_height_mm:
                raise ValueError("the boom must be above the source")
            if self.source_to_array_mm - self.boom_elements * self.boom_pitch_mm <= self.source_to_object_mm:
                raise ValueError("the boom must end behind the middle of the load")
        elif self.boom_elements:
            rise = self.array_top_mm - self.source_height_mm
            corner = rise - self.boom_elements * self.element_pitch_mm
            if corner <= 0:
                raise ValueError("the boom must be above the source")
            if self.source_to_array_mm * corner / rise <= self.source_to_object_mm:
                raise ValueError("the boom must end behind the middle of the load")
        return self

    def rise_mm(self, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the height over the source at which rays cross the plane of the upright elements, mm.

        Parameters
        ----------
        steps : ndarray of float64
            Where the rays end along the array, counted in elements from its upper end.
        """
        top = self.array_top_mm - self.source_height_mm
        if not self.boom_pitch_mm:
            straight: NDArray[np.float64] = top - steps * self.element_pitch_mm
            return straight
        depth = self.source_to_array_mm - np.maximum(self.boom_elements - steps, 0) * self.boom_pitch_mm
        upright = np.maximum(steps - self.boom_elements, 0) * self.element_pitch_mm
        bent: NDArray[np.float64] = top * self.source_to_array_mm / depth - upright
        return bent

    @property
    def row_edges(self) -> NDArray[np.float64] | None:
        """Edges of every element's pixel in rows of equal height at the object plane, (element + 1,), or None where each is a row.

        Rows are as high as the pixels of the upright elements and count from the corner down, so those of the boom are below 0.
        """
        if not self.boom_pitch_mm:
            return None
        corner = self.array_top_mm - self.source_height_mm
        edges = (corner - self.rise_mm(np.arange(self.elements + 1, dtype=np.float64))) / self.element_pitch_mm
        edges[self.boom_elements :] = np.arange(self.elements + 1 - self.boom_elements)
        return edges

    @property
    def boom_rows(self) -> int:
        """Rows of equal height that show a boom whose elements are of one pitch, to the nearest whole one; 0 for other arrays."""
        edges = self.row_edges
        return 0 if edges is None else max(1, round(-float(edges[0])))

    @property
    def row_rise_mm(self) -> NDArray[np.float64]:
        """Height over the source at which each row's middle crosses the plane of the upright elements, (row,), mm."""
        upright = self.rise_mm(
            np.arange(self.boom_elements if self.boom_rows else 0, self.elements, dtype=np.float64) + 0.5
        )
        above = np.arange(self.boom_rows, dtype=np.float64)[::-1] + 0.5
        return np.concatenate([self.array_top_mm - self.source_height_mm + above * self.element_pitch_mm, upright])

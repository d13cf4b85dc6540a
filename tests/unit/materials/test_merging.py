"""Neighbouring cells become areas: chance at their common edge does not part them, a plain edge does."""

import numpy as np

from scananalysis.materials.lattice import Lattice
from scananalysis.materials.merging import Tolerance, merge

SIGMA = 0.01
STRICT = Tolerance(thickness=0.0, material=0.0, absolute=1e-6, texture=0.0)
"""Nothing but noise is tolerated, so that χ² is what the cells were given."""


def row_of(*levels: float) -> Lattice:
    """Return one row of cells whose α_high lies so many σ from 1; their α_low is as far from its own."""
    alpha = 1 + SIGMA * np.array([[list(levels)]])
    return Lattice((8, 8), alpha, np.full(alpha.shape, SIGMA**2), {}, np.ones(alpha.shape[1:], bool), np.zeros(1))


def areas(lattice: Lattice) -> int:
    return int(merge(lattice, lattice.usable, STRICT).max())


def test_cells_that_agree_are_one_area():
    assert areas(row_of(0.3, -0.2, 0.1, -0.4, 0.2)) == 1


def test_two_areas_that_agree_are_joined_although_their_edge_cells_do_not():
    # χ² of the two cells in the middle is 6.2²/2 = 19; once both sides have grown it is small.
    assert areas(row_of(0, 0, 0, 0, 3.1, -3.1, 0, 0, 0, 0)) == 1


def test_a_plain_edge_stays_one():
    assert areas(row_of(0, 0, 0, 0, 10, 10, 10, 10)) == 2
    # χ² of 12.4²/2 = 77 is no chance, whatever the sides are together.
    assert areas(row_of(*[0] * 6, 3.9, 6.2, -6.2, -3.9, *[0] * 6)) > 1


def test_cells_that_take_no_part_belong_to_no_area():
    lattice = row_of(0, 0, 0, 0)
    where = np.array([[True, True, False, True]])
    assert merge(lattice, where, STRICT).tolist() == [[1, 1, 0, 2]]

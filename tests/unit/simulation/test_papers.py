import numpy as np
import pytest

from scananalysis.cargo import commodity
from scananalysis.cargo.containers import number_fault
from scananalysis.simulation.packing import Packed
from scananalysis.simulation.papers import write_papers


def papers(seed=1, **kind):
    goods = [commodity("0803"), commodity("6109"), commodity("0803")]
    packed = [Packed([], 1000.0, 10, 50.0), Packed([], 500.0, 5), Packed([], 2000.0, 20)]
    arguments = {"container_type": "22G1", "tare_kg": 2230.0} | kind
    return write_papers(goods, packed, np.random.default_rng(seed), **arguments)


def test_items_of_one_heading_are_added():
    found = papers()
    assert [item.heading for item in found.items] == ["0803", "6109"]
    assert [item.packages for item in found.items] == [30, 5]


def test_weights_scatter_by_a_percent_and_nets_leave_packaging_and_pallets_out():
    gross = np.array([papers(seed).cargo_gross_weight_kg for seed in range(300)])
    assert gross.mean() == pytest.approx(3500, rel=0.002)
    assert gross.std() / gross.mean() == pytest.approx(0.01, rel=0.2)
    net = np.array([papers(seed).items[0].net_weight_kg for seed in range(300)])
    assert net.mean() == pytest.approx(0.96 * 2950, rel=0.002)


def test_container_numbers_are_valid_and_parcels_have_none():
    for seed in range(20):
        assert number_fault(papers(seed).container) is None
    bare = papers(container_type=None, tare_kg=None)
    assert bare.container is None
    assert bare.tare_kg is None

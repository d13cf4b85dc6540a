"""Declared cargo: reading and checking declarations, and what goods under an HS heading look like on a radiograph."""

from scananalysis.cargo.checks import Finding, check
from scananalysis.cargo.commodities import Commodity, commodities, commodity, effective_z
from scananalysis.cargo.containers import ContainerType, check_digit, container_type, container_types
from scananalysis.cargo.dangerous import handling_advice
from scananalysis.cargo.expectation import expected_areal_density
from scananalysis.cargo.families import Family, families, family_table, look_alikes, steps_apart
from scananalysis.cargo.packages import PackageType, package_type, package_types
from scananalysis.cargo.reader import read_declaration

__all__ = [
    "Commodity",
    "ContainerType",
    "Family",
    "Finding",
    "PackageType",
    "check",
    "check_digit",
    "commodities",
    "commodity",
    "container_type",
    "container_types",
    "effective_z",
    "expected_areal_density",
    "families",
    "family_table",
    "handling_advice",
    "look_alikes",
    "package_type",
    "package_types",
    "read_declaration",
    "steps_apart",
]

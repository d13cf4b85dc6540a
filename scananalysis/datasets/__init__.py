"""Datasets: recipes with disjoint splits, samples in memory, files with truth."""

from scananalysis.datasets.generate import generate
from scananalysis.datasets.labelled import Listed, import_scans, read_labels, read_manifest
from scananalysis.datasets.recipe import Recipe, Shift, Split, read_recipe, recipes
from scananalysis.datasets.samples import (
    Planned,
    Sample,
    declaration_of,
    plan,
    possible_frauds,
    sample,
    samples,
    split_digest,
)

__all__ = [
    "Listed",
    "Planned",
    "Recipe",
    "Sample",
    "Shift",
    "Split",
    "declaration_of",
    "generate",
    "import_scans",
    "plan",
    "possible_frauds",
    "read_labels",
    "read_manifest",
    "read_recipe",
    "recipes",
    "sample",
    "samples",
    "split_digest",
]

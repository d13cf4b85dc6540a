"""Datasets: recipes with disjoint splits, samples in memory, files with truth."""

from scananalysis.datasets.generate import generate
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
    "Planned",
    "Recipe",
    "Sample",
    "Shift",
    "Split",
    "declaration_of",
    "generate",
    "plan",
    "possible_frauds",
    "read_recipe",
    "recipes",
    "sample",
    "samples",
    "split_digest",
]

"""Datasets: recipes with disjoint splits, samples in memory, files with truth."""

from scananalysis.datasets.generate import generate
from scananalysis.datasets.recipe import Recipe, Split, read_recipe, recipes
from scananalysis.datasets.samples import Sample, declaration_of, possible_frauds, sample, samples

__all__ = [
    "Recipe",
    "Sample",
    "Split",
    "declaration_of",
    "generate",
    "possible_frauds",
    "read_recipe",
    "recipes",
    "sample",
    "samples",
]

"""Datasets: recipes with disjoint splits, samples in memory, files with truth."""

from scananalysis.datasets.generate import generate
from scananalysis.datasets.recipe import Recipe, Split, read_recipe, recipes
from scananalysis.datasets.samples import Sample, possible_frauds, sample, samples

__all__ = ["Recipe", "Sample", "Split", "generate", "possible_frauds", "read_recipe", "recipes", "sample", "samples"]

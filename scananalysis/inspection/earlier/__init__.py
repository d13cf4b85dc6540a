"""A scan against an earlier one of the same container: registration, difference, and the places that changed beyond chance."""

from scananalysis.inspection.earlier.run import Earlier, against, compare_with, on_pixels, read_earlier, sentences

__all__ = ["Earlier", "against", "compare_with", "on_pixels", "read_earlier", "sentences"]

"""A scan against an earlier one of the same container: registration, difference, and the places that changed beyond chance."""

from scananalysis.inspection.earlier.given import Earlier, provenance_inputs, read_earlier
from scananalysis.inspection.earlier.run import against, compare_with, on_pixels, sentences

__all__ = ["Earlier", "against", "compare_with", "on_pixels", "provenance_inputs", "read_earlier", "sentences"]

"""Stage types, quality flags, provenance, uncertainty and errors: what every other room builds on."""

from scananalysis.core.declaration import Declaration, Item
from scananalysis.core.errors import (
    CalibrationError,
    ConfigurationError,
    DeclarationError,
    FormatError,
    InputError,
    ModelError,
    PhysicsRangeError,
    ScanAnalysisError,
)
from scananalysis.core.inspection import Comparison, EarlierScan, Inspection, SuspectRegion, Verdict
from scananalysis.core.maps import AnomalyMap, MaterialMap, Radiograph, Regions
from scananalysis.core.provenance import Provenance, Step, sha256_array, sha256_file, sha256_json
from scananalysis.core.quality import UNUSABLE, Quality, count_flags, has, mark
from scananalysis.core.scan import RawScan
from scananalysis.core.uncertainty import SystematicTerm, mean_covariance

__all__ = [
    "UNUSABLE",
    "AnomalyMap",
    "CalibrationError",
    "Comparison",
    "ConfigurationError",
    "Declaration",
    "DeclarationError",
    "EarlierScan",
    "FormatError",
    "InputError",
    "Inspection",
    "Item",
    "MaterialMap",
    "ModelError",
    "PhysicsRangeError",
    "Provenance",
    "Quality",
    "Radiograph",
    "RawScan",
    "Regions",
    "ScanAnalysisError",
    "Step",
    "SuspectRegion",
    "SystematicTerm",
    "Verdict",
    "count_flags",
    "has",
    "mark",
    "mean_covariance",
    "sha256_array",
    "sha256_file",
    "sha256_json",
]

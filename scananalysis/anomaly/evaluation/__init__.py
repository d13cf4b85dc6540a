"""Measures models on held-out scans: detection at stated false-alarm rates, where they point, and what limits them."""

from scananalysis.anomaly.evaluation.rates import Rate, auroc, clopper_pearson, expected_alarms, realised
from scananalysis.anomaly.evaluation.scoring import CLEAN, WRONG
from scananalysis.anomaly.evaluation.study import evaluate, evaluate_files
from scananalysis.anomaly.evaluation.text import markdown, save_evaluation, table

__all__ = [
    "CLEAN",
    "WRONG",
    "Rate",
    "auroc",
    "clopper_pearson",
    "evaluate",
    "evaluate_files",
    "expected_alarms",
    "markdown",
    "realised",
    "save_evaluation",
    "table",
]

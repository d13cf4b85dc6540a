"""Evidence: a result closed in a signed bag with everything it was made from, its chain of custody, and proof by recomputation."""

from scananalysis.inspection.evidence.again import Replay, replay
from scananalysis.inspection.evidence.bundle import make
from scananalysis.inspection.evidence.check import Verification, verify
from scananalysis.inspection.evidence.files import Problem
from scananalysis.inspection.evidence.handing import log
from scananalysis.inspection.evidence.seizure import seizure_report

__all__ = ["Problem", "Replay", "Verification", "log", "make", "replay", "seizure_report", "verify"]

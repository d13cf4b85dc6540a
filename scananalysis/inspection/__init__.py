"""The whole chain on one scan: suspect regions, verdict, and the folder that holds the result."""

from scananalysis.inspection.chain import inspect
from scananalysis.inspection.document import InspectionDocument, document
from scananalysis.inspection.earlier import Earlier
from scananalysis.inspection.save import save_inspection
from scananalysis.inspection.verdict import Limits, decide

__all__ = ["Earlier", "InspectionDocument", "Limits", "decide", "document", "inspect", "save_inspection"]

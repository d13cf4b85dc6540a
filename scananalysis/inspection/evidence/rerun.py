"""Runs an inspection from a request on standard input; `replay` starts it as a process of its own.

Definitions are read once per process, and those of the bundle must be the ones that are read.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from scananalysis.core import ScanAnalysisError


def run(request: dict[str, Any]) -> None:
    """Inspect as the request says and write ``inspection.json`` and ``maps.h5`` into its folder ``output``."""
    from scananalysis.inspection import Earlier, Limits, document, inspect
    from scananalysis.inspection.save import attributes, maps
    from scananalysis.io import write_maps

    found = inspect(
        request["scan"],
        request["declaration"],
        scanner=request["scanner"],
        layout=request["layout"],
        format=request["format"],
        calibration=request["calibration"],
        model=request["model"],
        compare=None if request["earlier"] is None else Earlier(**request["earlier"]),
        limits=Limits(**request["limits"]),
        now=None if request["scanned"] is None else datetime.fromisoformat(request["scanned"]),
    )
    folder = Path(request["output"])
    (folder / "inspection.json").write_text(document(found).model_dump_json(), encoding="utf-8")
    write_maps(folder / "maps.h5", maps(found), attributes(found))


if __name__ == "__main__":
    try:
        run(json.load(sys.stdin))
    except ScanAnalysisError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)

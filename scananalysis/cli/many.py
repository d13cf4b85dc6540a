"""Runs a command over several inputs: one that fails is named, and the others are still done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from scananalysis.cli.common import Output, explain, session
from scananalysis.core.errors import ScanAnalysisError


def each(paths: Sequence[Path], one: Callable[[Path], Any], output: Output) -> None:
    """Call ``one`` for every path and print all results as JSON, if asked for.

    A single input that is refused ends the command with its own exit code; of several, each one that is refused is named
    and the command ends with 1.
    """
    if len(paths) == 1:
        output.json(one(paths[0]))
        return
    results, failed = [], 0
    for path in paths:
        try:
            results.append(one(path))
        except (ScanAnalysisError, OSError) as error:
            if session.debug:
                raise
            failed += 1
            message, _ = explain(error)
            sys.stderr.write(f"{message}\n")
            results.append({"file": str(path), "error": message})
    output.json(results)
    if failed:
        raise typer.Exit(1)

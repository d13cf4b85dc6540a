"""The command ``scananalysis``; commands load what they need when they run."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code.

    0 done; 1 done, but some inputs failed; 2 wrong usage; 3 input, configuration or calibration refused; 4 internal
    fault; 10 an alarm under ``--fail-on-alarm``.
    """
    from scananalysis.cli.app import app
    from scananalysis.cli.common import explain, session

    # The last door: whatever comes here becomes one sentence and an exit code.
    try:
        app(prog_name="scananalysis")
    except Exception as error:
        if session.debug:
            raise
        message, code = explain(error)
        sys.stderr.write(f"{message}\n")
        sys.exit(code)

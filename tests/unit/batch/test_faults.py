"""Kills of the main process, of a worker and of an inspecting process change no byte of the results."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_kills_change_no_byte():
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.tasks.batch_faults", "--no-record", "--good", "16", "--broken", "5", "--hostile", "3",
            "--hang", "1", "--crash", "1", "--memory", "0", "--local-kills", "3", "--cluster-kills", "0", "--workers", "1",
            "--shard", "6", "--pause", "0.5", "--limit", "6",
        ],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["faults"] == []
    assert figures["scans"] == 26
    assert figures["bad"] == {"error": 8, "quarantined": 2}
    assert figures["kills"]["local"]["main"] == 1
    assert figures["kills_in_all"] >= 2
    assert figures["result_files"] >= 10

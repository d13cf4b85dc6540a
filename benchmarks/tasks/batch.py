"""What the batch command costs beside the inspections themselves.

Run:  OMP_NUM_THREADS=1 python -m benchmarks.tasks.batch [--parts overhead,speedup,memory,planning] [--scans 48] [--rows 100000]
      [--plan-rows 1000000]

overhead   time per scan in a run with one worker, from the first committed shard to the last, over the time of `inspect` on the same files
           in a warm process with the same number of threads; runs and inspections alternate. CPU seconds are given too: they hold on a
           machine that does other things.
speedup    time per scan with one worker over that with two. It says something on two free cores only; the load of the machine is recorded.
memory     peak memory of the main process for 1,000 rows and for --rows, with an inspector that does nothing.
planning   a run with --plan-rows rows that are all done (plan made anew, every result file checked) over reading the same Parquet files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pyarrow as pa
from pyarrow import parquet

from benchmarks.record import record
from scananalysis.batch.definition import RunDefinition
from scananalysis.batch.fingerprint import fingerprint
from scananalysis.batch.ledger import Ledger
from scananalysis.batch.listing import find
from scananalysis.batch.plan import plan_head, plan_of, write_plan
from scananalysis.batch.run import run
from scananalysis.batch.shard import commit
from scananalysis.batch.store import FORMAT, FORMAT_VERSION, Store
from scananalysis.datasets import read_recipe, sample
from scananalysis.inspection import inspect
from scananalysis.io import write

NOTHING = "benchmarks.tasks.batch:Nothing"


class Nothing:
    """An inspector that does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def warm_up(self) -> None:
        """Do nothing."""

    def row(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Return the row of a clear scan."""
        return clear(plan["path"])


def clear(path: str) -> dict[str, Any]:
    """Return the row of a clear scan."""
    return {
        "path": path,
        "scan_sha256": "ab" * 32,
        "status": "done",
        "scanner": "cargo-6-4mv",
        "consignor": "Nobody",
        "headings": ["0803"],
        "verdict": "clear",
        "reasons": ["Nothing stands out."],
        "scan_p_value": 0.5,
        "inspectable_share": 1.0,
        "load_mass_kg": 20000.0,
        "region_count": 0,
    }


def make_archive(folder: Path, scans: int) -> None:
    """Write quarter-size scans and their declarations."""
    recipe = read_recipe("declared-cargo")
    folder.mkdir()
    for index in range(scans):
        made = sample(recipe, "test", index, scanner="cargo-6-4mv")
        write(made.simulated.scan, folder / f"scan-{index:04d}.h5")
        (folder / f"scan-{index:04d}.json").write_text(
            made.declaration.model_dump_json(exclude_none=True), encoding="utf-8"
        )


def manifest(path: Path, rows: int) -> None:
    """Write a manifest of scans that need not be there."""
    numbers = np.arange(rows)
    table = pa.table(
        {
            "scan": pa.array([f"lane-{n % 7}/2025/scan-{n:08d}.h5" for n in numbers]),
            "declaration": pa.array([f"papers/{n:08d}.json" for n in numbers]),
            "sha256": pa.array([f"{n:064x}" for n in numbers]),
            "consignor": pa.array([f"consignor {n % 5000}" for n in numbers]),
        }
    )
    parquet.write_table(table, path, compression="zstd")


def steady(output: Path) -> float:
    """Return the seconds per scan between the first shard and the last."""
    events = [json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    shards = [event for event in events if event["event"] == "shard"]
    first, last = (np.datetime64(event["time"][:-6]) for event in (shards[0], shards[-1]))
    return float((last - first) / np.timedelta64(1, "s")) / sum(event["scans"] for event in shards[1:])


def tree_cpu(process: psutil.Popen) -> dict[int, float]:
    """Return the CPU seconds of a process and of everything below it."""
    found = {}
    try:
        for each in (process, *process.children(recursive=True)):
            times = each.cpu_times()
            found[each.pid] = times.user + times.system
    except psutil.Error:
        pass
    return found


def one_run(archive: Path, output: Path, workers: int) -> tuple[float, float]:
    """Run the command; return seconds per scan in its steady part and CPU seconds in all."""
    definition = archive.parent / "run.toml"
    definition.write_text("shard_scans = 4\n", encoding="utf-8")
    process = psutil.Popen(
        [sys.executable, "-m", "scananalysis", "batch", str(archive), "--declarations", str(archive), "--definition", str(definition),
         "--output", str(output), "--workers", str(workers), "--quiet"]
    )  # fmt: skip
    used: dict[int, float] = {}
    while process.poll() is None:
        used |= tree_cpu(process)
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"the run ended with {process.returncode}")
    return steady(output), sum(used.values())


def cpu_per_scan(archive: Path, folder: Path, scans: int) -> float:
    """Return the CPU seconds per scan of a run, from two runs of different length, so that starting up drops out."""
    small = folder / "small"
    small.mkdir()
    few = scans // 4
    for path in sorted(archive.iterdir())[: 2 * few]:
        (small / path.name).symlink_to(path)
    _, short = one_run(small, folder / "cpu-short", 1)
    _, long = one_run(archive, folder / "cpu-long", 1)
    return (long - short) / (scans - few)


def overhead(folder: Path, scans: int, repeats: int) -> dict[str, Any]:
    """Compare a run with one worker with inspections in this process."""
    archive = folder / "archive"
    paths = sorted(archive.glob("*.h5"))
    cv2.setNumThreads(1)  # as many as an inspecting process has
    inspect(paths[0], paths[0].with_suffix(".json"))
    batch, single, single_cpu = [], [], []
    for repeat in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        for path in paths:
            inspect(path, path.with_suffix(".json"))
        single.append((time.perf_counter() - start) / scans)
        single_cpu.append((time.process_time() - cpu) / scans)
        batch.append(one_run(archive, folder / f"overhead-{repeat}", 1)[0])
    in_run = cpu_per_scan(archive, folder, scans)
    return {
        "single_s": min(single),
        "batch_s": min(batch),
        "wall_ratio": min(batch) / min(single),
        "single_cpu_s": min(single_cpu),
        "batch_cpu_s": in_run,
        "cpu_ratio": in_run / min(single_cpu),
    }


def speedup(folder: Path, repeats: int) -> dict[str, Any]:
    """Compare one worker with two."""
    archive = folder / "archive"
    pairs = [[one_run(archive, folder / f"speed-{repeat}-{n}", n)[0] for n in (1, 2)] for repeat in range(repeats)]
    one, two = (min(times) for times in zip(*pairs, strict=True))
    return {"one_worker_s": one, "two_workers_s": two, "speedup": one / two}


def memory(folder: Path, rows: int) -> dict[str, Any]:
    """Measure the main process for few rows and for many."""
    peaks = {}
    for count in (1000, rows):
        path = folder / f"manifest-{count}.parquet"
        manifest(path, count)
        command = [sys.executable, "-m", "benchmarks.tasks.batch", "--one", str(path), str(folder / f"memory-{count}")]
        peaks[count] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    few, many = (peaks[count]["peak_mb"] for count in (1000, rows))
    return {"rows": peaks, "ratio": many / few}


def one(path: Path, output: Path) -> None:
    """Run without inspecting anything and print the peak memory of this process."""
    start = time.perf_counter()
    outcome = run(str(path), output, RunDefinition(shard_scans=250), workers=1, inspector=NOTHING)
    seconds = time.perf_counter() - start
    peak = peak_mb()
    print(json.dumps({"peak_mb": peak, "seconds": seconds, "scans": outcome.scans}))


def peak_mb() -> float:
    """Return the largest resident memory this program has had, in MB; getrusage's figure starts with that of whoever started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def planning(folder: Path, rows: int) -> dict[str, Any]:
    """Time a run in which everything is done against reading the same files."""
    source = folder / "million.parquet"
    manifest(source, rows)
    definition = RunDefinition(shard_scans=1000)
    output = folder / "million"
    finished(source, output, definition)
    times, reads = [], []
    for _ in range(3):
        start = time.perf_counter()
        outcome = run(str(source), output, definition, resume=True, inspector=NOTHING)
        times.append(time.perf_counter() - start)
        if (outcome.fresh, outcome.skipped) != (0, rows):
            raise SystemExit(f"{outcome.fresh} scans were to be done of a run that was complete")
        start = time.perf_counter()
        for path in (source, *output.glob("plan-*.parquet"), *sorted(output.glob("*/*/part-*.parquet"))):
            parquet.read_table(path)
        reads.append(time.perf_counter() - start)
    start = time.perf_counter()
    write_plan(find(str(source), definition.archive.patterns, None), folder / "plan.parquet", 1000, "archive")
    plan_s = time.perf_counter() - start
    start = time.perf_counter()
    parquet.read_table(source)
    read_s = time.perf_counter() - start
    return {
        "rows": rows,
        "resume_s": min(times),
        "read_all_s": min(reads),
        "resume_ratio": min(times) / min(reads),
        "plan_s": plan_s,
        "read_manifest_s": read_s,
        "plan_ratio": plan_s / read_s,
        "result_bytes_per_row": sum(path.stat().st_size for path in output.glob("*/*/part-*.parquet")) / rows,
    }


def finished(source: Path, output: Path, definition: RunDefinition) -> None:
    """Write the folder of a run that is complete."""
    store = Store(output)
    output.mkdir()
    listed = find(str(source), definition.archive.patterns, None)
    written = write_plan(listed, output / "plan-0000.parquet", definition.shard_scans, "archive")
    here = fingerprint(None)
    head = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "software": "benchmark",
        "archive": str(source.parent.resolve()),
        "manifest": str(source.resolve()),
        "declarations": True,
        "inspector": NOTHING,
        "definition": definition.model_dump(mode="json"),
        "configuration_sha256": definition.sha256,
        "fingerprint": here,
        "plans": [plan_head("plan-0000.parquet", written)],
        "listing_sha256": written.sha256,
    }
    store.write_run(head)
    plan = plan_of(head, output)
    order = {
        "run": plan.parts[0].key,
        "keys": {"model_sha256": here["model"], "configuration_sha256": definition.sha256},
    }
    ledger = Ledger(store, plan)
    for shard, part in plan.read(range(plan.shards)):
        ledger.append(commit(store, order, shard, [clear(row["path"]) for row in part]))


def main() -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="overhead,speedup,memory,planning")
    parser.add_argument("--scans", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--plan-rows", type=int, default=1_000_000)
    parser.add_argument("--no-record", action="store_true")
    parser.add_argument("--one", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    parts = options.parts.split(",")
    if "overhead" in parts and os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error(
            "an inspecting process of a run has one thread; set OMP_NUM_THREADS=1 so that this one has no more"
        )
    figures: dict[str, Any] = {"load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if {"overhead", "speedup"} & set(parts):
            make_archive(folder / "archive", options.scans)
        if "overhead" in parts:
            figures["overhead"] = overhead(folder, options.scans, options.repeats)
        if "speedup" in parts:
            figures["speedup"] = speedup(folder, options.repeats)
        if "planning" in parts:
            figures["planning"] = planning(folder, options.plan_rows)
        if "memory" in parts:
            figures["memory"] = memory(folder, options.rows)
    figures["load_after"] = os.getloadavg()[0]
    print(json.dumps(figures, indent=1))
    if not options.no_record:
        print(record("batch", figures))


if __name__ == "__main__":
    main()

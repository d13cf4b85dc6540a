"""Kills a batch run in every way there is, resumes it, and compares its results byte by byte with an undisturbed run.

Run:  python -m benchmarks.tasks.batch_faults [--good 1950] [--local-kills 14] [--cluster-kills 8] [--workers 2] [--seed 1]

The archive holds simulated scans (16 x 16 binned) and, among them, broken files, hostile files (they ask for far more than they hold),
files that hang in native code, files that crash their process and files that ask for more memory than they may have. The last three are
read by a reader of their own that is put on the path as an installed plug-in would be; everything else is the shipped program, run as a
command.

Three runs: undisturbed; on a local cluster, with SIGKILL of the main process, of Dask workers and of inspecting processes at random
moments; on a scheduler of its own, with SIGKILL of that scheduler, of its workers and of the main process. After each death of the main
process or of the scheduler the same command runs again with ``--resume``. The program ends with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
from pyarrow import dataset

from benchmarks.record import record
from scananalysis.core import RawScan
from scananalysis.detectors import scanner as find_scanner
from scananalysis.io import write
from scananalysis.simulation import container_scene, render

SCANNER = "cargo-6-4mv"
LIMIT_SECONDS = 4.0
DEFINITION = """
shard_scans = {shard}
[scan]
seconds = {seconds}
memory_mb = 1024
[outputs]
reports = "alarms"
"""
READER = '''
"""Reads files that misbehave: what a native library does with a file that it does not expect."""
import ctypes
import os
import time

TITLE = "files that misbehave"
SUFFIXES = (".h5",)
NEEDS_LAYOUT = False


def understand(head, path):
    return head.startswith(b"FAULTY")


def describe(path):
    return {}


def read(path, layout, scanner):
    kind = path.read_bytes()[7:11]
    if kind == b"HANG":
        ctypes.PyDLL(None).sleep(100_000)  # in C and with the interpreter's lock held: no exception gets through
    if kind == b"SEGV":
        os.kill(os.getpid(), 11)
        time.sleep(5)
    if kind == b"HEAP":
        blocks = []
        while True:
            blocks.append(bytearray(1 << 26))
    raise RuntimeError("not a file of this reader")
'''


def make_archive(folder: Path, counts: dict[str, int]) -> dict[str, str]:
    """Write an archive with its declarations; return what every bad scan must end as, by path."""
    folder.mkdir(parents=True)
    device = find_scanner(SCANNER).binned(16, 16)
    loads = [
        container_scene(seed, device, fraud="metal" if seed % 5 == 3 else None)
        for seed in range(min(12, counts["good"]))
    ]
    scans = [render(load.scene, device, seed).scan for seed, load in enumerate(loads)]
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    np.random.default_rng(7).shuffle(kinds)
    bad: dict[str, str] = {}
    for number, kind in enumerate(kinds):
        path = folder / f"lane-{number % 3}" / f"scan-{number:06d}.h5"
        path.parent.mkdir(exist_ok=True)
        which = number % len(scans)
        papers = loads[which].declaration.model_dump_json(exclude_none=True)
        path.with_suffix(".json").write_text(papers, encoding="utf-8")
        relative = path.relative_to(folder).as_posix()
        if kind == "good":
            write(varied(scans[which], number), path)
        elif kind == "broken":
            write(varied(scans[which], number), path)
            break_file(path, number)
            bad[relative] = "error"
        elif kind == "hostile":
            hostile(path, scans[which], number)
            bad[relative] = "error"
        else:
            path.write_bytes(
                b"FAULTY " + {"hang": b"HANG", "crash": b"SEGV", "memory": b"HEAP"}[kind] + struct.pack("<I", number)
            )
            bad[relative] = "quarantined"
    return bad


def varied(scan: RawScan, number: int) -> RawScan:
    """Return a scan of the same load with other noise."""
    noise = np.random.default_rng(number).integers(-2, 3, scan.counts.shape)
    return replace(scan, counts=np.clip(scan.counts.astype(np.int64) + noise, 0, 65535).astype(np.uint16))


def break_file(path: Path, number: int) -> None:
    """Break a file in one of several ways."""
    content = path.read_bytes()
    how = number % 5
    if how == 0:
        path.write_bytes(content[: len(content) // 2])
    elif how == 1:
        path.write_bytes(b"")
    elif how == 2:
        path.write_bytes(hashlib.sha256(content).digest() * 100)
    elif how == 3:
        path.with_suffix(".json").write_text("{", encoding="utf-8")
    else:
        path.with_suffix(".json").unlink()


def hostile(path: Path, scan: RawScan, number: int) -> None:
    """Write a file that asks for far more than it holds, or for what is not its own."""
    how = number % 3
    if how == 0:
        head = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, 0, 0, 0, 0)
        body = b"IHDR" + head
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(head)) + body + struct.pack(">I", zlib.crc32(body))
        )
        return
    write(scan, path)
    with h5py.File(path, "r+") as file:
        del file["entry/counts"]
        if how == 1:
            file.create_dataset("entry/counts", (2, 1_000_000, 500_000), "u2", chunks=(1, 100, 100))
        else:
            file["entry/counts"] = h5py.ExternalLink("/etc/hostname", "/counts")


def install_reader(folder: Path) -> None:
    """Put the reader where an installed plug-in would be."""
    folder.mkdir(parents=True)
    (folder / "faulty_reader.py").write_text(READER, encoding="utf-8")
    info = folder / "faulty_reader-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-reader\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[scananalysis.readers]\nfaulty = faulty_reader\n", encoding="utf-8")


@dataclass
class Site:
    """Where everything is."""

    folder: Path
    workers: int
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, output: str, *more: str) -> subprocess.Popen[bytes]:
        """Start the command."""
        command = [
            sys.executable, "-m", "scananalysis", "batch", str(self.folder / "archive"), "--declarations", str(self.folder / "archive"),
            "--definition", str(self.folder / "run.toml"), "--output", str(self.folder / output), "--quiet", *more,
        ]  # fmt: skip
        with (self.folder / f"{output}.err").open("ab") as errors:
            return subprocess.Popen(command, env=self.environment, stderr=errors, stdout=errors, start_new_session=True)

    def done(self, output: str) -> int:
        """Return how much is done, in any unit that grows."""
        folder = self.folder / output
        total = 0
        for path in [folder / "ledger.jsonl", *folder.glob("journal/*/*.jsonl")]:
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def errors(self, output: str) -> str:
        """Return the last words of a run."""
        return (self.folder / f"{output}.err").read_text(encoding="utf-8", errors="replace")[-2000:]


def kill(pid: int) -> bool:
    """SIGKILL a process; False where it was gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def below(pid: int) -> dict[str, list[int]]:
    """Return the Dask workers and the inspecting processes below a process."""
    found: dict[str, list[int]] = {"worker": [], "sandbox": []}
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if "scananalysis.batch.child" in line:
                    found["sandbox"].append(process.pid)
                elif "spawn_main" in line:
                    found["worker"].append(process.pid)
    return found


def wait_for_work(
    site: Site, output: str, process: subprocess.Popen[bytes], rng: np.random.Generator, seconds: float
) -> bool:
    """Wait until the run makes progress, then a random time more; False where it ended before."""
    before, changed = site.done(output), False
    end = time.monotonic() + 180
    while time.monotonic() < end and not changed:
        if process.poll() is not None:
            return False
        changed = site.done(output) != before
        time.sleep(0.05)
    moment = time.monotonic() + rng.uniform(0, seconds)
    while time.monotonic() < moment:
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    return True


def disturbed(site: Site, output: str, victims: list[str], rng: np.random.Generator, pause: float) -> Counter[str]:
    """Run on a local cluster, kill one victim after another, resume until the run is complete."""
    killed: Counter[str] = Counter()
    process = site.start(output, "--workers", str(site.workers))
    for victim in victims:
        if not wait_for_work(site, output, process, rng, pause):
            break
        if victim == "main":
            killed[victim] += kill(process.pid)
            process.wait()
            process = site.start(output, "--workers", str(site.workers), "--resume")
        elif pids := below(process.pid)[victim]:
            killed[victim] += kill(int(rng.choice(pids)))
    finish(site, output, process)
    return killed


def finish(site: Site, output: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for a run to end, and check that it did as it should."""
    code = process.wait()
    if code != 1:
        raise SystemExit(f"{output} ended with {code}, expected 1 (some scans failed): {site.errors(output)}")


class Scheduler:
    """A Dask scheduler and its workers, as an operator would start them."""

    def __init__(self, site: Site, workers: int) -> None:
        self.site, self.workers = site, workers
        self.processes: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def start(self) -> None:
        """Start all parts and wait for the address."""
        file = self.site.folder / f"scheduler-{time.monotonic_ns()}.json"
        common = {"env": self.site.environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
                 "--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file)],
                **common,
            )
        ]  # fmt: skip
        while not file.exists() or not file.read_text(encoding="utf-8").strip():
            time.sleep(0.1)
        self.address = json.loads(file.read_text(encoding="utf-8"))["address"]
        for _ in range(self.workers):
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--host", "127.0.0.1", "--nthreads", "1",
                     "--no-dashboard", "--local-directory", str(self.site.folder / "dask")],
                    **common,
                )
            )  # fmt: skip

    def stop(self) -> None:
        """End what is left of it."""
        for process in self.processes:
            inside = below(process.pid)
            kill(process.pid)
            process.wait()
            for pid in (*inside["worker"], *inside["sandbox"]):
                kill(pid)
        self.processes = []


def disturbed_scheduler(
    site: Site, output: str, victims: list[str], rng: np.random.Generator, pause: float
) -> Counter[str]:
    """Run on a scheduler of its own, kill one victim after another, resume until the run is complete."""
    killed: Counter[str] = Counter()
    there = Scheduler(site, site.workers)
    there.start()
    try:
        process = site.start(output, "--scheduler", there.address)
        for victim in victims:
            if not wait_for_work(site, output, process, rng, pause):
                break
            if victim == "scheduler":
                killed[victim] += kill(there.processes[0].pid)
                # The command finds out by itself and ends with a sentence.
                if process.wait() != 3 or "scheduler" not in site.errors(output):
                    raise SystemExit(f"the command did not say that the scheduler is gone: {site.errors(output)}")
                there.stop()
                there.start()
                process = site.start(output, "--scheduler", there.address, "--resume")
            elif victim == "main":
                killed[victim] += kill(process.pid)
                process.wait()
                process = site.start(output, "--scheduler", there.address, "--resume")
            else:
                pids = [pid for each in there.processes[1:] for pid in below(each.pid)["worker"]]
                if pids:
                    killed[victim] += kill(int(rng.choice(pids)))
        finish(site, output, process)
    finally:
        there.stop()
    return killed


def tree(folder: Path) -> dict[str, str]:
    """Return the sha256 of every result file, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("scans", "regions", "reports")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }


def check(site: Site, output: str, bad: dict[str, str], scans: int) -> Iterator[str]:
    """Yield what is wrong with the results of a run."""
    table = dataset.dataset(site.folder / output / "scans", format="parquet").to_table(
        columns=["path", "status", "reason"]
    )
    rows = table.to_pylist()
    counted = Counter(row["path"] for row in rows)
    if len(rows) != scans or max(counted.values()) != 1:
        yield f"{output}: {len(rows)} rows of {len(counted)} scans, expected each of {scans} once"
    for row in rows:
        expected = bad.get(row["path"], "done")
        if row["status"] != expected:
            yield f"{output}: {row['path']} is {row['status']} ({row['reason']}), expected {expected}"
        elif expected != "done" and not row["reason"]:
            yield f"{output}: {row['path']} has no reason"


def victims_of(kinds: tuple[str, ...], count: int, rng: np.random.Generator) -> list[str]:
    """Return victims, every kind as often as the others, in random order."""
    found = [kinds[i % len(kinds)] for i in range(count)]
    rng.shuffle(found)
    return found


def main() -> None:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("good", 1950), ("broken", 40), ("hostile", 5), ("hang", 5), ("crash", 2), ("memory", 2), ("local-kills", 14),
        ("cluster-kills", 8), ("workers", 2), ("shard", 20), ("seed", 1),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--pause", type=float, default=8.0, help="longest time between progress and the next kill, s")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="time limit per scan, s")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    counts = {kind: getattr(options, kind) for kind in ("good", "broken", "hostile", "hang", "crash", "memory")}
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        site = Site(Path(name), options.workers)
        install_reader(site.folder / "plugins")
        site.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(site.folder / "plugins"), os.environ.get("PYTHONPATH"))))
        }
        (site.folder / "run.toml").write_text(
            DEFINITION.format(shard=options.shard, seconds=options.limit), encoding="utf-8"
        )
        bad = make_archive(site.folder / "archive", counts)
        figures = measure(site, options, rng, bad, sum(counts.values()))
    print(json.dumps(figures, indent=1))
    if not options.no_record:
        print(record("batch_faults", figures))
    if figures["faults"]:
        sys.exit(1)


def measure(
    site: Site, options: argparse.Namespace, rng: np.random.Generator, bad: dict[str, str], scans: int
) -> dict[str, Any]:
    """Do the three runs and compare them."""
    faults: list[str] = []
    start = time.monotonic()
    finish(site, "undisturbed", site.start("undisturbed", "--workers", str(options.workers)))
    seconds = {"undisturbed": time.monotonic() - start}
    expected = tree(site.folder / "undisturbed")
    faults += check(site, "undisturbed", bad, scans)
    killed: dict[str, Counter[str]] = {}
    for output, kinds, count, run in (
        ("local", ("main", "worker", "sandbox"), options.local_kills, disturbed),
        ("cluster", ("scheduler", "worker", "main"), options.cluster_kills, disturbed_scheduler),
    ):
        if not count:
            continue
        start = time.monotonic()
        killed[output] = run(site, output, victims_of(kinds, count, rng), rng, options.pause)
        seconds[output] = time.monotonic() - start
        faults += check(site, output, bad, scans)
        found = tree(site.folder / output)
        faults += [
            f"{output}: {name} differs"
            for name in sorted(found.keys() | expected)
            if found.get(name) != expected.get(name)
        ]
    again = site.start("undisturbed", "--workers", str(options.workers), "--resume")
    start = time.monotonic()
    finish(site, "undisturbed", again)
    seconds["nothing_to_do"] = time.monotonic() - start
    if tree(site.folder / "undisturbed") != expected:
        faults.append("a run with nothing to do changed its results")
    return {
        "scans": scans,
        "bad": dict(Counter(bad.values())),
        "kills": {output: dict(counted) for output, counted in killed.items()},
        "kills_in_all": sum(sum(counted.values()) for counted in killed.values()),
        "result_files": len(expected),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "faults": faults[:50],
    }


if __name__ == "__main__":
    main()

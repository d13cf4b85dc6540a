"""How often the mass check of an inspection alarms: at goods that are missing, at false weights, and at honest loads.

Run:  python -m benchmarks.tasks.mass [--scans 100] [--scanner cargo-6-4mv] [--no-record]

Scans of the recipe's test split, simulated, each inspected as a whole; the network's heads see no weights, so these frauds are the mass
check's alone. Outcomes by the stated σ of the difference, since that is what decides: where much of a load cannot be seen, or its
composition is wide open, little can be said of its mass.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.record import record
from scananalysis.anomaly.evaluation.rates import Rate
from scananalysis.core.parallel import in_parallel
from scananalysis.datasets import read_recipe, sample
from scananalysis.inspection import inspect

KINDS = ("none", "missing", "weight")
EDGES = (0.05, 0.10, 0.20)
"""Relative σ of the difference of measured and declared mass, by which outcomes are broken down."""


class Outcome(NamedTuple):
    """What the mass check said of one scan: share of the declared mass that is not there, pull and relative σ of the difference."""

    kind: str
    lacking: float
    pull: float | None
    sigma: float | None
    limit: float


def weigh(job: tuple[str, int, str]) -> Outcome:
    """Inspect one scan."""
    kind, index, scanner = job
    made = sample(read_recipe("declared-cargo"), "test", index, fraud=kind, scanner=scanner)
    found = inspect(made.simulated.scan, made.declaration)
    true = float(str(made.simulated.labels["goods_kg"])) - float(str(made.simulated.labels.get("missing_kg", 0.0)))
    said = made.declaration.cargo_gross_weight_kg or float("nan")
    pull, off = (found.measured.get(f"mass_difference_{name}") for name in ("sigmas", "kg"))
    known = pull is not None and off is not None and pull != 0
    return Outcome(
        kind,
        1 - true / said,
        pull if known else None,
        abs(off / pull) / said if known and off is not None and pull is not None else None,
        found.limits["mass_sigmas"],
    )


def _rate(seen: Sequence[Outcome]) -> dict[str, Any]:
    return Rate.of([each.pull is not None and abs(each.pull) > each.limit for each in seen]).to_dict()


def _group(sigma: float | None) -> str:
    if sigma is None:
        return "not weighed"
    at = int(np.searchsorted(EDGES, sigma))
    return f"σ above {EDGES[-1]:.0%}" if at == len(EDGES) else f"σ to {EDGES[at]:.0%}"


def measure(scans: int, scanner: str) -> dict[str, Any]:
    """Return alarms by kind and by how well the mass is known."""
    jobs = [(kind, index, scanner) for kind in KINDS for index in range(scans)]
    outcomes = list(in_parallel(weigh, jobs, None))
    figures: dict[str, Any] = {"scanner": scanner, "scans_of_each_kind": scans, "alarms": {}}
    for kind in KINDS:
        seen = [each for each in outcomes if each.kind == kind]
        groups: dict[str, list[Outcome]] = {"all": seen}
        for each in sorted(seen, key=lambda one: one.sigma if one.sigma is not None else np.inf):
            groups.setdefault(_group(each.sigma), []).append(each)
        figures["alarms"][kind] = {name: _rate(members) for name, members in groups.items()}
    pulls = [each.pull for each in outcomes if each.kind == "none" and each.pull is not None]
    figures["pull_of_honest_loads"] = {"mean": float(np.mean(pulls)), "standard_deviation": float(np.std(pulls))}
    return figures


def main() -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=100, help="of each kind")
    parser.add_argument("--scanner", default="cargo-6-4mv")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    figures = measure(options.scans, options.scanner)
    print(json.dumps(figures, indent=1, ensure_ascii=False))
    if not options.no_record:
        print(record("mass", figures))


if __name__ == "__main__":
    main()

"""`diff`: what changed from one run to another over the same archive, for instance with a new model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from scananalysis.batch.results import Results

_COLUMNS = (
    "path", "scan_sha256", "status", "verdict", "scan_p_value", "load_mass_kg", "sigma_load_mass_kg", "inspectable_share",
    "region_count", "error_kind",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """What differs between two runs.

    Parameters
    ----------
    parts : dict of str to (str, str)
        Parts of the runs' heads that differ: model, configuration, package.
    common, only_first, only_second : int
        Scans.
    other_bytes : int
        Scans of the same path whose files differ; they are left out of what follows.
    same : int
        Scans whose outcome did not change.
    moves : dict of (str, str) to int
        From which outcome to which, for scans that changed; an outcome is the verdict, or why there is none.
    changed : list of dict
        Scans that changed their outcome, largest change of evidence first.
    evidence : dict of str to float
        How −log10 of the p-value changed: median, 5th and 95th percentile.
    """

    parts: dict[str, tuple[str, str]]
    common: int
    only_first: int
    only_second: int
    other_bytes: int
    same: int
    moves: dict[tuple[str, str], int]
    changed: list[dict[str, Any]]
    evidence: dict[str, float]


def compare(first: Results, second: Results) -> Difference:
    """Compare two runs, scan by scan."""
    import pyarrow.compute as pc

    before, after = first.table("scans", _COLUMNS), second.table("scans", _COLUMNS)
    joined = before.join(after, "path", join_type="full outer", left_suffix="", right_suffix="_after")
    joined = joined.sort_by("path")
    has_first = pc.is_valid(joined["status"]).to_numpy().astype(bool)
    has_second = pc.is_valid(joined["status_after"]).to_numpy().astype(bool)
    both = has_first & has_second
    table = joined.filter(both)
    equal = (
        pc.fill_null(pc.equal(table["scan_sha256"], table["scan_sha256_after"]), fill_value=True)
        .to_numpy()
        .astype(bool)
    )
    table = table.filter(equal)
    old, new = _outcome(table, ""), _outcome(table, "_after")
    moved = old != new
    change = _evidence(table, "_after") - _evidence(table, "")
    moves = Counter(zip(old[moved].tolist(), new[moved].tolist(), strict=True))
    order = np.flatnonzero(moved)[np.argsort(-np.abs(change[moved]), kind="stable")]
    rows = table.take(order).to_pylist()
    changed = [
        {
            "path": row["path"],
            "before": str(old[index]),
            "after": str(new[index]),
            "p_value_before": row["scan_p_value"],
            "p_value_after": row["scan_p_value_after"],
            "regions_before": row["region_count"],
            "regions_after": row["region_count_after"],
        }
        for index, row in zip(order.tolist(), rows, strict=True)
    ]
    spread = np.percentile(change, [5, 50, 95]) if len(change) else np.zeros(3)
    return Difference(
        parts=_parts(first.head, second.head),
        common=int(both.sum()),
        only_first=int((has_first & ~has_second).sum()),
        only_second=int((has_second & ~has_first).sum()),
        other_bytes=int((~equal).sum()),
        same=int((~moved).sum()),
        moves=dict(sorted(moves.items(), key=lambda pair: (-pair[1], pair[0]))),
        changed=changed,
        evidence={"p5": float(spread[0]), "median": float(spread[1]), "p95": float(spread[2])},
    )


def _outcome(table: pa.Table, suffix: str) -> Any:
    import pyarrow.compute as pc

    verdict = pc.coalesce(table[f"verdict{suffix}"], table[f"error_kind{suffix}"], table[f"status{suffix}"])
    return np.asarray(verdict.to_pylist(), dtype=np.str_)


def _evidence(table: pa.Table, suffix: str) -> Any:
    p_value = np.nan_to_num(np.asarray(table[f"scan_p_value{suffix}"].to_numpy(), np.float64), nan=1.0)
    return -np.log10(np.clip(p_value, 1e-6, 1.0))


def _parts(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[str, str]]:
    parts = {}
    if first["configuration_sha256"] != second["configuration_sha256"]:
        parts["configuration"] = (first["configuration_sha256"][:12], second["configuration_sha256"][:12])
    for name in sorted(first["fingerprint"].keys() | second["fingerprint"]):
        one, other = (str(head["fingerprint"].get(name, "none")) for head in (first, second))
        if one != other:
            parts[name] = (one[:12], other[:12])
    return parts

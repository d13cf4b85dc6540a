"""Derive the radiographic families and write them into the commodity table and the family table.

Run it after every change of ``datasets/commodities.csv``::

    python scripts/derive_families.py            # rewrites the columns z_eff and family, and datasets/families.csv
    python scripts/derive_families.py --check    # exit code 1 if the tables are not what the procedure gives

The procedure is `scananalysis.cargo.families.derive`, explained in ``docs/theory/commodities.md``.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from dataclasses import fields
from pathlib import Path

from scananalysis.cargo.commodities import COLUMNS, commodities, effective_z
from scananalysis.cargo.families import Family, derive, summarise

DATASETS = Path(__file__).parent.parent / "datasets"


def derived() -> dict[Path, str]:
    """Return the text that each table should have."""
    rows = commodities()
    assigned = derive(rows)
    z_eff = {row.heading: f"{effective_z(row.typical()[1]):.2f}" for row in rows}
    path = DATASETS / "commodities.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    comments = [line for line in lines if line.startswith("#")]
    table = io.StringIO()
    table.writelines(comments)
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    stored = csv.DictReader(line for line in lines if not line.startswith("#"))
    for row in sorted(stored, key=lambda row: row["heading"].replace(".", "")):
        writer.writerow(row | {"z_eff": z_eff[row["heading"]], "family": assigned[row["heading"]]})
    summary = io.StringIO()
    names = [field.name for field in fields(Family)]
    family_writer = csv.writer(summary, lineterminator="\n")
    family_writer.writerow(names)
    for family in summarise(rows, assigned):
        family_writer.writerow([getattr(family, name) for name in names])
    return {path: table.getvalue(), DATASETS / "families.csv": summary.getvalue()}


def main() -> int:
    """Write the tables, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if a table is out of date")
    check = parser.parse_args().check
    stale = [path for path, text in derived().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if check:
        for path in stale:
            print(f"{path.name} is out of date; run scripts/derive_families.py", file=sys.stderr)
        return bool(stale)
    for path, text in derived().items():
        path.write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Columns of the plan and of the results, with their units and meaning; docs/schemas/ is made from these tables.

Times and durations are in the log and never in the results: two runs over the same archive give the same bytes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

RESULTS_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its type as pyarrow spells it, its unit and its meaning."""

    name: str
    type: str
    unit: str
    meaning: str


def _columns(text: str) -> tuple[Column, ...]:
    found = []
    for line in text.strip().splitlines():
        name, kind, unit, meaning = (part.strip() for part in line.split("|"))
        found.append(Column(name, kind, unit, meaning))
    return tuple(found)


PLAN = _columns("""
path        | string | | Scan file, relative to the archive, with slashes
declaration | string | | Declaration file, absolute; null: none
declaration_size     | int64 | byte | Its size when the plan was made; null where the manifest gives the scan's sha256
declaration_mtime_ns | int64 | ns | Its time of change when the plan was made; null where the manifest gives the scan's sha256
size        | int64  | byte | Size when the plan was made; null where the manifest gives the sha256
mtime_ns    | int64  | ns | Time of change when the plan was made; null where the manifest gives the sha256
sha256      | string | | Of the scan file, from the manifest; null: found by the worker
scanner     | string | | From the manifest
layout      | string | | From the manifest
format      | string | | From the manifest
date        | string | | ISO 8601, from the manifest
consignor   | string | | From the manifest
route       | string | | From the manifest
""")

SCANS = _columns("""
path                     | string | | Scan file, relative to the archive, with slashes
scan_sha256              | string | | First part of the key; null where the file could not be read
model_sha256             | string | | Second part of the key: the model's metadata and weights
configuration_sha256     | string | | Third part of the key: limits, outputs, calibration sets
declaration_sha256       | string | | Of the declaration file; null: none
calibration_sha256       | string | | Of the calibration set; null: the references inside the scan
status                   | string | | done, error (refused, see reason) or quarantined (given up twice, see reason)
error_kind               | string | | FormatError and the like; timeout, memory, crash for quarantined; null when done
reason                   | string | | One sentence on the error; null when done
scanner                  | string | | Name in the catalogue
date                     | string | | ISO 8601, from the manifest or the file; null where neither tells
container                | string | | Declared container number
consignor                | string | | From the declaration, else the manifest
route                    | string | | From the manifest, else the origins that are declared
headings                 | list<string> | | Declared HS headings, heaviest first
hazard_classes           | list<string> | | Declared IMDG classes, sorted
findings                 | list<string> | | What the declaration's own checks found
verdict                  | string | | clear, inspect or not-inspectable
reasons                  | list<string> | | Sentences that led to the verdict
region_count             | int32  | | Suspect regions; they are rows of the other table
scan_p_value             | double | | Share of clean scans whose strangest place is at least as strange, heads combined
head_p_values            | string | | The same per head, a JSON object
largest_scores           | string | | Largest raw score per head, a JSON object
inspectable_share        | double | | Share of the load that is open to judgement
starved_share            | double | | Share of the load that lets no signal through
bad_share                | double | | Share of the array's elements that give no measurement
open_beam                | double | | Median attenuation where the beam is open
load_mass_kg             | double | kg | Measured mass of the load
sigma_load_mass_kg       | double | kg | Its standard deviation
declared_mass_kg         | double | kg | Declared mass
sigma_declared_mass_kg   | double | kg | Its standard deviation
mass_difference_sigmas   | double | | Measured less declared mass over the standard deviation of the difference
mass_p_value             | double | | Two-sided p-value of the mass difference
largest_region_mass_kg   | double | kg | Largest absolute mass of a region beyond its surroundings
load_area_m2             | double | m2 | Area of the load in the picture, at the object plane
air_level                | list<double> | count | Open-beam level above dark, per channel: median over elements
dark_level               | list<double> | count | Level without beam, per channel: median over elements
gain_spread              | list<double> | | Spread of the gain over elements, per channel: 1.48 MAD over median
dead_elements            | int32  | | Elements that are flagged dead
noisy_elements           | int32  | | Elements that are flagged hot, noisy or flickering
size_px                  | list<int32> | | Rows and columns of the maps
report                   | string | | Folder of the report, relative to the output; null: none was asked for
thumbnail                | binary | | JPEG in pseudo colour, at most 320 x 120 pixels; null: none was asked for
""")

REGIONS = _columns("""
path                     | string | | As in the scans' table
scan_sha256              | string | | As in the scans' table
number                   | int32  | | Number on the overlay and in the report
head                     | string | | Which score raised it
top_mm                   | double | mm | Box at the object plane, from the picture's upper left corner
left_mm                  | double | mm |
bottom_mm                | double | mm |
right_mm                 | double | mm |
score                    | double | | Raw score
p_value                  | double | | Share of clean scans whose strangest place is at least as strange
mass_kg                  | double | kg | Beyond the surroundings; of the whole load for a whole-load alarm
sigma_mass_kg            | double | kg |
areal_density_g_cm2      | double | g/cm2 | Mean of the region
sigma_areal_density_g_cm2 | double | g/cm2 |
z_eff                    | double | | Of the region as a whole; null for single energy
sigma_z                  | double | |
z_added                  | double | | Of what lies on top of the surroundings; null where it cannot be told
sigma_z_added            | double | |
looks_like               | string | | Material class that fits
material                 | string | | Class of the region as a whole; mixed or undecided where none is sure
material_probability     | double | | Of the likeliest class
p_one_material           | double | | p-value of being one material; null where it cannot be tested
reason                   | string | | One sentence for the officer
""")

TABLES = {"scans": SCANS, "regions": REGIONS}
"""The result tables by the folder that holds them."""


@functools.cache
def arrow(columns: tuple[Column, ...]) -> pa.Schema:
    """Return columns as a pyarrow schema.

    Examples
    --------
    >>> arrow(PLAN).field("size").type
    DataType(int64)
    """
    import pyarrow as pa

    types: dict[str, Any] = {
        "string": pa.string(),
        "int64": pa.int64(),
        "int32": pa.int32(),
        "double": pa.float64(),
        "binary": pa.binary(),
        "list<string>": pa.list_(pa.string()),
        "list<double>": pa.list_(pa.float64()),
        "list<int32>": pa.list_(pa.int32()),
    }
    return pa.schema([pa.field(column.name, types[column.type]) for column in columns])


def markdown() -> str:
    """Return the documentation of the tables; docs/schemas/batch-results.md holds it and a test compares the two."""
    titles = {
        "scans": "scans/: one row per scan",
        "regions": "regions/: one row per suspect region",
        "plan": "plan-*.parquet: one row per scan",
    }
    lines = [
        f"# Results of `scananalysis batch`, version {RESULTS_VERSION}",
        "",
        (
            "Parquet, compressed with zstd, in folders of 1,000 files (`scans/000000/part-0000000.parquet`). Numbers that are not "
            "known are null. The order of rows is that of the plan; the same archive, model and configuration give the same bytes."
        ),
    ]
    for name, columns in (*TABLES.items(), ("plan", PLAN)):
        lines += ["", f"## {titles[name]}", "", "| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [f"| `{column.name}` | {column.type} | {column.unit} | {column.meaning} |" for column in columns]
    return "\n".join(lines) + "\n"

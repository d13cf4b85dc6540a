"""Makes the example scans: garments in a container on a truck, once with an undeclared lead-shielded box, once without.

Run:  python scripts/make_examples.py [FOLDER]

The two scans differ in the box alone: goods, papers, scanner and seeds are the same. The truth is inside each file.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from scananalysis.detectors import scanner
from scananalysis.io import write
from scananalysis.simulation import Box, Load, Matter, Piece, container_scene, render
from scananalysis.simulation.hidden import object_mass_kg

SEED = 39
BINNING = (2, 2)
MAPS = (
    "areal_density", "cargo_areal_density", "object_areal_density", "family", "heading", "insert", "load", "structure",
)  # fmt: skip


def shielded_box(x: float, y: float, z: float) -> list[Piece]:
    """Build a lead box with walls of 25 mm around a white powder; x, y, z is its front lower corner, mm."""
    length, height, depth, wall = 420.0, 320.0, 320.0, 25.0
    outer = Box((x, x + length), (y, y + height), (z, z + depth))
    inner = Box(*((low + wall, high - wall) for low, high in (outer.x, outer.y, outer.z)))
    return [
        Piece(outer, Matter.of("lead", "hidden"), 11.35, displaces=True),
        Piece(inner, Matter.of("heroin", "hidden"), 0.9, displaces=True),
    ]


def make(folder: Path) -> None:
    """Write both scans with their declarations."""
    device = scanner("cargo-6-4mv").binned(*BINNING)
    clean = container_scene(SEED, device, cargo=["6109"], size="22G1", fill=0.85)
    box = shielded_box(3150.0, 1700.0, device.geometry.source_to_object_mm - 300.0)
    labels = dict(clean.scene.labels) | {"fraud": "shield", "object_kg": round(object_mass_kg(box), 1)}
    hidden = replace(clean.scene, pieces=clean.scene.pieces + tuple(box), labels=labels)
    folder.mkdir(parents=True, exist_ok=True)
    for name, load in (
        ("garments-clean", clean),
        ("garments-with-hidden-object", Load(hidden, clean.declaration)),
    ):
        made = render(load.scene, device, SEED)
        write(made.scan, folder / f"{name}.h5", truth={key: made.truth[key] for key in MAPS})
        papers = load.declaration.model_dump_json(indent=1, exclude_none=True)
        (folder / f"{name}.json").write_text(papers + "\n", encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1] if len(sys.argv) > 1 else "examples"))

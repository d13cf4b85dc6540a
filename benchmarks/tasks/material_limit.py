"""How near regions come to the information limit, from raw counts to atomic number, and whether their σ is true.

Run:  python -m benchmarks.tasks.material_limit [--scanners cargo-6-4mv cargo-9-6mv] [--seeds 8] [--quick] [--no-record]

A scene holds slabs of C, Al, Fe, Ag and Pb, 20 to 150 g/cm², at heights from the beam axis to the end of the array. It is scanned with
every imperfection on and its own references, calibrated, and cut into regions by the program, which is told nothing. A slab's region is the
one that holds its middle. Two limits of σ_Z (Cramér-Rao: J C Jᵀ with the Jacobian of the true material) stand beside the scatter over
scans: ``counts``, from nothing but the quanta and the electronics of the region's pixels in the simulator's own physics; and ``known``,
which adds what the program states as shared by pixels: the monitor's noise per line and that of references of finite length. Where
``known`` exceeds 2.5, or another element explains the slab within it (a twin), a slab is left out.
Scatter, afterglow, crosstalk and curvature of each scan's scanner are drawn around the stated ones, by the errors that calibration
takes them to have. Material curves are exact here: errors of curves are shown where they are fitted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scananalysis as sa
from benchmarks.record import record
from scananalysis.calibration import Recipe
from scananalysis.detectors import Scanner
from scananalysis.materials import DualEnergyModel, discriminate, segment
from scananalysis.materials.labelled import means
from scananalysis.materials.lattice import lattice
from scananalysis.materials.measure import Solved, solve
from scananalysis.materials.regions import cell_of, inside, weights
from scananalysis.materials.unbiased import counted
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

ELEMENTS = {"C": (6, 2.0), "Al": (13, 2.7), "Fe": (26, 7.87), "Ag": (47, 10.5), "Pb": (82, 11.35)}
DEPTHS = (20.0, 50.0, 100.0, 150.0)
WIDTH_MM, HEIGHT_MM, GAP_MM = 260.0, 260.0, 90.0
LARGEST_SIGMA_Z = 2.5


@dataclasses.dataclass(frozen=True)
class Slab:
    """One slab of the scene: its material, and the place of its middle."""

    element: str
    z: float
    depth: float
    x_mm: float
    y_mm: float


def scene(scanner: Scanner) -> tuple[Scene, list[Slab]]:
    """Return the scene and its slabs: each element and depth once near the axis and once towards the end of the array."""
    source = scanner.geometry.source_height_mm
    top = float(scanner.object_height_mm.max()) - 200
    levels = [source - 500 + k * (HEIGHT_MM + GAP_MM) for k in range(4)]
    far = [top - 150 - k * (HEIGHT_MM + GAP_MM) for k in range(4)]
    pieces, slabs = [], []
    for j, (element, (z, density)) in enumerate(ELEMENTS.items()):
        x = 300 + j * (WIDTH_MM + GAP_MM)
        for heights in (levels, far):
            for y, depth in zip(heights, DEPTHS, strict=True):
                half = depth / density * 5
                box = Box((x, x + WIDTH_MM), (y, y + HEIGHT_MM), (6000 - half, 6000 + half))
                pieces.append(Piece(box, Matter.of(element), density))
                slabs.append(Slab(element, z, depth, x + WIDTH_MM / 2, y + HEIGHT_MM / 2))
    return Scene(tuple(pieces), 300 + len(ELEMENTS) * (WIDTH_MM + GAP_MM) + 210), slabs


def exact(scanner: Scanner) -> DualEnergyModel:
    """Return the model whose curves are those of the simulator."""
    return dataclasses.replace(DualEnergyModel.nominal(scanner), relative_sigma=0.0)


def drawn(scanner: Scanner, seed: int) -> Scanner:
    """Return the scanner with artefacts as far from the stated ones as calibration takes them to be uncertain."""
    stated, recipe, rng = scanner.artefacts, Recipe.for_scanner(scanner), np.random.default_rng(seed + 1000)
    share, glow, mixed, bend = (
        1 + rng.normal(0, step.relative_sigma)
        for step in (recipe.scatter, recipe.afterglow, recipe.crosstalk, recipe.linearity)
    )
    true = {
        "scatter_share": stated.scatter_share * share,
        "afterglow_share": tuple(a * glow for a in stated.afterglow_share),
        "crosstalk": stated.crosstalk * mixed,
        "curvature": stated.curvature * bend,
    }
    return scanner.model_copy(update={"artefacts": stated.model_copy(update=true)})


def quantum_variance(
    scanner: Scanner, model: DualEnergyModel, slab: Slab, truth: float, angle: float
) -> NDArray[np.float64]:
    """Variance of α of one pixel behind a slab by quanta and electronics alone, (channel,)."""
    found = []
    for c, beam in enumerate(scanner.beams()):
        photons = beam.photons(np.array([angle]))[0] * scanner.channels[c].photons_per_line / beam.photons().sum()
        photons = photons * np.cos(angle) ** 3
        passed = photons * np.exp(-truth * model.mass_attenuation(c, np.array([slab.z]))[0])
        signal, square, air = passed @ beam.response, passed @ beam.response_square, photons @ beam.response
        electronics = scanner.readout.electronic_noise_counts / scanner.readout.air_counts * air / signal
        found.append(square / signal**2 + electronics**2)
    return np.array(found)


def one_scan(scanner: Scanner, model: DualEnergyModel, seed: int, twins: dict[int, bool]) -> list[dict[str, Any]]:
    """Return a row per slab: what the program found, and the limits."""
    loaded, slabs = scene(scanner)
    simulated = render(loaded, drawn(scanner, seed), seed, imperfections=Imperfections())
    radiograph = sa.calibrate(simulated.scan)
    found = segment(discriminate(radiograph, sa.materials.model_for(radiograph)[0]), model)
    labels, table = found.regions.labels, found.regions.table
    cells = lattice(radiograph, cell_of(radiograph))
    within, weight_of = inside(labels, cells), weights(cells, labels.shape)
    usable = counted(radiograph)
    angles = radiograph.fan_angle_rad.astype(np.float64)
    rows = []
    for number, slab in enumerate(slabs):
        y = int(np.abs(scanner.object_height_mm - slab.y_mm).argmin())
        label = int(labels[y, int(slab.x_mm / scanner.pixel_mm[1])])
        row: dict[str, Any] = {"slab": number, "found": label > 0}
        if label:
            region = table[label - 1]
            pixels = (labels == label) & usable
            weight = np.where(pixels & within, weight_of, 0)
            weight /= weight.sum()
            truth = float((simulated.truth["areal_density"] * weight).sum())
            whole = means(radiograph, pixels.astype(np.int32))
            angle = float(np.abs(angles) @ whole.rows[0])
            counts = np.diag(quantum_variance(scanner, model, slab, truth, angle) / pixels.sum())[None]
            true_alpha = np.stack([np.ravel(a) for a in model.forward(truth, slab.z, angle)], 1)
            limits = [solve(model, true_alpha, c, angles, whole.rows) for c in (counts, counts + whole.shared)]
            twins[number] = twins.get(number, False) or _twin(limits[1], slab.z)
            row |= {
                "z": region["z_eff"], "sigma_z": region["sigma_z"], "areal_density": region["areal_density_g_cm2"],
                "sigma_areal_density": region["sigma_areal_density_g_cm2"], "true_areal_density": truth,
                "limit_counts": float(limits[0].sigma_z[0]), "limit_known": float(limits[1].sigma_z[0]),
                "class": region["class"], "pixels": region["pixels"], "p": region["p_one_material"],
            }  # fmt: skip
        rows.append(row)
    return rows


def _twin(limit: Solved, z: float) -> bool:
    """Say whether another element, or the map's fold, lies within three σ of the truth's likelihood."""
    explained = limit.explained
    sigma = float(limit.sigma_z[0])
    away = np.abs(explained.z - z) > 6 * sigma + 1
    return bool((explained.chi2[0, away] < 9).any()) or not np.isfinite(sigma) or abs(float(limit.z_eff[0]) - z) > 1


def figures(scanner: Scanner, seeds: int) -> dict[str, Any]:
    """Scan the scene with several seeds; return a row per slab and what they add up to."""
    model = exact(scanner)
    twins: dict[int, bool] = {}
    scans = [one_scan(scanner, model, seed, twins) for seed in range(seeds)]
    slabs = scene(scanner)[1]
    table: list[dict[str, Any]] = []
    pulls: dict[str, list[float]] = {"on": [], "off": []}
    depth_pulls: list[float] = []
    for number, slab in enumerate(slabs):
        rows = [scan[number] for scan in scans if scan[number]["found"]]
        place = "on" if number % 8 < 4 else "off"
        line: dict[str, Any] = {
            "element": slab.element, "g_cm2": slab.depth, "axis": place, "found": f"{len(rows)}/{seeds}",
            "twin": twins.get(number, False),
        }  # fmt: skip
        if rows:
            z = np.array([row["z"] for row in rows])
            known = float(np.median([row["limit_known"] for row in rows]))
            line |= {
                "limit_counts": round(float(np.median([row["limit_counts"] for row in rows])), 3),
                "limit_known": round(known, 3),
                "stated": round(float(np.median([row["sigma_z"] for row in rows])), 3),
                "rms_error": round(float(np.sqrt(np.mean((z - slab.z) ** 2))), 3),
                "bias": round(float(z.mean() - slab.z), 3),
                "pixels": int(np.median([row["pixels"] for row in rows])),
                "counts": not line["twin"] and known <= LARGEST_SIGMA_Z,
            }
            if line["counts"]:
                pulls[place] += [(row["z"] - slab.z) / row["sigma_z"] for row in rows]
                depth_pulls += [
                    (row["areal_density"] - row["true_areal_density"]) / row["sigma_areal_density"] for row in rows
                ]
                line["over_limit"] = round(line["rms_error"] / known, 2)
        table.append(line)
    return {"scanner": scanner.name, "seeds": seeds, "table": table, **_summary(table, pulls, depth_pulls)}


def _summary(table: list[dict[str, Any]], pulls: dict[str, list[float]], depth_pulls: list[float]) -> dict[str, Any]:
    judged = [line for line in table if line.get("counts")]
    both = pulls["on"] + pulls["off"]
    found: dict[str, Any] = {"judged": len(judged), "measurements": len(both)}
    for name, used in (("both", both), ("on", pulls["on"]), ("off", pulls["off"]), ("areal_density", depth_pulls)):
        if used:
            pull = np.abs(np.array(used))
            found[f"coverage_{name}"] = {
                "68": round(float((pull < 1).mean()), 3),
                "95": round(float((pull < 1.96).mean()), 3),
            }
    for place in ("on", "off"):
        ratios = [line["rms_error"] ** 2 / line["limit_known"] ** 2 for line in judged if line["axis"] == place]
        if ratios:
            found[f"scatter_over_limit_{place}"] = round(float(np.sqrt(np.mean(ratios))), 3)
    return found


def markdown(found: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = [
        f"Scanner {found['scanner']}, {found['seeds']} scans.",
        "",
        "| element | g/cm² | axis | limit (counts) | limit (known) | rms error | of it bias | stated σ_Z | error / limit |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in found["table"]:
        if "limit_known" not in line:
            continue
        ratio = line.get("over_limit", "twin" if line["twin"] else "limit above 2.5")
        lines.append(
            f"| {line['element']} | {line['g_cm2']:g} | {line['axis']} | {line['limit_counts']:.2f} | {line['limit_known']:.2f} | "
            f"{line['rms_error']:.2f} | {line['bias']:+.2f} | {line['stated']:.2f} | {ratio} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scanners", nargs="+", default=["cargo-6-4mv", "cargo-9-6mv"])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="binned 4×4, one scanner, two scans, nothing recorded")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    scanners = [sa.scanner(name) for name in options.scanners]
    if options.quick:
        scanners = [scanners[0].binned(4, 4)]
    found = [figures(scanner, 2 if options.quick else options.seeds) for scanner in scanners]
    for one in found:
        print(markdown(one))
        print(json.dumps({name: value for name, value in one.items() if name != "table"}, indent=1))
    if not (options.no_record or options.quick):
        print(record("material_limit", {"scanners": found}))


if __name__ == "__main__":
    main()

"""Real scans: verdicts, and what the anomaly model says of objects that are projected into them.

    python -m benchmarks.tasks.real_scans --data FOLDER --output out/real-scans

FOLDER (or the environment variable SCANANALYSIS_REAL_DATA) holds real radiographs: dual-energy arrays ``*.npy`` (y, x, energy; uint16,
normalised to air) and pairs ``*_high.png``/``*_low.png`` (16 bits, air 60 000); a pair whose name begins with ``threat`` is an isolated
object. Whatever else is there is named with the reason why it was not read. Pictures of the real scans go to the output folder and
nowhere else.

Known objects (simulated solids in scans of freight, the isolated real ones in scans of parcels and air cargo) are put where the network
sees goods and the high energy's attenuation is below 3.5. Its score "insert" at that place, with and without the object, is held against
clean simulated scans of the same scanner: their places of the same size whose attenuation (± 0.5) and clutter (within a factor of 1.6) are
the same. p is the share of these, the place itself counted, that score as high.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import scananalysis as sa
from scananalysis.core import UNUSABLE, InputError, Quality, Radiograph, has
from scananalysis.detectors import scanner as find_scanner
from scananalysis.report.images import data_uri, display_size, png, shrink
from scananalysis.simulation import container_scene, project, render, shadow
from scananalysis.simulation.hidden import Place, hide

MOST_ALPHA, LEAST_ALPHA = 3.5, 0.15
OBJECTS = ("handgun", "organic", "shield", "dense")
CLUTTER_MM, CLUTTER_FACTOR, ALPHA_NEAR = 10.0, 1.6, 0.5
AIR = 60_000
GOODS = {
    "rail-6-4mv": ("3901", "0402", "1006", "4810", "6203", "9403"),
    "parcel-160kv": ("6203", "8471", "9503", "6403", "8517", "4901"),
}
"""Loads of the simulated scans."""

BINNING = 4


@dataclass
class Found:
    """What a folder holds."""

    rail: list[Path] = field(default_factory=list)
    air: list[Path] = field(default_factory=list)
    threats: list[Path] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def look(folder: Path) -> Found:
    """Sort the files of a folder; name what is not read."""
    found = Found()
    for path in sorted(folder.iterdir()):
        name = path.name
        if path.suffix == ".npy":
            found.rail.append(path)
        elif name.endswith("_high.png"):
            if not path.with_name(name.replace("_high.png", "_low.png")).is_file():
                found.unread[name] = "its low-energy partner is missing"
            else:
                (found.threats if name.startswith("threat") else found.air).append(path)
        elif not (name.endswith("_low.png") and path.with_name(name.replace("_low.png", "_high.png")).is_file()):
            found.unread[name] = "neither a dual-energy array (.npy) nor a pair *_high.png, *_low.png"
    return found


def threat_transmission(path: Path) -> NDArray[np.float64]:
    """Return an isolated object's transmission, (channel, y, x); 1 around it."""
    planes = []
    for part in (path, path.with_name(path.name.replace("_high.png", "_low.png"))):
        plane = cv2.imread(str(part), cv2.IMREAD_UNCHANGED)
        if plane is None or plane.ndim != 2 or plane.dtype != np.uint16:
            raise InputError("is no 16-bit grey picture", source=part, expected="one plane of uint16")
        planes.append(plane.astype(np.float64) / AIR)
    if planes[0].shape != planes[1].shape:
        raise InputError(f"has pictures of {planes[0].shape} and {planes[1].shape}", source=path, expected="one size")
    alone = np.clip(np.stack(planes), 1e-4, 1.0)
    # What is within 3 % of the open beam is its noise.
    alone[:, (alone > 0.97).all(axis=0)] = 1.0
    return alone


@dataclass(frozen=True)
class Scored:
    """A radiograph with the network's score and what its places are like.

    Parameters
    ----------
    score, alpha, clutter : ndarray of float32, (y, x)
        Score "insert"; mean α over a hand's width; spread of α around.
    usable : ndarray of bool, (y, x)
    """

    radiograph: Radiograph
    score: NDArray[np.float32]
    alpha: NDArray[np.float32]
    clutter: NDArray[np.float32]
    usable: NDArray[np.bool_]


def score_of(radiograph: Radiograph) -> NDArray[np.float32]:
    """Return the score "insert" of the shipped network, (y, x)."""
    anomalies = sa.anomaly.load().score(sa.discriminate(radiograph), None)
    return np.asarray(anomalies.score[anomalies.heads.index("insert")], np.float32)


def described(radiograph: Radiograph) -> Scored:
    """Score a radiograph and describe its places."""
    scale = 1 / 6 if find_scanner(radiograph.scanner).modality == "dual-energy-kv" else 1.0
    usable = ~has(radiograph.quality, UNUSABLE | Quality.SATURATED).any(axis=0)
    alpha = np.where(usable, np.nan_to_num(radiograph.attenuation[0]), np.float32(0)).astype(np.float32)

    def mean(plane: NDArray[np.float32], edge_mm: float) -> NDArray[np.float32]:
        size = [max(1, round(edge_mm * scale / mm)) for mm in radiograph.pixel_mm]
        return np.asarray(cv2.blur(plane, (size[1], size[0])), np.float32)

    weight = usable.astype(np.float32)
    # Noise of single pixels is no clutter: α is first averaged over 2 cm.
    smooth = mean(alpha, 20.0) / np.maximum(mean(weight, 20.0), np.float32(0.05))
    around = mean(smooth, 200.0)
    spread = np.sqrt(np.maximum(mean(smooth**2, 200.0) - around**2, 0))
    return Scored(radiograph, score_of(radiograph), mean(smooth, 100.0), spread, mean(weight, 100.0) > 0.9)


def windows(scored: Scored, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return (score, α, clutter) of places of a size that hold goods and can be judged, (n, 3): each by its largest score."""
    rows, columns = (
        np.arange(n // 2, full - n // 2, max(1, n)) for n, full in zip(size, scored.score.shape, strict=True)
    )
    filled = np.nan_to_num(scored.score, nan=-np.inf)
    largest = cv2.dilate(filled, np.ones(size, np.uint8))
    y, x = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
    keep = scored.usable[y, x] & (scored.alpha[y, x] < MOST_ALPHA) & (scored.alpha[y, x] > LEAST_ALPHA)
    keep &= np.isfinite(largest[y, x])
    y, x = y[keep], x[keep]
    return np.stack([largest[y, x], scored.alpha[y, x], scored.clutter[y, x]], axis=1)


def places(scored: Scored, size: tuple[int, int], number: int, rng: np.random.Generator, taken: list[Any]) -> list[Any]:
    """Return middles (row, column) where an object of a size fits, apart from those taken."""
    half = [n // 2 + 1 for n in size]
    open_ = scored.usable & (scored.alpha < MOST_ALPHA) & (scored.alpha > LEAST_ALPHA)
    # The network scores goods alone: an object beside them has no score.
    scored_share = cv2.blur(np.isfinite(scored.score).astype(np.float32), (size[1], size[0]))
    open_ &= np.asarray(scored_share) > 0.5
    open_[: half[0]] = open_[-half[0] :] = False
    open_[:, : half[1]] = open_[:, -half[1] :] = False
    y, x = np.nonzero(open_)
    found: list[Any] = []
    for i in rng.permutation(y.size)[:4000]:
        spot = (int(y[i]), int(x[i]))
        if all(abs(spot[0] - t[0]) > 2 * size[0] or abs(spot[1] - t[1]) > 2 * size[1] for t in (*taken, *found)):
            found.append(spot)
            if len(found) == number:
                break
    return found


@dataclass(frozen=True)
class Object:
    """What is put in: its transmission at a place, and the size of its shadow in pixels."""

    name: str
    size: tuple[int, int]
    pieces: Any = None
    picture: NDArray[np.float64] | None = None

    def at(self, radiograph: Radiograph, spot: tuple[int, int]) -> NDArray[np.float64]:
        """Return the transmission of the object with its middle at a place, (channel, y, x)."""
        if self.picture is not None:
            alone = np.ones(radiograph.shape)
            height, width = self.picture.shape[1:]
            top, left = spot[0] - height // 2, spot[1] - width // 2
            alone[:, top : top + height, left : left + width] = self.picture
            return alone
        scanner = find_scanner(radiograph.scanner).binned(*radiograph.metadata.get("binning", (1, 1)))
        scanner = scanner.with_elements(radiograph.shape[1])
        x = (spot[1] + 0.5) * scanner.line_pitch_mm
        y = float(scanner.object_height_mm[spot[0]])
        x0, x1, y0, y1 = self.pieces[1]["box_mm"]
        moved = [shifted(p, (x - (x0 + x1) / 2, y - (y0 + y1) / 2)) for p in self.pieces[0]]
        return shadow(radiograph, moved)


def shifted(piece: Any, by: tuple[float, float]) -> Any:
    """Return a piece elsewhere along x and y."""
    solid = piece.solid
    if hasattr(solid, "centre"):
        x, y, z = solid.centre
        return replace(piece, solid=replace(solid, centre=(x + by[0], y + by[1], z)))
    x, y = (tuple(v + b for v in axis) for axis, b in zip((solid.x, solid.y), by, strict=True))
    return replace(piece, solid=replace(solid, x=x, y=y))


def known_objects(radiograph: Radiograph, seed: int) -> list[Object]:
    """Return simulated objects for a scanner of freight, the same for every scan."""
    middle = find_scanner(radiograph.scanner).geometry.source_to_object_mm
    found = []
    for n, kind in enumerate(OBJECTS):
        room = Place((0, 400), (1000, 1400), (middle - 200, middle + 200))
        pieces, labels = hide(kind, room, np.random.default_rng([seed, n]))
        x0, x1, y0, y1 = labels["box_mm"]
        size = tuple(max(1, round(e / mm)) for e, mm in zip((y1 - y0, x1 - x0), radiograph.pixel_mm, strict=True))
        found.append(Object(f"{kind} {labels['mass_kg']:.1f} kg", (size[0], size[1]), (pieces, labels)))
    return found


def real_objects(paths: list[Path], unread: dict[str, str], step: int = 1) -> list[Object]:
    """Return isolated real objects, at a coarser pitch for binned scans."""
    found = []
    for path in paths:
        try:
            alone = threat_transmission(path)
        except InputError as error:
            unread[path.name] = str(error)
            continue
        if step > 1:
            height, width = (max(1, n // step) for n in alone.shape[1:])
            alone = np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in alone])
        found.append(Object(path.name.replace("_high.png", ""), (alone.shape[1], alone.shape[2]), picture=alone))
    return found


def put_in(scored: Scored, objects: list[Object], number: int, seed: int) -> tuple[Radiograph, list[dict[str, Any]]]:
    """Project every object at some places and return the scores there, before and after."""
    rng = np.random.default_rng(seed)
    alone = np.ones(scored.radiograph.shape)
    rows: list[dict[str, Any]] = []
    taken: list[Any] = []
    for thing in objects:
        for spot in places(scored, thing.size, number, rng, taken):
            one = thing.at(scored.radiograph, spot)
            if (one[0] < 0.97).any():
                alone = np.minimum(alone, one)
                taken.append(spot)
                inside = one[0] < 0.97
                rows.append({"object": thing.name, "spot": spot, "inside": inside, "size": thing.size})
    after = project(scored.radiograph, alone, seed=seed) if rows else scored.radiograph
    score = score_of(after) if rows else scored.score
    for row in rows:
        inside, spot = row["inside"], row["spot"]
        row["adds"] = float(-np.log(alone[0][inside]).mean())
        row["without"] = float(np.nanmax(scored.score[inside], initial=-np.inf))
        row["with"] = float(np.nanmax(score[inside], initial=-np.inf))
        row["alpha"], row["clutter"] = float(scored.alpha[spot]), float(scored.clutter[spot])
    return after, rows


def share(score: float, place: dict[str, Any], clean: NDArray[np.float32]) -> tuple[float | None, int]:
    """Return p and how many clean places of the same density and clutter stand behind it."""
    low, high = (max(place["clutter"], 0.01) * f for f in (1 / CLUTTER_FACTOR, CLUTTER_FACTOR))
    near = (np.abs(clean[:, 1] - place["alpha"]) < ALPHA_NEAR) & (clean[:, 2] > low) & (clean[:, 2] < high)
    n = int(near.sum())
    return ((1 + int((clean[near, 0] >= score).sum())) / (n + 1) if n >= 20 else None), n


def simulated(scanner_name: str, number: int) -> list[Scored]:
    """Return clean simulated scans of a scanner."""
    device = find_scanner(scanner_name).binned(BINNING, BINNING)
    goods = GOODS.get(scanner_name, GOODS["rail-6-4mv"])
    scans = []
    for n in range(number):
        load = container_scene(9000 + n, device, cargo=[goods[n % len(goods)]])
        scans.append(described(sa.calibrate(render(load.scene, device, 9000 + n).scan)))
    return scans


def picture(scored: Scored, inspection: Any, rows: list[dict[str, Any]]) -> NDArray[np.uint8]:
    """Draw attenuation; pink cannot be inspected, green edges the part below α = 3.5, red boxes are projected objects."""
    shape = (scored.radiograph.shape[1], scored.radiograph.shape[2])
    pixel = scored.radiograph.pixel_mm
    size = display_size(shape, pixel, 1000)
    grey = 255 - np.clip(np.nan_to_num(shrink(scored.radiograph.attenuation[0], size), nan=9) / 7, 0, 1) * 235
    colour = np.repeat(grey[..., None], 3, axis=2)
    blind = shrink(has(inspection.materials.quality, Quality.NOT_INSPECTABLE).astype(np.float32), size) > 0.5
    colour[blind] = 0.6 * colour[blind] + 0.4 * np.array([203, 36, 120])
    drawn = np.ascontiguousarray(colour.astype(np.uint8))
    thin = (shrink(((scored.alpha < MOST_ALPHA) & (scored.alpha > LEAST_ALPHA)).astype(np.float32), size) > 0.5).astype(
        np.uint8
    )
    outlines, _ = cv2.findContours(thin, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(drawn, outlines, -1, (0, 130, 60), 1)
    for number, row in enumerate(rows, start=1):
        y, x = np.nonzero(row["inside"])
        scale = size[0] / shape[0], size[1] / shape[1]
        a = (round(x.min() * scale[1]) - 3, round(y.min() * scale[0]) - 3)
        b = (round(x.max() * scale[1]) + 3, round(y.max() * scale[0]) + 3)
        cv2.rectangle(drawn, a, b, (212, 0, 58), 2)
        cv2.putText(drawn, str(number), (a[0], max(12, a[1] - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (212, 0, 58), 2)
    return drawn


def examine(path: Path, layout: str, objects: Any, options: argparse.Namespace) -> tuple[dict[str, Any], Any, Scored]:
    """Inspect a real scan and put objects in."""
    inspection = sa.inspect(path, layout=layout)
    scored = described(inspection.radiograph)
    things = objects(inspection.radiograph)
    after, rows = put_in(scored, things, options.places, options.seed)
    inside = scored.usable & (scored.alpha > LEAST_ALPHA)
    facts = {
        "file": path.name,
        "verdict": inspection.verdict,
        "inspectable_share": inspection.measured["inspectable_share"],
        "starved_share": inspection.measured.get("starved_share", 0.0),
        "below": float((inside & (scored.alpha < MOST_ALPHA)).sum() / max(1, inside.sum())),
        "scan_p_value": inspection.measured.get("scan_p_value"),
        "reasons": list(inspection.reasons),
        "rows": rows,
    }
    shown = replace(scored, radiograph=after)
    return facts, picture(shown, inspection, rows), scored


def judge(
    facts: list[dict[str, Any]], scans: list[Scored], objects: Any, options: argparse.Namespace
) -> dict[str, Any]:
    """Hold the scores against clean simulated places, and put the same objects into the simulated scans."""
    clean: dict[tuple[int, int], Any] = {}
    twins: dict[str, list[float]] = {}
    for n, scan in enumerate(scans):
        things = objects(scan.radiograph)
        for thing in things:
            clean.setdefault(thing.name, []).append(windows(scan, thing.size))
        for row in put_in(scan, things, 1, options.seed + n)[1]:
            twins.setdefault(row["object"], []).append(row["with"])
    for fact in facts:
        for row in fact["rows"]:
            pool = np.concatenate(clean[row["object"]]) if clean.get(row["object"]) else np.zeros((0, 3))
            row["p_with"], row["n"] = share(row["with"], row, pool)
            row["p_without"], _ = share(row["without"], row, pool)
            row["simulated_with"] = float(np.median(twins[row["object"]])) if twins.get(row["object"]) else None
            row["simulated_objects"] = len(twins.get(row["object"], []))
    return {name: len(np.concatenate(parts)) for name, parts in clean.items()}


def markdown(result: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = [
        "# Real scans",
        "",
        f"{result['date']}, scananalysis {sa.__version__}. Clean simulated scans: {result['simulated']}.",
        "",
    ]
    lines += [
        "| scan | verdict | inspectable share of the load | starved | usable goods below α = 3.5 | scan p-value |",
        "|---|---|---|---|---|---|",
    ]
    for fact in result["scans"]:
        p = "–" if fact["scan_p_value"] is None else f"{fact['scan_p_value']:.2g}"
        lines.append(
            f"| {fact['file']} | {fact['verdict']} | {100 * fact['inspectable_share']:.0f} % | {100 * fact['starved_share']:.0f} % "
            f"| {100 * fact['below']:.0f} % | {p} |"
        )
    columns = (
        "scan",
        "no.",
        "object",
        "mean α added",
        "α there",
        "clutter",
        "score without",
        "with",
        "p without",
        "p with",
    )
    last = "clean places", "simulated with, median (n)"
    lines += ["", "| " + " | ".join((*columns, *last)) + " |", "|---" * 12 + "|"]

    def p(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    for fact in result["scans"]:
        for number, row in enumerate(fact["rows"], start=1):
            twin = "–" if row["simulated_with"] is None else f"{row['simulated_with']:.1f} ({row['simulated_objects']})"
            lines.append(
                f"| {fact['file']} | {number} | {row['object']} | {row['adds']:.2f} | {row['alpha']:.2f} | {row['clutter']:.2f} "
                f"| {row['without']:.1f} | {row['with']:.1f} | {p(row['p_without'])} | {p(row['p_with'])} | {row['n']} | {twin} |"
            )
    legend = (
        "p: share of clean simulated places of the same size, attenuation and clutter that score as high; – where fewer than 20 "
        "are alike. An object without a row found no place of its size with goods below α = 3.5."
    )
    lines += ["", legend]
    if result["unread"]:
        lines += ["", "Not read:", ""] + [f"- {name}: {why}" for name, why in result["unread"].items()]
    return "\n".join(lines) + "\n"


def page(result: dict[str, Any], pictures: dict[str, NDArray[np.uint8]]) -> str:
    """Return the report as one HTML page."""
    style = (
        "body{font:15px/1.45 system-ui,sans-serif;max-width:1150px;margin:24px auto;padding:0 16px;color:#101828}"
        "table{border-collapse:collapse;width:100%;margin:12px 0;font-size:13px}"
        "td,th{border-bottom:1px solid #d0d5dd;padding:4px 6px;text-align:left}"
        "img{max-width:100%;border:1px solid #d0d5dd}code{font-size:12px}.quiet{color:#475467}"
    )
    body = []
    rows: list[str] = []
    for line in [*markdown(result).splitlines(), ""]:
        if line.startswith("|"):
            rows.append(line)
            continue
        if rows:
            cells = [
                [html.escape(c.strip()) for c in r.strip("|").split("|")] for r in rows if not r.startswith("|---")
            ]
            head = "".join(f"<th>{c}</th>" for c in cells[0])
            rest = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in r) + "</tr>" for r in cells[1:])
            body.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rest}</tbody></table>")
            rows = []
        if line.startswith("# "):
            body.append(f"<h1>{html.escape(line[2:])}</h1>")
        elif line:
            body.append(f"<p class='quiet'>{html.escape(line)}</p>")
    for fact in result["scans"]:
        body.append(f"<h2>{html.escape(fact['file'])}: {fact['verdict']}</h2>")
        body.append("<ul>" + "".join(f"<li>{html.escape(r)}</li>" for r in fact["reasons"]) + "</ul>")
        body.append(f"<img alt='{html.escape(fact['file'])}' src='{data_uri(pictures[fact['file']])}'>")
        body.append(
            "<p class='quiet'>Pink cannot be inspected; inside green, attenuation is below 3.5; red boxes are projected objects.</p>"
        )
    head = f"<meta charset='utf-8'><title>Real scans</title><style>{style}</style>"
    return f"<!DOCTYPE html><html lang='en'><head>{head}</head><body>{''.join(body)}</body></html>"


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Examine a folder and write the report."""
    folder, output = Path(options.data), Path(options.output)
    found = look(folder)
    output.mkdir(parents=True, exist_ok=True)
    scans, pictures = [], {}
    groups = (
        ("rail-air-normalised", "rail-6-4mv", found.rail, lambda r: known_objects(r, options.seed)),
        ("air-cargo-png", "parcel-160kv", found.air, None),
    )
    for layout, scanner_name, paths, objects in groups:
        facts = []
        for path in paths:
            make = objects or (lambda _r: real_objects(found.threats, found.unread))
            try:
                fact, drawn, _ = examine(path, layout, make, options)
            except InputError as error:
                found.unread[path.name] = str(error)
                continue
            facts.append(fact)
            pictures[path.name] = drawn
        if facts and options.simulated:
            clean = simulated(scanner_name, options.simulated)
            judge(facts, clean, objects or (lambda _r: real_objects(found.threats, found.unread, BINNING)), options)
        else:
            for fact in facts:
                for row in fact["rows"]:
                    row |= {"p_with": None, "p_without": None, "n": 0, "simulated_with": None, "simulated_objects": 0}
        scans += facts
    result: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "simulated": options.simulated,
        "scans": scans,
        "unread": found.unread,
    }
    (output / "real_scans.md").write_text(markdown(result), encoding="utf-8")
    (output / "real_scans.html").write_text(page(result, pictures), encoding="utf-8")
    for fact in scans:
        (output / f"{Path(fact['file']).stem}.png").write_bytes(png(pictures[fact["file"]]))
        for row in fact["rows"]:
            del row["inside"]
    (output / "real_scans.json").write_text(json.dumps(result, indent=1, default=float) + "\n", encoding="utf-8")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Write the report; end with 1 if a scan could not be read."""
    parser = argparse.ArgumentParser(description="Verdicts and scores on real scans")
    parser.add_argument("--data", default=os.environ.get("SCANANALYSIS_REAL_DATA"), help="folder of real scans")
    parser.add_argument("--output", default="out/real-scans")
    parser.add_argument("--simulated", type=int, default=12, help="clean simulated scans of each scanner")
    parser.add_argument("--places", type=int, default=2, help="places of each object in each scan")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if not options.data or not Path(options.data).is_dir():
        parser.error("name a folder of real scans with --data or SCANANALYSIS_REAL_DATA")
    result = run(options)
    print(markdown(result))
    return 0 if result["scans"] else 1


if __name__ == "__main__":
    sys.exit(main())

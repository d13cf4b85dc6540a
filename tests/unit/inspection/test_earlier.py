"""A scan against an earlier one: same goods, other noise, place and speed; then goods gone, an object and a false wall put in."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scananalysis.calibration import calibrate
from scananalysis.core import Declaration, EarlierScan, InputError, RawScan
from scananalysis.detectors import scanner
from scananalysis.inspection import Earlier, Limits, decide, document, inspect
from scananalysis.inspection.earlier import compare_with, read_earlier, sentences
from scananalysis.inspection.earlier.picture import picture
from scananalysis.inspection.earlier.register import LEAST_CORRELATION, Registration, register
from scananalysis.inspection.place import ground
from scananalysis.io import read_maps, write
from scananalysis.materials import discriminate
from scananalysis.simulation import Scene, Simulated, container_scene, render, trace

DEVICE = scanner("cargo-6-4mv").binned(4, 4)
GOODS = ("6203", "0803", "3901", "8708", "2203", "0402")


def moved(scene: Scene, by: tuple[float, float, float]) -> Scene:
    """Return the scene elsewhere; the grain of goods moves with them."""

    def solid(one: object) -> object:
        if hasattr(one, "centre"):
            return replace(one, centre=tuple(a + b for a, b in zip(one.centre, by, strict=True)))
        ends = {n: tuple(v + b for v in getattr(one, n)) for n, b in zip("xyz", by, strict=True)}
        return replace(one, **ends)

    return replace(scene, pieces=tuple(replace(piece, solid=solid(piece.solid)) for piece in scene.pieces))


def scanned(
    scene: Scene, seed: int, goods: int, by: tuple[float, float, float] = (0, 0, 0), speed: float = 1.0
) -> Simulated:
    """Scan a scene at another place and speed, which nobody recorded; the speed wavers as the scanner's does."""
    geometry = DEVICE.geometry.model_copy(update={"line_pitch_mm": DEVICE.line_pitch_mm * speed})
    device = DEVICE.model_copy(update={"geometry": geometry})
    longer = replace(moved(scene, by), length_mm=scene.length_mm + 400)
    simulated = render(longer, device, seed, goods_seed=goods)
    return replace(simulated, scan=replace(simulated.scan, position_mm=None, binning=(4, 4)))


def placed(seed: int) -> tuple[tuple[float, float, float], float]:
    rng = np.random.default_rng(seed)
    by = float(rng.uniform(-300, 300)), float(rng.uniform(-50, 50)), float(rng.uniform(-50, 50))
    return by, float(rng.uniform(0.8, 1.25))


def compared(seed: int, fraud: str | None = None, rate: float = 0.01) -> tuple[EarlierScan, Simulated, Simulated]:
    """Return the comparison, the new scan, and the new scan as it would be without the fraud."""
    heading = [GOODS[seed % len(GOODS)]]
    honest = container_scene(seed, DEVICE, cargo=heading, size="22G1").scene
    now = honest if fraud is None else container_scene(seed, DEVICE, cargo=heading, size="22G1", fraud=fraud).scene
    by, speed = placed(seed)
    new, past = scanned(now, 2 * seed + 5000, seed), scanned(honest, 2 * seed + 5001, seed, by, speed)
    materials = discriminate(calibrate(new.scan))
    found = compare_with(
        materials, new.scan, calibrate(past.scan), "past.h5", ground(new.scan), false_alarm_rate=rate
    )  # fmt: skip
    without = new if fraud is None else scanned(honest, 2 * seed + 5000, seed)
    return found, new, without


def true_change(found: EarlierScan, new: Simulated, without: Simulated, number: int) -> float:
    """Mass that a listed place really holds more, kg."""
    change = new.truth["areal_density"] - without.truth["areal_density"]
    cell = found.pixel_mm[0] * found.pixel_mm[1] / 100 / 1000
    return float(change[found.labels == number].sum()) * cell


def test_two_scans_of_the_same_goods_show_no_place_at_the_stated_rate() -> None:
    """At 1 % two alarms of twenty are a chance of 1.7 %: none is expected."""
    alarms = []
    for seed in range(20, 40):
        found, _, _ = compared(seed)
        assert found.measured["correlation"] > 0.9
        assert found.measured["compared_share"] > 0.4
        alarms.append(len(found.regions))
    assert sum(n > 0 for n in alarms) <= 1, alarms


def test_registration_follows_shift_speed_and_wobble_to_a_fraction_of_a_cell() -> None:
    scene = container_scene(5, DEVICE, cargo=["6203"], size="22G1").scene
    by, speed = (180.0, 35.0, 30.0), 1.11
    new, past = scanned(scene, 1, 5), scanned(scene, 2, 5, by, speed)
    found = register(picture(calibrate(new.scan)), picture(calibrate(past.scan)))
    here, there = (each.truth["position_mm"].mean(axis=0) for each in (new, past))
    true = np.interp(here + by[0], there, np.arange(there.size))
    inside = (here > 750) & (here < 6700)
    error = (found.columns - true)[inside] * 20.0
    assert np.sqrt(np.mean(error**2)) < 5.0, "mm, of cells of 20 mm"
    middle = found.rows[150:190, 180] - np.arange(150, 190)
    assert abs(float(middle.mean()) * 13.33 + 35) < 8, "35 mm higher stands in rows of smaller number"


@pytest.mark.parametrize("seed", [0, 6])
def test_goods_that_are_gone_are_found_with_their_mass(seed: int) -> None:
    found, new, without = compared(seed, "missing")
    largest = found.regions[0]
    assert largest.head == "earlier"
    assert largest.mass_kg < 0
    assert "less than before" in largest.reason
    assert abs(largest.mass_kg - true_change(found, new, without, 1)) < 3 * largest.sigma_mass_kg
    assert largest.areal_density < largest.surroundings_areal_density
    assert largest.p_value < 1e-6


def test_an_object_that_was_put_in_is_found_where_it_is() -> None:
    found, new, without = compared(0, "organic")
    largest = found.regions[0]
    rows, columns = np.nonzero(new.truth["insert"].astype(bool))
    top, left, bottom, right = largest.box
    assert top <= rows.mean() <= bottom
    assert left <= columns.mean() <= right
    assert abs(largest.mass_kg - true_change(found, new, without, 1)) < 3 * largest.sigma_mass_kg


def test_a_false_wall_is_found() -> None:
    found, _, _ = compared(6, "false-wall")
    assert found.regions
    alarm, calm = sentences(found)
    assert len(alarm) == 1
    assert "differ" in alarm[0]
    assert calm == ()


def test_what_became_opaque_is_not_compared_but_told() -> None:
    found, _, _ = compared(0, "shield")
    dark = [region for region in found.regions if "lets no signal through now" in region.reason]
    assert dark
    assert dark[0].mass_kg > 0
    assert found.measured["starved_now_share"] > 0


def test_it_raises_a_clear_verdict_and_lowers_none() -> None:
    measured = {"inspectable_share": 1.0, "bad_share": 0.0}
    assert decide(measured, (), Limits())[0] == "clear"
    verdict, reasons = decide(measured, (), Limits(), changed=("One place differs.",))
    assert verdict == "inspect"
    assert "One place differs." in reasons
    blind = decide({**measured, "inspectable_share": 0.1}, (), Limits(), changed=("One place differs.",))
    assert blind[0] == "not-inspectable"
    assert "One place differs." in blind[1]


def counts(name: str, level: int = 40_000, **changes: object) -> RawScan:
    device = scanner(name).binned(8, 8)
    planes = np.full((len(device.channels), 40, device.elements), level, np.uint16)
    return RawScan(planes, scanner=name, binning=(8, 8), **changes)


def papers(number: str) -> Declaration:
    return Declaration(items=(), container=number)


def test_another_container_is_refused_in_one_sentence() -> None:
    scan = counts("cargo-6-4mv")
    with pytest.raises(InputError, match=r"shows container MSKU0383250; expected CSQU3054383") as error:
        read_earlier(Earlier(scan, papers("MSKU0383250")), scan, papers("CSQU3054383"))
    assert str(error.value).count(". ") == 0
    by_metadata = counts("cargo-6-4mv", 39_000, metadata={"container": "MSKU 038325 0"})
    with pytest.raises(InputError, match="shows container MSKU0383250"):
        read_earlier(Earlier(by_metadata), scan, papers("CSQU3054383"))
    assert read_earlier(Earlier(by_metadata), scan, papers("MSKU0383250")) is by_metadata


def test_other_energies_and_other_scanners_are_refused() -> None:
    with pytest.raises(InputError, match=r"was taken at 9 MV and 6 MV; expected 6 MV and 4 MV"):
        read_earlier(Earlier(counts("cargo-9-6mv")), counts("cargo-6-4mv"), None)
    with pytest.raises(InputError, match=r"was taken by scanner rail-6-4mv; expected cargo-6-4mv"):
        read_earlier(Earlier(counts("rail-6-4mv")), counts("cargo-6-4mv"), None)


def test_other_goods_in_another_container_cannot_be_registered() -> None:
    one = container_scene(6, DEVICE, cargo=["8408"], size="42G1").scene
    two = container_scene(11, DEVICE, cargo=["8708"], size="22G1").scene
    pictures = [picture(calibrate(scanned(scene, 1, 1).scan)) for scene in (one, two)]
    with pytest.raises(
        InputError,
        match=rf"cannot be registered with the new scan, straight or mirrored .* at least {LEAST_CORRELATION:g}",
    ):
        register(*pictures)


def test_the_whole_chain_marks_draws_writes_and_records_it(tmp_path: Path) -> None:
    load = container_scene(0, DEVICE, cargo=["6203"], size="22G1")
    bad = container_scene(0, DEVICE, cargo=["6203"], size="22G1", fraud="missing")
    now, past = tmp_path / "now.h5", tmp_path / "march.h5"
    write(scanned(bad.scene, 1, 0).scan, now)
    write(scanned(load.scene, 2, 0, (60.0, 10.0, 10.0), 0.95).scan, past)
    found = inspect(now, load.declaration, compare=Earlier(past, load.declaration))
    assert found.verdict == "inspect"
    assert any("march.h5" in reason for reason in found.reasons)
    assert found.earlier is not None
    last = found.regions[-1]
    assert last.head == "earlier"
    assert (found.materials.regions.labels == len(found.regions)).any() or len(found.earlier.regions) > 1
    written = document(found)
    assert written.earlier is not None
    assert written.earlier.source == "march.h5"
    assert written.regions[-1].p_value_threshold == 0.01
    assert written.inputs is not None
    assert written.inputs.earlier is not None
    assert written.inputs.earlier.scan[0].path == str(past)
    folder = found.save(tmp_path / "out")
    maps = read_maps(folder / "maps.h5")[0]["earlier"]
    assert set(maps) == {
        "areal_density",
        "areal_density_before",
        "compared",
        "difference",
        "region",
        "sigma_difference",
    }
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Against the earlier scan march.h5" in page
    assert all(f"<h3>{title}</h3>" in page for title in ("Before", "Now", "Difference"))


def test_papers_of_an_earlier_scan_without_the_scan_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "scananalysis",
            "inspect",
            "now.h5",
            "--compare-declaration",
            "a.json",
            "-o",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "add --compare SCAN" in done.stderr


def test_the_new_scan_itself_is_refused() -> None:
    scan = counts("cargo-6-4mv")
    with pytest.raises(InputError, match="holds the very counts of the new scan; expected another scan"):
        read_earlier(Earlier(scan, name="now.h5"), scan, None)


def reflected(scene: Scene, *, turned: bool) -> Scene:
    """Return the scene with its end first; ``turned``: as a truck that drives through the other way, its other side to the source."""
    walls = [p.solid.bounds for p in scene.pieces if p.matter.kind == "structure" and p.solid.bounds[3] > 2500]
    middle = min(b[4] for b in walls) + max(b[5] for b in walls)
    sums = {"x": scene.length_mm} | ({"z": middle} if turned else {})

    def solid(one: object) -> object:
        if hasattr(one, "centre"):
            centre = tuple(sums[n] - v if n in sums else v for n, v in zip("xyz", one.centre, strict=True))
            return replace(one, centre=centre)
        return replace(
            one, **{n: (total - getattr(one, n)[1], total - getattr(one, n)[0]) for n, total in sums.items()}
        )

    return replace(scene, pieces=tuple(replace(piece, solid=solid(piece.solid)) for piece in scene.pieces))


@pytest.fixture
def grain_too(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, the grain inside of packages is reflected as well: it is drawn along the travel."""
    drawn = trace._grain_fields

    def start() -> None:
        def fields(*arguments: object) -> dict[int, np.ndarray]:
            return {i: np.ascontiguousarray(f[:, ::-1]) for i, f in drawn(*arguments).items()}

        monkeypatch.setattr(trace, "_grain_fields", fields)

    return start


def other_way(seed: int, fraud: str | None, start: Callable[[], None], *, turned: bool) -> EarlierScan:
    """Return the comparison with an earlier scan of the container that moved the other way."""
    heading = [GOODS[seed % len(GOODS)]]
    honest = container_scene(seed, DEVICE, cargo=heading, size="22G1").scene
    now = honest if fraud is None else container_scene(seed, DEVICE, cargo=heading, size="22G1", fraud=fraud).scene
    by, speed = placed(seed)
    new = scanned(now, 2 * seed + 5000, seed)
    start()
    past = scanned(reflected(honest, turned=turned), 2 * seed + 5001, seed, by, speed)
    materials = discriminate(calibrate(new.scan))
    return compare_with(materials, new.scan, calibrate(past.scan), "past.h5", ground(new.scan))


@pytest.mark.parametrize("way", ["reversed", "turned"])
@pytest.mark.parametrize("seed", [20, 21])
def test_a_container_that_moved_the_other_way_is_mirrored_and_said_to_be(
    seed: int, way: str, grain_too: Callable[[], None]
) -> None:
    found = other_way(seed, None, grain_too, turned=way == "turned")
    assert found.mirrored
    assert found.measured["correlation"] > (0.8 if way == "turned" else 0.97)
    assert found.regions == ()
    alarm, notes = sentences(found)
    assert alarm == ()
    assert "moved the other way in the earlier scan past.h5, whose picture was mirrored" in notes[-1]


def test_goods_gone_from_a_turned_container_are_found(grain_too: Callable[[], None]) -> None:
    found = other_way(0, "missing", grain_too, turned=True)
    assert found.mirrored
    assert found.measured["widened"] >= 3
    assert found.regions[0].mass_kg < 0
    # Against the same scan as it was before, seen from the same side.
    straight, new, without = compared(0, "missing")
    assert not straight.mirrored
    true = true_change(straight, new, without, 1)
    assert abs(found.regions[0].mass_kg - true) < 3 * found.regions[0].sigma_mass_kg + 0.1 * abs(true)


def test_a_mirrored_picture_lies_where_its_mirror_image_says() -> None:
    scene = container_scene(24, DEVICE, cargo=["6203"], size="22G1").scene
    new, past = (picture(calibrate(scanned(scene, n, 24).scan)) for n in (1, 2))
    straight, mirrored = register(new, past), register(new, past.mirrored())
    assert not straight.mirrored
    assert mirrored.mirrored
    assert mirrored.correlation == pytest.approx(straight.correlation, abs=1e-3)
    inside = slice(40, 330)
    assert mirrored.columns[inside] == pytest.approx(past.shape[1] - 1 - straight.columns[inside], abs=0.1)
    assert mirrored.speed[inside] == pytest.approx(straight.speed[inside], abs=0.01)
    brought = mirrored.bring(past.mirrored().attenuation[0]), straight.bring(past.attenuation[0])
    assert np.median(np.abs(brought[0] - brought[1])) < 0.01


def test_what_looks_alike_from_both_ends_is_taken_straight_and_said_to_be() -> None:
    shape = (40, 60)
    scan = EarlierScan(
        "march.h5", *(np.zeros(shape, np.float32) for _ in range(4)), np.ones(shape, bool), np.zeros(shape, np.int32),
        (13.3, 20.0), (), {
            "places": 0.0, "compared_share": 1.0, "starved_now_share": 0.0, "starved_before_share": 0.0, "correlation": 0.97,
            "other_way_correlation": 0.96, "either_way": 1.0,
        }, 0.01,
    )  # fmt: skip
    assert sentences(scan)[1][-1].startswith(
        "The earlier scan march.h5 fits mirrored as well (correlation 0.96, straight 0.97)"
    )
    assert len(sentences(scan)[1]) == 2
    doubted = replace(scan, measured={**scan.measured, "correlation": 0.7, "either_way": 0.0})
    assert (
        "alike in part only (correlation 0.70): check that march.h5 shows the same container"
        in sentences(doubted)[1][-1]
    )
    clear = Registration(np.arange(60.0), np.zeros(shape), 0.97, other=0.90)
    assert not clear.either_way
    assert Registration(np.arange(60.0), np.zeros(shape), 0.97, other=0.96).either_way
    assert not Registration(np.arange(60.0), np.zeros(shape), 0.97).either_way


def test_another_resolution_is_refused() -> None:
    scan = counts("cargo-6-4mv")
    device = scanner("cargo-6-4mv").binned(4, 4)
    finer = RawScan(
        np.full((2, 40, device.elements), 40_000, np.uint16), scanner="cargo-6-4mv", binning=(4, 4)
    )  # fmt: skip
    message = r"has 344 elements, 4 lines × 4 elements summed into each pixel; expected 172 elements, 8 lines × 8 .* as the new scan"
    with pytest.raises(InputError, match=message) as error:
        read_earlier(Earlier(finer), scan, None)
    assert str(error.value).count(". ") == 0

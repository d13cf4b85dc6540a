"""Training on real simulated examples: the same from one seed, undisturbed or resumed, and the same once exported."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scananalysis import cargo
from scananalysis.anomaly import load
from scananalysis.anomaly.features import PLANES
from scananalysis.anomaly.mahalanobis import NUISANCE
from scananalysis.anomaly.training.cache import Crops, Source, fill
from scananalysis.anomaly.training.examples import IGNORE, example
from scananalysis.anomaly.training.export import export_onnx, parity
from scananalysis.anomaly.training.fit import Schedule, class_weights, insert_loss, learning_rate, train
from scananalysis.anomaly.training.network import DeclaredCargoNetwork
from scananalysis.anomaly.training.pipeline import PITCH_MM, Plan, build
from scananalysis.core import ConfigurationError, ModelError
from scananalysis.datasets import read_recipe, sample

CLASSES = len(cargo.families()) + len(NUISANCE)
SCHEDULE = Schedule(steps=6, checkpoint_every=3, threads=1)


@pytest.fixture(scope="module")
def recipe():
    """The shipped recipe with the fastest scanner alone."""
    shipped = read_recipe("declared-cargo")
    small = tuple(each for each in shipped.scanners if each.name == "parcel-160kv")
    return shipped.model_copy(update={"scanners": small})


@pytest.fixture(scope="module")
def stems(recipe, tmp_path_factory):
    source = Source(recipe, "train", 4, len(cargo.families()), PITCH_MM)
    return fill([source], tmp_path_factory.mktemp("examples"), workers=1)


def network(seed=0):
    torch.manual_seed(seed)
    return DeclaredCargoNetwork(len(PLANES), CLASSES, width=8)


def trained(stems, folder: Path, schedule=SCHEDULE):
    crops = Crops(stems, (64, 64), 2, schedule.seed)
    return train(network(schedule.seed), crops, class_weights(np.ones(CLASSES)), schedule, folder)


def weights(model):
    return {key: value.numpy().copy() for key, value in model.state_dict().items()}


def same(first, second):
    return all(np.array_equal(first[key], second[key]) for key in first)


def test_examples_are_made_once(recipe, stems):
    folder = stems[0].parent
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert fill([Source(recipe, "train", 4, len(cargo.families()), PITCH_MM)], folder, workers=1) == stems
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_labels_name_families_structure_and_air(stems):
    for stem in stems:
        label, insert = np.load(f"{stem}.label.npy")
        assert set(np.unique(label)) <= {*range(CLASSES), IGNORE}
        # What an insert covers is not taught as a family.
        assert np.all(label[insert > 0] == IGNORE)
        planes = np.load(f"{stem}.planes.npy")
        assert planes.shape[0] == len(PLANES)
        assert np.isfinite(planes).all()


def test_resumed_training_equals_an_undisturbed_one(stems, tmp_path):
    whole = weights(trained(stems, tmp_path / "whole"))

    class Stopped(Exception):  # noqa: N818 - not an error: the power fails
        pass

    def fail(step, _steps, _loss):
        if step == 4:
            raise Stopped

    crops = Crops(stems, (64, 64), 2, SCHEDULE.seed)
    with pytest.raises(Stopped):
        train(network(), crops, class_weights(np.ones(CLASSES)), SCHEDULE, tmp_path / "cut", progress=fail)
    resumed = weights(trained(stems, tmp_path / "cut"))
    assert same(whole, resumed)
    with (tmp_path / "cut" / "log.csv").open(newline="") as stream:
        steps = [int(row["step"]) for row in csv.DictReader(stream)]
    assert steps == list(range(6))


def test_another_seed_gives_another_network(stems, tmp_path):
    first = weights(trained(stems, tmp_path / "a"))
    second = weights(trained(stems, tmp_path / "b", replace(SCHEDULE, seed=1)))
    assert not same(first, second)


def test_training_lowers_the_loss(stems, tmp_path):
    trained(stems, tmp_path, Schedule(steps=60, checkpoint_every=60, threads=1))
    with (tmp_path / "log.csv").open(newline="") as stream:
        losses = [float(row["family_loss"]) for row in csv.DictReader(stream)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_checkpoint_of_another_network_is_refused(stems, tmp_path):
    trained(stems, tmp_path)
    other = DeclaredCargoNetwork(len(PLANES), CLASSES, width=16)
    with pytest.raises(ConfigurationError, match="another network"):
        train(other, Crops(stems, (64, 64), 2, 0), class_weights(np.ones(CLASSES)), SCHEDULE, tmp_path)


def test_rate_rises_and_falls():
    schedule = Schedule(steps=100)
    rates = [learning_rate(schedule, step) for step in range(100)]
    assert np.argmax(rates) == 25
    assert rates[0] < 0.1 * rates[25]
    assert rates[-1] < 0.01 * rates[25]


def test_exported_network_agrees_with_the_trained_one(stems, tmp_path):
    model = trained(stems, tmp_path)
    path = tmp_path / "network.onnx"
    planes = Crops(stems, (64, 96), 2, 0)[0][0]
    assert export_onnx(model, path, planes) <= 1e-4
    with torch.no_grad():
        model.head.bias += 0.01
    assert parity(model, path, planes) == pytest.approx(0.01, rel=0.05)


def test_a_disagreeing_export_is_not_kept(stems, tmp_path, monkeypatch):
    monkeypatch.setattr("scananalysis.anomaly.training.export.PARITY", -1.0)
    with pytest.raises(ModelError, match="differs"):
        export_onnx(network(), tmp_path / "network.onnx", np.zeros((1, len(PLANES), 64, 64), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_build_goes_from_recipe_to_models_that_load(recipe, tmp_path):
    plan = Plan(
        examples=3, schedule=Schedule(steps=2, threads=1), crop=(64, 64), batch=2, tune=3, clean={"parcel-160kv": 20}
    )
    stages = []
    folders = build(recipe, plan, tmp_path, workers=1, progress=lambda stage, *_: stages.append(stage.split(",")[0]))
    assert list(dict.fromkeys(stages)) == ["examples", "training", "clean scans of parcel-160kv"]
    for folder in folders:
        model = load(folder)
        assert model.families == cargo.families()
        calibration = model.metadata.calibration["parcel-160kv"]
        assert {len(values) for values in calibration.maxima.values()} == {20}
    with pytest.raises(ConfigurationError, match="another recipe, plan or version"):
        build(recipe, replace(plan, examples=2), tmp_path, workers=1)
    with pytest.raises(ConfigurationError, match="no scanner"):
        build(recipe, replace(plan, clean={"gamma-co60": 20}), tmp_path, workers=1)


def test_an_insert_counts_as_far_as_it_can_be_seen(recipe):
    hidden = sample(recipe, "train", 0, fraud="dense").simulated
    clean = sample(recipe, "train", 0, fraud="none").simulated
    seen = example(hidden, len(cargo.families()), PITCH_MM, twin=clean)
    assert seen.visible[seen.insert].max() == 1
    assert not seen.visible[~seen.insert].any()
    # Beside itself nothing differs, so there is nothing to be learned.
    assert not example(hidden, len(cargo.families()), PITCH_MM, twin=hidden).visible.any()
    assert not example(hidden, len(cargo.families()), PITCH_MM).visible.any()


def test_crops_weigh_cells_by_visibility(stems):
    batches = [Crops(stems, (64, 64), 4, 0)[step] for step in range(6)]
    covered = np.concatenate([batch.insert.ravel() for batch in batches]) > 0
    weight = np.concatenate([batch.weight.ravel() for batch in batches])
    assert covered.any()
    assert np.all(weight[~covered] == 1)
    assert np.all((weight[covered] >= 0) & (weight[covered] <= 1))


def test_a_small_insert_counts_like_a_large_one():
    logits = torch.zeros(2, 8, 8)
    wanted = torch.zeros(2, 8, 8)
    wanted[0, :6, :6] = 1
    wanted[1, :2, :2] = 1
    weight = torch.ones(2, 8, 8)
    base = insert_loss(logits, wanted, weight)
    gains = []
    for crop in (0, 1):
        better = logits.clone()
        better[crop][wanted[crop] > 0] = 2.0
        gains.append(float(base - insert_loss(better, wanted, weight)))
    assert gains[0] == pytest.approx(gains[1], rel=1e-5)
    # What cannot be seen is neither demanded nor forbidden.
    assert float(insert_loss(logits + wanted, wanted, weight * (1 - wanted))) == pytest.approx(
        float(insert_loss(logits - wanted, wanted, weight * (1 - wanted)))
    )


def test_strictness_turns_to_the_worst_cells():
    logits = torch.zeros(1, 20, 20)
    logits[0, 0, 0] = 5.0
    wanted, weight = torch.zeros(1, 20, 20), torch.ones(1, 20, 20)
    assert insert_loss(logits, wanted, weight, 0.3) > insert_loss(logits, wanted, weight) + 0.1

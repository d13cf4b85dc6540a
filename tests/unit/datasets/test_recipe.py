import numpy as np
import pytest

from scananalysis.core import ConfigurationError, sha256_file
from scananalysis.datasets import generate, read_recipe, sample
from scananalysis.io import read_truth

RECIPE = """
title = "two small scans"
seed = 5
headings = ["0803", "1006"]
[[scanners]]
name = "cargo-6-4mv"
binning = [8, 8]
[splits.train]
count = 3
frauds = { shield = 0.5 }
[splits.test]
count = 3
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return read_recipe(path)


def test_same_bytes_for_the_same_seed_whatever_the_workers(recipe, tmp_path):
    one = generate(recipe, "train", 3, tmp_path / "one", workers=1)
    two = generate(recipe, "train", 3, tmp_path / "two", workers=2)
    assert one.read_text() == two.read_text()
    assert read_truth(tmp_path / "one" / "small-train-000000.h5")["load"].any()


def test_going_on_makes_only_what_is_missing(recipe, tmp_path):
    generate(recipe, "train", 2, tmp_path, workers=1)
    first = tmp_path / "small-train-000000.h5"
    before = (first.stat().st_mtime_ns, sha256_file(first))
    (tmp_path / "small-train-000001.json").unlink()
    generate(recipe, "train", 2, tmp_path, workers=1)
    assert (first.stat().st_mtime_ns, sha256_file(first)) == before
    assert (tmp_path / "small-train-000001.json").is_file()


def test_splits_share_no_scan(recipe):
    train, test = (sample(recipe, split, 0, fraud="none").simulated.scan.counts for split in ("train", "test"))
    assert train.shape != test.shape or not np.array_equal(train, test)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seed = 5", "seed = -1", "seed"),
        ("shield = 0.5", "gold = 0.5", "unknown frauds gold"),
        ("count = 3", "cout = 3", "count|cout"),
    ],
)
def test_bad_recipes_name_file_and_field(tmp_path, old, new, sentence):
    path = tmp_path / "bad.toml"
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        read_recipe(path)
    assert "bad.toml" in str(caught.value)


def test_unknown_splits_are_refused(recipe):
    with pytest.raises(ConfigurationError, match="no split 'other'"):
        recipe.split("other")

import numpy as np
import pytest

from scananalysis.core import ConfigurationError, sha256_file
from scananalysis.datasets import generate, possible_frauds, read_recipe, sample, split_digest
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


SHIFTS = """
[shifts.gain-error]
title = "gains off"
gain_error = 0.05
[shifts.half-dose]
title = "half"
dose = 0.5
[shifts.unseen]
title = "not in the table"
headings = ["0810", "8413"]
frauds = ["metal"]
"""


@pytest.fixture
def shifted(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(RECIPE + SHIFTS)
    return read_recipe(path)


def test_a_shift_changes_what_it_says_and_no_other_scan(recipe, shifted):
    plain = sample(shifted, "test", 0)
    assert np.array_equal(plain.simulated.scan.counts, sample(recipe, "test", 0).simulated.scan.counts)
    # A recipe with shifts makes the same training set, and is written down as the same.
    assert recipe.model_dump() == shifted.model_dump()
    off = sample(shifted, "test", 0, shift="gain-error").simulated.scan
    offset = off.dark.mean(axis=1, keepdims=True)
    ratio = ((off.counts - offset) / (plain.simulated.scan.counts - offset))[:, :5].mean(axis=1)
    assert ratio.std() == pytest.approx(0.05, rel=0.25)
    assert np.array_equal(off.air, plain.simulated.scan.air)
    half = sample(shifted, "test", 0, shift="half-dose").simulated.scan
    # The readout scales to the open beam, so the level stays and noise over it grows with the root of 2.

    def noise(scan):
        level = scan.air / scan.air.mean(axis=1, keepdims=True)
        return (level / np.median(level, axis=2, keepdims=True)).std(axis=1).mean()

    assert noise(half) / noise(plain.simulated.scan) == pytest.approx(np.sqrt(2), rel=0.1)


def test_goods_of_no_row_keep_their_heading_in_the_papers(shifted):
    made = sample(shifted, "test", 1, shift="unseen")
    assert {item.hs_code for item in made.declaration.items} <= {"0810", "8413"}
    assert possible_frauds(shifted, "train", "cargo-6-4mv", "unseen") == {}


def test_digests_tell_splits_apart_and_follow_the_recipe(recipe, shifted, tmp_path):
    digests = [split_digest(recipe, "train"), split_digest(recipe, "test"), split_digest(shifted, "test", "half-dose")]
    assert len(set(digests)) == 3
    assert split_digest(shifted, "train") == digests[0]
    other = tmp_path / "other.toml"
    other.write_text(RECIPE.replace("seed = 5", "seed = 6"))
    assert split_digest(read_recipe(other), "train") != digests[0]


def test_unknown_shifts_are_refused(recipe, tmp_path):
    with pytest.raises(ConfigurationError, match="no shift 'night'"):
        recipe.shift("night")
    path = tmp_path / "bad.toml"
    path.write_text(RECIPE + '[shifts.a]\ntitle = "x"\nscanner = "gamma-co60"\n')
    with pytest.raises(ConfigurationError, match="gamma-co60"):
        read_recipe(path)

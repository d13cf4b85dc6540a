import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from scananalysis.batch import engine
from scananalysis.batch.engine import RECENT, Rate, Stopped, Watch
from scananalysis.batch.fingerprint import differences, fingerprint
from scananalysis.batch.ledger import Entry
from scananalysis.batch.store import StorageError, Store, on_disk
from scananalysis.core import ConfigurationError, ModelError


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "is full"),
        (errno.EDQUOT, "is full"),
        (errno.ESTALE, "does not answer"),
        (errno.EROFS, "read-only"),
    ],
)
def test_a_disks_error_is_one_sentence(tmp_path: Path, number: int, says: str) -> None:
    with pytest.raises(StorageError, match=says) as caught, on_disk(tmp_path):
        raise OSError(number, "what the system says")
    assert "--resume" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the folder is gone"), on_disk(tmp_path / "gone"):
        (tmp_path / "gone" / "x").read_text()


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), on_disk(tmp_path):
        (tmp_path / "x").read_text()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.locked(), pytest.raises(ConfigurationError, match="another run"), store.locked():
        pass
    with store.locked():
        pass


def test_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(100, before=20, done=20)
    assert watch.rate().seconds_left is None
    moments = iter([5.0, 15.0, 15.0])
    # The module's own name only: other threads need the true clock.
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    watch.begin()
    watch.add(Entry("r", 0, 20, 1, 2, 3, "a", "b"))
    rate = watch.rate()
    assert rate.per_second == pytest.approx(2.0, rel=0.01)
    assert rate.seconds_left == pytest.approx(30, rel=0.01)
    assert rate.words() == "40 of 100 scans, 2.0/s, 30 s left; 3 alarms, 3 failed"
    for shard in range(RECENT):
        moments = iter([20.0 + shard])
        watch.add(Entry("r", shard, 1, 0, 0, 0, "a", "b"))
    moments = iter([19.0 + RECENT])
    assert watch.rate().per_second == pytest.approx(1.0, rel=0.05), "what was long ago says nothing of the rate now"
    assert "/min" in Rate(1, 100, 0, 0, 0, 0.01, None).words()
    assert Stopped("x").exit_code == 130


def test_fingerprints() -> None:
    here = fingerprint(None)
    assert here == fingerprint("network")
    assert differences(here, fingerprint("mahalanobis")) != []
    assert differences(here, here) == []
    with pytest.raises(ModelError, match="no anomaly model"):
        fingerprint("none")

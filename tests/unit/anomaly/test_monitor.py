import dataclasses
import hashlib

import numpy as np
import pytest

from scananalysis.anomaly import load
from scananalysis.anomaly.martingale import Martingale, Pool
from scananalysis.anomaly.metadata import Standardisation
from scananalysis.anomaly.monitor import Monitor, Observation
from scananalysis.core import ConfigurationError, ModelError

SCANNER = "cargo-6-4mv"


class Calibrated:
    """A model whose calibration scans are drawn: only its metadata counts here."""

    def __init__(self, rng, scans=300):
        shipped = load("network")
        tables = {h: Standardisation(location=(0.0,), scale=(1.0,)) for h in ("declared", "insert")}
        entry = shipped.metadata.scanner(SCANNER).model_copy(
            update={"standardisation": tables, "maxima": {h: tuple(rng.gumbel(size=scans)) for h in tables}}
        )
        self.name = "drawn"
        self.metadata = shipped.metadata.model_copy(update={"calibration": {SCANNER: entry}})


def digest(rng):
    return hashlib.sha256(rng.bytes(16)).hexdigest()


def observation(rng, shift=0.0, level=0.0):
    scores = rng.gumbel(size=2) + shift
    return Observation(
        digest(rng),
        {"declared": scores[0], "insert": scores[1]},
        {"open beam 0": 50_000 + level + rng.normal(0, 30), "dark noise 0": rng.normal(2.5, 0.05)},
    )


def warned(question, rng, scans, **options):
    """Run one monitor and say after how many scans it warned."""
    contaminated = options.pop("contaminated", 0.0)
    monitor = Monitor.begin(Calibrated(rng), SCANNER, **options)
    for _ in range(scans):
        monitor.add(observation(rng, shift=6.0 if rng.random() < contaminated else 0.0))
    return getattr(monitor, question).warned_at


def test_ranks_are_uniform_whatever_the_scores():
    rng = np.random.default_rng(0)
    p = []
    for _ in range(300):
        pool = Pool.of(np.round(rng.exponential(size=20), 1))
        for value in np.round(rng.exponential(size=5), 1):
            p.append(pool.rank(float(value), float(rng.random())))
            pool.add(float(value))
    counts, _ = np.histogram(p, 10, (0, 1))
    chi2 = ((counts - 150) ** 2 / 150).sum()
    assert chi2 < 27.9  # 99.9 % of chi-squared with 9 degrees of freedom


def test_capital_is_a_fair_game_and_reaches_a_limit_no_more_often_than_said():
    rng = np.random.default_rng(1)
    peaks, ends = [], []
    for _ in range(600):
        game = Martingale()
        for p in rng.random(300):
            game.bet(float(p))
        peaks.append(game.peak)
        ends.append(game.capital)
    for limit in (5, 20):
        # Ville: at most 1/limit; three standard deviations of the count above.
        assert np.mean(np.array(peaks) >= limit) <= 1 / limit + 3 * np.sqrt(1 / limit / 600)
    # The mean of heavy-tailed capitals is itself uncertain; it must not be far above 1.
    assert np.mean(np.minimum(ends, 100)) < 1.5


@pytest.mark.parametrize("contaminated", [0.0, 0.02])
def test_silent_while_nothing_changes(contaminated):
    """At a stated probability of 0.2, so that the test can fail, and with as many bad scans as allowed."""
    rng = np.random.default_rng(2)
    options = {"false_warning": 0.2, "contamination": 0.02, "contaminated": contaminated}
    outcomes = [warned("guarantee", rng, 250, **options) is not None for _ in range(60)]
    # Each question gets half of it; three standard deviations of 60 monitors above.
    assert np.mean(outcomes) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 60)


def test_silent_about_the_scanner_while_nothing_changes():
    rng = np.random.default_rng(3)
    outcomes = [warned("hardware", rng, 200, false_warning=0.2) is not None for _ in range(60)]
    assert np.mean(outcomes) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 60)


def test_warns_soon_after_scores_rise_and_names_the_score():
    rng = np.random.default_rng(4)
    delays = []
    for _ in range(8):
        monitor = Monitor.begin(Calibrated(rng), SCANNER)
        for i in range(400):
            monitor.add(observation(rng, shift=1.2 if i >= 100 else 0.0))
            if not monitor.guarantee.holds:
                break
        delays.append(monitor.guarantee.warned_at or 1000)
        assert monitor.guarantee.leading.startswith("score: ")
        assert monitor.guarantee.leaning == "higher"
    # A shift of 1.2 scales triples the rate of false alarms.
    assert min(delays) > 100
    assert np.median(delays) < 220


def test_a_level_that_falls_is_the_scanner_and_not_the_guarantee():
    rng = np.random.default_rng(5)
    monitor = Monitor.begin(Calibrated(rng), SCANNER)
    for i in range(160):
        monitor.add(observation(rng, level=-100.0 if i >= 60 else 0.0))
    assert monitor.guarantee.holds
    assert not monitor.hardware.holds
    assert monitor.hardware.leading == "scanner: open beam 0"
    assert monitor.hardware.leaning == "lower"


def test_going_on_from_a_file_is_the_same_as_never_stopping(tmp_path):
    rng = np.random.default_rng(6)
    model = Calibrated(rng)
    seen = [observation(rng, shift=0.5) for _ in range(20)]
    whole, part = Monitor.begin(model, SCANNER), Monitor.begin(model, SCANNER)
    for each in seen:
        whole.add(each)
    for each in seen[:9]:
        part.add(each)
    part.save(tmp_path / "state.json")
    again = Monitor.read(tmp_path / "state.json", model)
    for each in seen[9:]:
        again.add(each)
    assert again.guarantee == whole.guarantee
    assert again.hardware == whole.hardware
    assert again.scans == 20
    with pytest.raises(ConfigurationError, match="counted before"):
        again.add(seen[3])


def test_a_state_of_another_calibration_and_a_broken_one_are_refused(tmp_path):
    rng = np.random.default_rng(7)
    monitor = Monitor.begin(Calibrated(rng), SCANNER)
    path = tmp_path / "state.json"
    monitor.save(path)
    with pytest.raises(ModelError, match="another calibration"):
        Monitor.read(path, Calibrated(rng))
    path.write_text(path.read_text()[:200])
    with pytest.raises(ModelError, match=r"state\.json"):
        Monitor.read(path, Calibrated(rng))


def test_values_that_are_not_finite_and_shares_out_of_range_are_refused():
    rng = np.random.default_rng(8)
    monitor = Monitor.begin(Calibrated(rng), SCANNER)
    with pytest.raises(ConfigurationError, match="not finite"):
        monitor.add(dataclasses.replace(observation(rng), maxima={"declared": float("nan")}))
    with pytest.raises(ConfigurationError, match="probability"):
        Monitor.begin(Calibrated(rng), SCANNER, false_warning=0.0)
    with pytest.raises(ModelError, match="no clean scans"):
        Monitor.begin(Calibrated(rng), "gamma-co60")

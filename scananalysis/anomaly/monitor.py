"""Watches whether the false-alarm rate that a model was calibrated to still holds, from scans as they pass.

Two questions, kept apart. *Guarantee*: are the highest scores of passing scans exchangeable with those of the calibration scans? *Scanner*:
are open beam, dark level and noise still what they were when monitoring began? Either is answered by conformal test martingales; the
scans need no label, as long as all but a small share are clean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scananalysis.anomaly.alarms import scan_maxima
from scananalysis.anomaly.martingale import Martingale, Pool
from scananalysis.anomaly.site import CleanScan, Reading, opened
from scananalysis.anomaly.store import load
from scananalysis.core import ConfigurationError, InputError, ModelError, sha256_json
from scananalysis.io.atomic import complete

if TYPE_CHECKING:
    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.core import AnomalyMap, RawScan

FALSE_WARNING = 0.01
"""Probability that a monitor ever warns while nothing has changed."""

CONTAMINATION = 0.02
"""Share of passing scans that may not be clean."""

_MAX_BYTES = 256 << 20


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Track(_Model):
    """One quantity: all values so far and the game on their ranks."""

    kind: Literal["guarantee", "scanner"]
    values: list[float]
    shares: list[float]
    log_capital: float
    log_peak: float
    seen: int = Field(ge=0, description="Scans that were ranked")


class _State(_Model):
    """A monitor as it is written to a file."""

    model: str
    weights_sha256: str
    calibration_sha256: str
    scanner: str
    false_warning: float = Field(gt=0, lt=1)
    contamination: float = Field(ge=0, lt=0.5)
    tracks: dict[str, _Track]
    scans: list[str] = Field(description="sha256 of every scan, in order")
    warned_at: dict[str, int] = Field(
        default_factory=dict, description="Number of scans after which each question was first answered with a warning"
    )


@dataclass(frozen=True)
class Observation:
    """What a monitor needs of one scan.

    Parameters
    ----------
    digest : str
        sha256 of the scan: it decides how ties are broken, and no scan counts twice.
    maxima : mapping of str to float
        Highest standardised score of every head that scored.
    features : mapping of str to float
        Levels and noise of the scanner; see `scanner_features`.
    """

    digest: str
    maxima: Mapping[str, float]
    features: Mapping[str, float]


@dataclass(frozen=True)
class Answer:
    """The state of one question.

    Parameters
    ----------
    holds : bool
        False once the evidence was ever strong enough; only a new calibration starts afresh.
    evidence : float
        Mean capital of its games: 1 says nothing, ``limit`` warns.
    limit : float
        One over the probability of ever warning without cause.
    warned_at : int or None
        Number of scans after which it first warned.
    leading : str or None
        Quantity with the largest capital.
    leaning : {"higher", "lower", "either"}
        Which way that quantity has moved.
    """

    holds: bool
    evidence: float
    limit: float
    warned_at: int | None
    leading: str | None
    leaning: Literal["higher", "lower", "either"]


class Monitor:
    """Ranks every passing scan among those before it, and keeps the evidence that something has changed.

    Made by `begin` or `read`.

    Examples
    --------
    >>> from scananalysis.anomaly import load
    >>> monitor = Monitor.begin(load("mahalanobis"), "cargo-6-4mv")
    >>> monitor.guarantee.holds, monitor.guarantee.evidence
    (True, 1.0)
    """

    def __init__(self, state: _State) -> None:
        self._state = state

    @classmethod
    def begin(
        cls,
        model: AnomalyModel,
        scanner: str,
        *,
        false_warning: float = FALSE_WARNING,
        contamination: float = CONTAMINATION,
    ) -> Monitor:
        """Begin with the calibration scans of a model, before any other.

        Parameters
        ----------
        model : AnomalyModel
        scanner : str
        false_warning : float
            Probability that either question is ever answered with a warning while nothing has changed.
        contamination : float
            Share of passing scans that may not be clean.

        Raises
        ------
        ModelError
            The model was never calibrated for the scanner.
        ConfigurationError
            A share outside its range.
        """
        if not 0 < false_warning < 1 or not 0 <= contamination < 0.5:
            raise ConfigurationError(
                f"false warnings {false_warning:g} and contamination {contamination:g}",
                expected="a probability between 0 and 1, and a share from 0 to below 0.5",
            )
        calibration = model.metadata.scanner(scanner)
        tracks = {f"score: {head}": _fresh("guarantee", list(values)) for head, values in calibration.maxima.items()}
        return cls(
            _State(
                model=model.name,
                weights_sha256=model.metadata.sha256,
                calibration_sha256=sha256_json(calibration.model_dump(mode="json")),
                scanner=scanner,
                false_warning=false_warning,
                contamination=contamination,
                tracks=tracks,
                scans=[],
            )
        )

    @property
    def scanner(self) -> str:
        """Scanner whose scans are watched."""
        return self._state.scanner

    @property
    def scans(self) -> int:
        """Scans so far."""
        return len(self._state.scans)

    @property
    def guarantee(self) -> Answer:
        """Whether scores are still those of the calibration scans."""
        return self._answer("guarantee")

    @property
    def hardware(self) -> Answer:
        """Whether levels and noise of the scanner are still those of the first scans."""
        return self._answer("scanner")

    def has(self, digest: str) -> bool:
        """Say whether a scan was counted."""
        return digest in self._state.scans

    def add(self, seen: Observation) -> None:
        """Count a scan.

        Raises
        ------
        ConfigurationError
            It was counted before, or a value is not finite.
        """
        state = self._state
        if self.has(seen.digest):
            raise ConfigurationError(f"scan {seen.digest[:12]} was counted before", remedy="give every scan once")
        named = {f"score: {head}": value for head, value in seen.maxima.items() if f"score: {head}" in state.tracks}
        named |= {f"scanner: {name}": value for name, value in seen.features.items()}
        if not all(math.isfinite(value) for value in named.values()):
            raise ConfigurationError(f"scan {seen.digest[:12]} has a value that is not finite", expected="finite ones")
        ties = np.random.default_rng(int(seen.digest[:16], 16))
        for name in sorted(named):
            track = state.tracks.setdefault(name, _fresh("scanner", []))
            pool = Pool(track.values)
            game = Martingale(state.contamination, track.shares, track.log_capital, track.log_peak)
            game.bet(pool.rank(named[name], float(ties.random())))
            pool.add(named[name])
            track.shares, track.log_capital, track.log_peak = game.shares, game.log_capital, game.log_peak
            track.seen += 1
        state.scans.append(seen.digest)
        for question in ("guarantee", "scanner"):
            if question not in state.warned_at and self._evidence(question) >= self._limit:
                state.warned_at[question] = len(state.scans)

    @property
    def _limit(self) -> float:
        # Two questions share the probability of a false warning.
        return 2 / self._state.false_warning

    def _tracks(self, question: str) -> dict[str, _Track]:
        return {name: track for name, track in self._state.tracks.items() if track.kind == question}

    def _evidence(self, question: str) -> float:
        """Return the mean capital: whatever games depend on each other, their mean is as fair as each."""
        tracks = self._tracks(question)
        return float(np.mean([math.exp(min(t.log_capital, 700.0)) for t in tracks.values()])) if tracks else 1.0

    def _answer(self, question: str) -> Answer:
        tracks = self._tracks(question)
        leading = max(tracks, key=lambda name: tracks[name].log_capital, default=None)
        slope = 0.0 if leading is None else Martingale(shares=tracks[leading].shares).leaning
        warned = self._state.warned_at.get(question)
        return Answer(
            holds=warned is None,
            evidence=self._evidence(question),
            limit=self._limit,
            warned_at=warned,
            leading=leading,
            leaning="higher" if slope < 0 else "lower" if slope > 0 else "either",
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the monitor to a JSON file, which gets its name only when it is complete."""
        with complete(path) as part:
            part.write_text(json.dumps(self._state.model_dump(mode="json")) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: str | PathLike[str], model: AnomalyModel) -> Monitor:
        """Go on with a monitor from its file.

        Raises
        ------
        ModelError
            Malformed, or of a model with other weights or another calibration.
        """
        file = Path(path)
        if file.stat().st_size > _MAX_BYTES:
            raise ModelError(f"has {file.stat().st_size} bytes", source=file, expected=f"at most {_MAX_BYTES}")
        try:
            state = _State.model_validate_json(file.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise ModelError(f"{where}: {first['msg']}", source=file, expected="the state of a monitor") from error
        calibration = model.metadata.scanner(state.scanner)
        now = sha256_json(calibration.model_dump(mode="json"))
        if (state.weights_sha256, state.calibration_sha256) != (model.metadata.sha256, now):
            raise ModelError(
                f"watches the model {state.model} with another calibration or other weights",
                source=file,
                expected=f"those of {model.name} {model.metadata.version}",
                remedy="name the model it was begun with, or begin a new state file for this one",
            )
        return cls(state)


def _fresh(kind: Literal["guarantee", "scanner"], values: list[float]) -> _Track:
    game = Martingale()
    return _Track(kind=kind, values=sorted(values), shares=game.shares, log_capital=0.0, log_peak=0.0, seen=0)


def observe(digest: str, anomalies: AnomalyMap, features: Mapping[str, float]) -> Observation:
    """Return what a monitor needs of a scan that a model has scored.

    Parameters
    ----------
    digest : str
        sha256 of the scan.
    anomalies : AnomalyMap
    features : mapping of str to float
        See `scanner_features`.
    """
    scored = [head for head in anomalies.heads if head in anomalies.scan_p_value]
    cells = anomalies.cells("score").values
    planes = {head: cells[anomalies.heads.index(head)] for head in scored}
    return Observation(digest, scan_maxima(planes), dict(features))


class Watched(NamedTuple):
    """Which scan to look at, how to read it, and the folder of the model."""

    scan: CleanScan
    reading: Reading
    model: Path


def watch(job: Watched) -> tuple[str, Observation] | InputError:
    """Read and score one scan; return its scanner and what a monitor needs, or what is wrong with it."""
    model = load(job.model)
    try:
        raw, cells, declaration = opened(job.scan, job.reading)
        seen = observe(job.scan.digest, model.score(cells, declaration), scanner_features(raw))
    except InputError as error:
        # An error with keyword arguments does not survive the way between processes; one of its sentence does.
        return type(error)(str(error))
    return cells.scanner, seen


def scanner_features(scan: RawScan) -> dict[str, float]:
    """Return levels and noise of a scanner from the references inside a scan; nothing where it has none.

    Returns
    -------
    dict of str to float
        By channel: ``dark level``, counts; ``open beam``, counts above it; ``dark noise``, counts; ``open-beam noise``, relative, what all
        elements share taken out of it.

    Examples
    --------
    >>> from scananalysis.core import RawScan
    >>> rng = np.random.default_rng(1)
    >>> dark, air = (rng.normal(n, s, (2, 50, 172)).round().astype(np.uint16) for n, s in ((900, 3), (50_900, 100)))
    >>> found = scanner_features(RawScan(air[:, :1], "cargo-6-4mv", dark=dark, air=air, binning=(8, 8)))
    >>> round(found["open beam 0"], -2), round(found["dark noise 1"]), round(found["open-beam noise 0"], 3)
    (50000.0, 3, 0.002)
    """
    if scan.dark is None or scan.air is None:
        return {}
    found: dict[str, float] = {}
    for c, (dark, air) in enumerate(zip(scan.dark.astype(np.float64), scan.air.astype(np.float64), strict=True)):
        offset = dark.mean(axis=0)
        light = air - offset
        level = light.mean(axis=0)
        alive = level > 0.1 * np.median(level)
        relative = light[:, alive] / level[alive]
        # Pulses differ; what is left when their common part is out is noise of the elements.
        own = relative - np.median(relative, axis=1, keepdims=True)
        found |= {
            f"dark level {c}": float(np.median(offset)),
            f"dark noise {c}": float(np.median(dark.std(axis=0))),
            f"open beam {c}": float(np.median(level[alive])),
            f"open-beam noise {c}": float(np.median(own.std(axis=0))),
        }
    return found

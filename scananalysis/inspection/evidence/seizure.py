"""The seizure report: one page to print and sign, made from a bundle that has been verified."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from scananalysis._version import __version__
from scananalysis.core import FormatError
from scananalysis.inspection.document import RECOMMENDATION
from scananalysis.inspection.evidence.bag import MANIFEST, read_manifest
from scananalysis.inspection.evidence.bundle import read_document
from scananalysis.inspection.evidence.check import verify
from scananalysis.inspection.evidence.configuration import DATA
from scananalysis.inspection.evidence.custody import now
from scananalysis.inspection.evidence.files import bounded

if TYPE_CHECKING:
    from jinja2 import Template

MAX_PICTURE = 32 << 20
"""Largest overlay picture, bytes."""

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file of the bundle with its sha256."""

    name: str
    size: int
    sha256: str


def seizure_report(bundle: str | PathLike[str], public_keys: Sequence[str | PathLike[str]] = ()) -> str:
    """Return the seizure report of a bundle as one HTML page for A4 paper.

    Parameters
    ----------
    bundle : path-like
    public_keys : sequence of path-like
        As for `verify`; the report says whether the signatures are by these keys.

    Returns
    -------
    str
        Pictures are inlined; nothing is fetched and nothing runs.

    Raises
    ------
    FormatError
        The bundle is not intact.
    """
    root = Path(bundle)
    checked = verify(root, public_keys)
    if not checked.intact:
        raise FormatError(
            f"is not intact ({checked.problems[0]})", source=root, remedy="see 'scananalysis verify' for everything"
        )
    found = read_document(root / DATA / "result" / "inspection.json")
    picture = bounded(root / DATA / "result" / "overlay.png", MAX_PICTURE, "a picture", follow=False)
    if not picture.startswith(_PNG):
        raise FormatError("is no PNG", source=root / DATA / "result" / "overlay.png", expected="the overlay picture")
    files = [
        FileLine(name, (root / name).stat().st_size, sha256) for name, sha256 in read_manifest(root / MANIFEST).items()
    ]
    # Definitions are many and small; the tag manifest's sha256 stands for them.
    shown = [file for file in files if not file.name.startswith(f"{DATA}/definitions/")]
    style = resources.files("scananalysis.inspection.evidence").joinpath("templates/seizure.css").read_text("utf-8")
    style += f'@page {{ @bottom-left {{ content: "Bundle {checked.bag_sha256[:32]}"; }} }}\n'
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return _template().render(
        style=style,
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        found=found,
        picture="data:image/png;base64," + base64.b64encode(picture).decode("ascii"),
        files=shown,
        unlisted=len(files) - len(shown),
        checked=checked,
        entries=() if checked.log is None else checked.log.entries,
        bundle=root.resolve().name,
        law=RECOMMENDATION,
        made=now(),
        version=__version__,
    )


@functools.lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("scananalysis.inspection.evidence", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"quantity": quantity, "metres": _metres, "when": _when}
    return environment.get_template("seizure.html.j2")


def quantity(value: float | None, sigma: float | None = None, unit: str = "") -> str:
    """Return a value with its 1-σ uncertainty and unit; a dash where it is not known.

    Examples
    --------
    >>> quantity(52.46, 3.4, "kg"), quantity(None), quantity(0.0079)
    ('52.5 ± 3.4 kg', '–', '0.0079')
    """
    if value is None:
        return "–"
    number = (
        f"{value:.3g}"
        if sigma is None
        else f"{value:.1f} ± {sigma:.1f}"
        if sigma < 10
        else f"{value:.0f} ± {sigma:.0f}"
    )
    return f"{number} {unit}".rstrip()


def _metres(mm: float) -> str:
    return f"{mm / 1000:.2f}"


def _when(time: str) -> str:
    return time.replace("T", " ").replace("Z", " UTC")

"""The HTML summary of a run: one file with a sortable queue, thumbnails, failures and trends; links go to the reports beside it.

Names and papers come from strangers, so every text passes the template's autoescape. The page may run its own script and nothing else: the
Content-Security-Policy names style sheet and script by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis._version import __version__
from scananalysis.batch.ranking import Ranked, score, top
from scananalysis.batch.results import Status, status
from scananalysis.batch.trends import LEAST_SCANS, trends
from scananalysis.io.atomic import complete

if TYPE_CHECKING:
    from scananalysis.batch.results import Results
    from scananalysis.batch.rules import Ranking

NAME = "summary.html"
FAILURES_SHOWN = 1000


def html(results: Results, ranking: Ranking | None = None, *, rows: int = 200) -> str:
    """Return the summary as one HTML page.

    Parameters
    ----------
    results : Results
    ranking : Ranking, optional
        Weights and rules of the queue.
    rows : int
        Scans of the queue that are shown.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    from scananalysis.report.page import DISCLAIMER, HEADLINES

    environment = Environment(
        loader=PackageLoader("scananalysis.batch", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = _text("scananalysis.report", "report.css") + _text("scananalysis.batch", "summary.css")
    script = _text("scananalysis.batch", "summary.js")
    scores = score(results, ranking)
    queue = top(scores, rows)
    found = status(results)
    pictures = results.thumbnails([scan.path for scan in queue])
    return environment.get_template("summary.html.j2").render(
        style=style,
        script=script,
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
        title=results.head["definition"]["title"] or f"Archive {Path(results.head['archive']).name}",
        status=found,
        figures=_figures(found, scores.table["verdict"].to_pylist()),
        queue=queue,
        pictures={path: f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" for path, data in pictures.items()},
        headlines=HEADLINES,
        trends=trends(results),
        least=LEAST_SCANS,
        dated=scores.table["date"].null_count < len(scores.table),
        failures_shown=FAILURES_SHOWN,
        run=_run(results),
        spaced=_spaced,
        disclaimer=DISCLAIMER,
        version=__version__,
    )


def write(results: Results, ranking: Ranking | None = None, *, rows: int = 200) -> Path:
    """Write ``summary.html`` into the run's folder, complete or not at all."""
    path = results.store.folder / NAME
    page = html(results, ranking, rows=rows)
    with complete(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def plain(scan: Ranked) -> dict[str, Any]:
    """Return a scan of the queue as plain JSON values."""
    return {
        "rank": scan.rank,
        "path": scan.path,
        "score": scan.score,
        "status": scan.status,
        "verdict": scan.verdict,
        "container": scan.row["container"],
        "consignor": scan.row["consignor"],
        "scan_p_value": scan.row["scan_p_value"],
        "report": scan.row["report"],
        "factors": [{"name": f.name, "points": f.points, "because": f.because} for f in scan.factors],
    }


def _spaced(values: Sequence[float], digits: int) -> str:
    """Return numbers with slashes between them, a dash for what is not known."""
    return " / ".join(f"{value:,.{digits}f}" if math.isfinite(value) else "–" for value in values) or "–"


def _text(package: str, name: str) -> str:
    return resources.files(package).joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _figures(found: Status, verdicts: list[str | None]) -> list[tuple[str, str, str]]:
    def share(count: int) -> str:
        return f"{100 * count / max(found.done, 1):.1f} % of what is done"

    blind = verdicts.count("not-inspectable")
    return [
        ("Scans done", f"{found.done:,}", "all of them" if found.complete else f"of {found.scans:,}"),
        ("Inspect", f"{found.alarms:,}", share(found.alarms)),
        ("Not inspectable", f"{blind:,}", share(blind)),
        ("Not analysed", f"{found.errors + found.quarantined:,}", f"{found.quarantined:,} of them quarantined"),
    ]


def _run(results: Results) -> list[tuple[str, str]]:
    head = results.head
    return [
        ("archive", head["manifest"] or head["archive"]),
        ("model", head["definition"]["model"] or "shipped"),
        ("run", results.key),
        ("configuration sha256", head["configuration_sha256"]),
        *(("plan sha256", each["sha256"]) for each in head["plans"]),
        *((name, value) for name, value in head["fingerprint"].items()),
    ]

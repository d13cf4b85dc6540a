import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from scananalysis.calibration import Calibration
from scananalysis.cli.calibrate import _names, _SeveralFiles, app
from scananalysis.cli.common import Output
from scananalysis.cli.sets import holds_now, moment, say, summary
from scananalysis.core import RawScan


@pytest.fixture(scope="module")
def used():
    rng = np.random.default_rng(1)
    dark, air = (rng.normal(n, s, (2, 50, 172)).round().astype(np.uint16) for n, s in ((900, 3), (50_000, 110)))
    air[1, :, 7] = dark[1, :, 7]
    return Calibration.from_references(RawScan(air[:, :1], "cargo-6-4mv", dark=dark, air=air, binning=(8, 8)))


def test_a_summary_counts_bad_elements_by_channel(used):
    found = summary(used, Path("site.h5"))
    assert found["channels"][0]["bad_elements"] == {}
    assert found["channels"][1]["bad_elements"] == {"DEAD": 1}
    assert found["channels"][1]["which_are_bad"] == {"DEAD": [7]}
    assert found["channels"][0]["gain_counts"] == pytest.approx(49_100, rel=0.01)
    assert found["curves"] is None
    assert (found["valid_until"], found["holds_now"], found["monitor"]) == (None, True, False)


def test_a_summary_is_said_in_words(used, capsys):
    say(summary(used, Path("site.h5")), Output(as_json=False, quiet=False))
    said = capsys.readouterr().out
    for text in ("172", "50 dark, 50 open beam, without monitor", "without an end", "1 dead", "nominal ones serve"):
        assert text in said
    assert said.count("from the scanner definition, not measured") == 5


def test_what_was_measured_of_corrections_is_said_and_an_unknown_scanner_too(used, capsys):
    measured = {**used.metadata, "measured": {"crosstalk": {"value": 0.0021, "sigma": 0.0001}}}
    say(summary(dataclasses.replace(used, metadata=measured), Path("site.h5")), Output(as_json=False, quiet=False))
    said = capsys.readouterr().out
    assert "measured 0.0021 ± 0.0001, with 0.001875 of the scanner definition" in " ".join(said.split())
    elsewhere = summary(dataclasses.replace(used, scanner="site-own"), Path("site.h5"))
    assert elsewhere["corrections"] is None
    say(elsewhere, Output(as_json=False, quiet=False))
    assert "Scanner site-own is not in the catalogue" in capsys.readouterr().out


@pytest.mark.parametrize(("first", "last", "holds"), [(-1, 1, True), (-2, -1, False), (1, 2, False), (None, 1, True)])
def test_validity_is_asked_of_the_present_or_another_moment(used, first, last, holds):
    now = datetime.now(UTC)
    start, end = (None if days is None else now + timedelta(days=days) for days in (first, last))
    dated = dataclasses.replace(used, valid_from=start, valid_until=end)
    assert holds_now(dated) == holds
    assert holds_now(dated, now + timedelta(days=last, hours=-1)) == (first is None or True)


def test_dates_without_a_zone_are_utc_and_others_keep_theirs():
    assert moment(None, "--valid-from") is None
    assert moment("2026-05-01T14:00+02:00", "--valid-from") == datetime(2026, 5, 1, 12, tzinfo=UTC)
    with pytest.raises(typer.BadParameter, match="is no date"):
        moment("soon", "--valid-from")


def test_an_option_takes_all_files_that_a_star_gives():
    command = typer.main.get_command(app).commands["build"]
    assert isinstance(command, _SeveralFiles)
    context = command.make_context(
        "build",
        ["--dark", "a", "b", "c", "--air", "d", "-o", "out", "--quiet", "--wedge", "e", "f"],
        resilient_parsing=True,
    )
    files = {name: [str(path) for path in context.params[name]] for name in ("dark", "air", "wedge")}
    assert files == {"dark": ["a", "b", "c"], "air": ["d"], "wedge": ["e", "f"]}
    assert str(context.params["output_file"]) == "out"


def test_many_files_are_named_shortly():
    assert _names((Path("a"), Path("a"), Path("b"))) == "a + b"
    assert _names(tuple(Path(c) for c in "abcd")) == "a and 3 more"


def test_a_set_is_not_written_over_one_of_its_scans(tmp_path):
    scan = tmp_path / "air.h5"
    scan.write_bytes(b"kept")
    done = CliRunner().invoke(app, ["build", "--dark", "dark.h5", "--air", str(scan), "--output", str(scan)])
    assert done.exit_code == 2
    assert "one of the scans has that name" in done.output
    assert scan.read_bytes() == b"kept"


def test_a_picture_is_named_as_one(tmp_path, used):
    used.save(tmp_path / "site.h5")
    done = CliRunner().invoke(app, ["show", str(tmp_path / "site.h5"), "--output", str(tmp_path / "site.h5")])
    assert done.exit_code == 2
    assert Calibration.load(tmp_path / "site.h5").scanner == "cargo-6-4mv"


def test_show_names_the_bad_elements(tmp_path, used):
    used.save(tmp_path / "site.h5")
    done = CliRunner().invoke(app, ["show", str(tmp_path / "site.h5")])
    assert done.exit_code == 0
    assert "channel 1, dead: element 7" in done.output

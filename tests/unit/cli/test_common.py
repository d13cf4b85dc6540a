import io
import json
import os
import sys

import pytest
import typer

from scananalysis.cli import common, main
from scananalysis.cli.common import Output, explain, start
from scananalysis.core import CalibrationError, ModelError, ScanAnalysisError


@pytest.fixture(autouse=True)
def _no_debug():
    yield
    common.session.debug = False


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (CalibrationError("two\nlines", source="a.h5"), 3, "Error: a.h5: two lines."),
        (ModelError("x" * 3, expected="y"), 3, "Error: xxx; expected y."),
        (ScanAnalysisError("odd"), 4, "Error: odd"),
        (PermissionError(13, "Permission denied", "out"), 3, "Error: out: permission denied."),
        (OSError(28, "No space left on device"), 3, "Error: no space left on device."),
        (
            ZeroDivisionError("division by zero"),
            4,
            "Internal fault: ZeroDivisionError: division by zero; run again with",
        ),
        (KeyError("a"), 4, "Internal fault: KeyError: 'a'"),
    ],
)
def test_every_error_is_one_sentence_with_its_exit_code(error, code, says):
    message, found = explain(error)
    assert found == code
    assert message.startswith(says)
    assert "\n" not in message


def test_a_long_internal_fault_is_cut():
    message, _ = explain(RuntimeError("x" * 10_000))
    assert len(message) < 500


@pytest.mark.parametrize(("debug", "expected"), [(False, SystemExit), (True, RuntimeError)])
def test_the_last_door_turns_a_fault_into_4_or_shows_it(monkeypatch, capsys, debug, expected):
    def broken(**_):
        raise RuntimeError("boom")

    monkeypatch.setattr("scananalysis.cli.app.app", broken)
    common.session.debug = debug
    with pytest.raises(expected) as caught:
        main()
    if not debug:
        assert caught.value.code == 4
        assert capsys.readouterr().err.startswith("Internal fault: RuntimeError: boom")


def test_json_is_printed_only_when_asked_for_and_refuses_what_is_no_json(capsys):
    Output(as_json=False, quiet=False).json({"a": 1})
    assert capsys.readouterr().out == ""
    Output(as_json=True, quiet=True).json({"a": "λ"})
    assert json.loads(capsys.readouterr().out) == {"a": "λ"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        Output(as_json=True, quiet=False).json(float("nan"))


@pytest.mark.parametrize(("as_json", "quiet"), [(True, False), (False, True), (True, True)])
def test_text_is_for_people_only(capsys, as_json, quiet):
    output = Output(as_json=as_json, quiet=quiet)
    output.text("words")
    output.table(["a"], [["b"]])
    output.pairs({"a": 1})
    with output.progress() as progress:
        assert progress is None
    assert capsys.readouterr() == ("", "")


def test_names_from_files_are_not_taken_for_markup(capsys):
    output = Output(as_json=False, quiet=False)
    output.text("[red]x[/red] [/]")
    output.table(["[bold]c"], [["[link=http://a]y"]])
    said = capsys.readouterr().out
    assert "[red]x[/red] [/]" in said
    assert "[link=http://a]y" in said


def test_pairs_say_values_in_words(capsys):
    output = Output(as_json=False, quiet=False)
    output.pairs({"on": True, "off": False, "nothing": None, "size": [2, 3.14159265], "empty": [], "map": {"a": 1}})
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines == {"on": "yes", "off": "no", "nothing": "–", "size": "2, 3.14159", "empty": "–", "map": "a 1"}


def test_a_bar_is_shown_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with Output(as_json=False, quiet=False).progress() as progress:
        assert progress is not None
        progress("calibrating", 0.5)
    assert screen.getvalue()


def test_start_makes_definitions_known_and_remembers_debug(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANANALYSIS_DEFINITIONS", "before")
    start(as_json=False, quiet=False, debug=False, definitions=None)
    assert os.environ["SCANANALYSIS_DEFINITIONS"] == "before"
    start(as_json=False, quiet=True, debug=False, definitions=tmp_path)
    assert os.environ["SCANANALYSIS_DEFINITIONS"] == str(tmp_path)


def test_several_inputs_go_on_after_one_that_is_refused(capsys, tmp_path):
    from scananalysis.cli.many import each

    def one(path):
        if path.name == "bad":
            raise CalibrationError("is bad", source=path)
        return {"file": path.name}

    with pytest.raises(typer.Exit) as ended:
        each([tmp_path / "a", tmp_path / "bad", tmp_path / "b"], one, Output(as_json=True, quiet=False))
    assert ended.value.exit_code == 1
    out, err = capsys.readouterr()
    assert [entry.get("file").rpartition("/")[2] for entry in json.loads(out)] == ["a", "bad", "b"]
    assert err.count("\n") == 1
    with pytest.raises(CalibrationError):
        each([tmp_path / "bad"], one, Output(as_json=True, quiet=False))

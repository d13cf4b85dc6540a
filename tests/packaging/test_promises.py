"""What SECURITY.md promises beyond single formats, and that every test it names exists."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scananalysis

ROOT = Path(__file__).parents[2]
PACKAGE = Path(scananalysis.__file__).parent
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Every call by the last two parts of its name."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                found.append((function.id, node))
            elif isinstance(function, ast.Attribute):
                owner = function.value.id if isinstance(function.value, ast.Name) else ""
                found.append((f"{owner}.{function.attr}", node))
    return found


CALLS = [(path, name, call) for path, tree in TREES.items() for name, call in calls(tree)]


def test_every_promise_names_its_test_and_every_test_is_there() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert len(rows) >= 10
    for row in rows:
        assert "::test_" in row, row
    for file, name in NAMED:
        functions = {n.name for n in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(n, ast.FunctionDef)}
        assert name in functions, f"{file}::{name}"


@pytest.mark.parametrize("name", ["eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads", "marshal.loads",
                                  "shelve.open", "yaml.load", "joblib.load", "os.system", "os.popen"])  # fmt: skip
def test_the_package_calls_nothing_that_runs_data(name: str) -> None:
    found = [path.relative_to(PACKAGE).as_posix() for path, called, _ in CALLS if called == name]
    assert found == []


def test_numpy_and_torch_load_no_objects() -> None:
    """`np.load` refuses pickled objects unless told otherwise, `torch.load` unless told not to."""
    for path, called, node in CALLS:
        options = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
        if called in {"np.load", "numpy.load"}:
            assert options.get("allow_pickle", False) is False, path
        if called == "torch.load":
            assert options.get("weights_only") is True, path
        # A command line is a list of words, never a text for a shell.
        assert options.get("shell", False) is False, path


def test_no_module_can_fetch_anything() -> None:
    """Dask speaks to its own workers; nothing else opens a connection."""
    network = {"urllib", "http", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "socket", "ssl", "xmlrpc"}
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                if name.split(".")[0] in network and name != "urllib.parse":
                    assert path.relative_to(PACKAGE).parts[0] == "batch", f"{path}: {name}"


def test_an_inspection_opens_no_connection(tmp_path: Path) -> None:
    """From file to report in a process in which every connection is an error."""
    code = f"""
import socket
def refuse(*_, **__):
    raise AssertionError("a connection was opened")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
import scananalysis as sa
folder = {str(ROOT / "examples")!r}
try:
    socket.create_connection(("127.0.0.1", 9))
except AssertionError:
    pass
else:
    raise SystemExit("the net that is cast above does not catch")
sa.inspect(folder + "/garments-clean.h5", folder + "/garments-clean.json").save({str(tmp_path / "out")!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").is_file()

"""Reading declarations: every fault is one sentence that names file and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scananalysis.cargo import check, check_digit, handling_advice, read_declaration
from scananalysis.cargo.reader import MAX_BYTES
from scananalysis.core import Declaration, DeclarationError

GOOD: dict[str, Any] = {
    "container": "CSQU3054383", "container_type": "42G1", "tare_kg": 3700, "cargo_gross_weight_kg": 21400,
    "items": [{
        "hs_code": "0803.90", "net_weight_kg": 19500, "packages": 1080, "package_type": "CT", "origin": "EC",
        "imdg_class": None, "un_number": None,
    }],
}  # fmt: skip


def altered(**changes: Any) -> dict[str, Any]:
    document = json.loads(json.dumps(GOOD))
    for key, value in changes.items():
        (document if key in GOOD or key == "extra" else document["items"][0])[key] = value
    return document  # type: ignore[no-any-return]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(text: str | bytes) -> Path:
        path = tmp_path / "truck.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_consistent_declaration_has_no_findings(written: Callable[[str], Path]) -> None:
    declaration = read_declaration(written(json.dumps(GOOD)))
    assert declaration.items[0].heading == "0803"
    assert check(declaration) == ()
    assert handling_advice(declaration) == ()


def test_the_published_check_digit() -> None:
    assert check_digit("CSQU305438") == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hs_code": "08X3"}, "items[0].hs_code is '08X3'; expected 4, 6, 8 or 10 digits"),
        ({"hs_code": 803}, "items[0].hs_code is 803; expected a text in quotes"),
        ({"hs_code": "7701"}, "items[0].hs_code is '7701'; expected a heading of chapter"),
        ({"container": "CSQU3054384"}, "container is 'CSQU3054384'; expected check digit 3"),
        ({"container": "CSQ3054383"}, "container is 'CSQ3054383'; expected three letters"),
        ({"container_type": "ZZ"}, "container_type is 'ZZ'; expected an ISO 6346"),
        ({"extra": 1}, "extra is not a known field"),
        ({"items": None}, "items is None; expected"),
        ({"net_weight_kg": -3}, "items[0].net_weight_kg is -3; expected more than 0"),
        ({"packages": True}, "items[0].packages is True; expected a whole number"),
        ({"un_number": 9999}, "items[0].un_number is 9999; expected at most 3600"),
        ({"imdg_class": "2.4"}, "items[0].imdg_class is '2.4'; expected one of"),
    ],
)
def test_a_fault_is_told_in_one_sentence(
    written: Callable[[str], Path], changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_declaration(written(json.dumps(altered(**changes))))
    text = str(caught.value)
    assert text.endswith("; correct the declaration.")
    assert f"truck.json: {sentence}" in text
    assert "\n" not in text
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "text",
    [
        '{"items": [',
        "[1]",
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        "[" * 100_000,
        b"\xff",
        '{"consignor": "\\ud800"}',
        "",
        "{}",
    ],
)
def test_what_is_no_declaration_is_refused(written: Callable[[str | bytes], Path], text: str | bytes) -> None:
    with pytest.raises(DeclarationError):
        read_declaration(written(text))


def test_missing_and_oversized_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="is not a file"):
        read_declaration(tmp_path / "none.json")
    big = tmp_path / "big.json"
    big.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(DeclarationError, match="larger than 4 MiB"):
        read_declaration(big)


@pytest.mark.parametrize(
    ("changes", "field", "severity"),
    [
        ({"cargo_gross_weight_kg": 19000}, "cargo_gross_weight_kg", "error"),
        ({"cargo_gross_weight_kg": 29500}, "cargo_gross_weight_kg", "warning"),
        ({"cargo_gross_weight_kg": 40000}, "cargo_gross_weight_kg", "error"),
        ({"net_weight_kg": None}, "items", "warning"),
        ({"container_type": "22G1", "tare_kg": 2200}, "items", "warning"),
        ({"tare_kg": 900}, "tare_kg", "warning"),
        ({"packages": 10}, "items[0].packages", "warning"),
        ({"package_type": "Q1"}, "items[0].package_type", "warning"),
        ({"origin": "ZZ"}, "items[0].origin", "warning"),
        ({"hs_code": "9801"}, "items[0].hs_code", "warning"),
        ({"hs_code": "0303"}, "items[0].hs_code", "warning"),
        ({"un_number": 1203, "imdg_class": "8"}, "items[0].imdg_class", "error"),
        ({"un_number": 1203}, "items[0].imdg_class", "warning"),
        ({"imdg_class": "3"}, "items[0].un_number", "warning"),
    ],
)
def test_inconsistent_figures_give_findings(changes: dict[str, Any], field: str, severity: str) -> None:
    declaration = Declaration.model_validate(altered(**changes))
    assert (field, severity) in {(finding.field, finding.severity) for finding in check(declaration)}


def test_dangerous_goods_give_advice_that_names_the_hazard() -> None:
    advice = handling_advice(Declaration.model_validate(altered(un_number=3480, imdg_class="9")))
    assert any("lithium ion batteries" in line for line in advice)
    assert "measure that the air inside is harmless" in advice[-1]
    mixed = handling_advice(Declaration.model_validate(altered(un_number=1203, imdg_class="8")))
    assert any("class 3" in line for line in mixed)
    assert any("class 8" in line for line in mixed)

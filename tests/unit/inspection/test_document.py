import json
import math
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from scananalysis.core import Inspection
from scananalysis.inspection import InspectionDocument, document

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "inspection.schema.json"


def test_published_schema_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == InspectionDocument.model_json_schema(mode="serialization")


@pytest.mark.parametrize("change", [{}, {"declaration": None, "comparisons": ()}, {"anomalies": None, "regions": ()}])
def test_documents_pass_the_published_schema(inspection: Inspection, change: dict[str, object]) -> None:
    written = json.loads(document(replace(inspection, **change)).model_dump_json())
    jsonschema.validate(written, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_score_p_value_and_threshold_are_three_numbers(inspection: Inspection) -> None:
    region = document(inspection).regions[0]
    assert (region.score, region.p_value, region.p_value_threshold) == (6.3, 0.003, 0.005)


def test_mass_alarms_have_their_own_threshold(inspection: Inspection) -> None:
    limits = {**inspection.limits, "mass_p_value_threshold": 0.0027}
    of_mass = replace(inspection.regions[0], head="mass")
    written = document(replace(inspection, regions=(*inspection.regions, of_mass), limits=limits))
    assert [region.p_value_threshold for region in written.regions] == [0.005, 0.0027]


def test_unknown_numbers_are_null_not_nan(inspection: Inspection) -> None:
    region = replace(inspection.regions[0], z_eff=math.nan, sigma_z=math.inf)
    text = document(
        replace(inspection, regions=(region,), measured={**inspection.measured, "open_beam": math.nan})
    ).model_dump_json()
    written = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert written["regions"][0]["z_eff"] is None
    assert written["regions"][0]["sigma_z"] is None
    assert written["measured"]["open_beam"] is None


def test_it_says_whether_declaration_checks_were_on(inspection: Inspection) -> None:
    assert document(inspection).declaration_checks == "on"
    assert document(replace(inspection, declaration=None)).declaration_checks == "off"
    assert document(inspection).recommendation == "This is a recommendation; an officer decides."

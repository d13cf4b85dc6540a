"""The documents say what the code does."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from scananalysis.batch.definition import RunDefinition
from scananalysis.batch.rules import Ranking
from scananalysis.batch.schema import markdown

DOCS = Path(__file__).parents[3] / "docs"


def test_the_schema_of_the_results() -> None:
    assert (DOCS / "schemas" / "batch-results.md").read_text(encoding="utf-8") == markdown()


@pytest.mark.parametrize(("name", "model"), [("batch-run", RunDefinition), ("batch-ranking", Ranking)])
def test_the_schemas_of_the_definitions(name: str, model: type[RunDefinition] | type[Ranking]) -> None:
    assert (
        json.loads((DOCS / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")) == model.model_json_schema()
    )


def test_the_examples_are_valid() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (DOCS / "batch.md").read_text(encoding="utf-8"), re.DOTALL)
    run, rules = map(tomllib.loads, blocks)
    assert RunDefinition.model_validate(run).calibration
    assert Ranking.model_validate(rules).rule

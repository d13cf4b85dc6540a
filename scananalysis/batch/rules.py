"""A site's own ranking: weights and rules in TOML, plain comparisons on columns of the results and nothing that runs."""

from __future__ import annotations

from datetime import date
from os import PathLike
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from scananalysis.batch.schema import SCANS
from scananalysis.core import ConfigurationError
from scananalysis.core.definitions import read_definition

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

Weight = Annotated[float, Field(ge=0, le=100)]
FIELDS = tuple(column.name for column in SCANS if column.name != "thumbnail")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Weights(_Model):
    """Most points that a factor can give."""

    anomaly: Weight = Field(default=4.0, description="Anomaly p-value of the scan")
    mass: Weight = Field(default=3.0, description="Declared against measured mass")
    inspectability: Weight = Field(default=2.0, description="Share of the load that could not be judged")
    hazard: Weight = Field(default=1.0, description="Declared dangerous goods")
    consignor: Weight = Field(default=1.0, description="Alarm rate of the consignor's other scans")
    commodity: Weight = Field(default=1.0, description="Alarm rate of the main heading's other scans")
    route: Weight = Field(default=1.0, description="Alarm rate of the route's other scans")
    failed: Weight = Field(default=2.0, description="The scan could not be analysed")


class Condition(_Model):
    """What a column must be; everything that is given must hold."""

    equals: str | float | bool | None = None
    one_of: tuple[str | float, ...] | None = None
    at_least: float | str | None = Field(
        default=None, description="A number; or a text such as a date, letter by letter"
    )
    at_most: float | str | None = Field(
        default=None, description="The same; a date without a time is before all of its day"
    )
    contains: str | None = Field(
        default=None, description="Part of the text, or one of the list's texts; case is ignored"
    )
    missing: bool | None = None

    @field_validator("equals", "at_least", "at_most", mode="before")
    @classmethod
    def _dates_are_texts(cls, value: Any) -> Any:
        # TOML knows dates of its own; columns hold them as ISO 8601.
        return value.isoformat() if isinstance(value, date) else value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("a condition without a comparison")
        return self


class Rule(_Model):
    """Points for scans that meet conditions."""

    name: str = Field(min_length=1, max_length=200)
    points: float = Field(ge=-100, le=100)
    when: dict[str, Condition] = Field(min_length=1)

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(set(self.when) - set(FIELDS))
        if unknown:
            raise ValueError(f"no column {', '.join(unknown)}; see docs/schemas/batch-results.md")
        return self


class Ranking(_Model):
    """Weights and rules.

    Examples
    --------
    >>> Ranking().weights.anomaly
    4.0
    """

    weights: Weights = Weights()
    rule: tuple[Rule, ...] = ()


def read_ranking(path: str | PathLike[str] | None) -> Ranking:
    """Read weights and rules; None gives the defaults.

    Raises
    ------
    ConfigurationError
        Not readable, not TOML, or a field is unknown.
    """
    if path is None:
        return Ranking()
    return read_definition(path, Ranking, expected="weights and rules in TOML, see docs/batch.md")


def meets(rule: Rule, table: pa.Table) -> NDArray[np.bool_]:
    """Return which scans meet a rule.

    Raises
    ------
    ConfigurationError
        A condition compares a text with a number.
    """
    held = np.ones(len(table), bool)
    for name, condition in rule.when.items():
        held &= _holds(condition, table.column(name), f"rule {rule.name!r}, column {name}")
    return held


def _holds(condition: Condition, column: pa.ChunkedArray, where: str) -> NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type):
        return _list_holds(condition, column, where)
    held = np.ones(len(column), bool)

    def also(found: Any) -> None:
        held[:] &= pc.fill_null(found, fill_value=False).to_numpy().astype(bool)

    try:
        if condition.missing is not None:
            also(pc.equal(pc.is_null(column), condition.missing))
        if condition.equals is not None:
            also(pc.equal(column, pa.scalar(condition.equals)))
        if condition.one_of is not None:
            also(pc.is_in(column, value_set=pa.array(list(condition.one_of)).cast(column.type)))
        if condition.at_least is not None:
            also(pc.greater_equal(column, pa.scalar(condition.at_least)))
        if condition.at_most is not None:
            also(pc.less_equal(column, pa.scalar(condition.at_most)))
        if condition.contains is not None:
            also(pc.match_substring(column, condition.contains, ignore_case=True))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowKeyError):
        raise ConfigurationError(f"cannot be compared like that ({column.type})", source=where) from None
    return held


def _list_holds(condition: Condition, column: pa.ChunkedArray, where: str) -> NDArray[np.bool_]:
    if condition.model_fields_set - {"contains", "missing"}:
        raise ConfigurationError("is a list", source=where, expected="contains or missing")
    found = []
    wanted = None if condition.contains is None else condition.contains.lower()
    for values in column.to_pylist():
        held = condition.missing is None or (not values) == condition.missing
        found.append(held and (wanted is None or any(wanted in str(value).lower() for value in values or ())))
    return np.array(found, bool)

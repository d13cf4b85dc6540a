"""`Declaration`: what the papers say is in the container. Readers and plausibility checks live in `cargo`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

HsCode = Annotated[str, Field(pattern=r"^\d{4}(\.?\d{2}(\.?\d{2,4})?)?$")]
"""Harmonised System heading (4 digits), subheading (6) or national line (8 to 10), dots allowed."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)


class Item(_Model):
    """One declared kind of goods."""

    hs_code: HsCode = Field(description="HS heading, subheading or national line, e.g. 0803.90")
    description: str = Field(default="", max_length=1000, description="Goods as the papers name them")
    net_weight_kg: float | None = Field(default=None, gt=0, description="Net weight, kg")
    packages: int | None = Field(default=None, gt=0, description="Number of packages")
    package_type: str | None = Field(
        default=None, pattern=r"^[A-Z0-9]{2}$", description="UN/ECE Recommendation 21 code, e.g. CT for carton"
    )
    origin: str | None = Field(default=None, pattern=r"^[A-Z]{2}$", description="ISO 3166 country code")
    imdg_class: str | None = Field(
        default=None, pattern=r"^[1-9](\.\d)?[A-Z]?$", description="IMDG class or division, e.g. 3 or 1.4S"
    )
    un_number: int | None = Field(default=None, ge=4, le=3600, description="UN number of dangerous goods")

    @property
    def heading(self) -> str:
        """The four digits of the HS heading."""
        return self.hs_code.replace(".", "")[:4]


class Declaration(_Model):
    """The declared cargo of one container or vehicle.

    Examples
    --------
    >>> papers = Declaration(items=[{"hs_code": "0803.90", "net_weight_kg": 19500}])
    >>> papers.items[0].heading
    '0803'
    """

    items: tuple[Item, ...] = Field(max_length=10_000, description="Declared goods; none for an empty container")
    container: str | None = Field(default=None, max_length=20, description="ISO 6346 number, e.g. CSQU3054383")
    container_type: str | None = Field(default=None, max_length=4, description="ISO 6346 size and type, e.g. 42G1")
    tare_kg: float | None = Field(default=None, gt=0, description="Tare weight of the container, kg")
    cargo_gross_weight_kg: float | None = Field(
        default=None, gt=0, description="Goods with packaging, without the container, kg"
    )
    consignor: str | None = Field(default=None, max_length=1000, description="Who sends the goods")

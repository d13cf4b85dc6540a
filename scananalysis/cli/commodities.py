"""``scananalysis commodities``: what goods under an HS heading should look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scananalysis.cli.common import Debug, Definitions, Json, Quiet, start

if TYPE_CHECKING:
    from scananalysis.cargo import Commodity

NAME = "commodities"
EXAMPLE = "Example:  scananalysis commodities 0803.90"
NEEDS_ARGUMENTS = False


def command(
    hs_code: Annotated[str | None, typer.Argument(metavar="HS", help="Show what stands for one HS code.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """List the commodity table: density, atomic number, radiographic family and source by HS heading."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis import cargo

    if hs_code is not None:
        one = cargo.commodity(hs_code)
        output.json(_plain(one))
        said = _plain(one)
        parts = (f"{name} {low:g} to {high:g}" for name, (low, high) in one.composition.items())
        output.pairs(said | {"composition": "; ".join(parts)})
        return
    found = cargo.commodities()
    output.json([_plain(each) for each in found])
    output.table(
        ["heading", "goods", "stowed g/cm³", "Z", "family", "tier", "source"],
        [
            [
                c.heading,
                c.name,
                f"{c.bulk_density_min:g} to {c.bulk_density_max:g}",
                f"{c.z_eff:.1f}",
                c.family,
                c.tier,
                c.source,
            ]
            for c in found
        ],
        right=(2, 3),
    )


def _plain(commodity: Commodity) -> dict[str, Any]:
    return {
        "heading": commodity.heading,
        "name": commodity.name,
        "bulk_density_g_cm3": [commodity.bulk_density_min, commodity.bulk_density_max],
        "z_eff": commodity.z_eff,
        "families": list(commodity.families),
        "composition": {material: list(share) for material, share in commodity.composition.items()},
        "package_types": list(commodity.package_types),
        "form": commodity.form,
        "texture": commodity.texture,
        "tier": commodity.tier,
        "source": commodity.source,
        "source_date": commodity.source_date,
        "basis": commodity.basis,
        "stands_for_a_chapter": commodity.is_fallback,
    }

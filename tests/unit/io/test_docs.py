"""The page on formats and the readers say the same."""

from pathlib import Path

from scananalysis.io import Layout, formats, layouts
from scananalysis.io.writers.hdf5 import OPTIONAL

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")


def test_every_format_field_and_layout_is_documented():
    for each in formats():
        if each.package == "scananalysis":
            assert f"`{each.name}`" in PAGE
            assert all(f"`{suffix}`" in PAGE for suffix in each.suffixes)
    for name in Layout.model_fields:
        assert f"`{name}`" in PAGE or f"\n{name} = " in PAGE or f"{name}: " in PAGE, name
    for name in ("counts", *OPTIONAL):
        assert f"/entry/{name}`" in PAGE, name
    readme = (ROOT / "detectors" / "layouts" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{path.stem}`" in readme for path in (ROOT / "detectors" / "layouts").glob("*.toml"))
    assert set(layouts()) >= {"rail-6-4mv", "fs6000-img", "ase-tiles", "air-cargo-png"}


def test_the_example_layout_of_the_page_is_valid():
    import tomllib

    example = PAGE.split("```toml\n")[1].split("```")[0]
    assert Layout.model_validate(tomllib.loads(example)).channels == 2

import math

import pytest

from scananalysis.inspection.words import Amount, Place, looks_like, region_sentence

PLACE = Place(0.4, 0.3, 2.1, 1.0, "the ground")


@pytest.mark.parametrize(
    ("z", "sigma", "words"),
    [
        (26.0, 3.0, "steel"),
        (29.0, 2.0, "steel"),
        (7.0, 1.5, "organic matter or plastic"),
        (13.0, 1.0, "aluminium, glass or stone"),
        (82.0, 5.0, "lead or another very heavy metal"),
        (26.0, 9.0, ""),
        (9.5, 1.0, ""),
        (math.nan, 1.0, ""),
        (26.0, math.nan, ""),
    ],
)
def test_a_material_is_named_only_where_the_uncertainty_allows(z: float, sigma: float, words: str) -> None:
    assert looks_like(z, sigma) == words


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        (Amount(12.0, 2.0, 140.0, 26.0, 3.0), ["12.0 ± 2.0 kg more", "140 g/cm²", "looks like steel (Z 26 ± 3)"]),
        (Amount(-8.0, 1.0, 20.0, math.nan, math.nan), ["8.0 ± 1.0 kg less"]),
        (
            Amount(0.5, 2.0, 50.0, math.nan, math.nan),
            ["As heavy as the surroundings within 2 kg", "different appearance"],
        ),
        (Amount(12.0, 2.0, 90.0, 26.0, 12.0), ["its atomic number cannot be told"]),
        (Amount(math.nan, math.nan, math.nan, math.nan, math.nan), ["Something that does not fit"]),
    ],
)
def test_sentence(amount: Amount, says: list[str]) -> None:
    sentence = region_sentence(PLACE, amount)
    for part in (*says, "0.40 × 0.30 m, 2.1 m from the left edge and 1.0 m above the ground"):
        assert part in sentence
    assert sentence.endswith(".")
    assert "nan" not in sentence

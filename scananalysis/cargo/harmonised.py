"""Chapters of the Harmonized System: which exist, and what they hold."""

from __future__ import annotations

CHAPTERS: dict[int, str] = {
    1: "live animals", 2: "meat", 3: "fish and crustaceans", 4: "dairy produce, eggs and honey",
    5: "other products of animal origin", 6: "live trees and plants", 7: "vegetables", 8: "fruit and nuts",
    9: "coffee, tea and spices", 10: "cereals", 11: "milling products", 12: "oil seeds and fodder",
    13: "gums and resins", 14: "vegetable plaiting materials", 15: "fats and oils", 16: "preparations of meat or fish",
    17: "sugars", 18: "cocoa", 19: "preparations of cereals", 20: "preparations of vegetables or fruit",
    21: "miscellaneous edible preparations", 22: "beverages", 23: "residues and animal fodder", 24: "tobacco",
    25: "salt, stone and cement", 26: "ores, slag and ash", 27: "mineral fuels", 28: "inorganic chemicals",
    29: "organic chemicals", 30: "pharmaceutical products", 31: "fertilisers", 32: "dyes, pigments and paints",
    33: "essential oils and cosmetics", 34: "soap and detergents", 35: "glues and enzymes",
    36: "explosives and matches", 37: "photographic goods", 38: "miscellaneous chemical products", 39: "plastics",
    40: "rubber", 41: "hides and leather", 42: "articles of leather", 43: "furskins", 44: "wood", 45: "cork",
    46: "basketware", 47: "pulp and waste paper", 48: "paper and paperboard", 49: "printed books", 50: "silk",
    51: "wool", 52: "cotton", 53: "other vegetable textile fibres", 54: "man-made filaments",
    55: "man-made staple fibres", 56: "wadding and nonwovens", 57: "carpets", 58: "special woven fabrics",
    59: "coated textile fabrics", 60: "knitted fabrics", 61: "knitted clothing", 62: "woven clothing",
    63: "other textile articles", 64: "footwear", 65: "headgear", 66: "umbrellas and sticks",
    67: "feathers and artificial flowers", 68: "articles of stone and plaster", 69: "ceramic products", 70: "glass",
    71: "precious metals and jewellery", 72: "iron and steel", 73: "articles of iron or steel", 74: "copper",
    75: "nickel", 76: "aluminium", 78: "lead", 79: "zinc", 80: "tin", 81: "other base metals",
    82: "tools and cutlery", 83: "miscellaneous articles of base metal", 84: "machinery", 85: "electrical equipment",
    86: "railway equipment", 87: "vehicles", 88: "aircraft", 89: "ships and boats", 90: "optical and medical instruments",
    91: "clocks and watches", 92: "musical instruments", 93: "arms and ammunition", 94: "furniture and lamps",
    95: "toys and sports goods", 96: "miscellaneous manufactured articles", 97: "works of art",
    98: "left to national use", 99: "left to national use",
}  # fmt: skip
"""Chapter number to what it holds. 77 is reserved for the future; 98 and 99 are left to national use."""

NATIONAL = (98, 99)


def chapter_title(chapter: int) -> str | None:
    """Return what a chapter holds, or None where there is no such chapter.

    Examples
    --------
    >>> chapter_title(8)
    'fruit and nuts'
    >>> chapter_title(77) is None
    True
    """
    return CHAPTERS.get(chapter)

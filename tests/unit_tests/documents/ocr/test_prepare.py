"""How a scanned page is written is seen before its text is read."""

import pytest
from PIL import Image, ImageDraw

from langchain_swallow.documents.ocr.prepare import prepare


def page(blocks, rules=(), is_vertical=False):
    """A page at 100 dpi with blocks of lines, each line a row of squares as large as letters."""
    image = Image.new("L", (800, 1000), 255)
    draw = ImageDraw.Draw(image)
    for left, top, right, bottom in blocks:
        for x in range(left, right, 24 if is_vertical else 14):
            for y in range(top, bottom, 14 if is_vertical else 24):
                draw.rectangle((x, y, x + 11, y + 11), fill=0)
    for rule in rules:
        draw.line(rule, fill=0, width=2)
    image.info["dpi"] = (300, 300)
    return image


@pytest.mark.slow
@pytest.mark.parametrize(
    ("blocks", "is_one_block"),
    [
        ([(100, 100, 700, 900)], True),
        ([(100, 100, 370, 900), (430, 100, 700, 900)], False),
        # A heading over both columns.
        ([(100, 50, 700, 62), (100, 100, 370, 900), (430, 100, 700, 900)], False),
        ([], True),
    ],
    ids=["one", "two", "heading", "blank"],
)
def test_columns_are_seen(blocks, is_one_block):
    assert prepare(page(blocks)).is_one_block == is_one_block


@pytest.mark.parametrize("is_vertical", [True, False])
def test_the_direction_of_writing_is_seen(is_vertical):
    assert prepare(page([(100, 100, 700, 900)], is_vertical=is_vertical)).is_vertical == is_vertical


def test_rules_are_removed_and_tables_are_one_block():
    blocks = [(100, 100, 370, 900), (430, 100, 700, 900)]
    rules = [(90, 90, 90, 910), (400, 90, 400, 910), (90, 90, 710, 90), (90, 910, 710, 910)]
    prepared = prepare(page(blocks, rules))
    assert prepared.is_one_block
    assert prepared.image.crop((380, 90, 420, 910)).getextrema()[0] > 200


@pytest.mark.parametrize("angle", [-2.0, 1.0])
def test_a_turned_page_is_straight_again(angle):
    straight = page([(100, 100, 700, 900)])
    turned = straight.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    turned.info["dpi"] = (300, 300)
    rows = prepare(turned).image.resize((1, 1000), Image.Resampling.BOX).tobytes()[300:700]
    assert max(rows) > 250
    assert min(rows) < 120


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dpi", "size", "expected"), [(150, 1000, 300), (300, 1000, 300), (0, 500, 300)]
)
def test_small_pictures_are_enlarged(dpi, size, expected):
    image = Image.new("L", (size, size), 255)
    image.info["dpi"] = (dpi, dpi)
    prepared = prepare(image)
    assert prepared.dpi == expected
    assert prepared.image.width == (size if dpi == 300 else size * 2 if dpi else size * 3)

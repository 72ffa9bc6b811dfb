from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from landing import Landing, movement

VOID = {"meta", "link", "br", "img", "input", "hr"}
TWELVE = ["AT", "BE", "CZ", "DE", "ES", "FR", "IT", "NL", "PL", "RO", "SE", "SK"]


class Checked(HTMLParser):
    """Fails for markup that does not nest; gathers elements, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(landing: Landing, country: str = "PL", **options: object) -> Checked:
    landing.report(**options)
    return Checked(landing.html(country))


def check_self_contained(html: str) -> None:
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link|<iframe|\bon[a-z]+=", html, re.IGNORECASE)


def test_the_page_needs_no_network_and_no_script(landing: Landing, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("ean,cn8\n4012345678901,61091000\n")
    landing.land_month({1: [movement(), movement(ean="1"), movement(None, "PL")]})
    found = page(landing, master_data=tmp_path / "m.csv")
    check_self_contained(landing.html("PL"))
    links = {value for name, value in found.attributes if name in ("href", "src")}
    assert links == {"intrastat-2026-11-PL.csv", "goods-without-master-data.csv"}
    for link in links:
        assert (landing.folder("PL") / str(link)).exists()


def test_the_page_says_what_it_is_about(landing: Landing) -> None:
    landing.land_month({1: [movement(quantity=1234567), movement("PL", "IT", -3)]})
    text = page(landing).text
    assert "Movements for Intrastat: Poland (PL), November 2026" in text
    assert "01924c48-49bb-40c2-9c32-ab582e6db6f4" in text
    assert text.count("This is not tax advice.") == 2
    assert "1,234,567" in text
    assert "DE to PL: net quantity 1,234,567 in 1 movement; PL to IT: net quantity -3 in 1 movement" in text
    for heading in ("By counterpart country", "By movement type", "By month of transaction", "How this was computed"):
        assert heading in text
    assert "Every movement took place in November 2026." in text
    assert "30 of 30 days" in text


EVIL = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}&amp;"


def test_texts_from_outside_stay_texts(landing: Landing, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("ean,cn8\n4012345678901,61091000\n")
    evil = movement(merchant_sku=EVIL, product_sku=EVIL, ean=EVIL, movement_type=EVIL, order_number=EVIL)
    landing.land_month({1: [evil, movement()]})
    found = page(landing, master_data=tmp_path / "m.csv")
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert found.text.count(EVIL) >= 7
    assert [row["merchant_sku"] for row in landing.lines("PL")] == ["SKU-1", EVIL]


@pytest.mark.parametrize("countries", [TWELVE[:2], TWELVE])
def test_every_flow_is_labelled_in_the_chart(landing: Landing, countries: list[str]) -> None:
    ways = list(itertools.permutations(countries, 2))
    landing.land_month({1: [movement(*way, 100 + number) for number, way in enumerate(ways)]})
    landing.report()
    svg = re.search(r"<svg.*?</svg>", landing.html(countries[0]), re.DOTALL)
    assert svg
    labels = re.findall(r">(-?[\d,]+)</text>", svg[0])
    assert sorted(labels) == sorted(str(100 + number) for number in range(len(ways)))
    assert svg[0].count('class="arrival"') == svg[0].count('class="dispatch"') == len(countries) - 1
    assert 'role="img"' in svg[0]
    assert "<desc" in svg[0]
    assert "other" not in re.findall(r">([a-z]+)</text>", svg[0])


def test_more_countries_than_the_chart_can_show_are_added_up(landing: Landing) -> None:
    codes = [f"A{letter}" for letter in "ABCDEFGHIJKLMNO"]
    landing.land_month({1: [movement(code, "PL", 10) for code in codes] + [movement("AA", "AB", 7)]})
    text = page(landing).text
    assert "other to PL: net quantity 50 in 5 movements" in text


def test_a_country_without_movements_has_a_page_too(landing: Landing) -> None:
    landing.land_month()
    assert "No movement crossed a border." in page(landing, "CZ", countries=("CZ",)).text


def test_long_tables_are_cut_and_point_to_the_file(landing: Landing) -> None:
    landing.land_month({1: [movement(merchant_sku=f"SKU-{number}") for number in range(501)]})
    found = page(landing)
    assert "The first 500 of 501 lines" in found.text
    assert landing.html("PL").count('<td class="code">SKU-') == 500
    landing.land_month({1: [movement(merchant_sku=f"SKU-{number}") for number in range(500)]})
    assert "500 lines; also in" in page(landing).text


def test_sums_by_commodity_code_say_where_a_mass_is_lacking(landing: Landing, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("ean,cn8,net_mass_kg\n4012345678901,61091000,0.5\n4012345678918,61091000,\n")
    landing.land_month({1: [movement(quantity=3), movement(ean="4012345678918"), movement(ean="1")]})
    html = re.sub(r"<[^>]+>", "|", page(landing, master_data=tmp_path / "m.csv") and landing.html("PL"))
    assert re.search(r"arrival\|+61091000\|+DE\|+–\|+4\|+1\.500\*", html)
    assert re.search(r"arrival\|+\(no code\)\|+DE\|+–\|+1\|+–\*", html)

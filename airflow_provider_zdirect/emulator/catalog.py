# SPDX-License-Identifier: Apache-2.0
"""The standing facts of an emulated world: merchants, their articles and customers, warehouses and addresses.

Names, streets and numbers of customers are invented.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from airflow_provider_zdirect.merchant_files.ean import ean13

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Two digits at a time, because labels are most of the work of a large page.
PAIRS = tuple(high + low for high in DIGITS for low in DIGITS)
LABEL_LENGTH = 11
LABEL_SPACE = 36**LABEL_LENGTH
# Coprime to 36, so that multiplying is a bijection: scattered labels, none twice.
LABEL_STRIDE = 26_873_856_119_287_315
ARTICLES_PER_MERCHANT = 400

ADDRESSES = (
    ("Erfurt", "DE", "Erika", "Mustermann", "Ms", "Beispielweg 1", "99097"),
    ("Gardno", "PL", "Jan", "Przykladowy", "Mr", "Ulica Testowa 12", "74-100"),
    ("Nogarole Rocca", "IT", "Maria", "Esempio", "Ms", "Via Campione 7", "37060"),
    ("Bleiswijk", "NL", "Piet", "Voorbeeld", "Mr", "Proefstraat 20", "2665"),
)
WAREHOUSE_COUNT = 4


@dataclass(frozen=True)
class Article:
    """One article of a merchant."""

    number: int
    ean: str
    sku_simple: str
    price: float


def stable_uuid(*parts: object) -> str:
    """The same UUID for the same parts, on every machine."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "zdirect-emulator:" + "/".join(map(str, parts))))


@lru_cache(maxsize=1024)
def merchant_id(seed: int, index: int) -> str:
    return stable_uuid(seed, "merchant", index)


@lru_cache(maxsize=1024)
def warehouse_id(seed: int, index: int) -> str:
    return stable_uuid(seed, "warehouse", index)


@lru_cache(maxsize=64)
def articles(seed: int, merchant: str) -> tuple[Article, ...]:
    """All articles of a merchant; about one EAN in eight starts with a zero."""
    rng = Random(f"{seed}/{merchant}/articles")  # noqa: S311 - reproducible, not secret
    return tuple(_article(rng, number) for number in range(ARTICLES_PER_MERCHANT))


def _article(rng: Random, number: int) -> Article:
    prefix = "0" if rng.random() < 0.125 else str(rng.randint(1, 9))
    brand = "".join(rng.choice(DIGITS[10:]) for _ in range(2))
    return Article(
        number=number,
        ean=ean13(f"{prefix}{rng.randrange(10**7):07d}{number:04d}"),
        sku_simple=f"{brand}{rng.randrange(1000):03d}G{rng.randrange(1000):03d}-K11{rng.randrange(100):02d}0XL000",
        price=round(rng.uniform(4, 180), 2),
    )


def quality_label(seed: int, merchant_index: int, dataset_index: int, hour: int, place: int) -> str:
    """A label that no other item of this world has, like ``00014D02W8V``.

    :param hour: hours since 1970; :param place: number of the item in its hour, below a million.
    """
    serial = (((hour * 512 + merchant_index) * 4 + dataset_index) << 20) + place
    scattered = (serial * LABEL_STRIDE + seed) % LABEL_SPACE
    pairs = []
    for _ in range(LABEL_LENGTH // 2):
        scattered, pair = divmod(scattered, 1296)
        pairs.append(PAIRS[pair])
    return DIGITS[scattered] + "".join(reversed(pairs))


CUSTOMERS_PER_MERCHANT = 150
FIRST = ("Anna", "Björn", "Chiara", "Daan", "Élodie", "Femke", "Giulia", "Hanna", "Igor", "Jürgen", "Kasia", "Lars")
LAST = ("Muster", "Beispiel", "Exemple", "Esempio", "Voorbeeld", "Przykład", "Ejemplo", "Esimerkki", "Sample", "Test")
# By country: locale, currency, dialling code, street, zip code and city.
COUNTRIES = {
    "de": ("de-DE", "EUR", "+49", "Musterstraße", "10115", "Berlin"),
    "nl": ("nl-NL", "EUR", "+31", "Voorbeeldstraat", "1012 AB", "Amsterdam"),
    "fr": ("fr-FR", "EUR", "+33", "Rue de l'Exemple", "75001", "Paris"),
    "it": ("it-IT", "EUR", "+39", "Via dell'Esempio", "20121", "Milano"),
    "uk": ("en-GB", "GBP", "+44", "Sample Road", "N1 9GU", "London"),
    "at": ("de-AT", "EUR", "+43", "Mustergasse", "1010", "Wien"),
    "ch": ("de-CH", "CHF", "+41", "Musterweg", "8001", "Zürich"),
    "pl": ("pl-PL", "PLN", "+48", "ul. Przykładowa", "00-001", "Warszawa"),
    "be": ("nl-BE", "EUR", "+32", "Voorbeeldlaan", "1000", "Brussel"),
    "se": ("sv-SE", "SEK", "+46", "Exempelgatan", "111 20", "Stockholm"),
    "fi": ("fi-FI", "EUR", "+358", "Esimerkkikatu", "00100", "Helsinki"),
    "dk": ("da-DK", "DKK", "+45", "Eksempelvej", "1050", "København"),
    "es": ("es-ES", "EUR", "+34", "Calle del Ejemplo", "28001", "Madrid"),
}
OTHER = COUNTRIES["de"]


@dataclass(frozen=True)
class Customer:
    """Who orders, always in the same country."""

    number: str
    email: str
    phone: str
    sales_channel_id: str
    locale: str
    currency: str
    shipping_address: dict[str, Any]
    billing_address: dict[str, Any]


def customers(seed: int, merchant_id: str, channels: list[dict[str, Any]]) -> tuple[Customer, ...]:
    """All customers of a merchant, spread over its sales channels."""
    rng = Random(f"{seed}/{merchant_id}/customers")  # noqa: S311 - reproducible, not secret
    return tuple(_customer(rng, rng.choice(channels)) for _ in range(CUSTOMERS_PER_MERCHANT)) if channels else ()


def _customer(rng: Random, channel: dict[str, Any]) -> Customer:
    code = str(channel.get("country_code", "de"))
    locale, currency, dialling, street, zip_code, city = COUNTRIES.get(code, OTHER)
    first, last = rng.choice(FIRST), rng.choice(LAST)
    number = f"{rng.randrange(10**10, 10**11)}"
    home = {
        "address_type": "HOME_ADDRESS",
        "address_id": f"{rng.randrange(10**8, 10**9)}",
        "first_name": first,
        "last_name": last,
        "address_line_1": f"{street} {rng.randint(1, 180)}",
        "zip_code": zip_code,
        "city": city,
        "country_code": "GB" if code == "uk" else code.upper(),
    }
    if rng.random() < 0.2:
        home["address_line_2"] = f"c/o {rng.choice(LAST)}"
    return Customer(
        number=number,
        email=f"customer.{number}@example.com",
        phone=f"{dialling}555{rng.randrange(10**6):06d}",
        sales_channel_id=channel["sales_channel_id"],
        locale=locale,
        currency=currency,
        shipping_address=_elsewhere(rng, home),
        billing_address=home,
    )


def _elsewhere(rng: Random, home: dict[str, Any]) -> dict[str, Any]:
    """Home as a rule, otherwise a place where the parcel is fetched."""
    chance = rng.random()
    if chance > 0.12:
        return home
    point = {
        "service_point_name": f"Point {rng.randint(100, 999)}",
        "service_point_id": f"{rng.randrange(10**6):06d}",
        "service_point_member_id": f"{rng.randrange(10**9):09d}",
    }
    kind = "PACK_STATION" if chance < 0.08 else "PICKUP_POINT"
    return {**home, "address_type": kind, "address_line_1": point["service_point_name"], "service_point_details": point}

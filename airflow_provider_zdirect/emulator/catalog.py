"""The standing facts of an emulated world: merchants, their articles, warehouses and addresses."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import lru_cache
from random import Random

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

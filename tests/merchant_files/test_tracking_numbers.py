from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.merchant_files.cells import CellError
from airflow_provider_zdirect.merchant_files.tracking_number import read_tracking_number, same_number

# Made up, in the formats that carriers document or print.
PRINTED = [
    "003404341600000001", "00340434161094042557", "(00)340434161094042557", "JJD000390007882445566", "222201010035",
    "JVGL01234567890123", "JD014600004455667788", "123456789012", "GM60511234500012345", "LX123456785DE",
    "1Z999AA10123456784", "1Z 999 AA1 01 2345 6784", "T1234567893", "H1000730000123401234", "01505012345678",
    "0150 5012 3456 78", "01505012345678R", "ZABCD12E", "ZAB1C1DE", "XHAX4HDA", "Z8VCHBHY", "50123456785",
    "20287788695",
    "3SABCD1234567", "3S ABCD 123456789", "AB123456789GB", "AA1234567", "RR 12 345 678 9DE",
    "623050000012345678901234", "6A12345678901", "8R00012345678", "PQ4F6P0712345678012801X", "99.00.123456.12345678",
    "CC123456785EE", "2783/01234567", "TBA123456789012", "420123459400100000000000000000", "C00HHA0135791234",
    "V12345E1234567", "UJ123456785PL", "370123456789012345", "0034 0434 1610 9404 2557", "00 340434161094042557",
    "(J)JD014600004455667788", "0612 9998 4567", "SYBAA12345678", "UPAAB00000012345678", "1Z12345E0205271688",
    "DPDE12345678901", "DE123456789DE", "Z1NAN2DE", "70123456", "27831234", "PL12345678901234", "H1001234567890123456",
]  # fmt: skip

NEVER_PRINTED = [
    "12345678", "0123456789", "OUT", "R-1", "ABC123", "123", "00000000", "1111111111", "AB000000000DE", "3404.341",
    "12345678.5", "12.345.678,9", "2026-11-28", "28.11.2026", "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24",
    "1ZXXXXXXXXXX6784", "123456789012 123456789013", "123456789012,123456789013", "123456789012/123456789013",
    "https://dhl.de/12345678", "erika@example.com", "+49 170 1234567", "0034043416000000Ω1", "ABCDEFGH", "zabcd12e-",
    "UNBEKANNT", "Retoure 12345678", "order 1234567", "0" * 35, "1Z999AA1--0123456784", "ab-cd-ef-gh-ij",
    "2026-11-28-12-00", "2026-W48-12", "2026-01-31 00340434161094042557", "28.11.2026 12345678",
    "1299.00 EUR", "129900 EUR", "EUR 129900", "12345678 kg", "12345678kg", "0171 1234567", "0171/1234567",
    "030/12345678", "(030) 12345678", "0171 123 45 67", "0049 171 1234567", "00 49 171 123 45 67",
    "340434161094042000", "340.434.161.094.042.557", "123456E12", "192.168.100.12", "DE89370400440532013000",
    "DE89 3704 0044 0532 0130 00", "5b1f6a529d3c4d6e8f3a0c9a5b7e1d24", "123456781234", "1234512345", "87654321",
    "23456789", "34567890", "(0)171 1234567", "0171-1234567",
]  # fmt: skip

PLACEHOLDERS = ("null", "none", "nan", "tbd", "retoure", "order", "error", "err", "test", "hallo", "versand", "package",
                "paket", "notracking", "leer", "keine")  # fmt: skip
DATES = ("%Y%m%d", "%d%m%Y", "%Y-%m-%d", "%d.%m.%Y", "%d-%m-%y", "%Y %m %d", "%d %m %Y", "%d %b %Y", "%d-%b-%Y",
         "%b-%d-%Y", "%B %d %Y", "%d%b%Y", "%Y-%b-%d", "%Y-%m-%d-%H-%M", "%Y-W%V-%d")  # fmt: skip


@pytest.mark.parametrize("number", PRINTED)
def test_what_carriers_print_is_taken_as_it_is(number: str) -> None:
    assert read_tracking_number(number) == number
    assert read_tracking_number(f'="{number}"') == number


@pytest.mark.parametrize("cell", NEVER_PRINTED)
def test_what_no_carrier_prints_is_refused(cell: str) -> None:
    with pytest.raises(CellError):
        read_tracking_number(cell)


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.sampled_from(DATES))
def test_a_date_is_not_a_tracking_number_however_it_is_written(day: date, written_as: str) -> None:
    with pytest.raises(CellError):
        read_tracking_number(day.strftime(written_as))


@given(st.sampled_from(PLACEHOLDERS), st.sampled_from(["", " ", "-"]), st.from_regex("[0-9]{4,12}", fullmatch=True))
def test_a_word_for_no_number_stays_one_with_digits_after_it(word: str, between: str, digits: str) -> None:
    for cell in (word, word.upper(), word.title()):
        with pytest.raises(CellError):
            read_tracking_number(f"{cell}{between}{digits}")


@given(st.text(max_size=40) | st.from_regex(r"[0-9A-Za-z ()./,;:'\"-]{0,40}", fullmatch=True))
def test_whatever_a_cell_holds_what_is_taken_could_be_printed_and_is_read_as_itself(cell: str) -> None:
    try:
        number = read_tracking_number(cell)
    except CellError:
        return
    assert number == "" or (re.fullmatch("[0-9A-Za-z ()./-]{8,50}", number) and re.search("[0-9]", number))
    assert read_tracking_number(number) == number


@given(st.sampled_from(PRINTED))
def test_ways_to_write_a_number_mean_the_same(number: str) -> None:
    plain = re.sub("[ ()./-]", "", number)
    for other in (plain, plain.lower(), plain.lstrip("0"), " ".join(plain)):
        assert same_number(number, other)
    assert not same_number(number, f"{number}1")

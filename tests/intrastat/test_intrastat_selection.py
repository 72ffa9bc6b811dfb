from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.intrastat.countries import ALIASES, CODES, EU
from airflow_provider_zdirect.intrastat.selection import Month, as_runs
from airflow_provider_zdirect.operators.intrastat import country_codes

MONTHS = st.builds(Month, st.integers(2000, 2098), st.integers(1, 12))


@given(MONTHS)
def test_a_month_is_written_as_it_is_read(month: Month) -> None:
    assert Month.parse(f" {month} ") == month


@given(MONTHS)
def test_months_tile_the_calendar(month: Month) -> None:
    following = Month(month.year + month.number // 12, month.number % 12 + 1)
    assert (following.days[0] - month.days[-1]).days == 1
    assert {(day.year, day.month) for day in month.days} == {(month.year, month.number)}


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-00", "11-2026", "2026-1", "2026-11-01", "November", 202611])
def test_what_is_no_month_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ZDirectConfigurationError, match="2026-11"):
        Month.parse(text)


@pytest.mark.parametrize(
    ("start", "end", "month"),
    [
        ((2026, 11, 1), (2026, 12, 1), "2026-11"),
        ((2026, 10, 31, 23), (2026, 11, 30, 23), "2026-11"),  # a month in Berlin
        ((2026, 11, 1, 5), (2026, 12, 1, 5), "2026-11"),  # a month in New York
        ((2026, 11, 2, 6), (2026, 12, 2, 6), "2026-11"),
        ((2026, 10, 31), (2026, 11, 1), "2026-10"),
        ((2026, 10, 31, 23), (2026, 11, 1, 23), "2026-10"),
    ],
)
def test_the_month_of_a_data_interval_is_that_of_its_start(start, end, month) -> None:
    interval = datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC)
    assert str(Month.of_run(None, *interval)) == month
    assert str(Month.of_run("2026-11-03", *interval)) == month, "another kind of partition"


def test_a_partition_key_that_is_a_month_comes_first_and_a_run_that_names_none_is_told_what_to_give() -> None:
    start = datetime(2026, 12, 1, tzinfo=UTC)
    assert Month.of_run("2026-11", start, start) == Month.of_run("2026-11", None, None) == Month(2026, 11)
    for key, moment in ((None, None), ("DE", None), ("2026-11-03", None), (None, start)):
        with pytest.raises(ZDirectConfigurationError, match="Give month as 2026-11"):
            Month.of_run(key, moment, moment)


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        *((value, ("DE", "PL")) for value in ("de,PL", "PL, de,", ["pl", " DE "], ("PL", "DE", "DE"))),
        *((value, ("GB", "GR")) for value in ("el, uk", ["EL", "Uk", " GB"], "GR,UK,GR")),
        *((value, None) for value in (None, "", " ", [])),
        (" xi ", ("XI",)),
    ],
)
def test_countries_are_codes_in_a_list_or_text_and_none_means_all(value: object, codes: object) -> None:
    assert country_codes(value) == codes


@given(st.sets(st.sampled_from(sorted(CODES | ALIASES.keys())), min_size=1), st.data())
def test_order_case_blanks_and_repetition_of_codes_do_not_matter(codes: set[str], data: st.DataObject) -> None:
    expected = tuple(sorted({ALIASES.get(code, code) for code in codes}))
    blank = st.sampled_from(["", " ", "\t"])
    written = [
        data.draw(blank) + data.draw(st.sampled_from([code, code.lower(), code.title()])) + data.draw(blank)
        for code in [*codes, *codes, ""]
    ]
    written = data.draw(st.permutations(written))
    assert country_codes(written) == country_codes(",".join(written)) == expected


@given(
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2).filter(lambda code: code not in {*CODES, *ALIASES})
)
def test_two_letters_that_are_nobodys_code_are_refused(code: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match=f"'{code}' is not a country code.*GR or EL is Greece"):
        country_codes(f"DE,{code}")


def test_every_country_of_the_eu_is_a_code_and_all_are_two_letters() -> None:
    assert EU.keys() < CODES
    assert all(len(code) == 2 and code.isupper() for code in CODES)
    assert len(CODES) == 251, "249 of ISO 3166-1, Northern Ireland and Kosovo"
    assert not CODES & ALIASES.keys()


@pytest.mark.parametrize("value", ["DEU", "D", "../x", ["DE", "1"], "Germany", 49, {"DE": 1}, "ZZ", ["DE", "XX"]])
def test_what_is_no_country_is_refused(value: object) -> None:
    with pytest.raises(ZDirectConfigurationError, match=r"countries[:=]"):
        country_codes(value)


def test_runs_of_days_are_written_as_people_do() -> None:
    days = [date(2026, 11, day) for day in (8, 3, 7, 9, 30)]
    assert as_runs(days) == "2026-11-03, 2026-11-07 to 2026-11-09, 2026-11-30"
    assert as_runs([date(2026, 11, 30), date(2026, 12, 1)]) == "2026-11-30 to 2026-12-01"
    assert as_runs([]) == ""

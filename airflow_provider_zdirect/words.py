# SPDX-License-Identifier: Apache-2.0
"""What messages have in common: their subject, and counts."""

from __future__ import annotations

from datetime import date, datetime

from airflow_provider_zdirect.windows import Window, moment_in_words


def counted(number: float, one: str, many: str | None = None) -> str:
    """How many, for people: ``1 record``, ``1,234 records``.

    :param one: what is counted, in the singular; a verb may follow: ``record was``.
    :param many: the plural, where it takes more than an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def merchant_in_words(merchant_id: str, name: str | None = None, *, full_id: bool = True) -> str:
    """A merchant for people: ``shop-de (1a2b3c4d)``; one without a name by its id.

    :param full_id: give all of the id, and not only its beginning.
    """
    shown = merchant_id if full_id else merchant_id[:8]
    return f"{name} ({shown})" if name else shown


def subject(
    what: str,
    merchant_id: str | None,
    when: Window | date | None = None,
    *,
    name: str | None = None,
    full_id: bool = False,
) -> str:
    """What a log line is about: ``returned_items 2026-11-28 07:00-08:00 UTC, merchant shop-de (1a2b3c4d)``.

    :param merchant_id: None means the connection's merchant.
    :param when: a window, a day, or the moment of a state.
    :param name: of the merchant, if it has one.
    :param full_id: give all of the merchant's id, as the first line of a task does, and not only its beginning.
    """
    if isinstance(when, Window):
        what = f"{what} {when.in_words()}"
    elif isinstance(when, datetime):
        what = f"{what} as of {moment_in_words(when)}"
    elif when is not None:
        what = f"{what} {when}"
    if not merchant_id:
        return f"{what}, the connection's merchant"
    return f"{what}, merchant {merchant_in_words(merchant_id, name, full_id=full_id)}"

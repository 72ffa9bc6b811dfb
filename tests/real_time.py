"""The machine's time, for tests of a real Airflow, which has no other; all other tests have a fixed present.

The emulated world is random: one hour in fourteen and one day in ten have no records. A test that needs records takes
a window in which the emulator has some, at whatever time it runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_zdirect.emulator.server import EmulatorServer


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - here tests read it


def this_hour() -> datetime:
    """Its start."""
    return now().replace(minute=0, second=0, microsecond=0)


def today() -> datetime:
    """Its midnight, in UTC."""
    return this_hour().replace(hour=0)


def has_records(emulator: EmulatorServer, datasets: tuple[str, ...], start: datetime, length: timedelta) -> bool:
    """Whether every merchant has records of all these datasets in the window."""
    return all(
        emulator.truth(dataset, merchant_id, start, start + length)
        for dataset in datasets
        for merchant_id in emulator.merchant_ids
    )


def latest_with_records(emulator: EmulatorServer, *datasets: str, before: datetime, length: timedelta) -> datetime:
    """The start of the latest window that ends at ``before``, or whole lengths earlier, and has records."""
    start = before - length
    while not has_records(emulator, datasets, start, length):
        start -= length
    return start

"""A long fetch shows life: by the clock that it is given, while pages and the pieces of a large one come."""

from __future__ import annotations

import asyncio

import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client.transport import Timeouts, Transport
from airflow_provider_zdirect.pipeline.progress import ProgressLog

WHAT = "returned_items 2026-11-22 07:00-08:00 UTC, merchant 1a2b3c4d"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.removeprefix(f"{WHAT}: ") for line in caplog.messages]


def test_pages_and_pieces_are_logged_now_and_then_with_counts_and_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="airflow_provider_zdirect.pipeline.progress")
    clock, came = FakeClock(), [0]
    progress = ProgressLog(WHAT, lambda: f"{came[-1]} pages, {came[-1] * 1000:,} records", clock)
    for _ in range(9):
        clock.advance(10)
        progress.received(0)
    for _ in range(4):
        clock.advance(10)
        came.append(came[-1] + 1)
        progress.page()
    for _ in range(12):
        clock.advance(5)
        progress.received(2_500_000)
    assert lines(caplog) == [
        *(f"0 pages, 0 records in 0:0{time}; waiting for an answer." for time in ("0:30", "1:00", "1:30")),
        "3 pages, 3,000 records in 0:02:00.",
        "4 pages, 4,000 records in 0:02:30; 10.0 MB since the last page.",
        "4 pages, 4,000 records in 0:03:00; 25.0 MB since the last page.",
    ]


def test_a_quick_fetch_says_nothing_between_its_first_line_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="airflow_provider_zdirect.pipeline.progress")
    clock = FakeClock()
    progress = ProgressLog(WHAT, lambda: "", clock)
    progress.started("first")
    for _ in range(29):
        clock.advance(1)
        progress.received(1)
        progress.page()
    assert lines(caplog) == ["first"]


def test_what_is_logged_is_noted_too_and_at_the_end_how_far_it_came(caplog: pytest.LogCaptureFixture) -> None:
    clock, came, notes = FakeClock(), [0], list[str]()
    progress = ProgressLog(WHAT, lambda: f"{came[-1]} pages", clock, notes.append)
    for _ in range(4):
        clock.advance(10)
        came.append(came[-1] + 1)
        progress.page()
    progress.ended()
    assert notes == ["3 pages in 0:00:30", "4 pages"]


def test_a_quick_fetch_notes_nothing() -> None:
    notes = list[str]()
    progress = ProgressLog(WHAT, lambda: "", FakeClock(), notes.append)
    progress.page()
    progress.ended()
    assert notes == []


def test_a_note_that_fails_is_reported_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock, tries = FakeClock(), list[str]()

    def note(line: str) -> None:
        tries.append(line)
        raise OSError("the API server is away")

    progress = ProgressLog(WHAT, lambda: "1 page", clock, note)
    for _ in range(3):
        clock.advance(40)
        progress.page()
    progress.ended()
    assert len(tries) == 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{WHAT}: the progress cannot be noted any more: OSError('the API server is away')"
    ]


def test_a_transport_gives_signs_of_life_while_an_answer_is_waited_for_and_while_it_comes() -> None:
    """The server answers only when the other side has said that it waits."""
    pieces: list[int] = []

    async def exchange() -> bytes:
        waited = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await waited.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            writer.close()

        def heard(size: int) -> None:
            pieces.append(size)
            waited.set()

        transport = Transport(Timeouts(still_waiting=0.001))
        transport.on_piece = heard
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            answered = await transport.send("GET", f"http://127.0.0.1:{port}/")
        await transport.aclose()
        return bytes(answered.body)

    assert asyncio.run(exchange()) == b"hello"
    assert pieces[0] == 0
    assert sum(pieces) == 5

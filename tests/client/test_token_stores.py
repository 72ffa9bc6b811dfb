from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from clocks import NOON

from airflow_provider_zdirect.client import ClientConfig, FileTokenStore, MemoryTokenStore, Token
from airflow_provider_zdirect.client.token_stores import TokenCipher, token_key
from airflow_provider_zdirect.exceptions import TransportError

pytestmark = pytest.mark.anyio

TOKEN = Token("eyJ.hidden.token", NOON, NOON + timedelta(seconds=7200))


def file_store(directory: Path, secret: str = "secret", lock_timeout: float = 5) -> FileTokenStore:
    return FileTokenStore(directory, ClientConfig("app", secret, base_url="https://x"), lock_timeout=lock_timeout)


@pytest.mark.parametrize(
    ("client_id", "secret", "opened"), [("app", "secret", TOKEN), ("app", "rotated", None), ("other", "secret", None)]
)
def test_a_sealed_token_opens_for_the_same_app_and_secret_only(
    client_id: str, secret: str, opened: Token | None
) -> None:
    sealed = TokenCipher("app", "secret").seal(TOKEN)
    assert sealed.isascii()
    assert "hidden" not in sealed
    assert TokenCipher(client_id, secret).open(sealed) == opened


@pytest.mark.parametrize("text", [None, "", "garbage", "gAAAAA==", "ü", "a" * 10_000])
def test_garbage_opens_to_nothing(text: str | None) -> None:
    assert TokenCipher("app", "secret").open(text) is None


def test_every_app_and_address_has_a_name_of_its_own_for_its_token() -> None:
    names = {token_key(url, app) for url in ("https://one", "https://two") for app in ("app", "other")}
    assert len(names) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)


def test_nothing_shows_a_token_or_a_secret() -> None:
    shown = repr(TOKEN) + str(TOKEN) + repr(TokenCipher("app", "hidden")) + repr(file_store(Path("x"), "hidden"))
    assert "hidden" not in shown


async def test_a_file_store_gives_back_what_was_saved_and_its_files_are_for_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    assert await file_store(directory).load() is None
    async with file_store(directory).lock():
        await file_store(directory).save(TOKEN)
    assert await file_store(directory).load() == TOKEN
    assert await file_store(directory, "rotated").load() is None
    assert directory.stat().st_mode & 0o777 == 0o700
    files = list(directory.iterdir())
    assert sorted(path.suffix for path in files) == [".lock", ".token"]
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"hidden" not in path.read_bytes()


async def test_a_damaged_file_counts_as_absent(tmp_path: Path) -> None:
    await file_store(tmp_path).save(TOKEN)
    for path in tmp_path.glob("*.token"):
        path.write_bytes(path.read_bytes()[:50] + b"\xff")
    assert await file_store(tmp_path).load() is None


async def test_a_store_that_cannot_be_written_only_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    await file_store(tmp_path / "file").save(TOKEN)
    assert "could not be shared" in caplog.text
    assert "hidden" not in caplog.text


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_the_lock_lets_one_in_at_a_time(kind: str, tmp_path: Path) -> None:
    memory = MemoryTokenStore()
    inside: list[int] = []
    most = 0

    async def enter(number: int) -> None:
        nonlocal most
        async with (memory if kind == "memory" else file_store(tmp_path)).lock():
            inside.append(number)
            most = max(most, len(inside))
            await asyncio.sleep(0.001)
            inside.remove(number)

    await asyncio.gather(*(enter(number) for number in range(5)))
    assert most == 1


async def test_a_lock_that_stays_taken_is_a_retriable_error(tmp_path: Path) -> None:
    async with file_store(tmp_path).lock():
        with pytest.raises(TransportError, match="Another process"):
            async with file_store(tmp_path, lock_timeout=0.05).lock():
                pass


async def test_an_error_inside_or_a_cancelled_waiter_leaves_the_lock_usable(tmp_path: Path) -> None:
    async def wait() -> None:
        async with file_store(tmp_path).lock():
            raise AssertionError("never")

    async def hold_and_fail() -> None:
        async with file_store(tmp_path).lock():
            waiter = asyncio.create_task(wait())
            await asyncio.sleep(0.02)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await hold_and_fail()
    async with file_store(tmp_path, lock_timeout=0).lock():
        pass


def test_a_memory_store_outlives_its_event_loop() -> None:
    store = MemoryTokenStore()

    async def twice() -> None:
        async def enter() -> None:
            async with store.lock():
                await asyncio.sleep(0)

        await asyncio.gather(enter(), enter())

    asyncio.run(twice())
    asyncio.run(twice())


async def test_where_the_lock_file_cannot_be_written_a_token_is_requested_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("not a directory")
    async with file_store(in_the_way).lock():
        pass
    assert "Other processes of this host may request a zDirect token too" in caplog.text

from __future__ import annotations

import asyncio

import pytest
from time_limit import time_limit


class TooLate(BaseException):
    pass


def test_a_callback_that_is_struck_is_struck_again():
    async def ask_again() -> None:
        asyncio.get_running_loop().call_soon(spin)
        while True:
            await asyncio.sleep(0)

    def spin() -> None:
        while True:
            pass

    with pytest.raises(TooLate), time_limit(0.1, TooLate()):
        asyncio.run(ask_again())

"""What tests see and do of stock by sales channel and of shipping documents, behind the back of the API."""

from __future__ import annotations

from typing import Any

from airflow_provider_zdirect.emulator.shipping_documents import documents_of
from airflow_provider_zdirect.emulator.state import EmulatorState


class StockControls:
    """Part of the server."""

    state: EmulatorState

    def stock_levels(self, merchant_id: str) -> dict[tuple[str, str], int]:
        """The accepted quantity by sales channel id and EAN, of what was ever updated."""
        return self.state.stocks.levels(self.state.known_merchant(merchant_id))

    def stock_updates(self, merchant_id: str) -> list[dict[str, Any]]:
        """Every item of every request that was answered with 207, in order.

        :returns: ``time`` (aware), ``sales_channel_id``, ``ean``, ``quantity`` (as it came), ``status`` and ``code``.
        """
        return self.state.stocks.updates(self.state.known_merchant(merchant_id))

    def onboard(self, ean: str) -> None:
        """The article becomes known, and the last update that was held for it in each sales channel takes effect."""
        self.state.stocks.onboard(ean)

    def shipping_documents(self, order_id: str) -> list[dict[str, Any]]:
        """The documents of an order as the API lists them; none for an order without.

        :raises ValueError: if there is no such order.
        """
        with self.state.orders.lock:
            return documents_of(self.state, self.state.orders.known(order_id))

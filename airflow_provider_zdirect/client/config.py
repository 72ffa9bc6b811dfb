# SPDX-License-Identifier: Apache-2.0
"""What a client needs to know, checked before anything is sent."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.client.hosts import PRODUCTION_URL, SANDBOX_URL, ZALANDO_HOSTS, base_url
from airflow_provider_zdirect.client.merchants import MerchantNames
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

USER_AGENT = f"airflow-provider-zdirect/{__version__}"

MASKED = "***"
"""What Airflow shows in place of a secret."""

DAY = 86_400.0
_NUMBERS = {
    "connect_timeout": (0.001, DAY),
    "read_timeout": (0.001, DAY),
    "total_timeout": (0.001, DAY),
    "rate_share": (0.001, 1),
    "max_inline_wait": (0, DAY),
    "max_answer_size": (0.001, 1_000_000),
}
"""What each setting may be."""


@dataclass(frozen=True)
class ClientConfig:
    """Address, app and patience of a client.

    :param client_id: of the app in the zDirect portal (login of the Airflow connection).
    :param client_secret: of the same app (password); never shown.
    :param environment: ``production`` or ``sandbox``, in any case; both have their own address and tokens (zDirect
        docs, API overview).
    :param base_url: another address with its scheme, for example the emulator's; None is the environment's own.
    :param connect_timeout: seconds for a connection.
    :param read_timeout: seconds for the next byte.
    :param total_timeout: seconds for one whole answer.
    :param rate_share: part of each documented rate limit that this host may use, in (0, 1]; None: the hosts of an
        Airflow deployment share the limits, and a plain client uses all of them.
    :param max_inline_wait: longest wait inside a request, in seconds; longer ones are raised as a retriable error.
    :param max_answer_size: largest answer that is accepted, in MB (1,000,000 bytes) after decompression.
    :param assumptions: what is assumed of the API where it is not confirmed.
    :param merchants: what merchants are called in messages.
    :param conn_id: the Airflow connection that all this comes from, for error messages.
    :ivar address: the base URL, without a slash at the end.
    :raises ZDirectConfigurationError: if a value cannot be used; names it.
    """

    client_id: str
    client_secret: str = field(repr=False)
    environment: str = "production"
    base_url: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 300.0
    total_timeout: float = 900.0
    rate_share: float | None = None
    max_inline_wait: float = 30.0
    max_answer_size: float = 512.0
    assumptions: Assumptions = field(default_factory=Assumptions)
    merchants: MerchantNames = field(default_factory=MerchantNames, compare=False)
    conn_id: str | None = None
    address: str = field(init=False)

    def __post_init__(self) -> None:
        environment = self.environment.strip().lower() if isinstance(self.environment, str) else None
        if environment not in ZALANDO_HOSTS.values():
            raise ZDirectConfigurationError(
                f"environment={self.environment!r} is not an environment of zDirect.",
                remedy="Use production or sandbox.",
            )
        object.__setattr__(self, "environment", environment)
        self._check_credentials()
        for name, (lowest, highest) in _NUMBERS.items():
            value = getattr(self, name)
            if value is None and name == "rate_share":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not lowest <= value <= highest:
                raise ZDirectConfigurationError(
                    f"{name}={value!r} is not a number from {lowest:g} to {highest:g}.",
                    remedy=f"Leave {name} out, or give such a number.",
                )
        own = SANDBOX_URL if environment == "sandbox" else PRODUCTION_URL
        object.__setattr__(self, "address", base_url(self.base_url or own))
        belongs_to = ZALANDO_HOSTS.get(self.address.removeprefix("https://"), environment)
        if belongs_to != environment:
            raise ZDirectConfigurationError(
                f"host is the {belongs_to} address, but environment={environment!r}.",
                remedy=f"Set environment to {belongs_to}, or leave host empty.",
            )

    @property
    def is_zalando(self) -> bool:
        """Whether the address is zDirect's own, and so certainly right."""
        return self.address in (PRODUCTION_URL, SANDBOX_URL)

    @property
    def source(self) -> str:
        """The connection, as part of an error message; empty without one."""
        return f" (connection {self.conn_id!r})" if self.conn_id else ""

    def _check_credentials(self) -> None:
        for name, value, where in (
            ("client_id", self.client_id, "login"),
            ("client_secret", self.client_secret, "password"),
        ):
            if fault := fault_in(value):
                raise ZDirectConfigurationError(
                    f"{name} (the connection's {where}) {fault}.",
                    remedy=f"Copy it again from the app in the zDirect portal into the connection's {where}, without "
                    "anything before or after it.",
                )
        if ":" in self.client_id:
            raise ZDirectConfigurationError(
                "client_id holds a colon, which HTTP Basic authentication cannot carry.",
                remedy="Put only the client id into the connection's login, and the secret into its password.",
            )


def fault_in(secret: str | None) -> str | None:
    """What is wrong with a secret that somebody has copied: a phrase that does not show it; None if nothing is.

    What is copied from a web page or a file often ends with a blank or a line break, which is easy to miss.
    """
    if not secret or not secret.strip():
        return "is empty"
    if secret == MASKED:
        return f"is {MASKED}, not the secret itself"
    for position, where in ((0, "starts with"), (-1, "ends with")):
        if secret[position].isspace() or not secret[position].isprintable():
            return f"{where} {_named(secret[position])}"
    hidden = next((character for character in secret if not character.isprintable()), None)
    return f"holds {_named(hidden)}, which cannot be sent" if hidden else None


def _named(character: str) -> str:
    usual = {" ": "a space", "\t": "a tab", "\n": "a line break", "\r": "a line break"}
    name = unicodedata.name(character, "control character").lower()
    return usual.get(character, f"an invisible character (U+{ord(character):04X}, {name})")

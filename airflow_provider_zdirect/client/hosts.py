# SPDX-License-Identifier: Apache-2.0
"""Which addresses the client may talk to: HTTPS anywhere, plain HTTP on this machine only."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

PRODUCTION_URL = "https://api.merchants.zalando.com"
SANDBOX_URL = "https://api-sandbox.merchants.zalando.com"

ZALANDO_HOSTS = {"api.merchants.zalando.com": "production", "api-sandbox.merchants.zalando.com": "sandbox"}
"""zDirect's own hosts and their environments."""


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine: ``localhost``, ``127.0.0.0/8`` or ``::1``."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def base_url(text: str) -> str:
    """``text`` as a base URL that a secret may be sent to: with a scheme, without a slash at the end.

    zDirect is HTTPS only (zDirect docs, API overview); plain HTTP would show the client secret to the network.

    :param text: for example ``http://localhost:8088/``. zDirect's own host names do not need the scheme.
    :raises ZDirectConfigurationError: if it is neither a plain HTTPS address nor an HTTP one on this machine; if there
        is no scheme, a query, a fragment, or a path or port at zDirect's own addresses.
    """
    url = text.strip()
    # Whitespace, backslashes and user parts are read differently by different URL parsers, and so could send
    # a token to another host than the one that was checked here.
    if any(character in "\\@ " or not character.isprintable() for character in url):
        raise _wrong(
            "host is not a plain address; it holds a blank, an invisible character, a backslash or a user name."
        )
    if re.match(r"https?[:/]", url, re.IGNORECASE) and not re.match(r"https?://[^/]", url, re.IGNORECASE):
        raise ZDirectConfigurationError(
            f"host={text!r} is not an address: its scheme must be followed by :// and a host name.",
            remedy="Give it as https://name, or as http://localhost:8088 on this machine.",
        )
    has_scheme = "://" in url
    try:
        parts = urlsplit(url if has_scheme else f"https://{url}")
        host, port = parts.hostname or "", parts.port
        # Empty and overlong labels, which no name server can be asked for.
        host.encode("idna")
        # Python takes [::1].example.com for ::1.
        if "[" in parts.netloc and not re.fullmatch(r"\[[0-9a-f:.]+\](:[0-9]*)?", parts.netloc, re.IGNORECASE):
            raise ValueError
    except ValueError:
        raise _wrong(f"host={text!r} is not an address.") from None
    if parts.scheme not in ("https", "http") or not host or port == 0:
        raise _wrong(f"host={text!r} is not an address.")
    if parts.scheme == "http" and not is_loopback(host):
        raise _wrong(f"host={text!r} is plain HTTP, which would send the client secret unencrypted.")
    if not has_scheme and host not in ZALANDO_HOSTS:
        raise ZDirectConfigurationError(
            f"host={text!r} has no scheme.",
            remedy=f"Give it as {'http' if is_loopback(host) else 'https'}://{url}.",
        )
    if parts.query or parts.fragment:
        raise _wrong(f"host={text!r} has a query or a fragment.")
    path = parts.path.rstrip("/")
    if host not in ZALANDO_HOSTS:
        return f"{parts.scheme}://{parts.netloc.lower()}{path}"
    if path or port not in (None, 443):
        raise _wrong(f"host={text!r}: zDirect's own address has neither a path nor a port.")
    return f"https://{host}"


def _wrong(what: str) -> ZDirectConfigurationError:
    return ZDirectConfigurationError(
        what,
        remedy="Give host as https://api.merchants.zalando.com, or leave it empty; plain http is for localhost only.",
    )


def is_local(address: str) -> bool:
    """Whether ``address`` is this machine, which no proxy stands before."""
    return is_loopback(urlsplit(address).hostname or "")


def is_below(url: str, address: str) -> bool:
    """Whether ``url`` is of the API at ``address``, and so may be sent the token."""
    return url == address or url.startswith((f"{address}/", f"{address}?"))


def path_below(endpoint: str | None, address: str) -> str:
    """The endpoint as a path below ``address``, with a slash in front.

    :param endpoint: such a path, with or without the slash, or a whole URL, as ``links.next`` of an answer is one.
    :raises ZDirectConfigurationError: if it is a URL of another server.
    """
    endpoint = (endpoint or "").strip()
    if "://" not in endpoint.partition("?")[0]:
        return endpoint if endpoint.startswith(("/", "?")) else f"/{endpoint}"
    if not is_below(endpoint, address):
        raise ZDirectConfigurationError(
            f"endpoint={endpoint.partition('?')[0][:200]!r} is not below {address}, where the connection points to; "
            "the access token is not sent there.",
            remedy="Give the endpoint as a path, such as /auth/me.",
        )
    return endpoint[len(address) :]

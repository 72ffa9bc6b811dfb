"""Which addresses the client may talk to: HTTPS anywhere, plain HTTP on this machine only."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine: ``localhost``, ``127.0.0.0/8`` or ``::1``."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_address(url: str) -> SplitResult:
    """The parts of ``url``, if a secret may be sent there.

    zDirect is HTTPS only (zDirect docs, API overview); plain HTTP would show the client secret to the network.

    :raises ZDirectConfigurationError: if ``url`` is no plain HTTPS address, and not an HTTP one on this machine.
    """
    # Whitespace, backslashes and user parts are read differently by different URL parsers, and so could send
    # a token to another host than the one that was checked here.
    if any(character in url for character in "\\@") or any(ord(character) <= 32 for character in url):
        raise _wrong("host is not a plain address; it holds a blank, a backslash or a user name.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _wrong(f"host={url!r} is not an address.") from None
    if parts.scheme not in ("https", "http") or not host:
        raise _wrong(f"host={url!r} is not an address.")
    if parts.scheme == "http" and not is_loopback(host):
        raise _wrong(f"host={url!r} is plain HTTP, which would send the client secret unencrypted.")
    return parts


def base_url(text: str) -> str:
    """``text`` as a base URL: with a scheme, without a slash at the end.

    :param text: for example ``api.merchants.zalando.com`` or ``http://localhost:8088/``.
    :raises ZDirectConfigurationError: as :func:`split_address`, and if there is a query or a fragment.
    """
    url = text.strip()
    if "://" not in url:
        url = f"https://{url}"
    parts = split_address(url)
    if parts.query or parts.fragment:
        raise _wrong(f"host={text!r} has a query or a fragment.")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _wrong(what: str) -> ZDirectConfigurationError:
    return ZDirectConfigurationError(
        what,
        remedy="Give host as https://api.merchants.zalando.com, or leave it empty; plain http is for localhost only.",
    )

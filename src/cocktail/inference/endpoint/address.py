"""Where the endpoint is and the key to it: from the environment alone, never written or shown."""

from __future__ import annotations

import base64
import ipaddress
import os
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from cocktail.errors import EndpointError
from cocktail.inference.endpoint import EXAMPLE, URL
from cocktail.inference.endpoint.deadline import watched

KEY, INSECURE = "COCKTAIL_ENDPOINT_KEY", "COCKTAIL_ENDPOINT_INSECURE"


@dataclass(frozen=True)
class Address:
    """A base URL and the key to it, "" where the server asks for none."""

    url: str = field(repr=False)
    key: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def without_key(self, text: str, *, shortest: int = 8) -> str:
        """Return a server's text without the key: some repeat what they were sent, or a part of it.

        Args:
            shortest: characters in a row that are as in the key, or as in its base64, that count as a part.
        """
        if not self.key:
            return text
        size = min(shortest, len(self.key))
        parts = {form[at : at + size] for form in self._forms for at in range(len(form) - size + 1)}
        shown, end = list[str](), 0  # the text is hidden up to there
        for at, char in enumerate(text):
            if text[at : at + size] in parts:
                if at >= end:
                    shown.append("[key]")
                end = at + size
            if at >= end:
                shown.append(char)
        return "".join(shown)

    @cached_property
    def _forms(self) -> tuple[str, ...]:
        """The key as it may come back: as it is, in a URL, in hex, in base64 at each of three places."""
        sent = [f"{before}{self.key}".encode() for before in ("", "x", "xx", "Bearer ")]
        packed = [base64.b64encode(one).decode() for one in sent]
        return self.key, quote(self.key, safe=""), self.key.encode().hex(), *packed

    def pool(self, *, connections: int) -> urllib3.PoolManager:
        """Return connections to the address, through the environment's proxy where one is named."""
        parts = urlsplit(self.url)
        proxy = getproxies().get(parts.scheme)
        if proxy and not proxy_bypass(parts.netloc):
            return watched(urllib3.ProxyManager(proxy, maxsize=connections, block=True))
        return watched(urllib3.PoolManager(maxsize=connections, block=True))


def read_address() -> Address:
    """Read the address from the environment.

    Raises:
        EndpointError: there is none, it is no plain http or https URL, it is http to another machine, or the
            key cannot be sent.
    """
    url, key = os.environ.get(URL, "").strip().rstrip("/"), os.environ.get(KEY, "").strip()
    if not url:
        raise EndpointError(
            "no endpoint is named, and not everything is in the store", where=URL, fix=EXAMPLE
        )
    try:
        parts = urlsplit(url)
        plain = (
            parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        )
    except ValueError:  # a port that is no number, brackets that do not close
        plain = False
    if not plain:
        raise EndpointError("the endpoint is no http or https URL", where=URL, fix=EXAMPLE)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise EndpointError(
            "the endpoint's URL holds more than host and path", where=URL, fix=f"the key in {KEY}"
        )
    if parts.scheme == "http" and not _is_here(str(parts.hostname)) and os.environ.get(INSECURE) != "1":
        raise EndpointError(
            "anybody on the way can read what is sent over http, the key too",
            where=URL,
            fix=f"https; or, in a network that you trust, {INSECURE}=1",
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise EndpointError("the key holds characters that no header can carry", where=KEY)
    return Address(url, key)


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its very name; what a name server says of others may change."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

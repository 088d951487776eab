"""Where the endpoint is and the key to it: from the environment alone, never written or shown."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from cocktail.errors import EndpointError

URL, KEY = "COCKTAIL_ENDPOINT", "COCKTAIL_ENDPOINT_KEY"
EXAMPLE = f"{URL} such as http://localhost:8000/v1; /chat/completions follows by itself"


@dataclass(frozen=True)
class Address:
    """A base URL and the key to it, "" where the server asks for none."""

    url: str = field(repr=False)
    key: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def without_key(self, text: str) -> str:
        """Return a server's text without the key: some repeat what they were sent."""
        return text.replace(self.key, "[key]") if self.key else text

    def pool(self, *, connections: int) -> urllib3.PoolManager:
        """Return connections to the address, through the environment's proxy where one is named."""
        parts = urlsplit(self.url)
        proxy = getproxies().get(parts.scheme)
        if proxy and not proxy_bypass(parts.netloc):
            return urllib3.ProxyManager(proxy, maxsize=connections, block=True)
        return urllib3.PoolManager(maxsize=connections, block=True)


def read_address() -> Address:
    """Read the address from the environment.

    Raises:
        EndpointError: there is none, it is no plain http or https URL, or the key cannot be sent.
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
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise EndpointError("the key holds characters that no header can carry", where=KEY)
    return Address(url, key)

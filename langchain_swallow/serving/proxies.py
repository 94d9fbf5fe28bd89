"""Restores a request's original address, scheme and host from a trusted proxy's headers."""

import contextlib
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope


class Proxies:
    """Proxies whose `X-Forwarded-*` headers are trusted.

    Args:
        addresses: IP addresses or networks; `*` trusts all. Default: none.

    Raises:
        ValueError: An entry is neither.
    """

    def __init__(self, addresses: Sequence[str] = ()) -> None:
        self._all = "*" in addresses
        self._networks = [ip_network(a, strict=False) for a in addresses if a != "*"]

    def sent(self, scope: Scope) -> bool:
        """Whether a request's connection is from one of the proxies."""
        client = scope.get("client")
        return client is not None and self._is_trusted(client[0])

    def unwrapped(self, scope: Scope) -> Scope:
        """Return the scope with the browser's address, scheme and host name.

        If the request is not from a trusted proxy, the scope is unchanged.
        """
        if not self.sent(scope):
            return scope
        headers = Headers(scope=scope)
        changed = dict(scope)
        if scheme := _last(headers, "x-forwarded-proto"):
            changed["scheme"] = "https" if scheme in ("https", "wss") else "http"
        if host := _last(headers, "x-forwarded-host"):
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            changed["headers"] = [(b"host", host.encode("latin-1")), *others]
        hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",")]
        for hop in reversed(hops):
            # Hops before one that is not an address, such as "unknown", cannot be trusted.
            if not (address := _address(hop)):
                break
            changed["client"] = (address, 0)
            if not self._is_trusted(address):
                break
        return changed

    def _is_trusted(self, address: str) -> bool:
        try:
            known = ip_address(address)
        except ValueError:
            return False
        return self._all or any(
            known.version == network.version and known in network for network in self._networks
        )


def _address(hop: str) -> str:
    """Return the IP address of a hop without port and brackets; empty if it has none."""
    inside, bracket, _ = hop.removeprefix("[").partition("]")
    host, _, port = hop.rpartition(":")
    for address in (hop, inside if hop.startswith("[") and bracket else "", host if port else ""):
        with contextlib.suppress(ValueError):
            return str(ip_address(address))
    return ""


def _last(headers: Headers, name: str) -> str:
    """Return the last value, which the proxy nearest to this server has added."""
    return headers.get(name, "").split(",")[-1].strip()

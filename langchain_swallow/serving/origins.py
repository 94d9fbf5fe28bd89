"""Detects which site a request comes from, and which hosts are this machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

DEFAULT_PORTS = {"http": "80", "https": "443"}


def is_from_another_site(scope: Scope, headers: Headers) -> bool:
    """Whether a request comes from a page of another site, or of another port of this host.

    Browsers report it: in `Origin`, always for requests that change something, and in
    `Sec-Fetch-Site` if the connection is encrypted or local. Other programs send neither header and
    are not refused.
    """
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origins = headers.getlist("origin")
    return any(_address(origin) != _host(origin, headers) for origin in origins)


def is_loopback(host: str) -> bool:
    """Whether a host can be reached only from this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def host_name(headers: Headers) -> str:
    """Return the host name of the Host header in lower case, without its port."""
    name = _host_parts(headers)[0].lower()
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def host_port(headers: Headers) -> int | None:
    """Return the port of the Host header; `None` if it has none."""
    port = _host_parts(headers)[2]
    return int(port) if port else None


def _host_parts(headers: Headers) -> tuple[str, str, str]:
    """The name, a colon, and the port; what is not a port is part of the name."""
    host = headers.get("host", "")
    name, colon, port = host.rpartition(":")
    is_port = colon and (not port or (port.isascii() and port.isdigit()))
    return (name, colon, port) if is_port else (host, "", "")


def _address(origin: str) -> str | None:
    """Return an origin's host and port; `None` for `null` and for text that is not an origin."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or parts.path or parts.query or "@" in parts.netloc:
        return None
    return _without_port(parts.netloc, parts.scheme) or None


def _host(origin: str, headers: Headers) -> str:
    # A proxy may terminate TLS, so only the origin shows the scheme.
    return _without_port(headers.get("host", ""), origin.split(":", 1)[0])


def _without_port(address: str, scheme: str) -> str:
    """Return the address without the default port of its scheme."""
    return address.lower().removesuffix(f":{DEFAULT_PORTS.get(scheme, '')}")

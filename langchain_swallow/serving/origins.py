"""Which site a request comes from."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

DEFAULT_PORTS = {"http": "80", "https": "443"}


def is_from_another_site(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another site, or of another port of this host, sends something.

    Browsers say where a request comes from: in `Origin`, always where it changes something, and in
    `Sec-Fetch-Site` where the connection is encrypted or local. Programs say nothing and may pass.
    """
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origins = headers.getlist("origin")
    return any(_address(origin) != _host(origin, headers) for origin in origins)


def host_name(headers: Headers) -> str:
    """The name in the Host header in lower case, without its port."""
    name = _host_parts(headers)[0].lower()
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def host_port(headers: Headers) -> int | None:
    """The port in the Host header, where it has one."""
    port = _host_parts(headers)[2]
    return int(port) if port.isascii() and port.isdigit() else None


def _host_parts(headers: Headers) -> tuple[str, str, str]:
    host = headers.get("host", "")
    has_port = ":" in host.rsplit("]", 1)[-1]
    return host.rpartition(":") if has_port else (host, "", "")


def _address(origin: str) -> str | None:
    """An origin's host and port; `None` for `null` and what is no origin."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or parts.path or parts.query or "@" in parts.netloc:
        return None
    return _without_port(parts.netloc, parts.scheme) or None


def _host(origin: str, headers: Headers) -> str:
    # A proxy may end the encryption: of the scheme only the origin is sure.
    return _without_port(headers.get("host", ""), origin.split(":", 1)[0])


def _without_port(address: str, scheme: str) -> str:
    """The address without the port that its scheme has anyway."""
    return address.lower().removesuffix(f":{DEFAULT_PORTS.get(scheme, '')}")

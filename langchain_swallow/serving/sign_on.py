"""People whom a reverse proxy has signed on, and names in headers of its requests."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import Scope

from langchain_swallow.serving.identity import Person
from langchain_swallow.serving.proxies import Proxies

USER_HEADER, GROUPS_HEADER = "X-Forwarded-User", "X-Forwarded-Groups"


class SignOn:
    """Reads who a person is from the headers of a trusted proxy.

    Args:
        proxies: IP addresses or networks of the proxies. The headers of other clients are ignored.
        user_header: Header with the person's name.
        groups_header: Header with their groups, separated by commas.

    The proxy must remove these headers from the requests that it receives.

    Raises:
        ValueError: A proxy is not an address or a network, or is `*`: anyone could claim any name.
    """

    def __init__(
        self,
        proxies: Sequence[str],
        *,
        user_header: str = USER_HEADER,
        groups_header: str = GROUPS_HEADER,
    ) -> None:
        if "*" in proxies:
            raise ValueError(
                "--trusted-proxy must be IP addresses or networks, not '*': whoever reaches the "
                "server could claim any name."
            )
        self._proxies = Proxies(proxies)
        self._user_header, self._groups_header = user_header, groups_header

    def person(self, scope: Scope) -> Person | None:
        """Return who sends a request, as its connection's other end says; `None` if unknown.

        Args:
            scope: The request as it was received, with the address of the proxy.
        """
        if not self._proxies.sent(scope):
            return None
        headers = Headers(scope=scope)
        names = headers.getlist(self._user_header)
        groups = headers.getlist(self._groups_header)
        # A second header may be from the proxy's own client.
        if len(names) != 1 or len(groups) > 1:
            return None
        name = decode_header(names[0]).strip()
        if not name or not name.isprintable():
            return None
        listed = (group.strip() for group in decode_header(",".join(groups)).split(","))
        return Person(name, frozenset(group for group in listed if group))


def decode_header(header: str) -> str:
    """Decode a header as UTF-8; Starlette decodes its bytes as Latin-1."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")

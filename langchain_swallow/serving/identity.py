"""Who sends a request. The guard decides it once; every door reads it with `requester`."""

from dataclasses import dataclass, field, replace

from starlette.types import Scope

_STATE_KEY = "person"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who uses the server.

    Args:
        name: Unique name; empty where the server does not distinguish people.
        groups: Groups whose documents they may see, in addition to those for everyone; `None` may
            see every document. Default: no groups.
        request_id: Id of the request, which is in the audit log and in the response.
    """

    name: str = ""
    groups: frozenset[str] | None = frozenset()
    request_id: str = field(default="", compare=False)


# A request that the guard has not seen: no document of a group is shown to it.
NOBODY = Person()
# Whoever has the server's own token, or uses a server that asks for none.
OPERATOR = Person(groups=None)


def requester(scope: Scope) -> Person:
    """Return who sends a request, from its ASGI scope (`request.scope`)."""
    person = scope.get("state", {}).get(_STATE_KEY, NOBODY)
    assert isinstance(person, Person)
    return person


def with_requester(scope: Scope, person: Person, request_id: str) -> Scope:
    """Return the scope of a request that this person sends."""
    person = replace(person, request_id=request_id)
    return {**scope, "state": {**scope.get("state", {}), _STATE_KEY: person}}

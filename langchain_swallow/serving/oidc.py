"""People whom an OpenID Connect provider has signed on, by its tokens (`Authorization: Bearer`)."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from langchain_swallow.errors import AccessError, MissingDependencyError
from langchain_swallow.serving.identity import Person
from langchain_swallow.serving.origins import is_loopback

logger = logging.getLogger(__name__)

NAME_CLAIM, GROUPS_CLAIM = "preferred_username", "groups"

# Public keys only: with a shared secret, whoever can check a token can also make one.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_TIMEOUT_S = 10
_LEEWAY_S = 30
# Keys that the provider has withdrawn are valid for at most so long.
_KEYS_LIFETIME_S = 3600
# A token with an unknown key asks the provider again, which strangers must not be able to do at
# will.
_MIN_REFRESH_S = 30


class Oidc:
    """Reads who a person is from the signed token (JWT) of an OpenID Connect provider.

    The provider's discovery document says where its keys are; PyJWT checks the signature, issuer,
    audience and times.

    Args:
        issuer: The provider's issuer, such as `https://login.example/realms/company`: HTTPS, or
            HTTP on this machine.
        audience: The id of this server at the provider; tokens for other servers are refused.
        name_claim: Claim with the person's name. Default: `preferred_username`.
        groups_claim: Claim with the list of their groups; dots lead into a nested claim, such as
            `realm_access.roles`. Default: `groups`.

    Raises:
        MissingDependencyError: The extra `oidc` is not installed.
        AccessError: The provider cannot be reached, or has another issuer.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        name_claim: str = NAME_CLAIM,
        groups_claim: str = GROUPS_CLAIM,
    ) -> None:
        try:
            import jwt
        except ImportError as error:
            raise MissingDependencyError(
                "--oidc-issuer needs PyJWT, which is not installed. "
                "Install it using `pip install langchain-swallow[oidc]`."
            ) from error
        self._jwt = jwt
        self._issuer, self._audience = issuer, audience
        self._name_claim, self._groups_claim = name_claim, groups_claim
        self._keys_address = _discover(issuer)
        try:
            self._keys = self._fetch()
        except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            raise AccessError(f"The keys of --oidc-issuer {issuer}: {error!r}.") from error
        self._asked_at = self._read_at = time.monotonic()
        self._lock = asyncio.Lock()

    async def find(self, token: str) -> Person | None:
        """Return who has the token; `None` if it is not valid.

        Args:
            token: The text after `Bearer`.
        """
        try:
            name = self._jwt.get_unverified_header(token).get("kid")
            if name not in self._keys or time.monotonic() - self._read_at > _KEYS_LIFETIME_S:
                await self._refresh(name)
            if name not in self._keys:
                return None
            claims = self._jwt.decode(
                token,
                self._keys[name],
                algorithms=_ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except self._jwt.PyJWTError as error:
            logger.info("A token of %s is not valid: %s", self._issuer, error)
            return None
        return self._person(claims)

    async def _refresh(self, name: str | None) -> None:
        """Read the provider's keys again, unless that was just done."""
        async with self._lock:
            is_known = name in self._keys and time.monotonic() - self._read_at < _KEYS_LIFETIME_S
            if is_known or time.monotonic() - self._asked_at < _MIN_REFRESH_S:
                return
            self._asked_at = time.monotonic()
            try:
                self._keys = await asyncio.to_thread(self._fetch)
                self._read_at = time.monotonic()
            except (httpx.HTTPError, ValueError, self._jwt.PyJWTError) as error:
                logger.warning("The keys of %s cannot be read: %r", self._issuer, error)

    def _fetch(self) -> dict[str | None, Any]:
        keys = httpx.get(self._keys_address, timeout=_TIMEOUT_S).raise_for_status().json()
        found = self._jwt.PyJWKSet.from_dict(keys).keys
        return {key.key_id: key for key in found if key.public_key_use in ("sig", None)}

    def _person(self, claims: Mapping[str, Any]) -> Person | None:
        name = claims.get(self._name_claim)
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            logger.warning("A token of %s has no name in %s.", self._issuer, self._name_claim)
            return None
        groups: Any = claims
        for part in self._groups_claim.split("."):
            groups = groups.get(part) if isinstance(groups, Mapping) else None
        listed = groups if isinstance(groups, list) else []
        return Person(name.strip(), frozenset(g for g in listed if isinstance(g, str) and g))


def _discover(issuer: str) -> str:
    """The address of the provider's keys."""
    _check(issuer)
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        found = httpx.get(address, timeout=_TIMEOUT_S).raise_for_status().json()
        named, keys = found["issuer"], found["jwks_uri"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise AccessError(
            f"--oidc-issuer {issuer}: {address} cannot be read ({error!r}). Check the address, and "
            "that this machine reaches it."
        ) from error
    if named != issuer:
        raise AccessError(f"--oidc-issuer must be {named!r}, as the provider says, not {issuer!r}.")
    _check(keys)
    return str(keys)


def _check(address: str) -> None:
    parts = urlsplit(address)
    is_local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not is_local:
        raise AccessError(
            f"{address} must begin with https://: over HTTP, others could send keys of their own."
        )

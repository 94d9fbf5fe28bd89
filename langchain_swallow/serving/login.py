"""Login with a token: the server's, or a person's; browsers store a signed cookie instead of it."""

import base64
import hashlib
import hmac
import re
import secrets
import time

from langchain_swallow._system.language import current_language, in_language
from langchain_swallow.serving.identity import OPERATOR, Person
from langchain_swallow.serving.people import People

_LIFETIME_S = 30 * 24 * 3600
_RENEWED_AFTER_S = 24 * 3600
_MAX_LOGGED_OUT = 10_000

_STYLE = (
    "body{font-family:sans-serif;max-width:30em;margin:20vh auto;padding:0 1em}"
    ":root{color-scheme:light dark}"
)
# With this hash, the content security policy allows the style.
STYLE_HASH = f"sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}"
_FORM = f"""<!doctype html><html lang="LANG"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>langchain-swallow</title>
<style>{_STYLE}</style>
<main><h1>TITLE</h1><p>ADVICE</p><form method="post" action="ACTION"><label>LABEL
<input name="token" type="password" autocomplete="current-password" autofocus required></label>
<button>OPEN</button></form><p role="alert">MESSAGE</p></main></html>"""


def login_form(action: str, message: str) -> str:
    """Return the login page, in the user's language.

    Args:
        action: The URL that the form is sent to.
        message: An error of the previous attempt, such as a wrong token; may be empty.
    """
    advice = in_language(
        "サーバーの管理者から受け取ったトークンを入力してください。",
        "Enter the token that you got from whoever runs this server.",
    )
    texts = {
        "LANG": current_language(),
        "TITLE": in_language("トークンが必要です", "This server asks for a token"),
        "ADVICE": advice,
        "ACTION": action,
        "LABEL": in_language("トークン", "Token"),
        "OPEN": in_language("開く", "Open"),
        "MESSAGE": message,
    }
    return re.sub("|".join(texts), lambda match: texts[match[0]], _FORM)


class Logins:
    """Checks tokens, and creates and checks the cookies of logged-in browsers.

    A cookie is "time.random.id.signature", where the id is the person's, and is left out with the
    server's own token. It differs for each login and becomes invalid when its token changes or is
    removed. With a server's token, it stays valid when the server restarts. Without one, its key is
    random: a key in the file of people would let whoever reads the file make cookies.

    Args:
        token: The server's own token, which shows every document. Default: none.
        people: People with tokens of their own. Default: none.
    """

    def __init__(self, token: str | None = None, people: People | None = None) -> None:
        self._token = token or ""
        self._people = people
        # Slow on purpose, because the owner of a cookie could test tokens against its signature.
        salt = b"langchain-swallow cookies"
        self._key = (
            hashlib.scrypt(_encode(self._token), salt=salt, n=2**14, r=8, p=1)
            if token
            else secrets.token_bytes(32)
        )
        self._logged_out: dict[str, None] = {}
        self.cookie_name = f"swallow_{self._sign('name')[:12]}" if token else "swallow_people"
        self.lifetime_s = _LIFETIME_S

    def takes_tokens(self) -> bool:
        """Whether there is a token with which someone could log in."""
        return bool(self._token) or self._people is not None

    def is_right(self, token: str) -> bool:
        """Whether this is the server's own token."""
        return is_same(token, self._token)

    def login(self, token: str) -> str | None:
        """Return the id of the person with this token, empty for the server's; `None` if wrong."""
        if self.is_right(token):
            return ""
        return self._people.find(token) if token and self._people is not None else None

    def person(self, login: str) -> Person | None:
        """Return the person with an id from `login`; `None` once their token is removed."""
        if not login:
            return OPERATOR if self._token else None
        return None if self._people is None else self._people.person(login)

    def new_cookie(self, login: str = "") -> str:
        """Return a new cookie's value for a browser, with the id from `login`."""
        payload = f"{int(time.time())}.{secrets.token_urlsafe(12)}"
        payload += f".{login}" if login else ""
        return f"{payload}.{self._sign(payload)}"

    def renewed(self, cookie: str) -> str:
        """Return a new cookie's value for the same person."""
        return self.new_cookie(_read_login(cookie))

    def has_entered(self, cookie: str) -> bool:
        """Whether a cookie is from this server, not expired, not logged out, and of someone."""
        return self.owner(cookie) is not None

    def owner(self, cookie: str) -> Person | None:
        """Return who has logged in with a cookie; `None` if it lets nobody in."""
        payload, _, signature = cookie.rpartition(".")
        expected = self._sign(payload)
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode()):
            return None
        if self._age_s(cookie) >= _LIFETIME_S or cookie in self._logged_out:
            return None
        return self.person(_read_login(cookie))

    def is_due(self, cookie: str) -> bool:
        """Whether a valid cookie is due for renewal."""
        return self._age_s(cookie) > _RENEWED_AFTER_S

    def log_out(self, cookie: str) -> None:
        """Invalidate a cookie."""
        if self.has_entered(cookie):
            self._logged_out[cookie] = None
            if len(self._logged_out) > _MAX_LOGGED_OUT:
                del self._logged_out[next(iter(self._logged_out))]

    def _age_s(self, cookie: str) -> float:
        return time.time() - int(cookie.split(".")[0])

    def _sign(self, text: str) -> str:
        data = text.encode("utf-8", "replace")
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()


def is_same(received: str, token: str) -> bool:
    """Whether a token was received that is not empty; the comparison takes constant time."""
    return bool(received) and hmac.compare_digest(_encode(received), _encode(token))


def _encode(token: str) -> bytes:
    return token.encode("utf-8", "surrogatepass")


def _read_login(cookie: str) -> str:
    """Return the id in a cookie whose signature is right; empty if it has none."""
    parts = cookie.split(".")
    return parts[2] if len(parts) == 4 else ""

"""Login with the server's token; browsers store a signed cookie, never the token."""

import hashlib
import hmac
import re
import secrets
import time

from langchain_swallow._system.language import current_language, in_language

_LIFETIME_S = 30 * 24 * 3600
_RENEWED_AFTER_S = 24 * 3600
_MAX_LOGGED_OUT = 10_000

_FORM = """<!doctype html><html lang="LANG"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>langchain-swallow</title>
<style>body{font-family:sans-serif;max-width:30em;margin:20vh auto;padding:0 1em}</style>
<h1>TITLE</h1><p>ADVICE</p><form method="post" action="ACTION"><label>LABEL
<input name="token" type="password" autocomplete="current-password" autofocus required></label>
<button>OPEN</button></form><p role="alert">MESSAGE</p></html>"""


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

    A cookie is "time.random.signature". It differs for each login, stays valid when the server
    restarts, and becomes invalid when the token changes.

    Args:
        token: The server's token.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode("utf-8", "surrogatepass")
        # Slow on purpose, because the owner of a cookie could test tokens against its signature.
        salt = b"langchain-swallow cookies"
        self._key = hashlib.scrypt(self._token, salt=salt, n=2**14, r=8, p=1)
        self._logged_out: dict[str, None] = {}
        self.cookie_name = f"swallow_{self._sign('name')[:12]}"
        self.lifetime_s = _LIFETIME_S

    def is_right(self, token: str) -> bool:
        """Whether this is the server's token; the comparison takes constant time."""
        received = token.encode("utf-8", "surrogatepass")
        return bool(received) and hmac.compare_digest(received, self._token)

    def new_cookie(self) -> str:
        """Return a new cookie's value for a browser that has logged in."""
        payload = f"{int(time.time())}.{secrets.token_urlsafe(12)}"
        return f"{payload}.{self._sign(payload)}"

    def has_entered(self, cookie: str) -> bool:
        """Whether a cookie is from this server, not expired and not logged out."""
        payload, _, signature = cookie.rpartition(".")
        expected = self._sign(payload)
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode()):
            return False
        return self._age_s(cookie) < _LIFETIME_S and cookie not in self._logged_out

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

"""Logging in with the server's token; browsers keep a signed cookie, never the token."""

import hashlib
import hmac
import secrets
import time

_LIFETIME_S = 30 * 24 * 3600
_RENEWED_AFTER_S = 24 * 3600
_MAX_LOGGED_OUT = 10_000

FORM = """<!doctype html><html lang="ja"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>langchain-swallow</title>
<style>body{font-family:sans-serif;max-width:30em;margin:20vh auto;padding:0 1em}</style>
<h1>トークンが必要です</h1><p>サーバーを起動した人から受け取ったトークンを入れてください。 /
Enter the token of this server.</p><form method="post" action="ACTION"><label>トークン / Token
<input name="token" type="password" autocomplete="current-password" autofocus required></label>
<button>開く / Open</button></form><p role="alert">WRONG</p></html>"""


class Logins:
    """Checks tokens, and makes and checks the cookies of those who have shown it.

    A cookie is "time.random.signature": each login has another one, a restarted server knows it,
    and another token makes all of them worthless.

    Args:
        token: The server's token.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode("utf-8", "surrogatepass")
        # Slow on purpose: whoever gets a cookie could try tokens against its signature.
        salt = b"langchain-swallow cookies"
        self._key = hashlib.scrypt(self._token, salt=salt, n=2**14, r=8, p=1)
        self._logged_out: dict[str, None] = {}
        self.cookie_name = f"swallow_{self._sign('name')[:12]}"
        self.lifetime_s = _LIFETIME_S

    def is_right(self, token: str) -> bool:
        """Whether this is the server's token; compared in constant time."""
        given = token.encode("utf-8", "surrogatepass")
        return bool(given) and hmac.compare_digest(given, self._token)

    def new_cookie(self) -> str:
        """The value of a cookie for somebody who has shown the token."""
        made = f"{int(time.time())}.{secrets.token_urlsafe(12)}"
        return f"{made}.{self._sign(made)}"

    def has_entered(self, cookie: str) -> bool:
        """Whether a cookie was made here, not too long ago, and not logged out."""
        made, _, signature = cookie.rpartition(".")
        expected = self._sign(made)
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode()):
            return False
        return self._age_s(cookie) < _LIFETIME_S and cookie not in self._logged_out

    def is_due(self, cookie: str) -> bool:
        """Whether a valid cookie should be replaced by a new one."""
        return self._age_s(cookie) > _RENEWED_AFTER_S

    def log_out(self, cookie: str) -> None:
        """Take a cookie back."""
        if self.has_entered(cookie):
            self._logged_out[cookie] = None
            if len(self._logged_out) > _MAX_LOGGED_OUT:
                del self._logged_out[next(iter(self._logged_out))]

    def _age_s(self, cookie: str) -> float:
        return time.time() - int(cookie.split(".")[0])

    def _sign(self, text: str) -> str:
        data = text.encode("utf-8", "replace")
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()

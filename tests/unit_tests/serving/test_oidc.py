"""People of an OpenID Connect provider: its tokens are checked with its published keys."""

import asyncio
import base64
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
import pytest_socket
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from langchain_swallow.errors import AccessError
from langchain_swallow.serving import oidc
from langchain_swallow.serving.guard import Guard
from langchain_swallow.serving.identity import requester
from langchain_swallow.serving.oidc import Oidc
from tests.support.assistants import client

AUDIENCE = "swallow"


async def who(scope, receive, send):
    person = requester(scope)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = f"{person.name}:{','.join(sorted(person.groups or {'all'}))}"
    await send({"type": "http.response.body", "body": body.encode()})


class Provider:
    """A provider on this machine with its discovery document and its keys."""

    def __init__(self):
        self.keys = {"one": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.asked = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                content = json.dumps(provider.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}/realms/company"
        self.named = self.issuer
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path):
        if path.endswith("/.well-known/openid-configuration"):
            return {"issuer": self.named, "jwks_uri": f"{self.issuer}/keys"}
        self.asked += 1
        return {"keys": [self._public(name, key) for name, key in self.keys.items()]}

    def _public(self, name, key):
        algorithm = (
            jwt.algorithms.RSAAlgorithm
            if isinstance(key, rsa.RSAPrivateKey)
            else jwt.algorithms.ECAlgorithm
        )
        return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": name, "use": "sig"}

    def token(self, *, key="one", algorithm="RS256", signed_with=None, **claims):
        content = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "exp": time.time() + 300,
            "sub": "7",
            "preferred_username": "佐藤",
            "groups": ["人事", "役員"],
        } | claims
        content = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(
            content, signed_with or self.keys[key], algorithm=algorithm, headers={"kid": key}
        )


def by_secret(token, key):
    """A token that takes the provider's public key for a shared secret."""
    body = token.split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "one"}).encode())
    signed = head.rstrip(b"=") + b"." + body.encode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")
    return (signed + b"." + signature).decode()


@pytest.fixture
def provider():
    pytest_socket.enable_socket()
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


async def test_a_token_says_who_sends_a_request(provider):
    known = Oidc(provider.issuer, AUDIENCE)
    person = await known.find(provider.token())
    assert (person.name, person.groups) == ("佐藤", {"人事", "役員"})
    assert await known.find(provider.token(aud=["other", AUDIENCE])) == person
    assert provider.asked == 1


async def test_what_is_not_the_providers_is_refused(provider):
    known = Oidc(provider.issuer, AUDIENCE)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    right = provider.token()
    head, body, signature = right.split(".")
    wrong = {
        "expired": provider.token(exp=time.time() - 120),
        "not yet valid": provider.token(nbf=time.time() + 600),
        "for ever": provider.token(exp=None),
        "another server's": provider.token(aud="wiki"),
        "nobody's": provider.token(aud=None),
        "another provider's": provider.token(iss="https://login.example"),
        "signed by another": provider.token(signed_with=other),
        "signed with the public key": by_secret(right, provider.keys["one"]),
        "not signed": f"{head}.{body}.",
        "algorithm none": jwt.encode({"aud": AUDIENCE}, None, algorithm="none"),
        "changed": f"{head}.{body[:-2]}AA.{signature}",
        "without a name": provider.token(preferred_username=None),
        "a name of two lines": provider.token(preferred_username="佐藤\n鈴木"),
        "a name that is a list": provider.token(preferred_username=["佐藤"]),
    }
    for why, token in {**wrong, "empty": "", "no token": "a.b.c", "a word": "秘密"}.items():
        assert await known.find(token) is None, why
    assert await known.find(right) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "claims", "groups"),
    [
        ("groups", {"groups": None}, set()),
        ("groups", {"groups": "役員"}, set()),
        ("groups", {"groups": ["人事", 7, None, ""]}, {"人事"}),
        ("realm_access.roles", {"realm_access": {"roles": ["役員"]}}, {"役員"}),
        ("realm_access.roles", {"realm_access": ["役員"]}, set()),
    ],
)
async def test_groups_are_read_from_their_claim(provider, claim, claims, groups):
    known = Oidc(provider.issuer, AUDIENCE, name_claim="sub", groups_claim=claim)
    person = await known.find(provider.token(**claims))
    assert (person.name, person.groups) == ("7", groups)


async def test_a_new_key_is_asked_for_and_not_at_every_request(provider, monkeypatch):
    known = Oidc(provider.issuer, AUDIENCE)
    assert await known.find(provider.token()) is not None
    provider.keys["two"] = ec.generate_private_key(ec.SECP256R1())
    new = provider.token(key="two", algorithm="ES256")
    assert await known.find(new) is None
    monkeypatch.setattr(oidc, "_MIN_REFRESH_S", 0)
    found = await asyncio.gather(*(known.find(new) for _ in range(5)))
    assert [person.name for person in found] == ["佐藤"] * 5
    assert provider.asked == 2
    monkeypatch.undo()
    provider.keys["three"] = provider.keys["one"]
    strangers = provider.token(key="three")
    assert [await known.find(strangers) for _ in range(5)] == [None] * 5
    assert provider.asked == 2


async def test_known_keys_outlive_the_provider(provider, monkeypatch):
    known = Oidc(provider.issuer, AUDIENCE)
    assert await known.find(provider.token()) is not None
    provider.server.shutdown()
    provider.server.server_close()
    monkeypatch.setattr(oidc, "_MIN_REFRESH_S", 0)
    monkeypatch.setattr(oidc, "_KEYS_LIFETIME_S", -1)
    assert await known.find(provider.token()) is not None
    provider.keys["two"] = provider.keys["one"]
    assert await known.find(provider.token(key="two")) is None


def test_a_provider_that_cannot_be_trusted_is_refused_at_the_start(provider):
    provider.named = "https://login.example"
    with pytest.raises(AccessError, match="as the provider says"):
        Oidc(provider.issuer, AUDIENCE)
    with pytest.raises(AccessError, match="must begin with https"):
        Oidc("http://login.example/", AUDIENCE)
    with pytest.raises(AccessError, match="cannot be read"):
        Oidc("http://127.0.0.1:9/", AUDIENCE)


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, "operator"])
async def test_the_server_lets_in_whom_the_provider_has_signed_on(provider, token):
    guard = Guard(who, token=token, oidc=Oidc(provider.issuer, AUDIENCE))
    right = provider.token()
    async with client(guard) as http:
        for sent, status, text in [
            (right, 200, "佐藤:人事,役員"),
            (provider.token(aud="wiki"), 401, None),
            ("operator", 200 if token else 401, ":all" if token else None),
            ("", 401, None),
        ]:
            got = await http.get("/", headers={"Authorization": f"Bearer {sent}"})
            assert got.status_code == status
            assert text is None or got.text == text
        # A token in an address would be in logs.
        assert (await http.get("/", params={"token": right})).status_code == 401

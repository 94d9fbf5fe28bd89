"""What the commands say before an embedding model is downloaded, beside a hub on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from langchain_swallow.cli.encoders import announce_download

_FILES = {
    "model.safetensors": 147_000_000,
    "pytorch_model.bin": 147_000_000,
    "onnx/model.onnx": 900_000_000,
    "tokenizer.json": 2_000_000,
    "README.md": 5_000_000,
}


class _Hub(BaseHTTPRequestHandler):
    """The one page of the hub that is asked for."""

    def do_GET(self):
        found = self.path.startswith("/api/models/cl-nagoya/ruri-v3-30m")
        files = [{"rfilename": name, "size": size} for name, size in _FILES.items()]
        body = json.dumps({"id": "cl-nagoya/ruri-v3-30m", "siblings": files}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on this machine, and an empty cache."""
    from huggingface_hub import constants

    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        yield tmp_path
        server.shutdown()


def test_a_download_is_announced_with_its_size(hub, capsys):
    announce_download("cl-nagoya/ruri-v3-30m")
    assert "cl-nagoya/ruri-v3-30m (149 MB)" in capsys.readouterr().err


def test_a_model_that_is_there_is_not_announced(hub, capsys):
    snapshot = hub / "models--cl-nagoya--ruri-v3-30m"
    (snapshot / "snapshots" / "abc").mkdir(parents=True)
    (snapshot / "snapshots" / "abc" / "modules.json").write_text("[]")
    (snapshot / "refs").mkdir()
    (snapshot / "refs" / "main").write_text("abc")
    announce_download("cl-nagoya/ruri-v3-30m")
    announce_download("demo")
    announce_download(str(hub))
    assert capsys.readouterr().err == ""


def test_without_the_hub_the_loader_says_what_is_wrong(hub, capsys):
    announce_download("no-one/nothing")
    assert capsys.readouterr().err == ""

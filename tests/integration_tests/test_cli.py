"""The commands with the demo model, as a user runs them."""

import json
import shutil
import signal
import subprocess
import sys

import httpx
import pytest

from tests.support.paths import DOCUMENTS
from tests.support.server_process import ServerProcess


def run(*arguments, stdin=None):
    return subprocess.run(
        [sys.executable, "-m", "langchain_swallow.cli", *map(str, arguments)],
        capture_output=True,
        input=stdin,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def index(demo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "索引"
    done = run("index", DOCUMENTS, "-o", folder, "--embeddings", "demo", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["files"] >= 12
    assert made["passages"] > made["files"]
    assert "Embedding" in done.stderr
    return folder


@pytest.mark.usefixtures("demo_folder")
def test_demo_answers_five_questions_with_citations():
    done = run("demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Question: ") == done.stdout.count("Answer: ") == 5
    assert done.stdout.count("  [") >= 3
    assert "資料からは分かりません" in done.stdout
    assert "chunks indexed in" in done.stderr
    assert done.stderr.count("first token") == 5


def test_ask_streams_the_answer_and_its_source(index):
    question = "取引先との飲食は1人いくらまでですか。"
    done = run("ask", "-i", index, question, "--model", "demo")
    assert done.returncode == 0, done.stderr
    answer, *sources = done.stdout.splitlines()
    assert "8,000円" in answer
    assert any("経費精算規程" in source for source in sources)


def test_ask_prints_json(index):
    done = run("ask", "-i", index, "試用期間はどのくらいですか。", "--model", "demo", "--json")
    answer = json.loads(done.stdout)
    assert answer["question"] == "試用期間はどのくらいですか。"
    assert answer["citations"][0]["status"] == "supported"
    assert answer["total_s"] >= answer["first_token_s"] > 0


def test_chat_answers_each_line(index):
    done = run(
        "chat", "--model", "demo", "--max-tokens", "24", stdin="こんにちは。\nありがとう。\n"
    )
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if line.strip()]) >= 2
    lines = "試用期間はどのくらいですか。\n\n社員旅行の行き先はどこですか。\n"
    done = run("chat", "-i", index, "--model", "demo", "--json", stdin=lines)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["refused"] for a in answers] == [False, True]


@pytest.mark.usefixtures("demo_folder")
def test_sync_follows_a_folder(tmp_path):
    folder, index = tmp_path / "文書", tmp_path / "索引"
    folder.mkdir()
    for name in ("就業規則.md", "経費精算規程.txt"):
        shutil.copy(DOCUMENTS / name, folder / name)
    (folder / "壊れた.pdf").write_bytes(b"%PDF broken")
    done = run("sync", folder, "-i", index, "--embeddings", "demo")
    assert done.returncode == 1
    assert "2 added, 1 failed" in done.stderr
    assert "壊れた.pdf has no readable text" in done.stderr
    (folder / "壊れた.pdf").unlink()
    done = run("sync", folder, "-i", index, "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["unchanged"]) == 2
    (folder / "経費精算規程.txt").unlink()
    assert "1 deleted, 1 unchanged" in run("sync", folder, "-i", index).stderr
    again = ("sync", folder, "-i", index, "--reread")
    assert "1 unchanged" in run(*again).stderr
    assert "1 changed" in run(*again, "--chunk-tokens", "100").stderr
    question = "フレックスタイムのコアタイムは何時から何時までですか。"
    done = run("ask", "-i", index, question, "--model", "demo")
    assert "10時30分" in done.stdout


def test_serve_answers_until_it_is_interrupted(index, tmp_path):
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    command = [sys.executable, "-m", "langchain_swallow.cli", "serve", "-i", str(index)]
    server = ServerProcess([*command, "--model", "demo", "--api"], "--port", tmp_path / "log")
    try:
        server.wait()
        body = {"question": "取引先との飲食は1人いくらまでですか。"}
        answer = httpx.post(f"{server.base_url}/answers", json=body, timeout=60).json()
        assert "8,000円" in answer["text"]
        # Another server on its port says so at once, before it loads a model.
        second = run("serve", "-i", index, "--model", tmp_path, "--port", server.port)
        assert second.returncode == 1
        assert "choose another --port" in second.stderr
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0
    finally:
        server.kill()
    assert "Traceback" not in server.log.read_text(encoding="utf-8")

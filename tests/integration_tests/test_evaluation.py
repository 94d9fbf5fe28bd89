"""The evaluation commands with the demo model; what its figures mean is said in docs."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from langchain_swallow.evaluation.mt_bench.run import parse_key
from langchain_swallow.evaluation.run_file import read_records
from tests.support.paths import ROOT

QUESTIONS = ROOT / "tests" / "data" / "two_turn_questions.jsonl"
EXAMPLES = ROOT / "examples"


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "langchain_swallow.cli", "eval", *map(str, arguments)],
        capture_output=True, encoding="utf-8", timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def index(demo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation") / "索引"
    command = ["index", EXAMPLES / "documents", "-o", folder, "--embeddings", "demo"]
    done = subprocess.run(
        [sys.executable, "-m", "langchain_swallow.cli", *map(str, command)],
        capture_output=True, encoding="utf-8", timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.usefixtures("demo_folder")
def test_mt_bench_with_the_demo_model_as_its_own_judge(tmp_path):
    """Answers are generated, judged and tabulated; the scores mean nothing, and it says so."""
    questions = tmp_path / "questions.jsonl"
    lines = QUESTIONS.read_text("utf-8").splitlines(keepends=True)
    questions.write_text("".join(lines[:4]), encoding="utf-8")
    command = [
        "mt-bench", "--model", "demo", "--judge", "demo", "--questions", questions, "--runs", 1,
        "--max-tokens", 48, "--judge-max-tokens", 64, "-o", tmp_path, "--json",
    ]  # fmt: skip
    estimate = run(*command, "--dry-run", "--prices", 1, 2, 3, 4).stderr
    assert "8 answers to make: about" in estimate
    assert "8 judgments to make: about" in estimate
    assert "USD" in estimate
    assert not (tmp_path / "run.jsonl").exists()

    done = run(*command)
    (scores,) = json.loads(done.stdout)["runs"]
    assert (scores["model"], scores["judge"], scores["judged"]) == ("demo", "demo", 8)
    assert scores["unreadable"] < 8
    assert 0.1 <= scores["rows"][0]["average"] <= 1
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "The model rates its own answers, so the scores mean nothing." in page
    before = (tmp_path / "run.jsonl").read_bytes()
    assert "0 answers to make" in run(*command).stderr
    assert (tmp_path / "run.jsonl").read_bytes() == before

    pairs = ["pairwise", tmp_path, tmp_path, "--judge", "demo", "--questions", questions,
             "--judge-max-tokens", 32, "-o", tmp_path / "pairs"]  # fmt: skip
    command = [sys.executable, "-m", "langchain_swallow.cli", "eval", *map(str, pairs)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=900, check=False)
    # A model this small may not give one readable verdict; that is an error, not a score.
    if done.returncode:
        assert "that can be read in both orders" in done.stderr
    else:
        assert done.stdout.startswith("demo vs demo: win ")
    assert len((tmp_path / "pairs" / "pairs.jsonl").read_text("utf-8").splitlines()) == 16


def test_rag_on_the_example_questions(index, tmp_path):
    command = ["rag", "-i", index, "--questions", EXAMPLES / "questions.jsonl", "--model", "demo"]
    done = run(*command, "--json", "--concurrency", 8, "-o", tmp_path / "a")
    (scores,) = json.loads(done.stdout)["runs"].values()
    metrics = {name: found["mean"] for name, found in scores["total"]["metrics"].items()}
    assert metrics["recall@3"] >= 0.95
    assert metrics["contains"] >= 0.7
    assert metrics["citation_precision"] >= 0.85
    assert metrics["refusal"] >= 0.75
    assert metrics["false_refusal"] <= 0.15
    assert scores["total"]["percentiles"]["input_tokens"]["p50"] > 100

    two = ["-k", 2, "--limit", 6, "--against", tmp_path / "a", "-o", tmp_path / "b"]
    against = run(*command, *two)
    assert "Difference (paired by question)" in against.stdout
    assert "time to answer" in against.stdout


def test_a_sweep_over_chunks_and_passages(demo_folder, tmp_path):
    command = [
        "sweep", EXAMPLES / "documents" / "就業規則.md", "--model", "demo", "-o", tmp_path,
        "--questions", EXAMPLES / "questions.jsonl", "--limit", 4,
        "--chunk-tokens", "150,300", "-k", "1,2",
    ]  # fmt: skip
    lines = run(*command).stdout.splitlines()
    assert len(lines) == 2 + 4
    assert lines[2].startswith("| chunk_tokens=150 k=1 lexical_weight=0.68 preset=質問応答 | ")
    assert (tmp_path / "sweep.png").stat().st_size > 5000
    again = run(*command)
    assert again.stdout.splitlines() == lines
    assert "Embedding" not in again.stderr


def test_jsquad_is_indexed_once(demo_folder, tmp_path):
    jsquad = {
        "data": [
            {
                "title": "梅雨",
                "paragraphs": [
                    {
                        "context": "梅雨 [SEP] 梅雨は、5月から7月にかけて来る雨の多い期間である。",
                        "qas": [
                            {
                                "id": "a1",
                                "question": "梅雨は何月から始まりますか。",
                                "answers": [{"text": "5月"}],
                            }
                        ],
                    }
                ],
            }
        ]
    }
    file = tmp_path / "jsquad.json"
    file.write_text(json.dumps(jsquad, ensure_ascii=False), encoding="utf-8")
    command = ["rag", "--jsquad", file, "-i", tmp_path / "索引", "--model", "demo"]
    for folder in ("a", "b"):
        done = run(*command, "-o", tmp_path / folder, "--json")
        (scores,) = json.loads(done.stdout)["runs"].values()
        assert scores["total"]["metrics"]["recall@1"]["mean"] == 1
    assert (tmp_path / "索引" / "manifest.json").exists()


SLOW_RUN = """
import os, sys, time
from pathlib import Path
from langchain_swallow.evaluation import mt_bench
from langchain_swallow.evaluation.run_file import RunFile
from tests.support.judges import RuleModel, echo

log = os.open(sys.argv[2], os.O_CREAT | os.O_APPEND | os.O_WRONLY)

def rule(messages, parameters):
    time.sleep(.004)
    text = "[[7]]" if messages[0].type == "system" else echo(messages, parameters)
    os.write(log, (repr([m.content for m in messages] + [parameters]) + chr(10)).encode())
    return text

questions = mt_bench.read_questions(Path(sys.argv[3]))
with RunFile(Path(sys.argv[1])) as file:
    settings = mt_bench.AnswerSettings(runs=2, concurrency=1)
    mt_bench.answer_questions(RuleModel(rule=rule), questions, file, name="m", settings=settings)
    mt_bench.judge_answers(RuleModel(rule=rule), questions, mt_bench.JudgePrompts.built_in(), file,
                           name="j", settings=mt_bench.JudgeSettings(concurrency=1))
print("done")
"""


def test_sigkill_loses_at_most_the_call_that_was_running(tmp_path):
    """Each kill may cost one call of one worker: the one whose answer was not yet written."""
    log, path, rng = tmp_path / "calls.log", tmp_path / "run.jsonl", random.Random(1)
    command = [sys.executable, "-c", SLOW_RUN, str(path), str(log), str(QUESTIONS)]
    kills = 0
    while kills < 5:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        wanted = len(read_records(path)) + rng.randint(1, 10)
        while process.poll() is None and len(read_records(path)) < wanted:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "done"
    records = read_records(path)
    keys = [(r["kind"], parse_key(r)) for r in records]
    assert len(keys) == len(set(keys)) == 64
    calls = log.read_text().splitlines()
    assert len(set(calls)) == 64
    assert len(calls) <= 64 + kills

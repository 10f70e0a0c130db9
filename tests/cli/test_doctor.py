import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from loanword.cli.findings import Finding
from loanword.cli.hub import Repository
from loanword.cli.layout import layout_findings, named_repositories, named_sources
from loanword.cli.machine import machine_findings
from loanword.recipe import BaseConfig, CorpusConfig, LikelihoodsConfig, Recipe

TOKEN = "hf_the_right_one"


class Hub(BaseHTTPRequestHandler):
    """The part of the Hub that doctor asks: who one is, and whether a file may be read."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        self._answer(200 if known else 401, b'{"name": "ann"}' if known else b"{}")

    def do_HEAD(self) -> None:
        if self.path.startswith("/away/"):
            # A file on another host: the token must not follow.
            self._answer(302, b"", location="http://127.0.0.1:9/elsewhere")
            return
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        self._answer(403 if self.path.startswith("/gated/") and not known else 200, b"")

    def _answer(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


ASKING = """
import json, sys
from loanword.cli.hub import Repository, hub_findings
asked = [Repository(*named) for named in json.loads(sys.argv[1])]
print(json.dumps([finding.model_dump() for finding in hub_findings(asked)]))
"""


def ask(endpoint: str, token: str, *models: str) -> dict[str, Finding]:
    """Findings about the Hub by name; in a process of its own, because the client reads the environment once."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0"}
    asked = json.dumps([[model, None] for model in models])
    answer = subprocess.run([sys.executable, "-c", ASKING, asked], env=environment, capture_output=True, check=True)
    assert TOKEN.encode() not in answer.stdout
    return {finding["name"]: Finding(**finding) for finding in json.loads(answer.stdout)}


def test_a_right_token_is_accepted_and_opens_a_gated_base(hub: str):
    found = ask(hub, TOKEN, "gated/base", "away/base")
    assert {name: finding.state for name, finding in found.items()} == {
        "endpoint": "ok",
        "token": "ok",
        "gated/base": "ok",
        "away/base": "ok",
    }


def test_a_wrong_token_and_a_gated_base_are_problems_with_advice(hub: str):
    found = ask(hub, "hf_wrong", "gated/base")
    assert found["token"].state == "problem"
    assert found["gated/base"].state == "problem"
    assert "accept its terms" in found["gated/base"].do


def test_an_endpoint_out_of_reach_is_a_problem_only_where_a_base_needs_it():
    closed = "http://127.0.0.1:9"
    assert ask(closed, TOKEN)["endpoint"].state == "absent"
    needed = ask(closed, TOKEN, "some/base")["endpoint"]
    assert needed.state == "problem"
    assert "is not reachable" in needed.found
    assert closed in needed.found


def test_a_judges_address_is_shown_without_its_secrets(tmp_path: Path):
    environment = {
        "LOANWORD_JUDGE_URL": "https://ann:secret@judge.example:8443/v1?key=secret",
        "LOANWORD_JUDGE_KEY": "secret",
    }
    judge = next(finding for finding in machine_findings(tmp_path, environment) if finding.area == "judge")
    assert judge.found == "https://judge.example:8443/v1, LOANWORD_JUDGE_KEY set"


def test_each_missing_or_broken_source_is_a_problem_that_says_what_belongs_there(data: Path):
    (data / "text" / "zh.jsonl").write_text('{"no": "text"}\n', encoding="utf-8")
    recipe = Recipe(
        target="zh",
        base=BaseConfig(model="models/llama/base"),
        corpus={"en": CorpusConfig(files=("text/en.jsonl",)), "zh": CorpusConfig(files=("text/zh.jsonl",))},
        likelihoods=LikelihoodsConfig(texts={"sw": "parallel/flores200-devtest/sw.txt"}),
    )
    found = {finding.name: finding for finding in layout_findings(data, named_sources([recipe]))}
    assert found["text/en.jsonl"].state == "ok"
    assert "no field 'text'" in found["text/zh.jsonl"].found
    assert "config.json" in found["models/llama/base"].do
    assert "one document a line" in found["parallel/flores200-devtest/sw.txt"].do
    assert [finding.state for finding in found.values()].count("problem") == 3


def test_every_part_of_a_base_is_looked_for_where_it_lies(data: Path):
    base = BaseConfig(
        model="models/one/base",
        revision="v1",
        patch="models/one/patch",
        original_weights="org/original",
        adapter=("models/one/adapter", "org/adapter@v2"),
        tokenizer="org/tokenizer",
    )
    (data / "models" / "one" / "base").mkdir(parents=True)
    (data / "models" / "one" / "patch").mkdir()
    (data / "models" / "one" / "patch" / "pytorch_model.bin").touch()
    recipe = Recipe(target="zh", base=base)
    found = {finding.name: finding for finding in layout_findings(data, named_sources([recipe]))}
    assert "no config.json, no tokenizer" in found["models/one/base"].found
    assert "adapter_config.json" in found["models/one/adapter"].do
    assert found["models/one/patch"].state == "ok" and len(found) == 3
    assert named_repositories([recipe], data) == {
        Repository("org/original", "main", "config.json"),
        Repository("org/adapter", "v2", "adapter_config.json"),
        Repository("org/tokenizer", "main", "tokenizer_config.json"),
    }


def test_a_benchmark_with_51_of_52_subjects_is_a_problem(shared_data: Path, tmp_path: Path, loanword):
    ceval = tmp_path / "benchmarks" / "ceval"
    for split in ("dev", "val"):
        (ceval / split).mkdir(parents=True)
        for path in (shared_data / "benchmarks" / "ceval" / split).glob("*.csv"):
            if not path.name.startswith("law_val"):
                (ceval / split / path.name).symlink_to(path)
    answer = loanword("doctor", "--data", tmp_path, "--json")
    assert answer.code == 2
    found = {finding["name"]: finding for finding in json.loads(answer.out)["findings"]}
    assert "51 of 52 subjects found, missing: law" in found["benchmarks/ceval"]["found"]


def test_a_missing_data_root_lists_what_belongs_there(tmp_path: Path, loanword):
    answer = loanword("doctor", "--data", tmp_path / "nowhere", "--json")
    found = {finding["name"]: finding for finding in json.loads(answer.out)["findings"]}
    assert answer.code == 2
    assert found[str(tmp_path / "nowhere")]["state"] == "problem"
    assert "C-Eval" in found["benchmarks/ceval"]["found"] or "ceval" in found["benchmarks/ceval"]["found"]


def test_without_study_or_data_nothing_stands_in_the_way_of_a_plain_machine(loanword, tmp_path: Path):
    answer = loanword("doctor", "--store", tmp_path / "store")
    assert answer.code == 0
    assert "torch" in answer.out
    assert "Nothing stands in the way." in answer.out

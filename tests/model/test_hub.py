"""Published checkpoints and data sets, from a server on this machine that speaks the Hub's protocol."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = Path(__file__).parents[2]
BESIDE = {"config.json": b'{"model_type": "llama"}', "pytorch_model.bin": b"a pickle", "modeling.py": b"print('code')"}
TOKENIZER = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
}
FILES = {
    "open": {**BESIDE, "model.safetensors": b"weights"},
    "old": {**BESIDE, "training_args.bin": b"not weights"},
    "pieces": {**TOKENIZER, "model.safetensors": b"weights", "model.safetensors.index.json": b"{}", "code.py": b""},
}
DATA = {
    "sw/test-0.parquet": b"parquet",
    "sw/dev.csv": b"a,b",
    "bn/test-0.parquet": b"other",
    "set.py": b"print('code')",
}


class Hub(BaseHTTPRequestHandler):
    """`org/open`, `org/old` without safetensors, `org/pieces` with a tokenizer, `org/gated`, data `org/questions`."""

    def do_HEAD(self) -> None:
        self._answer(send_body=False)

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def _answer(self, *, send_body: bool) -> None:
        path = self.path.partition("?")[0]
        name = next((name for name in FILES if f"org/{name}" in path), "open")
        files = FILES[name]
        if "/datasets/" in path:  # lies under paths of its own; what follows knows models
            name, files = "questions", DATA
            path = path.replace("/api/datasets/", "/api/models/").removeprefix("/datasets")
        if "org/gated" in path:
            self._send(403, b"", {"X-Error-Code": "GatedRepo"}, send_body=send_body)
        elif path.startswith(f"/api/models/org/{name}/revision/") and path.rpartition("/")[2] in ("main", COMMIT):
            info = {"id": f"org/{name}", "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}
            self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"}, send_body=send_body)
        elif path.startswith(f"/api/models/org/{name}/tree/"):
            listed = [
                {"type": "file", "path": file, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for file, data in files.items()
            ]
            self._send(200, json.dumps(listed).encode(), {"Content-Type": "application/json"}, send_body=send_body)
        elif (file := path.removeprefix(f"/org/{name}/resolve/{COMMIT}/")) in files:
            data = files[file]
            headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
            self._send(200, data, headers, send_body=send_body)
        else:
            code = "RevisionNotFound" if f"org/{name}" in path else "RepoNotFound"
            self._send(404, b"", {"X-Error-Code": code}, send_body=send_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, send_body: bool) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if send_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def asked(endpoint: str, home: Path, code: str) -> str:
    """What a process prints that has this Hub; the library reads its environment when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(ROOT / "src")}
    environment.pop("HF_TOKEN", None)
    code = "from pathlib import Path\nfrom loanword.errors import UserError\nfrom loanword.model import hub\n" + code
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_revision_is_resolved_to_its_commit(endpoint: str, tmp_path: Path) -> None:
    assert asked(endpoint, tmp_path, "print(hub.resolve_commit('org/open', 'main'))") == COMMIT


def test_a_checkpoint_is_fetched_without_its_pickles_and_code(endpoint: str, tmp_path: Path) -> None:
    link = tmp_path / "checkpoint"
    asked(endpoint, tmp_path, f"hub.link_checkpoint(Path('nowhere'), 'org/open', {COMMIT!r}, Path({str(link)!r}))")
    assert sorted(path.name for path in link.iterdir()) == ["config.json", "model.safetensors"]
    assert (link / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        ("'org/open@v1', {'org/open@v1': COMMIT}", ["config.json", "model.safetensors"]),
        ("'org/old', {'org/old@v2': COMMIT}, revision='v2'", ["config.json", "pytorch_model.bin"]),
        ("'org/open', {'org/open@main': COMMIT}, with_weights=False", ["config.json"]),
    ],
    ids=["safetensors", "no safetensors", "a tokenizer"],
)
def test_a_part_of_a_base_is_fetched_at_its_commit_in_the_safest_form_it_has(
    endpoint: str, tmp_path: Path, settings: str, files: list[str]
) -> None:
    folder = asked(endpoint, tmp_path, f"COMMIT = {COMMIT!r}\nprint(hub.local_folder(Path('nowhere'), {settings}))")
    assert sorted(path.name for path in Path(folder).iterdir()) == files


def test_a_folder_below_the_data_root_is_not_fetched(endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "org" / "open").mkdir(parents=True)
    folder = asked(endpoint, tmp_path, f"print(hub.local_folder(Path({str(tmp_path)!r}), 'org/open', {{}}))")
    assert Path(folder) == (tmp_path / "org" / "open").resolve()


@pytest.mark.parametrize(
    ("model", "revision", "said"),
    [
        ("org/gated", "main", "access is gated"),
        ("org/nothing", "main", "no such repository"),
        ("org/open", "nothing", "no such revision"),
        ("datasets/org/nothing", "main", "no such repository"),
        ("datasets/org/questions", "nothing", "no such revision"),
    ],
)
def test_a_refusal_says_why(endpoint: str, tmp_path: Path, model: str, revision: str, said: str) -> None:
    code = f"try: hub.resolve_commit({model!r}, {revision!r})\nexcept UserError as error: print(error)"
    answer = asked(endpoint, tmp_path, code)
    assert answer.startswith(f"{model}@{revision} - {said}")


@pytest.mark.parametrize("named", ["'org/pieces'", "'org/pieces@main'", "'org/pieces', COMMIT"])
def test_of_a_model_whose_tokenizer_is_wanted_nothing_else_is_fetched(
    endpoint: str, tmp_path: Path, named: str
) -> None:
    folder = Path(asked(endpoint, tmp_path, f"COMMIT = {COMMIT!r}\nprint(hub.tokenizer_folder({named}))"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == TOKENIZER
    assert folder.name == COMMIT


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("org/gated", "org/gated@main - access is gated"),
        ("org/nothing", "org/nothing@main - no such repository, or a private one\n  to do:    correct the Hub id"),
        ("org/pieces@v9", "org/pieces@v9 - no such revision\n  to do:    correct the revision"),
        ("org/open", "org/open@main - no tokenizer in this repository"),
        ("../pieces", "../pieces@main - no folder here, and no id of the Hub"),
    ],
)
def test_a_tokenizer_that_cannot_be_fetched_is_refused_with_the_reason(
    endpoint: str, tmp_path: Path, named: str, said: str
) -> None:
    code = f"try: hub.tokenizer_folder({named!r})\nexcept UserError as error: print(error)"
    assert asked(endpoint, tmp_path, code).startswith(said)


def test_a_data_set_is_resolved_to_its_commit(endpoint: str, tmp_path: Path) -> None:
    assert asked(endpoint, tmp_path, "print(hub.resolve_commit('datasets/org/questions', 'main'))") == COMMIT


@pytest.mark.parametrize(
    "settings", ["{'datasets/org/questions@v1': COMMIT}, FILES, revision='v1'", "{}, FILES, revision=COMMIT"]
)
def test_of_a_data_set_only_the_files_that_are_named_are_fetched(endpoint: str, tmp_path: Path, settings: str) -> None:
    code = f"COMMIT, FILES = {COMMIT!r}, ['sw/test-*.parquet', 'sw/dev.csv']\n"
    folder = Path(asked(endpoint, tmp_path, f"{code}print(hub.dataset_folder('org/questions', {settings}))"))
    fetched = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert fetched == {name: DATA[name] for name in ("sw/test-0.parquet", "sw/dev.csv")}


def test_a_refusal_of_a_data_set_names_its_settings(endpoint: str, tmp_path: Path) -> None:
    call = "hub.dataset_folder('org/questions', {}, ['a.csv'], revision='v9')"
    answer = asked(endpoint, tmp_path, f"try: {call}\nexcept UserError as error: print(error)")
    assert answer.startswith("datasets/org/questions@v9 - no such revision")
    assert "description.revision" in answer

"""Data sets on the Hub are read as if their files lay here: from a server on this machine that speaks its protocol."""

import gzip
import io
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from huggingface_hub import close_session, constants

from loanword.corpus import hub, unpack
from loanword.corpus.lines import batches, parsed, source_lines
from loanword.corpus.read import read_documents
from loanword.corpus.sources import SourceFile, source_files
from loanword.errors import UserError
from loanword.recipe import HubFiles, SourceConfig

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = Path(__file__).parents[2]
ROWS = [{"id": f"d{number}", "text": f"文 {number * 7919} " * 30} for number in range(500)]
PLAIN = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in ROWS)


def parquet(rows: list[dict[str, str]]) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer, row_group_size=100)
    return buffer.getvalue()


FILES = {
    "sw/part-1.jsonl": PLAIN,
    "sw/part-0.jsonl.gz": gzip.compress(PLAIN),
    "sw/part-2.jsonl.zst": zstandard.compress(PLAIN),
    "sw/part-3.parquet": parquet(ROWS),
    "sw/README.md": b"# Words",
    "bn/broken.jsonl": PLAIN[:1000] + b"\n" + PLAIN,
    "bn/cut.jsonl.gz": gzip.compress(PLAIN)[:-300],
    "bn/model.bin": b"weights",
    ".gitattributes": b"",
}


class Hub(BaseHTTPRequestHandler):
    """`org/words` at COMMIT, files in ranges. `troubles` are answered first, each to one request for a file."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    troubles: ClassVar[list[str]] = []
    ranges: ClassVar[list[str]] = []
    listings: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/datasets/org/words/revision/"):
            self._list(path.rpartition("/")[2])
        elif (name := path.removeprefix(f"/datasets/org/words/resolve/{COMMIT}/")) in FILES:
            self._file(FILES[name])
        elif "org/gated" in path:
            self._send(403, b"", {"X-Error-Code": "GatedRepo"})
        elif "org/secret" in path:
            self._send(401, b"", {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif "org/page" in path:
            self._send(200, b"<html>Log in to this network</html>", {"Content-Type": "text/html"})
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _list(self, revision: str) -> None:
        if self.listings:
            return self._trouble(self.listings.pop(0), b"{}")
        if revision not in ("main", "v1", COMMIT):
            return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        siblings = [{"rfilename": name, "size": len(content)} for name, content in FILES.items()]
        return self._send(200, json.dumps({"sha": COMMIT, "siblings": siblings}).encode(), {})

    def _file(self, content: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
        assert asked is not None
        self.ranges.append(self.headers["Range"])
        start, end = int(asked[1]), min(int(asked[2]) + 1, len(content))
        if self.troubles:
            return self._trouble(self.troubles.pop(0), content[start:end])
        return self._send(206, content[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"})

    def _trouble(self, trouble: str, body: bytes) -> None:
        if trouble == "cut":
            self.send_response(206)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif trouble == "silent":
            time.sleep(1.5)
            self.close_connection = True
        elif trouble == "no range":
            self._send(200, b"all of it", {})
        else:
            self._send(int(trouble), b"", {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    close_session()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def here(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.5)
    monkeypatch.setattr(hub, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(unpack, "_HUB_BYTES", 20_000)
    Hub.troubles, Hub.ranges, Hub.listings = [], [], []


def config(*files: str, id: str = "org/words", revision: str | None = None) -> SourceConfig:
    return SourceConfig(hub=(HubFiles(id=id, revision=revision, files=files or ("sw/*",)),))


def found(*files: str, id: str = "org/words", revision: str | None = None) -> list[SourceFile]:
    return source_files(config(*files, id=id, revision=revision), Path("nowhere"), {})


def refusal(*files: str, id: str = "org/words", revision: str | None = None) -> UserError:
    with pytest.raises(UserError) as caught:
        for file in found(*files, id=id, revision=revision):
            list(batches(file, config(*files)))
    return caught.value


def test_a_pattern_stands_for_the_data_files_it_matches_in_the_order_of_their_names():
    files = found()
    assert [file.name for file in files] == [
        f"org/words/sw/part-{number}.{kind}"
        for number, kind in enumerate(["jsonl.gz", "jsonl", "jsonl.zst", "parquet"])
    ]
    assert [file.num_bytes for file in files] == [len(FILES[file.label]) for file in files]
    assert all(pickle.loads(pickle.dumps(file)) == file for file in files)


@pytest.mark.parametrize("file", ["sw/part-0.jsonl.gz", "sw/part-1.jsonl", "sw/part-2.jsonl.zst", "sw/part-3.parquet"])
def test_every_format_is_streamed_as_it_would_be_read_here(tmp_path: Path, file: str):
    here = tmp_path / Path(file).name
    here.write_bytes(FILES[file])
    assert list(read_documents(found(file))) == list(read_documents([here]))
    assert len(list(read_documents([here]))) == len(ROWS)


def test_documents_without_an_id_are_named_by_where_their_file_lies_in_the_data_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(FILES, "sw/part-9.jsonl", b'{"text": "a"}\n')
    assert [document.id for document in read_documents(found("sw/part-9.jsonl"))] == ["sw/part-9-1"]


def test_a_file_is_read_in_ranges_that_make_it_up_once():
    list(read_documents(found("sw/part-1.jsonl")))
    starts = [int(each.removeprefix("bytes=").partition("-")[0]) for each in Hub.ranges]
    assert starts == list(range(0, len(PLAIN), 20_000))


def test_the_commit_that_a_study_was_resolved_to_is_read_and_no_other():
    commits = {"datasets/org/words@main": COMMIT}
    (file,) = source_files(config("sw/part-1.jsonl"), Path("nowhere"), commits)
    assert file.hub is not None and file.hub.commit == COMMIT
    with pytest.raises(UserError, match="no such revision"):
        source_files(config(), Path("nowhere"), {"datasets/org/words@main": "f" * 40})
    # Without a known commit, what the revision stands for when the files are listed is read to the end.
    (file,) = found("sw/part-1.jsonl", revision="v1")
    assert file.hub is not None and file.hub.commit == COMMIT


def test_a_pattern_that_matches_nothing_says_what_is_there():
    error = refusal("sw/*.csv")
    assert error.where == "datasets/org/words@main"
    assert "no file matches 'sw/*.csv'" in error.what
    assert "bn/broken.jsonl" in error.expected


def test_a_file_that_cannot_be_read_by_its_name_is_named():
    assert refusal("bn/*").where == "org/words/bn/model.bin"


def test_broken_lines_keep_their_file_and_line():
    (file,) = found("bn/broken.jsonl")
    faults = [line for line in source_lines([file]) if line.fault]
    assert [(line.where, line.label) for line in faults] == [
        (f"org/words/bn/broken.jsonl:{number}", "bn/broken.jsonl") for number in [line.number for line in faults]
    ]
    assert len(faults) == 1


def test_a_file_that_is_cut_off_there_is_never_taken_for_whole():
    error = refusal("bn/cut.jsonl.gz")
    assert error.where.startswith("org/words/bn/cut.jsonl.gz:")
    assert "cannot be read any further" in error.what


@pytest.mark.parametrize("trouble", ["500", "503", "429", "cut", "silent", "no range"])
@pytest.mark.parametrize("file", ["sw/part-1.jsonl", "sw/part-3.parquet"])
def test_trouble_in_passing_loses_and_doubles_nothing(file: str, trouble: str):
    files = found(file)
    Hub.troubles = [trouble] * (1 if trouble == "silent" else 3)
    assert [document.id for document in read_documents(files)] == [row["id"] for row in ROWS]
    assert Hub.troubles == []


@pytest.mark.parametrize("trouble", ["500", "cut"])
def test_trouble_in_passing_does_not_keep_files_from_being_listed(trouble: str):
    Hub.listings = [trouble] * 3
    assert len(found()) == 4


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("500", "the Hub cannot be reached: Server error '500"),
        ("cut", "the Hub cannot be reached: peer closed connection"),
        ("silent", "the Hub cannot be reached: timed out"),
        ("404", "no such data set"),
        ("401", "access is refused (status 401)"),
        ("no range", "the Hub answers with something else than was asked for"),
    ],
)
@pytest.mark.parametrize("file", ["sw/part-1.jsonl", "sw/part-3.parquet"])
def test_trouble_that_stays_ends_in_a_message(monkeypatch: pytest.MonkeyPatch, file: str, trouble: str, said: str):
    monkeypatch.setattr(hub, "NUM_RETRIES", 1)
    files = found(file)
    Hub.troubles = [trouble] * 20
    with pytest.raises(UserError) as caught:
        list(read_documents(files))
    assert said in caught.value.what
    assert "org/words" in caught.value.where


@pytest.mark.parametrize(
    ("id", "revision", "said"),
    [
        ("org/nothing", None, "no such data set, or a private one"),
        ("org/gated", None, "access is gated"),
        ("org/secret", None, "access is refused (status 401)"),
        ("org/words", "v9", "no such revision"),
        ("org/page", None, "is not the Hub's: '<html>Log in"),
    ],
)
def test_a_refusal_says_why_and_names_the_data_set(id: str, revision: str | None, said: str):
    error = refusal(id=id, revision=revision)
    assert error.where == f"datasets/{id}@{revision or 'main'}"
    assert said in error.what
    assert error.do


def test_what_a_hub_says_is_no_longer_trusted_where_a_file_has_another_size(monkeypatch: pytest.MonkeyPatch):
    files = found("sw/part-1.jsonl")
    monkeypatch.setitem(FILES, "sw/part-1.jsonl", PLAIN[: len(PLAIN) // 2])
    with pytest.raises(UserError, match="something else than was asked for"):
        list(read_documents(files))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "offline by HF_HUB_OFFLINE"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_the_librarys_own_environment_counts(tmp_path: Path, variables: dict[str, str], said: str):
    code = (
        "from pathlib import Path\nfrom loanword.corpus import hub\nfrom loanword.corpus.sources import source_files\n"
        "from loanword.errors import UserError\nfrom loanword.recipe import HubFiles, SourceConfig\n"
        "hub.NUM_RETRIES = 0\n"
        "try: source_files(SourceConfig(hub=(HubFiles(id='org/words', files=('*',)),)), Path('.'), {})\n"
        "except UserError as error: print(error)"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src"), **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("datasets/org/words@main - ")
    assert said in done.stdout


def test_batches_of_a_streamed_file_are_those_of_a_local_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    many = PLAIN * 30
    monkeypatch.setitem(FILES, "sw/many.jsonl", many)
    monkeypatch.setattr(unpack, "_HUB_BYTES", 300_000)
    (tmp_path / "many.jsonl").write_bytes(many)
    local = source_files(SourceConfig(files=("many.jsonl",)), tmp_path, {})
    there, here = (list(batches(file, config())) for file in (*found("sw/many.jsonl"), *local))
    assert len(here) > 2
    assert [(batch.number, batch.content) for batch in there] == [(batch.number, batch.content) for batch in here]
    assert sum(len(parsed(batch)) for batch in there) == 30 * len(ROWS)

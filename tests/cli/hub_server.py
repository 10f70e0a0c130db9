"""A server on this machine that takes commits as the Hub does: files in the commit, large ones by LFS before it.

Source: huggingface_hub 2.4, `_commit_api.py` and `lfs.py`, for paths and bodies.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_may_write"
READER = "hf_may_read"
COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


@dataclass
class Repository:
    """Files of every branch, and whether only its owner sees it."""

    private: bool = False
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {".gitattributes": b""}})


@dataclass
class Hub:
    """Repositories by their names, objects by their digests, and how many commits were made."""

    url: str
    repositories: dict[str, Repository] = field(default_factory=dict[str, Repository])
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    num_commits: int = 0
    takes_objects: bool = True


@contextmanager
def serving() -> Iterator[Hub]:
    """A Hub without repositories, until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = server.hub = Hub(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", self.path.partition("?")[0])
        name, branch = (found[1], found[2] or "main") if found else ("", "")
        if self._token() not in (TOKEN, READER):
            self._send(401, {"error": "Invalid username or password."})
        elif name not in self.hub.repositories:
            self._send(404, {}, {"X-Error-Code": "RepoNotFound"})
        elif branch not in self.hub.repositories[name].branches:
            self._send(404, {}, {"X-Error-Code": "RevisionNotFound"})
        else:
            repository = self.hub.repositories[name]
            siblings = [{"rfilename": file} for file in repository.branches[branch]]
            self._send(200, {"id": name, "sha": COMMIT, "private": repository.private, "siblings": siblings})

    def do_PUT(self) -> None:
        body = self._body()
        digest = self.path.rpartition("/")[2]
        if not self.hub.takes_objects:
            self._send(403, {"error": "No more room in this account."})
            return
        if hashlib.sha256(body).hexdigest() == digest:
            self.hub.objects[digest] = body
        self._send(200 if digest in self.hub.objects else 400, {})

    def do_POST(self) -> None:
        body = self._body()
        if self._token() != TOKEN:
            self._send(403, {"error": "Forbidden: this token cannot write."})
            return
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif found := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            self._batch(json.loads(body))
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(branch|preupload|commit)/(.+)", path):
            name, verb, branch = found.groups()
            getattr(self, f"_{verb}")(self.hub.repositories[name], branch, body)
        else:
            self._send(404, {})

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            self._send(409, {"url": f"{self.hub.url}/{name}"})
            return
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.repositories[name] = Repository(private=bool(private))
        self._send(200, {"url": f"{self.hub.url}/{name}"})

    def _validate(self, content: str) -> None:
        wrong = "license: Proprietary" in content
        errors = [{"message": '"license" must be one of the known licenses'}] if wrong else []
        self._send(400 if wrong else 200, {"errors": errors, "warnings": []})

    def _batch(self, asked: dict[str, Any]) -> None:
        told = [
            {**one, "actions": {"upload": {"href": f"{self.hub.url}/objects/{one['oid']}"}}} for one in asked["objects"]
        ]
        self._send(200, {"objects": told, "transfer": "basic"})

    def _branch(self, repository: Repository, branch: str, body: bytes) -> None:
        repository.branches.setdefault(branch, dict(repository.branches["main"]))
        self._send(200, {})

    def _preupload(self, repository: Repository, branch: str, body: bytes) -> None:
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith((".safetensors", ".model")) else "regular",
                "shouldIgnore": False,
            }
            for one in json.loads(body)["files"]
        ]
        self._send(200, {"files": files})

    def _commit(self, repository: Repository, branch: str, body: bytes) -> None:
        files = dict(repository.branches[branch])
        for line in body.splitlines():
            operation = json.loads(line)
            key, value = operation["key"], operation["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        repository.branches[branch] = files
        where = self.path.removeprefix("/api/models").partition("/commit/")[0]
        self.hub.num_commits += 1
        self._send(200, {"commitUrl": f"{self.hub.url}{where}/commit/{COMMIT}", "commitOid": COMMIT})

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().strip(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: int, said: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...

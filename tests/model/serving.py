"""A server of a toy model on this machine, for tests: it speaks as vLLM, SGLang, llama.cpp or any other does.

The toy model reads every capital letter, with the space before it, as one piece, and any other character as one. What
comes next is drawn from the ids of the prompt, so everybody who asks the same gets the same. Faults are what is sent
instead of the next answers.
"""

import asyncio
import json
import math
import os
import random
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock

from loanword.model.server import ServerModel
from loanword.model.server_opening import open_server_model
from loanword.model.server_transport import Patience
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.records import Decoding

BOS = 0
LETTERS = (" A", " B", " C", " D")
KINDS = ("vllm", "sglang", "llamacpp", "other")
GREEDY = Decoding(max_new_tokens=9, stop=("\n",))
NEXT_PIECES = (*(" " + letter for letter in "ABCDEFGH"), *"ABCDEFGH", *"abcdefghijklmnopqrstuv")


def pieces(text: str) -> list[str]:
    return re.findall(r" ?[A-Z]|.", text, flags=re.DOTALL)


def piece_id(piece: str) -> int:
    return 2 * ord(piece[-1]) + (len(piece) > 1)


def ids(text: str) -> list[int]:
    return [BOS, *(piece_id(piece) for piece in pieces(text))]


def next_nats(prompt: Sequence[int]) -> dict[str, float]:
    """What the toy model gives every piece after a prompt, the likeliest first."""
    draw = random.Random(repr(list(prompt)))
    scores = {piece: draw.gauss(0.0, 2.0) for piece in NEXT_PIECES}
    total = math.log(sum(map(math.exp, scores.values())))
    return {piece: score - total for piece, score in sorted(scores.items(), key=lambda item: -item[1])}


@dataclass(frozen=True)
class Fault:
    """What is sent instead of an answer; `cut` ends the body in its middle, `hang_up` says nothing at all."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hang_up: bool = False


@dataclass
class ToyServer:
    """The toy server and how it behaves; used as a context manager."""

    kind: str = "other"
    context_tokens: int = 100_000
    max_likely: int = 20
    key: str | None = None
    models: tuple[str, ...] = ("toy",)
    tokenizes: bool = True
    logprobs: bool = True
    drops_spaces: bool = False
    names_ids: bool = True
    says: str = "It is B."
    finish: str = "stop"
    content: bool = True
    refusal: str | None = None
    prefix: str = ""
    lists_models: bool = True
    limit_name: str = "max_tokens"
    faults: list[Fault] = field(default_factory=list)
    last_fault: Fault | None = None
    answers_before_death: int | None = None
    held: threading.Event | None = None
    stuck: threading.Event | None = None
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __enter__(self) -> "ToyServer":
        self._lock = threading.Lock()
        self._environment = mock.patch.dict(os.environ, {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"})
        self._environment.start()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"toy": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._environment.stop()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, path: str) -> list[dict[str, Any]]:
        """Bodies of the requests to a path, in the order they came."""
        return [body for asked, body in self.requests if asked == path]

    def fault(self, path: str) -> Fault | None:
        """What goes wrong with a request; it is noted whatever happens to it."""
        with self._lock:
            if path not in ("/v1/completions", "/v1/chat/completions", "/generate"):
                return None
            if self.faults:
                return self.faults.pop(0)
            if self.answers_before_death is not None:
                self.answers_before_death -= 1
                if self.answers_before_death < 0:
                    return Fault(hang_up=True)
            return self.last_fault

    def note(self, path: str, body: dict[str, Any]) -> int:
        with self._lock:
            self.requests.append((path, body))
            return sum(1 for asked, _ in self.requests if asked == path)

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        number = self.note(path, body)
        if self.held is not None and path == "/v1/completions":
            # The first request is answered after the second: no clock is needed to mix them up.
            self.held.wait(30) if number == 1 else self.held.set()
        if self.stuck is not None and path == "/v1/completions" and number > 1:
            self.stuck.wait(30)
        routes = {
            "/v1/models": self._models,
            "/version": lambda _: {"version": "1.2"} if self.kind == "vllm" else None,
            "/server_info": lambda _: {"version": "3.4", "api_key": "secret"} if self.kind == "sglang" else None,
            "/props": self._props,
            "/tokenize": lambda body: self._ids(body) if self.kind in ("vllm", "llamacpp") else None,
            "/v1/tokenize": lambda body: self._ids(body) if self.kind == "sglang" else None,
            "/v1/completions": self._complete,
            "/v1/chat/completions": self._complete,
            "/generate": self._generate,
        }
        if path == "/v1/models" and not self.lists_models:
            return 404, {"detail": "Not Found"}
        told = routes[path](body) if path in routes else None
        if told is None:
            return 404, {"detail": "Not Found"}
        return told.pop("status", 200), told

    def _models(self, _: dict[str, Any]) -> dict[str, Any]:
        length = {"max_model_len": self.context_tokens} if self.kind in ("vllm", "sglang") else {}
        cards = [{"id": model, "object": "model", "owned_by": self.kind, **length} for model in self.models]
        return {"object": "list", "data": cards}

    def _props(self, _: dict[str, Any]) -> dict[str, Any] | None:
        if self.kind != "llamacpp":
            return None
        return {"default_generation_settings": {"n_ctx": self.context_tokens}, "build_info": "b1-abc"}

    def _ids(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if not self.tokenizes:
            return None
        text = body["content"] if self.kind == "llamacpp" else body["prompt"]
        special = body["add_special"] if self.kind == "llamacpp" else body["add_special_tokens"]
        return {"tokens": ids(text)[0 if special else 1 :]}

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["model"] not in self.models:
            return {"status": 404, "error": {"message": f"The model `{body['model']}` does not exist."}}
        if self.limit_name not in body:
            said = f"Unsupported parameter: 'max_tokens' is not supported here. Use '{self.limit_name}' instead."
            return {"status": 400, "error": {"message": said}}
        prompt = body["prompt"] if "prompt" in body else "".join(turn["content"] for turn in body["messages"])
        prompt = ids(prompt) if isinstance(prompt, str) else prompt
        # llama.cpp takes what leaves room for one token, and generates until the context is full.
        if len(prompt) + (1 if self.kind == "llamacpp" else body[self.limit_name]) > self.context_tokens:
            said = "'max_tokens' or 'max_completion_tokens' is too large: the model's context length is only that."
            return {"status": 400, "error": {"message": said}}
        if body.get("logprobs", 0) > self.max_likely:
            said = f"Requested sample logprobs of {body['logprobs']}, which is greater than max allowed"
            return {"status": 400, "error": {"message": said}}
        choice: dict[str, Any] = {"index": 0, "finish_reason": self.finish, "logprobs": None}
        if "messages" in body:
            choice["message"] = {"role": "assistant", "content": self.says if self.content else None}
            if self.refusal is not None:
                choice["message"] = {"role": "assistant", "content": None, "refusal": self.refusal}
        else:
            choice["text"] = self.says
        if self.logprobs and "logprobs" in body:
            choice["logprobs"] = self._logprobs(prompt, body)
        return {
            "model": body["model"],
            "choices": [choice],
            "usage": {"completion_tokens": 7, "prompt_tokens": len(prompt)},
        }

    def _logprobs(self, prompt: Sequence[int], body: dict[str, Any]) -> dict[str, Any]:
        nats = next_nats(prompt)
        likely = dict(list(nats.items())[: body["logprobs"]])
        if self.kind == "llamacpp":
            tokens = [{"id": piece_id(piece), "token": piece, "logprob": nats} for piece, nats in likely.items()]
            return {"content": [{**tokens[0], "top_logprobs": tokens}]}
        named = body.get("logprob_token_ids") if self.names_ids else None
        if named:
            likely = {piece: value for piece, value in nats.items() if piece_id(piece) in named}
        if body.get("return_tokens_as_token_ids") and self.names_ids:
            return {"top_logprobs": [{f"token_id:{piece_id(piece)}": value for piece, value in likely.items()}]}
        keys = {piece: piece.strip() if self.drops_spaces else piece for piece in likely}
        return {"top_logprobs": [{keys[piece]: value for piece, value in likely.items()}]}

    def _generate(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if self.kind != "sglang":
            return None
        if len(body["input_ids"]) + 1 >= self.context_tokens:
            return {"status": 400, "error": {"message": "Requested token count exceeds the maximum context length"}}
        nats = {piece_id(piece): value for piece, value in next_nats(body["input_ids"]).items()}
        named = [[nats[id], id, None] for id in body["token_ids_logprob"]]
        return {"text": "x", "meta_info": {"output_token_ids_logprobs": [named]}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: whoever asked may have gone."""


class _Handler(BaseHTTPRequestHandler):
    toy: ToyServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._respond({})

    def do_POST(self) -> None:
        self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _respond(self, body: dict[str, Any]) -> None:
        if self.toy.key is not None and self.headers.get("Authorization") != f"Bearer {self.toy.key}":
            self._send(Fault(401, b'{"error": "bad key"}'))
            return
        path = self.path
        if self.toy.prefix:
            path = path.replace(self.toy.prefix, "/v1", 1) if path.startswith(self.toy.prefix) else "elsewhere"
        fault = self.toy.fault(path)
        if fault is not None:
            self.toy.note(path, body)
            self._send(fault)
            return
        status, told = self.toy.answer(path, body)
        self._send(Fault(status, json.dumps(told).encode(), {"Content-Type": "application/json"}))

    def _send(self, sent: Fault) -> None:
        if sent.hang_up:
            self.close_connection = True
            return
        self.send_response(sent.status)
        for name, value in sent.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(sent.body)))
        self.end_headers()
        self.wfile.write(sent.body[: len(sent.body) // 2] if sent.cut else sent.body)
        self.close_connection = self.close_connection or sent.cut


def patience(waits: list[float]) -> Patience:
    """Patience that sits through no wait, and notes them all."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    return Patience(sleep=sleep)


def open_toy(server: ToyServer, waits: list[float] | None = None, **settings: Any) -> ServerModel:
    """The toy model as a LanguageModel; `waits` collects the waits between tries."""
    return open_server_model(server.address, patience=patience([] if waits is None else waits), **settings)


def prompt(number: int, num_shots: int = 3, choices: tuple[str, ...] = LETTERS) -> ChoicePrompt:
    shots = tuple(f"which {shot}?\nanswer: A\n\n" for shot in range(num_shots))
    return ChoicePrompt(f"x/{number}", "about letters.\n\n", shots, f"which one is {number}?\nanswer:", choices)


def text(asked: ChoicePrompt, num_shots: int = 3) -> str:
    return asked.header + "".join(asked.shots[:num_shots]) + asked.question


def expected(asked: ChoicePrompt, num_shots: int = 3, *, num_likely: int = 38) -> list[float]:
    nats = dict(list(next_nats(ids(text(asked, num_shots))).items())[:num_likely])
    return [nats.get(choice, -100.0) for choice in asked.choices]


def open_prompt(number: int, **fields: Any) -> OpenPrompt:
    return OpenPrompt(**{"id": f"x/{number}", "header": "h", "shots": (), "question": f"q{number}", **fields})

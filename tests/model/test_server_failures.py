import json
import signal
import threading

import pytest

from loanword.errors import UserError
from loanword.model.server_opening import open_server_model
from loanword.protocols import Refused
from tests.model.serving import GREEDY, Fault, ToyServer, expected, open_prompt, open_toy, patience, prompt


def test_a_server_without_log_probabilities_is_no_guess():
    with ToyServer("other", logprobs=False) as server, pytest.raises(UserError, match=r"no log-prob(.|\n)*generation"):
        open_toy(server).choose([prompt(0)])


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429),
        Fault(500, b"<html>\x1b[31m"),
        Fault(502),
        Fault(503),
        Fault(504),
        Fault(200, b"<html>not json</html>"),
        Fault(200, b"\xff\xfe\x00garbage"),
        Fault(200, b'{"choices": []}'),
        Fault(200, b'{"choices": [{"text": 1, "finish_reason": "stop", "logprobs": {"top_logprobs": [{"A": "x"}]}}]}'),
        Fault(200, b'{"choices": [{"text": "", "logprobs": {"top_logprobs": [{" A": NaN}]}}]}'),
        Fault(200, b'["choices"]' + b" " * 50, cut=True),
        Fault(hang_up=True),
    ],
    ids=lambda fault: f"{fault.status}-{fault.body[:12]!r}-{fault.cut}-{fault.hang_up}",
)
def test_what_goes_wrong_twice_is_asked_again(fault: Fault):
    waits = list[float]()
    with ToyServer("other", faults=[fault, fault]) as server:
        (scored,) = open_toy(server, waits).choose([prompt(0)])
        assert len(server.asked("/v1/completions")) == 3
    assert scored.log_likelihoods_nats == pytest.approx(expected(prompt(0), num_likely=20))
    assert 1 <= waits[0] <= 2 <= waits[1] <= 3


def test_the_wait_that_a_server_asks_for_is_kept():
    waits = list[float]()
    with ToyServer("other", faults=[Fault(429, headers={"Retry-After": "33"})]) as server:
        open_toy(server, waits).choose([prompt(0)])
    assert len(waits) == 1
    assert 33 <= waits[0] <= 34


def test_a_wait_longer_than_patience_is_not_begun():
    waits = list[float]()
    with (
        ToyServer("other", last_fault=Fault(429, b"come back later", {"Retry-After": "3600"})) as server,
        pytest.raises(UserError, match=r"/v1/completions - HTTP 429: come back later \(1 try\)"),
    ):
        open_toy(server, waits).choose([prompt(0)])
    assert waits == []


def test_a_server_that_goes_on_failing_is_given_up_after_patience():
    waits = list[float]()
    with (
        ToyServer("other", last_fault=Fault(500, b"boom")) as server,
        pytest.raises(UserError, match=r"HTTP 500: boom \(\d+ tries\)"),
    ):
        open_toy(server, waits, at_once=1).choose([prompt(0)])
    assert 200 < sum(waits) <= 300


def test_garbage_is_asked_for_a_few_times_and_shown_without_its_control_characters():
    with (
        ToyServer("other", last_fault=Fault(200, b"<html>\x1b[31mred\r\n" + b"x" * 1000)) as server,
        pytest.raises(UserError) as error,
    ):
        open_toy(server, at_once=1).choose([prompt(0)])
    assert len(server.asked("/v1/completions")) == 4
    assert r"not JSON: <html>\x1b[31mred\r\nxxx" in str(error.value)
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 700


@pytest.mark.parametrize("at_once", [1, 16])
def test_a_server_that_dies_in_the_middle_is_an_error(at_once: int):
    done: list[int] = []
    with (
        ToyServer("other", answers_before_death=5) as server,
        pytest.raises(UserError, match=r"/v1/completions - RemoteProtocolError(.|\n)*is on disk"),
    ):
        model = open_toy(server, at_once=at_once)
        model.choose([prompt(number) for number in range(40)], lambda number, *_: done.append(number))
    assert done == [1, 2, 3, 4, 5][: len(done)]
    assert len(done) == 5 or at_once > 1


def test_an_interruption_ends_requests_that_are_waiting():
    stuck, done = threading.Event(), list[int]()

    def interrupt(number: int, *_: object) -> None:
        done.append(number)
        signal.raise_signal(signal.SIGINT)

    with ToyServer("other", stuck=stuck) as server:
        model = open_toy(server, at_once=4)
        try:
            with pytest.raises(KeyboardInterrupt):
                model.choose([prompt(number) for number in range(8)], interrupt)
            assert not stuck.is_set()
        finally:
            stuck.set()
    assert done == [1]


def test_a_server_that_is_not_there_is_an_error():
    with ToyServer() as server:
        address = server.address
    with pytest.raises(UserError, match=r"/v1/models - ConnectError"):
        open_server_model(address, patience=patience([]))


def test_a_key_that_is_refused_is_an_error_that_does_not_show_it():
    with ToyServer("vllm", key="right-key") as server:
        with pytest.raises(UserError, match=r"401: the server wants a key(.|\n)*LOANWORD_API_KEY"):
            open_toy(server)
        with pytest.raises(UserError, match="401: the key is refused") as error:
            open_toy(server, key="wrong-key")
        assert "wrong-key" not in str(error.value)
        with pytest.raises(UserError, match=r"expected: the server's key in MINE or THEIRS\n"):
            open_toy(server, key="wrong-key", key_names=("MINE", "THEIRS"))
        model = open_toy(server, key="right-key")
        server.faults.append(Fault(400, b"your key right-key may not"))
        with pytest.raises(UserError, match=r"your key \*\*\* may not"):
            model.choose([prompt(0)])
        assert len(model.choose([prompt(0)])) == 1
    with pytest.raises(UserError, match="the server's key - has spaces") as error:
        open_server_model("http://localhost", key="two\nlines")
    assert "lines" not in str(error.value).partition("has spaces, line ends")[0]


def test_an_unknown_model_is_an_error_that_lists_the_known():
    with ToyServer("vllm", models=("one", "two")) as server:
        with pytest.raises(UserError, match=r"no model 'three'(.|\n)*one of one, two"):
            open_toy(server, model="three")
        with pytest.raises(UserError, match=r"2 models(.|\n)*one of one, two"):
            open_toy(server)
        model = open_toy(server, model="two")
        server.models = ("one",)
        with pytest.raises(UserError, match=r"404: (.|\n)*asked for the model 'two'\n(.|\n)*one of one\n"):
            model.choose([prompt(0)])


def test_a_request_that_the_server_refuses_is_an_error_and_is_not_repeated():
    with ToyServer("other", faults=[Fault(400, b'{"message": "temperature is odd"}')]) as server:
        with pytest.raises(UserError, match=r"request is refused: HTTP 400(.|\n)*temperature is odd"):
            open_toy(server, at_once=1).choose([prompt(0)])
        assert len(server.asked("/v1/completions")) == 1


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://host/?key=secret",
        "http://host/v1#secret",
        "http://user:secret@host",
        "http://user:secret/x@host",
        "http://host:x",
        "file:///x",
    ],
)
def test_an_address_that_is_none_is_refused(address: str):
    with pytest.raises(UserError, match="address") as error:
        open_server_model(address)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("finish", ["abort", "error", None])
def test_an_answer_that_did_not_come_to_an_end_is_an_error(finish: str):
    with ToyServer(finish=finish) as server, pytest.raises(UserError, match=f"finish_reason is {finish!r}"):
        open_toy(server).generate([open_prompt(0)], GREEDY)


def test_half_a_character_can_still_be_written_down():
    with ToyServer(says="B \ud83d!") as server:
        (said,) = open_toy(server).generate([open_prompt(0)], GREEDY)
    assert said.text == "B \ufffd!"
    assert json.loads(json.dumps(said.text).encode()) == said.text


def test_what_a_filter_refuses_to_answer_has_no_text_and_what_is_otherwise_refused_ends_all():
    filtered = Fault(400, b'{"error": {"code": "content_filter", "message": "The response was filtered"}}')
    with ToyServer("other", faults=[filtered]) as server:
        first, second = open_toy(server, at_once=1).generate([open_prompt(0), open_prompt(1)], GREEDY)
        assert len(server.asked("/v1/completions")) == 2
    assert (first.text, first.ended, first.refused) == ("", "cut", True)
    assert (second.text, second.model, second.num_prompt_tokens, second.refused) == (server.says, "toy", 4, False)
    with ToyServer(finish="content_filter") as server:
        (said,) = open_toy(server).generate([open_prompt(0)], GREEDY)
    assert (said.text, said.ended, said.refused) == ("It is B.", "cut", True)


@pytest.mark.parametrize(("status", "own"), [(400, True), (422, True), (451, True), (402, False), (404, False)])
def test_a_refusal_may_lie_in_what_was_asked_but_not_one_of_the_route_or_of_money(status: int, own: bool):
    with ToyServer(last_fault=Fault(status, b'{"error": {"code": "bad_filter"}}')) as server:
        with pytest.raises(UserError, match=f"HTTP {status}") as error:
            open_toy(server).generate([open_prompt(0)], GREEDY)
        assert len(server.asked("/v1/completions")) == 1
    assert isinstance(error.value, Refused) == own

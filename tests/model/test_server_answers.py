import contextlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.model import server_answers
from loanword.model.server_answers import LikelyToken, before_stop, nats_by_text
from loanword.model.server_transport import Malformed, excerpt, retry_after_seconds


def test_a_wait_may_be_asked_for_as_a_date():
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert retry_after_seconds(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert retry_after_seconds(format_datetime(now - timedelta(seconds=90), usegmt=True), now) == 0
    assert retry_after_seconds("120", now) == 120
    assert retry_after_seconds("soon", now) is None
    assert retry_after_seconds(None, now) is None


def test_excerpts_are_one_line_that_no_terminal_acts_on():
    assert excerpt("a\nb\x1b[0m\u202e答\ud83d") == r"a\nb\x1b[0m\u202e答\ud83d"
    assert excerpt("x" * 500) == "x" * 200 + " ..."


@pytest.mark.parametrize(
    ("told", "nats"),
    [
        ({" A": -1.0, "A": -2.0, " B": -3.0, "B": -0.5}, (-1.0, -3.0)),
        ({"▁A": -1.0, "A": -2.0, "▁B": -3.0}, (-1.0, -3.0)),
        ({"ĠA": -1.0, "ĠB": -3.0, "B": -0.5}, (-1.0, -3.0)),
        ({"A": -2.0, "B": -0.5, "b": -0.1}, (-2.0, -0.5)),
        ({" A": -1.0, "B": -0.5}, (-1.0, -100.0)),
        ({"x": -1.0, "AB": -2.0}, (-100.0, -100.0)),
        ({}, (-100.0, -100.0)),
    ],
)
def test_a_choice_is_found_by_its_text(told: dict[str, float], nats: tuple[float, ...]):
    likely = [LikelyToken(value, token) for token, value in told.items()]
    assert nats_by_text(likely, (" A", " B")) == nats


KEYS = [
    "choices",
    "data",
    "message",
    "text",
    "content",
    "logprobs",
    "top_logprobs",
    "logprob",
    "token",
    "id",
    "finish_reason",
    "usage",
    "tokens",
    "completion_tokens",
    "meta_info",
    "output_token_ids_logprobs",
    "default_generation_settings",
    "n_ctx",
    "max_model_len",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON, st.sampled_from(["models", "ids", "likely_tokens", "completion", "served_context", "version"]))
def test_whatever_json_comes_is_read_or_called_malformed(payload: object, name: str):
    with contextlib.suppress(Malformed):
        getattr(server_answers, f"read_{name}")(payload)


@pytest.mark.parametrize("nats", [float("nan"), float("-inf"), 0.5, True, None, "-1", -(10**400)])
def test_a_log_probability_that_is_none_is_malformed(nats: object):
    with pytest.raises(Malformed, match="a log-probability"):
        server_answers.read_likely_tokens({"choices": [{"logprobs": {"top_logprobs": [{"A": nats}]}}]})


def test_a_text_ends_before_its_first_stop_string():
    assert before_stop("one\ntwo. three", (".", "\n")) == ("one", True)
    assert before_stop("one", (".",)) == ("one", False)

import threading

import pytest

from loanword.errors import UserError
from loanword.evaluation.answering import answer
from loanword.evaluation.benchmark import Asking, Example, Subject, SubjectQuestions, letter_chance, single_mark
from loanword.model.server_opening import open_server_model
from loanword.model.server_requests import prompt_seed
from loanword.protocols import ChoicePrompt, ChoiceScores
from loanword.recipe import BenchmarkConfig
from loanword.records import Decoding
from tests.model.serving import (
    GREEDY,
    KINDS,
    LETTERS,
    ToyServer,
    expected,
    ids,
    next_nats,
    open_prompt,
    open_toy,
    patience,
    piece_id,
    prompt,
    text,
)


@pytest.mark.parametrize("kind", KINDS)
def test_choices_get_the_log_likelihoods_that_the_server_gives_them(kind: str):
    prompts = [prompt(number) for number in range(40)]
    with ToyServer(kind) as server:
        scores = open_toy(server).choose(prompts)
    named = kind in ("vllm", "sglang")
    for asked, scored in zip(prompts, scores, strict=True):
        assert scored.log_likelihoods_nats == pytest.approx(expected(asked, num_likely=38 if named else 20))
        assert scored.num_shots == 3
        letter_ids = tuple((piece_id(letter),) for letter in LETTERS)
        assert scored.choice_ids == (() if kind == "other" else letter_ids)


@pytest.mark.parametrize("kind", KINDS)
def test_likelihoods_of_the_prompt_are_never_asked_for(kind: str):
    with ToyServer(kind) as server:
        open_toy(server).choose([prompt(0)])
        (body,) = server.asked("/generate" if kind == "sglang" else "/v1/completions")
    assert "echo" not in body
    assert "prompt_logprobs" not in body
    assert body.get("logprob_start_len", -1) == -1
    assert body.get("max_tokens", 1) == body.get("sampling_params", {}).get("max_new_tokens", 1) == 1


def test_pieces_that_are_written_alike_are_told_apart_by_their_ids():
    with ToyServer("vllm", drops_spaces=True) as server:
        (scored,) = open_toy(server).choose([prompt(0)])
    assert scored.log_likelihoods_nats == pytest.approx(expected(prompt(0)))


def test_a_server_that_names_no_ids_is_read_by_text():
    with ToyServer("vllm", names_ids=False) as server:
        (scored,) = open_toy(server).choose([prompt(0)])
    assert scored == ChoiceScores(tuple(expected(prompt(0), num_likely=20)), 3, ())


def test_isolated_choices_are_read_at_the_ids_of_the_bare_letters():
    with ToyServer("vllm") as server:
        (scored,) = open_toy(server, choice_ids="isolated").choose([prompt(0)])
    nats = next_nats(ids(text(prompt(0))))
    assert scored.log_likelihoods_nats == pytest.approx([nats[letter] for letter in "ABCD"])
    with ToyServer("other") as server, pytest.raises(UserError, match="isolated"):
        open_toy(server, choice_ids="isolated").choose([prompt(0)])


def test_choices_that_are_not_among_the_likeliest_tokens_get_minus_100():
    asked = prompt(0, choices=(" A", "。"))
    with ToyServer("other", max_likely=5) as server:
        (scored,) = open_toy(server).choose([asked])
        assert [body["logprobs"] for body in server.asked("/v1/completions")] == [20, 10, 5]
    assert scored.log_likelihoods_nats == pytest.approx(expected(asked, num_likely=5))
    assert scored.log_likelihoods_nats[1] == -100.0


def test_results_keep_the_order_of_prompts_that_are_answered_out_of_order():
    prompts = [prompt(number) for number in range(12)]
    done: list[tuple[int, int, str]] = []
    with ToyServer("other", held=threading.Event()) as server:
        scores = open_toy(server, at_once=4).choose(prompts, lambda *told: done.append(told))
    assert [list(scored.log_likelihoods_nats) for scored in scores] == [
        pytest.approx(expected(asked, num_likely=20)) for asked in prompts
    ]
    assert done == [(number, 12, "questions") for number in range(1, 13)]


@pytest.mark.parametrize("kind", KINDS)
def test_shots_are_dropped_until_the_prompt_fits_and_never_the_question(kind: str):
    fits, short = prompt(0), prompt(1, num_shots=0)
    long = ChoicePrompt("x/2", "", ("shot",), "too long " * 20, LETTERS)
    context = len(ids(text(fits, 1))) + 2
    with ToyServer(kind, context_tokens=context) as server:
        scores = open_toy(server).choose([fits, short, long])
    assert [scored.num_shots for scored in scores] == [1, 0, 0]
    likely = 38 if kind in ("vllm", "sglang") else 20
    assert scores[0].log_likelihoods_nats == pytest.approx(expected(fits, 1, num_likely=likely))
    assert scores[2] == ChoiceScores((), 0, ())


def test_no_example_is_lost_where_some_do_not_fit():
    examples = tuple(Example(f"x/{n}", "q" * (1 + 30 * (n % 3)), ("a", "b"), ("A",)) for n in range(9))
    questions = SubjectQuestions(Subject("letters", "letters", "all"), (), examples)
    asking = Asking(
        prompts=lambda asked, _: [ChoicePrompt(e.id, "", (), e.question, (" A", " B")) for e in asked.examples],
        mark=lambda response, given: single_mark(response, given),
        chance=letter_chance,
    )
    config = BenchmarkConfig(folder="f", answering="likelihood")
    with ToyServer("vllm", context_tokens=40) as server:
        responses = answer(open_toy(server), "b", questions, asking, config)
    assert [response.id for response in responses] == [example.id for example in examples]
    assert [response.ended for response in responses] == ["scored", "scored", "too long"] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_choices_of_several_tokens_are_refused(kind: str):
    with ToyServer(kind) as server, pytest.raises(UserError, match=r"x/0 - the choice ' yes'(.|\n)*by generation"):
        open_toy(server).choose([prompt(0, choices=(" yes", " no"))])


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_an_address_may_end_in_v1(ending: str):
    with ToyServer("vllm") as server:
        model = open_server_model(server.address + ending, patience=patience([]))
        assert model.address == server.address
        assert len(model.choose([prompt(0)])) == 1


def test_responses_are_those_of_the_server():
    with ToyServer("vllm", says="It is B.\nNext") as server:
        said = open_toy(server).generate([open_prompt(number) for number in range(20)], GREEDY)
        bodies = server.asked("/v1/completions")
    assert {(one.text, one.num_shots, one.num_tokens, one.ended) for one in said} == {("It is B.", 0, 7, "stopped")}
    assert sorted(body["prompt"] for body in bodies) == sorted(f"hq{number}" for number in range(20))
    assert all(body["stop"] == ["\n"] and body["max_tokens"] == 9 and body["temperature"] == 0 for body in bodies)
    assert all(body["repetition_penalty"] == 1.0 for body in bodies)


def test_a_response_at_the_limit_is_cut():
    with ToyServer(finish="length") as server:
        (said,) = open_toy(server).generate([open_prompt(0)], GREEDY)
    assert (said.text, said.ended) == ("It is B.", "cut")


@pytest.mark.parametrize("prefix", ["/api/paas/v4", "/v1beta/openai", "/v1/openai"])
def test_an_address_of_another_version_is_taken_as_it_is(prefix: str):
    with ToyServer(prefix=prefix) as server:
        (said,) = open_server_model(server.address + prefix + "/", patience=patience([])).generate(
            [open_prompt(0, chat=True)], GREEDY
        )
        assert [path for path, _ in server.requests] == ["/v1/models", "/v1/chat/completions"]
    assert said.text == "It is B."


@pytest.mark.parametrize("before", ["/api", "/client/v4/ai"])
def test_what_stands_before_v1_stays(before: str):
    with ToyServer(prefix=f"{before}/v1") as server:
        model = open_server_model(f"{server.address}{before}/v1", patience=patience([]))
        assert len(model.generate([open_prompt(0)], GREEDY)) == 1


def test_a_server_that_lists_no_models_is_asked_for_the_one_that_is_named():
    with ToyServer(lists_models=False) as server:
        (said,) = open_toy(server, model="toy").generate([open_prompt(0)], GREEDY)
        assert said.text == "It is B."
        with pytest.raises(UserError, match="404"):
            open_toy(server)


def test_the_most_new_tokens_have_the_name_that_the_server_knows():
    with ToyServer(limit_name="max_completion_tokens", context_tokens=40) as server:
        model = open_toy(server, at_once=1)
        said = model.generate([open_prompt(number, chat=True) for number in range(3)], GREEDY)
        long = model.generate([open_prompt(9, question="q" * 99, chat=True)], GREEDY)
        names = [[name for name in body if name.startswith("max_")] for body in server.asked("/v1/chat/completions")]
    assert [one.ended for one in [*said, *long]] == ["stopped"] * 3 + ["too long"]
    assert names[0] == ["max_tokens"], "once"
    assert all(name == ["max_completion_tokens"] for name in names[1:])


def test_a_refusal_that_stands_apart_from_the_text_is_one():
    with ToyServer(refusal="I will not say.") as server:
        (said,) = open_toy(server).generate([open_prompt(0, chat=True)], GREEDY)
    assert (said.text, said.ended, said.refused, said.num_tokens) == ("I will not say.", "stopped", True, 7)


@pytest.mark.parametrize(
    ("finish", "ended"),
    [("eos", "stopped"), ("end_turn", "stopped"), ("STOP", "stopped"), ("max_tokens", "cut"), ("MAX_TOKENS", "cut")],
)
def test_an_ending_by_another_name_is_taken_as_what_it_is(finish: str, ended: str):
    with ToyServer(finish=finish) as server:
        (said,) = open_toy(server).generate([open_prompt(0)], GREEDY)
        assert len(server.asked("/v1/completions")) == 1
    assert (said.text, said.ended, said.refused) == ("It is B.", ended, False)


def test_conversations_go_to_the_servers_own_template():
    prompts = [open_prompt(0, chat=True, system="be brief", shots=("s1 ",)), open_prompt(1, chat=True)]
    with ToyServer("sglang") as server:
        open_toy(server, at_once=1).generate(prompts, GREEDY)
        bodies = server.asked("/v1/chat/completions")
        server.content = False
        (empty,) = open_toy(server).generate([open_prompt(2, chat=True)], GREEDY)
    assert [body["messages"] for body in bodies] == [
        [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hs1 q0"}],
        [{"role": "user", "content": "hq1"}],
    ]
    assert empty.text == ""


def test_exchanges_before_are_asked_of_a_server_too():
    before = (("one?\n", "A"), ("two?\n", "B"))
    prompts = [open_prompt(0, chat=True, system="be brief", history=before), open_prompt(1, history=before)]
    with ToyServer("vllm") as server:
        open_toy(server, at_once=1).generate(prompts, GREEDY)
        (chat,) = server.asked("/v1/chat/completions")
        (plain,) = server.asked("/v1/completions")
    roles = ["system", "user", "assistant", "user", "assistant", "user"]
    contents = ["be brief", "one?\n", "A", "two?\n", "B", "hq0"]
    assert chat["messages"] == [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]
    assert plain["prompt"] == "one?\nA\n\ntwo?\nB\n\nhq1"


def test_plain_prompts_begin_with_the_system_text():
    with ToyServer() as server:
        open_toy(server).generate([open_prompt(0, system="be brief. ")], GREEDY)
        (body,) = server.asked("/v1/completions")
    assert body["prompt"] == "be brief. hq0"


TIGHT = [
    open_prompt(0, shots=("shot 1 ", "shot 2 ", "shot 3 ", "shot 4 ")),
    open_prompt(1, question="q" * 28),
    open_prompt(2, question="q" * 30),
    open_prompt(3, question="q" * 99),
]


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llamacpp"])
def test_prompts_leave_the_room_that_is_reserved_for_the_response(kind: str):
    with ToyServer(kind, context_tokens=40) as server:
        said = open_toy(server, at_once=1).generate(TIGHT, Decoding(max_new_tokens=24))
        rooms = [body["max_tokens"] for body in server.asked("/v1/completions")]
    ended = [(3, "stopped"), (0, "stopped"), (0, "too long"), (0, "too long")]
    assert [(one.num_shots, one.ended) for one in said] == ended
    refused = [24, 12, 10]
    if kind == "llamacpp":
        assert rooms == [24, 24, 24, 24, *refused]
    else:
        assert rooms == [*refused, 24, 12, *refused, *refused, *refused]


def test_shots_go_before_room_where_the_context_is_not_told():
    with ToyServer("other", context_tokens=40) as server:
        said = open_toy(server, at_once=1).generate(TIGHT, Decoding(max_new_tokens=24))
        rooms = [body["max_tokens"] for body in server.asked("/v1/completions")]
    ended = [(1, "stopped"), (0, "stopped"), (0, "stopped"), (0, "too long")]
    assert [(one.num_shots, one.ended) for one in said] == ended
    assert rooms == [24, 24, 24, 24, 24, 12, 6, 24, 12, 6, 24, 12, 6, 3, 1]


def test_draws_are_seeded_by_the_prompt_and_not_by_what_is_asked_beside_it():
    drawn = Decoding(max_new_tokens=9, temperature=0.7, top_p=0.9, seed=5)
    with ToyServer("llamacpp") as server:
        model = open_toy(server)
        model.generate([open_prompt(number) for number in range(6)], drawn)
        model.generate([open_prompt(3)], drawn)
        model.generate([open_prompt(3)], GREEDY)
        *drawn_bodies, again, greedy = server.asked("/v1/completions")
    seeds = {body["prompt"]: body["seed"] for body in drawn_bodies}
    assert seeds == {f"hq{number}": prompt_seed(5, f"x/{number}") for number in range(6)}
    assert len(set(seeds.values())) == 6
    assert again["seed"] == seeds["hq3"]
    assert (again["temperature"], again["top_p"], again["top_k"], again["min_p"]) == (0.7, 0.9, 0, 0.0)
    assert "seed" not in greedy


def test_what_a_server_is_goes_into_provenance_without_its_address():
    facts = {}
    for kind in KINDS:
        with ToyServer(kind) as server:
            model = open_toy(server)
            model.choose([prompt(0)])
            facts[kind] = model.described
    assert facts == {
        "vllm": {"served_model": "toy", "server": "vllm 1.2", "choices_by": "id"},
        "sglang": {"served_model": "toy", "server": "sglang 3.4", "choices_by": "id"},
        "llamacpp": {"served_model": "toy", "server": "llamacpp b1-abc", "choices_by": "id"},
        "other": {"served_model": "toy", "choices_by": "text"},
    }


def test_a_known_server_without_its_own_routes_is_read_by_text():
    with ToyServer("vllm", tokenizes=False) as server:
        model = open_toy(server)
        (scored,) = model.choose([prompt(0)])
    assert model.described["choices_by"] == "text"
    assert scored.log_likelihoods_nats == pytest.approx(expected(prompt(0), num_likely=20))


def test_texts_have_no_likelihoods_on_a_server():
    with ToyServer() as server:
        model = open_toy(server)
    assert model.choose_singly([prompt(0)]) is None
    with pytest.raises(UserError, match="name the folder or the Hub id"):
        model.likelihoods(["text"], window_tokens=8, stride_tokens=4)


def test_nothing_asked_is_nothing_answered():
    with ToyServer() as server:
        model = open_toy(server)
        assert model.choose([]) == []
        assert model.generate([], GREEDY) == []

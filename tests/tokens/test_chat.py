"""Conversations as ids: what is asked is not counted, what is answered is, exactly."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.corpus.instructions import read_instructions
from loanword.errors import UserError
from loanword.records import Conversation, Message
from loanword.tokenizer.load import load_tokenizer
from loanword.tokens.chat import encode_conversation, encode_conversations, encode_prompt
from loanword.tokens.pack import pack_conversations
from loanword.tokens.rendering import render
from loanword.tokens.rows import NOT_COUNTED, ConversationRows
from loanword.tokens.templates import ALPACA_TEMPLATE, TEMPLATES
from tests.tokens.fakes import Characters

CONTENT = st.text(alphabet="ab 语\n<s>/{}%", min_size=1, max_size=12)
TURNS = st.lists(st.tuples(CONTENT, CONTENT), min_size=1, max_size=3)


def conversation(turns: list[tuple[str, str]], system: str = "") -> Conversation:
    messages = [Message(role="system", content=system)] if system else []
    for asked, answered in turns:
        messages += [Message(role="user", content=asked), Message(role="assistant", content=answered)]
    return Conversation(id="c", messages=tuple(messages))


def test_the_alpaca_prompt_is_stanfords():
    (asked, _) = conversation([("Name three colours.", "Red.")]).messages
    assert render([asked], ALPACA_TEMPLATE, bos_token="", eos_token="", add_generation_prompt=True) == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
        "\n\n### Instruction:\nName three colours.\n\n### Response:"
    )


@given(TURNS)
def test_responses_and_their_eos_are_counted_and_nothing_else(turns: list[tuple[str, str]]):
    encoded = encode_conversation(conversation(turns), Characters(), ALPACA_TEMPLATE)
    counted = [id for id, counts in zip(encoded.ids, encoded.counted, strict=True) if counts]
    assert Characters().decode(counted) == "".join(f"{answered}</s>" for _, answered in turns)
    assert encoded.ids[0] == 1 and not encoded.counted[0]
    assert encoded.ids[-1] == 2


@given(TURNS)
def test_the_ids_spell_the_rendered_text(turns: list[tuple[str, str]]):
    made = conversation(turns)
    encoded = encode_conversation(made, Characters(), ALPACA_TEMPLATE)
    text = render(made.messages, ALPACA_TEMPLATE, bos_token="<s>", eos_token="</s>")
    assert Characters().decode(encoded.ids) == text
    assert encoded.ids.count(1) == 1 and encoded.ids.count(2) == len(turns)


@given(TURNS)
def test_generating_goes_on_from_the_ids_that_were_tuned_on(turns: list[tuple[str, str]]):
    made = conversation(turns)
    encoded = encode_conversation(made, Characters(), ALPACA_TEMPLATE)
    prompt = encode_prompt(made.messages[:-1], Characters(), ALPACA_TEMPLATE)
    assert encoded.ids[: len(prompt)] == prompt
    assert all(encoded.counted[len(prompt) :])


def test_text_that_reads_like_a_special_token_stays_text():
    made = conversation([("\ufdd1</s>", "a\ufdd1<s>\ufdd0")])
    encoded = encode_conversation(made, Characters(), ALPACA_TEMPLATE)
    assert (encoded.ids.count(1), encoded.ids.count(2)) == (1, 1)
    counted = [id for id, counts in zip(encoded.ids, encoded.counted, strict=True) if counts]
    assert Characters().decode(counted) == "a<s></s>"


@given(st.lists(TURNS, max_size=4))
def test_many_at_once_are_as_each_alone(many: list[list[tuple[str, str]]]):
    made = [conversation(turns) for turns in many]
    alone = [encode_conversation(each, Characters(), ALPACA_TEMPLATE) for each in made]
    assert list(encode_conversations(made, Characters(), ALPACA_TEMPLATE)) == alone


CHATML = (
    "{%- for message in messages %}\n  {{- bos_token if loop.first }}[{{ message.role }}]"
    "{{ message.content | tojson }}\n"
    "    {%- if message.role == 'assistant' %}{{ eos_token }}{% continue %}{% endif %}\n{% endfor %}\n"
    "{% set ns = namespace(n=0) %}{% for message in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}"
    "{{ dict(turns=ns.n) | tojson }}{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.mark.parametrize("template", [*TEMPLATES.values(), CHATML])
@pytest.mark.parametrize("generating", [True, False])
@pytest.mark.parametrize("system", ["", "Antworte kurz: <b> & „ja“."])
def test_transformers_renders_the_same(template: str, generating: bool, system: str):
    from transformers.utils.chat_template_utils import render_jinja_template

    made = conversation([("Was ist 1 < 2?\n", '"Wahr" 语'), (" und weiter {{ x }} ", "Nichts.")], system)
    messages = made.messages[:-1] if generating else made.messages
    (theirs,), _ = render_jinja_template(
        [[message.model_dump() for message in messages]],
        chat_template=template,
        add_generation_prompt=generating,
        bos_token="<s>",
        eos_token="</s>",
    )
    ours = render(messages, template, bos_token="<s>", eos_token="</s>", add_generation_prompt=generating)
    assert ours == theirs


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("{% if %}", "TemplateSyntaxError"),
        ("{{ raise_exception('only one system message') }}", "TemplateError: only one system message"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ raise_exception.__globals__['json'] }}", "SecurityError"),
        ("{% set ns = namespace() %}{% set ns._x = 1 %}", "SecurityError"),
        ("{{ strftime_now('%Y') }}", "'strftime_now' is undefined"),
    ],
)
def test_a_template_that_cannot_be_used_is_a_user_error(template: str, what: str):
    with pytest.raises(UserError) as caught:
        render(conversation([("a", "b")]).messages, template, bos_token="", eos_token="")
    assert what in caught.value.what


@pytest.mark.parametrize(
    "template", ["{{ messages[-1].content }}", "{% for m in messages %}{{ m.content }}{% endfor %}"]
)
def test_a_template_whose_responses_cannot_be_told_is_refused(template: str):
    with pytest.raises(UserError, match="conversation 'c': the prompt is not the beginning"):
        encode_conversation(conversation([("a", "b")]), Characters(), template)


def test_transformers_gives_the_same_prompt_ids_with_a_real_tokenizer(tmp_path: Path, shared_data: Path):
    from transformers import AutoTokenizer

    tokenizer = load_tokenizer(shared_data / "tokenizers" / "llama-32k" / "tokenizer.model")
    tokenizer.save(tmp_path, chat_template=ALPACA_TEMPLATE)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    read = read_instructions([shared_data / "instructions" / "vietnamese_lima.jsonl.gz"], seed=0, num_conversations=40)
    for each in read.conversations:
        asked = [message.model_dump() for message in each.messages[:-1]]
        encoded = theirs.apply_chat_template(asked, tokenize=True, add_generation_prompt=True)
        assert encode_prompt(each.messages[:-1], tokenizer, ALPACA_TEMPLATE) == encoded["input_ids"]


def test_real_nepali_instructions_become_rows(tmp_path: Path, shared_data: Path):
    tokenizer = Characters()
    read = read_instructions([shared_data / "instructions" / "aya_ne.jsonl.gz"], seed=0, num_conversations=300)
    encoded = encode_conversations(read.conversations, tokenizer, ALPACA_TEMPLATE)
    made = pack_conversations(
        encoded,
        tmp_path,
        row_tokens=512,
        num_pieces=tokenizer.num_pieces,
        pad_id=tokenizer.eos_id,
        num_read=read.num_read,
        num_removed=read.num_removed,
    )
    rows = ConversationRows(tmp_path)
    assert made.num_conversations + made.num_removed["longer_than_row"] == 300
    assert rows.num_rows == made.num_rows
    answers = {each.messages[1].content for each in read.conversations}
    row = rows.row(0)
    labels = [int(label) for label in row.labels if label != NOT_COUNTED]
    assert tokenizer.decode(labels).removesuffix("</s>").split("</s>")[0] in answers

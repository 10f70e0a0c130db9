"""Chat templates of ours, and the one that a base comes with.

A template is Jinja, as `apply_chat_template` of transformers reads it. Each ends a response with one special token:
EOS, or a marker of the end of a turn that the tokenizer has as a piece. Generating stops there.
"""

from loanword.errors import UserError
from loanword.tokenizer.interface import Tokenizer

# Source: PROMPT_DICT["prompt_no_input"] in train.py of tatsu-lab/stanford_alpaca; an input is part of the instruction,
# as in ymcui/Chinese-LLaMA-Alpaca. Ours: a system message takes the preamble's place, and turns follow each other.
ALPACA_TEMPLATE = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}"
    "{% else %}Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '\\n\\n### Instruction:\\n' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}{{ '\\n\\n### Response:' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\n\\n### Response:' }}{% endif %}"
)

# Source: `chat_completion` in llama/generation.py of facebookresearch/llama, and what the template of
# meta-llama/Llama-2-7b-chat-hf gives: every turn from BOS to EOS, contents stripped, the system message in the first.
LLAMA_2_TEMPLATE = (
    "{% set system = messages[0] if messages[0]['role'] == 'system' else none %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' }}"
    "{% set shown = '<<SYS>>\\n' + system['content'] + '\\n<</SYS>>\\n\\n' if system and loop.index0 == 1 else '' %}"
    "{{ (shown + message['content']) | trim + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] | trim + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)

_CHATML = (
    "{%% for message in messages %%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}%s{{ '\\n' }}"
    "{%% endfor %%}"
    "{%% if add_generation_prompt %%}{{ '<|im_start|>assistant\\n' }}{%% endif %%}"
)
# Source: openai/openai-python, chatml.md at v0.28.1; like Qwen's, without a BOS.
CHATML_TEMPLATE = _CHATML % "<|im_end|>"
# Ours, for tokenizers that do not have both markers as pieces: they are text like other text, after BOS, and a response
# ends with EOS in place of the marker, because text that is several pieces long ends nothing.
CHATML_TEXT_TEMPLATE = "{{ bos_token }}" + _CHATML % (
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}<|im_end|>{% endif %}"
)

TEMPLATES = {"alpaca": ALPACA_TEMPLATE, "llama-2": LLAMA_2_TEMPLATE, "chatml": CHATML_TEMPLATE}
"""Templates by the names that a study gives them; `model` is the one that a base comes with."""


def chat_template(name: str, tokenizer: Tokenizer) -> str:
    """The template that a study calls `name`, as it is written for a tokenizer.

    Raises:
        UserError: `model`, where the base comes with none, and a name that is not known.
    """
    if name == "chatml" and not {"<|im_start|>", "<|im_end|>"} <= tokenizer.special_ids.keys():
        return CHATML_TEXT_TEMPLATE
    if name in TEMPLATES:
        return TEMPLATES[name]
    if name != "model":
        raise _unknown(name)
    if tokenizer.chat_template is None:
        raise UserError(
            'template = "model"',
            "the base comes with no chat template",
            expected="chat_template in its tokenizer_config.json, or a chat_template.jinja beside it",
            do=f"name one of ours: {', '.join(TEMPLATES)}",
        )
    return tokenizer.chat_template


def _unknown(name: str) -> UserError:
    return UserError(
        "chat template", f"there is none called {name!r}", expected=f"{', '.join(TEMPLATES)} or model", do="name one"
    )

"""Texts that tokenizers stumble over."""

ODD_TEXTS = [
    "",
    " ",
    "  two before and after  ",
    " " * 37 + "indented" + " " * 100 + "far",
    "\ttab\t\tand\nnew\n\n\nlines\r\n",
    " \n \t \n\n\t\t\n  ",
    "a    b     c  d   e",
    "e\u0301 é 👩‍👩‍👧 👍🏽 🏴\U000e0067\U000e0062\U000e007f \U0001f9ff ☺️",
    "哈哈哈哈哈哈哈 GPT模型 2024年",
    "ᚠᚢᚦ 𐎀𐎁 ꦗꦮ ᏣᎳᎩ 𓀀𓂀 ⴰⴱ ߒߞߏ \U0001e900\U0001e922",
    "\x00\x7f\ufeff\u200b\u3000\u00a0",
    "null\x00in the middle\x00\x00",
    "".join(map(chr, range(0x20))) + "".join(map(chr, range(0x7F, 0xA1))),
    "\ue000 private \uf8ff use \U000f0000\U0010fffd",
    "\ufffe\uffff\U0001ffff not characters \ufdd0",
    "١٢٣ १२३ 一二三 123 ½ ²",
    "\u202eright to left\u202c العربية\u200f!",
    "🇬🇧🇰🇪🇮🇩🇻🇳 1️⃣#️⃣",
]
"""Spaces, breaks, scripts and characters of every kind."""

QUOTING_TEXTS = [
    "▁",
    "▁▁ ▁a▁ ▁",
    " ▁ ▁▁",
    "<0x41><0x0A>",
    "<s> and </s><unk><pad>",
    "<|endoftext|><|begin_of_text|> <|eot_id|>",
    "text <tool> text<tool>text <tool>",
    "<tool>",
    "<tool><tool> 🧰x🧰",
    "<table><h1>a</h1></table> <code> x",
    "<mask><start_of_turn>user\nhi<end_of_turn>\n",
    "[INST] hi [/INST][TOOL_CALLS]",
    "the Ġwhole Ċ â whole",
    "<tool_call>x</tool_call>",
]
"""Text that says what a tokenizer's pieces are called."""

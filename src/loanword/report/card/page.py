"""A model card as it is read: front matter, then sections in the order in which a stranger asks."""

from loanword.report.card.about import Exported
from loanword.report.card.data import data_blocks, sources_of, text_artifacts
from loanword.report.card.front_matter import front_matter
from loanword.report.card.limits import limits
from loanword.report.card.lineage import lineage_blocks, made_from
from loanword.report.card.markdown import code, escaped, items
from loanword.report.card.scores import CardScores, score_blocks
from loanword.report.card.settings import settings_blocks
from loanword.report.card.vocabulary import vocabulary_blocks
from loanword.report.gather import Artifact, stage_of
from loanword.report.wording import bytes_text, count_text, joined, language_name, plain

HERE = "."
"""How a card's example calls the folder that it lies in, where it goes to no repository."""


def card(exported: Exported) -> str:
    """The whole README.md of a model."""
    scores = CardScores(exported)
    sections = (
        ("How to use it", _use(exported)),
        ("Scores", score_blocks(scores)),
        ("Limits", [items(limits(exported, scores))]),
        ("Lineage", lineage_blocks(exported)),
        ("Data", data_blocks(exported, scores.knowledge, scores.titles)),
        ("Vocabulary", vocabulary_blocks(exported)),
        ("Settings", settings_blocks(exported)),
        ("Licence", _licence(exported)),
    )
    parts = [front_matter(exported, scores), f"# {_title(exported)}", *_lead(exported)]
    for heading, blocks in sections:
        parts += [f"## {heading}", *blocks] if blocks else []
    return "\n\n".join(parts) + "\n"


def _title(exported: Exported) -> str:
    return escaped(exported.repository or f"{exported.study.name}: {exported.run.label}")


def _lead(exported: Exported) -> list[str]:
    run, target = exported.run, language_name(exported.languages[0])
    summary, decoder = run.last_summary, run.decoder
    size = f" It has {count_text(summary.num_parameters)} parameters" if summary else ""
    context = (
        f"{' and' if size else ' It has'} a context of {plain(decoder.context_tokens)} tokens"
        if decoder and decoder.context_tokens
        else ""
    )
    done = joined(_done(exported))
    what = "An instruction-tuned language model" if exported.is_tuned else "A language model"
    came = "" if exported.recipe.base.train else ", as it came"
    origin = f"Its base is {made_from(exported)}." if done else f"It is {made_from(exported)}{came}."
    made, end = f", made by {done}" if done else "", "." if size or context else ""
    first = f"{what} for {target}{made}. {origin}{size}{context}{end}"
    summary_text = f" (\u201c{escaped(exported.study.summary)}\u201d)" if exported.study.summary else ""
    second = (
        f"It is the run {code(run.label)} of the study {code(exported.study.name)}{summary_text}. Everything below is "
        "computed from the records of that study by Loanword."
    )
    return [first, second]


def _done(exported: Exported) -> list[str]:
    summary, recipe = exported.run.summaries.get("pretraining"), exported.recipe
    done: list[str] = []
    if exported.is_extended:
        done.append(f"adding {plain(recipe.tokenizer.num_new_pieces)} pieces to the vocabulary of its base")
    if exported.is_pretrained:
        amount = f" on {bytes_text(summary.num_target_bytes)} of {language_name(recipe.target)} text" if summary else ""
        done.append(f"further pretraining{amount}")
    if exported.is_tuned:
        number = plain(recipe.tuning.num_conversations)
        done.append(f"instruction tuning on {number} conversations")
    return done


def _use(exported: Exported) -> list[str]:
    target = language_name(exported.languages[0])
    name = exported.repository or HERE
    where = "" if exported.repository else "  # this folder"
    asked = f"Your question, in {target}." if exported.is_tuned else f"The beginning of a text in {target}"
    encode = (
        [
            f'messages = [{{"role": "user", "content": "{asked}"}}]',
            "inputs = tokenizer.apply_chat_template(",
            '    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True',
            ")",
        ]
        if exported.is_tuned
        else [f'inputs = tokenizer("{asked}", return_tensors="pt")']
    )
    lines = [
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'name = "{name}"{where}',
        "tokenizer = AutoTokenizer.from_pretrained(name)",
        'model = AutoModelForCausalLM.from_pretrained(name, dtype="auto")',
        *encode,
        "output = model.generate(**inputs, max_new_tokens=128)",
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))',
        "```",
    ]
    return ["\n".join(lines), _form(exported)]


def _form(exported: Exported) -> str:
    if not exported.is_tuned:
        return "It goes on with a text; it was not tuned to answer. By default every token is the likeliest one."
    template = exported.recipe.conversations.template
    own = "the chat template of its base" if template == "model" else f"the chat template {code(template)}"
    return (
        f"It was tuned with {own}, which `chat_template.jinja` holds: other prompts are strange to it. By default "
        "every token is the likeliest one."
    )


def _licence(exported: Exported) -> list[str]:
    licence = exported.licence
    if licence.is_named:
        named = escaped(licence.name or licence.id)
        linked = f"[{named}]({licence.link})" if licence.link else named
        first = f"Given out under {linked}, as named by whoever exported it."
    else:
        first = (
            "**No licence is named yet.** Whoever gives this model out has to name one (`loanword export "
            "--license ID`), after reading the terms of what it was made from."
        )
    made_of = [f"the base: {made_from(exported)}"] if exported.recipe.base.train is None else []
    texts = [_source(exported, one) for one in text_artifacts(exported)]
    rest = [*made_of, *texts]
    if not rest:
        return [first]
    return [
        first,
        "It was made from what follows, each under terms of its own, which the study does not name:",
        items(rest),
    ]


def _source(exported: Exported, text: Artifact) -> str:
    kind = "instructions" if stage_of(text.role) == "instructions" else "text"
    language = language_name(exported.run.texts[text.role].facts.language)
    return f"{language} {kind}: {', '.join(sources_of(text)) or 'no source is named'}"

"""What reading text takes: corpora, instructions, tokenizers, token streams, rows of conversations, overlap.

Sizes on disk follow the files that each stage writes; constants were counted in finished stores (docs/planning.md).
"""

from loanword.recipe import (
    ConversationsConfig,
    CorpusConfig,
    ExtendedTokenizerConfig,
    InstructionsConfig,
    LearnedTokenizerConfig,
    MeasuredOverlapConfig,
    SourceConfig,
)
from loanword.records import ConversationCounts, InstructionCounts, read_json
from loanword.store import Job
from loanword.study.estimate.known import Known, inputs_of
from loanword.study.estimate.value import Estimate

MANIFEST_BYTES = 2_500
LINE_BYTES, ESCAPED = 40, 1.012
"""Of a document's line around its text, and what escapes add to that."""
STREAM_BYTES_PER_DOCUMENT = 16
PIECE_BYTES, PUBLISHED_PIECE_BYTES = 45, 100
"""Of tokenizer files; byte-level vocabularies write their merges too."""
TEMPLATE_TOKENS, TOKENS_PER_CONVERSATION = 60, 250
OVERLAP_BYTES = 105


def corpus(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, CorpusConfig)
    kind = "corpus, filtered" if _filters(config) else "corpus"
    num_bytes, num_documents = known.corpus_bytes(job), known.num_documents(job)
    if num_bytes is None or num_documents is None:
        return Estimate(unknown=f"the size of {_named(config)}", kind=kind)
    held_out = min(config.held_out_documents, num_documents) * num_bytes / num_documents
    sample = known.samples.of(config)
    return Estimate(
        text_bytes=num_bytes,
        disk_bytes=int(ESCAPED * (num_bytes + held_out) + LINE_BYTES * num_documents) + MANIFEST_BYTES,
        kind=kind,
        # A limit is drawn after all of it has been read.
        work=num_bytes if sample is None else sample.unpacked_bytes,
    )


def instructions(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, InstructionsConfig)
    sample = known.samples.of(config)
    if sample is None:
        return Estimate(unknown=f"the size of {_named(config)}", kind="instructions")
    unpacked, num_read = sample.unpacked_bytes, sample.num_documents or 0
    share = 1.0
    if job.key in known.finished and num_read:
        share = read_json(InstructionCounts, known.store.folder(job) / "counts.json").num_conversations / num_read
    return Estimate(
        text_bytes=int(share * sample.text_bytes),
        disk_bytes=int(share * (unpacked + LINE_BYTES * num_read)) + MANIFEST_BYTES,
        kind="instructions",
        work=unpacked,
    )


def tokenizer(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, LearnedTokenizerConfig | ExtendedTokenizerConfig)
    sizes = [known.corpus_bytes(one) for one in inputs_of(job, "corpus")]
    read = min(config.sample_bytes, sum(size or config.sample_bytes for size in sizes))
    num_pieces = known.num_pieces(job)
    disk_bytes = MANIFEST_BYTES + tokenizer_bytes(num_pieces or 0)
    if isinstance(config, LearnedTokenizerConfig):
        return Estimate(kind="tokenizer, learned", work=read, disk_bytes=disk_bytes)
    unknown = "" if num_pieces is not None else f"the vocabulary of {job.inputs['base'].key}"
    gate = known.corpus_bytes(job.inputs["gate"]) if "gate" in job.inputs else 0
    read += min(config.gate_bytes, config.gate_bytes if gate is None else gate)
    return Estimate(
        kind="tokenizer, extended",
        work=read,
        disk_bytes=disk_bytes + PIECE_BYTES * config.num_new_pieces,
        unknown=unknown,
    )


def tokens(known: Known, job: Job) -> Estimate:
    made = job.inputs["corpus"]
    text, num_documents, num_pieces = known.corpus_bytes(made), known.num_documents(made), None
    if text is None or num_documents is None:
        return Estimate(unknown=f"the size of {_source_of(made)}", kind="tokens")
    num_pieces = known.num_pieces(job.inputs["tokenizer"])
    num_tokens = int(text / known.bytes_per_token(job)) + num_documents
    width = 2 if num_pieces is None or num_pieces <= 2**16 else 4
    disk_bytes = width * num_tokens + STREAM_BYTES_PER_DOCUMENT * num_documents + MANIFEST_BYTES
    return Estimate(text, num_tokens, disk_bytes=disk_bytes, kind="tokens", work=text)


def conversations(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, ConversationsConfig)
    num_tokens = conversation_tokens(known, job)
    num_pieces = known.num_pieces(job.inputs["tokenizer"])
    width = 2 if num_pieces is None or num_pieces <= 2**16 else 4
    # A mark beside each id, an integer where each conversation starts.
    disk_bytes = (width + 1) * num_tokens + 6 * (config.num_conversations or 0) + MANIFEST_BYTES
    return Estimate(
        num_tokens=num_tokens, disk_bytes=disk_bytes, kind="conversations", work=config.num_conversations or 0
    )


def conversation_tokens(known: Known, job: Job) -> int:
    """Tokens in the rows of conversations: counted where the rows are there."""
    config = job.config
    assert isinstance(config, ConversationsConfig)
    if job.key in known.finished:
        counted = read_json(ConversationCounts, known.store.folder(job) / "counts.json")
        return counted.num_rows * counted.row_tokens
    sources = inputs_of(job, "instructions")
    each = [_tokens_of_one(known, job.inputs["tokenizer"], one) for one in sources]
    shares = [config.shares.get(name.partition(".")[2], 1.0) for name in job.inputs if name.startswith("instructions")]
    number = config.num_conversations or sum(_number(known, one) for one in sources)
    return int(number * sum(a * b for a, b in zip(each, shares, strict=True)) / sum(shares))


def overlap(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, MeasuredOverlapConfig)
    made = job.inputs["text"]
    asked = known.benchmarks.asked(config.benchmark)
    text = known.corpus_bytes(made) if made.stage == "corpus" else instructions(known, made).text_bytes
    if asked is None or text is None:
        return Estimate(
            unknown=f"the questions of {config.benchmark.name} or the size of {_source_of(made)}", kind="overlap"
        )
    disk_bytes = OVERLAP_BYTES * asked.num_examples + MANIFEST_BYTES
    return Estimate(text_bytes=text, disk_bytes=disk_bytes, kind="overlap", work=text)


def tokenizer_bytes(num_pieces: int) -> int:
    """Files of a tokenizer beside a checkpoint or by themselves."""
    return num_pieces * (PIECE_BYTES if num_pieces < 2**16 else PUBLISHED_PIECE_BYTES)


def _tokens_of_one(known: Known, tokenizer: Job, source: Job) -> float:
    assert isinstance(source.config, SourceConfig)
    sample = known.samples.of(source.config)
    if sample is None or sample.num_documents is None:
        return TOKENS_PER_CONVERSATION
    text = sample.text_bytes / sample.num_documents
    return TEMPLATE_TOKENS + text / known.bytes_per_token_of(tokenizer, source)


def _number(known: Known, source: Job) -> int:
    assert isinstance(source.config, SourceConfig)
    sample = known.samples.of(source.config)
    return 0 if sample is None or sample.num_documents is None else sample.num_documents


def _filters(config: CorpusConfig) -> bool:
    asks = (config.clean.rules, config.only_language, config.near_duplicates, config.without)
    return any(one is not None and one != () for one in asks)


def _source_of(job: Job) -> str:
    assert isinstance(job.config, SourceConfig)
    return _named(job.config)


def _named(config: SourceConfig) -> str:
    return ", ".join((*config.files, *(f"the data set {one.id}" for one in config.hub)))

"""Conversations of instruction files of one language, cleaned of what cannot be learned from, in a seeded nested order.

In: files as `lines` reads them, one instruction a line, in any of the shapes that `shapes` knows.
Out: `conversations.jsonl`, in an order in which the first 1,000 are the start of the first 5,000; `counts.json`,
`removed.jsonl` with some of what each rule removed or changed, `quarantine.jsonl` with lines that were set aside.

Lines are read and judged one by one, in several processes; what is left waits on disk for its place in the order. In
memory are some 170 bytes a conversation, and 512 more where near duplicates are looked for. Nothing depends on the
number of processes or on the order of the files.
"""

import heapq
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from loanword.corpus.examples import removed_example
from loanword.corpus.instruction_rules import removing
from loanword.corpus.instruction_sift import Kept, Sifter, Told, shown
from loanword.corpus.instruction_spool import (
    DUPLICATE,
    NEAR_DUPLICATE,
    Fates,
    Ranks,
    Spool,
    Spooled,
    fates,
    line_with_own_id,
    ranks,
    text_of,
)
from loanword.corpus.judge import TextList
from loanword.corpus.lines import all_batches, parsed, source_lines
from loanword.corpus.parts import whole
from loanword.corpus.sources import SourceFile
from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.recipe import InstructionsConfig
from loanword.records import Conversation, InstructionCounts, Removed, read_json, read_lines, write_json, write_lines
from loanword.tokenizer.workers import ordered_map

_CONVERSATIONS, _COUNTS = "conversations.jsonl", "counts.json"
_REMOVED, _QUARANTINE = "removed.jsonl", "quarantine.jsonl"
_REASONS = {DUPLICATE: "duplicate", NEAR_DUPLICATE: "near_duplicate"}
_REPORT_CONVERSATIONS = 1024


def conversations(folder: Path) -> Iterator[Conversation]:
    """The conversations of an artifact, in its order."""
    return read_lines(Conversation, folder / _CONVERSATIONS)


def counts(folder: Path) -> InstructionCounts:
    """What an artifact holds, and what was left out on the way."""
    return read_json(InstructionCounts, folder / _COUNTS)


def removed(folder: Path) -> Iterator[Removed]:
    """Some of the conversations that each rule removed or changed, rule by rule."""
    return read_lines(Removed, folder / _REMOVED)


def build_instructions(
    config: InstructionsConfig,
    files: Sequence[SourceFile],
    out: Path,
    progress: Progress = silent,
    *,
    without: TextList | None = None,
    num_workers: int = 1,
) -> InstructionCounts:
    """Fills `out` with the conversations that `config` asks for; `files` are what its sources are.

    Every instruction that was read is kept, or counted under one reason in `num_removed`: `empty_instruction`,
    `empty_response`, the name of a rule, `listed` (holds a text of `without`), `duplicate` (another one differs in
    white space alone), `near_duplicate`. Of conversations that share an id all but the first get `~` and a digest of
    their text behind it.

    Raises:
        UserError: sources that cannot be read, a broken line where these are fatal, or nothing that is left.
    """
    folder = out / ".scratch" / "instructions"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "spool").open("w+b") as file, whole(out / _QUARANTINE, folder) as aside:
        spool = Spool(file)
        told = _sifted(config, files, spool, aside, progress, without, num_workers)
        spooled = spool.closed()
        decided = _decided(spooled, config, folder)
        made = _counts(config, told, decided)
        if not made.num_conversations:
            raise _too_few([file.name for file in files], 0, None, made.num_removed, told)
        _write_conversations(spooled, decided, out / _CONVERSATIONS, folder, progress)
        _offer_duplicates(spooled, decided, told)
    write_lines(told.examples.records(), out / _REMOVED)
    write_json(made, out / _COUNTS)
    shutil.rmtree(folder)
    return made


class Instructions(NamedTuple):
    """What instruction files hold once the unusable is out.

    `num_removed` counts what was not usable by reason; what is only beyond the first n is in neither.
    """

    conversations: list[Conversation]
    num_read: int
    num_removed: dict[str, int]


def read_instructions(
    files: Sequence[Path | SourceFile],
    *,
    seed: int,
    num_conversations: int | None = None,
    progress: Progress = silent,
) -> Instructions:
    """The first `num_conversations` conversations of the order that `build_instructions` gives without any rule, held
    in memory; all of them where it is None.

    Raises:
        UserError: a file or a line that cannot be read, or fewer usable conversations than were asked for.
    """
    sifter = Sifter(InstructionsConfig(files=(".",), order_seed=seed))
    told, usable, num_duplicates = Told(), dict[bytes, Kept](), 0
    for line in source_lines(files, progress):
        sifted = sifter([line])
        if sifted.fault is not None:
            raise sifted.fault
        told.add(sifted.told)
        for kept in sifted.kept:
            num_duplicates += kept.digest in usable
            usable[kept.digest] = min(kept, usable.get(kept.digest, kept))
    num_removed = {rule: told.num_removed[rule] for rule in removing(sifter.config)} | {"duplicate": num_duplicates}
    if not usable or (num_conversations is not None and len(usable) < num_conversations):
        raise _too_few(map(str, files), len(usable), num_conversations, num_removed, told)
    first = (
        sorted(usable.values()) if num_conversations is None else heapq.nsmallest(num_conversations, usable.values())
    )
    found = [Conversation.from_json(kept.line, where="instructions") for kept in first]
    return Instructions(found, told.num_read, num_removed)


def _sifted(
    config: InstructionsConfig,
    files: Sequence[SourceFile],
    spool: Spool,
    aside: IO[bytes],
    progress: Progress,
    without: TextList | None,
    num_workers: int,
) -> Told:
    sifter, told = Sifter(config, without), Told()
    read = (batch for _, _, batch in all_batches(files, config, progress))
    for sifted in ordered_map(lambda batch: sifter(parsed(batch)), read, num_workers):
        if sifted.fault is not None:
            raise sifted.fault
        told.add(sifted.told)
        spool.add(sifted.kept, sifted.signatures)
        aside.writelines(f"{line.to_json()}\n".encode() for line in sifted.quarantined)
    return told


def _decided(spooled: Spooled, config: InstructionsConfig, folder: Path) -> Fates:
    placed = ranks(spooled)
    return fates(spooled, _later(spooled, placed, config, folder), placed)


def _later(spooled: Spooled, placed: Ranks, config: InstructionsConfig, folder: Path) -> npt.NDArray[np.bool_] | None:
    if config.near_duplicates is None or spooled.signatures_NK is None:
        return None
    from loanword.corpus.near import later_duplicates

    threshold, texts = config.near_duplicates, partial(text_of, spooled)
    return later_duplicates(spooled.signatures_NK, placed.rank_N, threshold, texts, folder)


def _counts(config: InstructionsConfig, told: Told, decided: Fates) -> InstructionCounts:
    num_removed = {rule: told.num_removed[rule] for rule in removing(config)}
    reasons = {DUPLICATE} if config.near_duplicates is None else {DUPLICATE, NEAR_DUPLICATE}
    num_removed |= {_REASONS[reason]: int((decided.reason_N == reason).sum()) for reason in sorted(reasons)}
    return InstructionCounts(
        language=config.language,
        num_read=told.num_read,
        num_conversations=len(decided.kept),
        num_quarantined_lines=told.num_quarantined,
        num_removed=num_removed,
        num_changed=dict(sorted(told.num_changed.items())),
    )


def _write_conversations(spooled: Spooled, decided: Fates, path: Path, folder: Path, progress: Progress) -> None:
    with whole(path, folder) as file:
        for done, (place, id_is_taken) in enumerate(zip(decided.kept, decided.id_is_taken, strict=True)):
            line = spooled.line(int(place))
            file.write(line_with_own_id(line, int(spooled.high_N[place])) if id_is_taken else line)
            if done % _REPORT_CONVERSATIONS == 0:
                progress(done, len(decided.kept), "conversations")


def _offer_duplicates(spooled: Spooled, decided: Fates, told: Told) -> None:
    def example(rule: str, place: int) -> Removed:
        gone, stays = (_conversation(spooled.line(each)) for each in (place, int(decided.first_N[place])))
        return removed_example(rule, gone.id, shown(gone), "" if stays == gone else f"as {stays.id}")

    for place in np.flatnonzero(decided.reason_N).tolist():
        rule = _REASONS[int(decided.reason_N[place])]
        key = int(spooled.order_N[place] ^ spooled.id_N[place])
        told.examples.offer(rule, key, partial(example, rule, place))


def _conversation(line: bytes) -> Conversation:
    return Conversation.from_json(line, where=_CONVERSATIONS)


def _too_few(
    files: Iterable[str], num_usable: int, num_asked: int | None, removed: Mapping[str, int], told: Told
) -> UserError:
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in removed.items())
    aside = ""
    if first := told.first_quarantined:
        aside = f"; {told.num_quarantined:,} lines set aside, the first (line {first.line}): {first.reason}"
    return UserError(
        ", ".join(files),
        f"{num_usable:,} usable conversations; removed: {reasons}{aside}",
        expected="at least one" if num_asked is None else f"at least num_conversations = {num_asked:,}",
        do="give more instructions, or lower num_conversations",
    )

"""What training stages share: a model from an artifact, rows through it, a checkpoint into another.

In:  an artifact's `checkpoint/`; where it is a cut, `optimizer.safetensors` and the files below too.
Out: the same; `curve.jsonl`, `probes.jsonl`, `skipped.jsonl` and `summary.json`, each from the beginning of the
     trajectory. A cut that is trained by LoRA has `trained.safetensors`, its adapters and tables, and no checkpoint.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.generate import stop_also_at
from loanword.model.load import (
    check_tokenizer_fits,
    context_tokens,
    count_parameters,
    load_model,
    save_model,
    train_flops_per_token,
)
from loanword.model.lora import add_lora, load_trainable, merge_lora, trainable_tensors
from loanword.model.new_rows import load_facts, load_rows, put_behind
from loanword.model.weights import check_finite
from loanword.protocols import Work
from loanword.recipe import StepsConfig
from loanword.records import (
    CurvePoint,
    ProbePoint,
    SkippedRows,
    TrainingSummary,
    read_json,
    read_lines,
    write_json,
    write_lines,
)
from loanword.tokenizer.load import load_tokenizer
from loanword.tokens.budget import Seen
from loanword.training import loop
from loanword.training.data import RowSource
from loanword.training.parallel import whole_model
from loanword.training.probing import Probe
from loanword.training.state import Position

CHECKPOINT = "checkpoint"
OPTIMIZER = "optimizer.safetensors"
TRAINED = "trained.safetensors"


@dataclass(frozen=True)
class Trained:
    """A trained model, what the loop left of it, and which of its parameters a cut trained by LoRA has to keep."""

    model: PreTrainedModel
    training: loop.Training
    steps: StepsConfig
    names: tuple[str, ...]


def load(folder: Path) -> PreTrainedModel:
    """The model of an artifact.

    Raises:
        UserError: weights that are not finite.
    """
    model = load_model(folder / CHECKPOINT)
    check_finite(model.named_parameters(), folder / CHECKPOINT)
    return model


def extended_base(work: Work) -> PreTrainedModel:
    """The base, with a row for every piece that the run's tokenizer adds.

    Raises:
        UserError: a tokenizer with more pieces than the model has rows.
    """
    model = load(work.inputs["base"])
    if "new_rows" in work.inputs:
        put_behind(model, load_rows(work.inputs["new_rows"]))
    num_pieces = load_tokenizer(_tokenizer(work.inputs["tokenizer"])).num_pieces
    check_tokenizer_fits(model, num_pieces, work.inputs["tokenizer"])
    return model


def num_old_rows(work: Work) -> int | None:
    """Rows of tables that are of the base's pieces; None where the run's tokenizer adds none."""
    return load_facts(work.inputs["new_rows"]).num_base_pieces if "new_rows" in work.inputs else None


def starting_model(work: Work, steps: StepsConfig, cut: Path | None) -> PreTrainedModel:
    """The model at a cut, or the extended base; with adapters where it is trained by LoRA."""
    if steps.lora is None:
        return extended_base(work) if cut is None else load(cut)
    model = adapted(extended_base(work), steps, work.seed)
    if cut is not None:
        load_trainable(model, load_file(cut / TRAINED), cut / TRAINED)
    return model


def adapted(model: PreTrainedModel, steps: StepsConfig, seed: int) -> PreTrainedModel:
    """The model with what is trained of it: itself, or adapters that change nothing yet."""
    return model if steps.lora is None else add_lora(model, steps.lora, seed)


def starting_position(cut: Path | None, probe: Probe | None = None) -> Position:
    """Where training goes on behind a cut, with all that led there; or row 0."""
    if cut is None:
        return Position(0)
    points = list(read_lines(ProbePoint, cut / "probes.jsonl"))
    return Position(
        read_json(TrainingSummary, cut / "summary.json").num_rows,
        list(read_lines(CurvePoint, cut / "curve.jsonl")),
        list(read_lines(SkippedRows, cut / "skipped.jsonl")),
        probe.carried(points) if probe else points,
    )


def train(
    model: PreTrainedModel,
    rows: RowSource,
    last_row: int,
    steps: StepsConfig,
    rate: Callable[[int], float],
    work: Work,
    *,
    after: Path | None = None,
    probe: Probe | None = None,
    num_old_rows: int | None = None,
) -> Trained:
    """Trains on rows up to `last_row`, from row 0 or from the cut `after`, with its optimizer.

    Raises:
        UserError: rows longer than the model's context; and what the loop raises.
    """
    if steps.row_tokens > context_tokens(model):
        raise UserError(
            "steps.row_tokens",
            f"rows of {steps.row_tokens:,} tokens",
            expected=f"at most {context_tokens(model):,}, the model's context",
            do=f"set row_tokens = {context_tokens(model)} or less",
        )
    names = tuple(trainable_tensors(model))
    training = loop.train(
        model,
        rows,
        starting_position(after, probe),
        last_row,
        steps=steps,
        learning_rate=rate,
        work=work,
        num_old_rows=num_old_rows,
        optimizer_file=None if after is None else after / OPTIMIZER,
        probe=probe,
    )
    return Trained(model, training, steps, names)


def save(model: PreTrainedModel, tokenizer: Path, out: Path, chat_template: str | None = None) -> None:
    """Writes a checkpoint in the Hub's layout, its tokenizer with it."""
    save_model(model, out / CHECKPOINT)
    load_tokenizer(_tokenizer(tokenizer)).save(out / CHECKPOINT, chat_template=chat_template)


def save_cut(trained: Trained, tokenizer: Path, seen: Seen, out: Path) -> None:
    """Writes a cut of a trunk: the state that a later cut or a decay goes on from, and what has been read."""
    trained.training.optimizer.save(out / OPTIMIZER, trained.training.ranks)
    model = whole_model(trained.model, trained.training.ranks)
    if model is None:
        return
    if trained.steps.lora is None:
        save(model, tokenizer, out)
    else:
        kept = {name: model.get_parameter(name).detach().contiguous() for name in trained.names}
        save_file(kept, out / TRAINED)
    _write_position(trained.training.position, out)
    _write_summary(model, seen, trained.training.position, out)


def save_trained(
    trained: Trained,
    tokenizer: Path,
    seen: Seen,
    out: Path,
    *,
    chat_template: str | None = None,
    stops_also_at: int | None = None,
) -> None:
    """Writes a trained checkpoint, adapters merged, its whole curve, and what it has read.

    An id that ends a turn beside EOS is written into the generation settings, so that every program stops there.

    Of several processes the first writes; all of them have to ask.
    """
    model = whole_model(trained.model, trained.training.ranks)
    if model is None:
        return
    if trained.steps.lora is not None:
        merge_lora(model)
    if stops_also_at is not None:
        stop_also_at(model, stops_also_at)
    save(model, tokenizer, out, chat_template)
    _write_position(trained.training.position, out)
    _write_summary(model, seen, trained.training.position, out)


def save_untrained(model: PreTrainedModel, tokenizer: Path, out: Path) -> None:
    """Writes a checkpoint that has read nothing."""
    save(model, tokenizer, out)
    _write_summary(model, Seen(num_rows=0, num_tokens=0), Position(0), out)


def _tokenizer(folder: Path) -> Path:
    return folder / CHECKPOINT if (folder / CHECKPOINT).exists() else folder


def _write_position(position: Position, out: Path) -> None:
    write_lines(position.curve, out / "curve.jsonl")
    write_lines(position.probes, out / "probes.jsonl")
    write_lines(position.skipped, out / "skipped.jsonl")


def _write_summary(model: PreTrainedModel, seen: Seen, position: Position, out: Path) -> None:
    summary = TrainingSummary(
        num_rows=seen.num_rows,
        num_tokens=seen.num_tokens,
        num_target_bytes=seen.num_target_bytes,
        num_target_tokens=seen.num_target_tokens,
        num_replay_tokens=seen.num_replay_tokens,
        num_steps=len(position.curve),
        num_parameters=count_parameters(model),
        train_flops=train_flops_per_token(model) * seen.num_tokens,
    )
    write_json(summary, out / "summary.json")

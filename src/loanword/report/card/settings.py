"""How a model was trained: the settings of each stage beside each other, and where it ran."""

from collections.abc import Callable, Mapping

from loanword.recipe import StepsConfig
from loanword.records import TrainingSummary
from loanword.report.card.about import Exported
from loanword.report.card.markdown import code, escaped, table
from loanword.report.gather import Artifact
from loanword.report.wording import NOT_PLANNED, count_text, flops_text, percent, plain

TITLES = {"base": "Base", "pretraining": "Further pretraining", "tuning": "Instruction tuning"}
_LIBRARIES = ("loanword", "python", "torch", "transformers", "tokenizers", "sentencepiece")


def settings_blocks(exported: Exported) -> list[str]:
    """A table with a column for each stage of training, and the versions that trained it last."""
    stages = {
        role: steps for role, steps in _stages(exported).items() if steps is not None and role in exported.run.artifacts
    }
    if not stages:
        return ["Nothing was trained here: the weights are those of the base."]
    summaries, artifacts = exported.run.summaries, exported.run.artifacts
    of_steps = [(title, [told(steps) for steps in stages.values()]) for title, told in _SETTINGS]
    of_summary = [(title, [_known(summaries.get(role), told) for role in stages]) for title, told in _SEEN]
    of_place = [(title, [_placed(artifacts[role], told) for role in stages]) for title, told in _PLACES]
    epochs = [plain(exported.recipe.tuning.epochs) if role == "tuning" else NOT_PLANNED for role in stages]
    repeated = [("Epochs", epochs)] if "tuning" in stages else []
    named = [*of_steps, *repeated, *of_summary, *of_place]
    rows = [(title, *values) for title, values in named if any(value != NOT_PLANNED for value in values)]
    seed = f"Seed {plain(exported.run.seed)}. "
    note = f"{seed}AdamW with decoupled weight decay. {_versions(artifacts[list(stages)[-1]])}"
    return [table(("", *(TITLES[role] for role in stages)), rows), note.strip()]


def _stages(exported: Exported) -> dict[str, StepsConfig | None]:
    recipe = exported.recipe
    pretraining = recipe.acting_pretraining
    return {
        "base": None if recipe.base.train is None else recipe.base.train.acting.steps,
        "pretraining": None if pretraining is None else pretraining.steps,
        "tuning": recipe.tuning.steps if exported.is_tuned else None,
    }


def _schedule(steps: StepsConfig) -> str:
    if steps.schedule == "warmup-stable-decay":
        return f"constant, then linear to 0 over the last {percent(steps.decay_share, 0)} of rows"
    return {"cosine": "cosine to 0", "constant": "constant"}[steps.schedule]


def _lora(steps: StepsConfig) -> str:
    if steps.lora is None:
        return NOT_PLANNED
    lora = steps.lora
    targets = escaped(", ".join(lora.targets)) or "all linear layers"
    tables = ", tables of pieces in full" if lora.embeddings else ""
    bits = ", base in 4 bits" if lora.four_bit else ""
    return f"rank {plain(lora.rank)}, alpha {plain(lora.alpha)}, {targets}{tables}{bits}"


def _groups(steps: StepsConfig) -> str:
    told = [
        f"{name.replace('_', ' ')} " + ("frozen" if group["frozen"] else f"{group['learning_rate_factor']:g} times")
        for name, group in steps.groups.model_dump().items()
        if group["frozen"] or group["learning_rate_factor"] != 1.0
    ]
    return ", ".join(told) or NOT_PLANNED


_SETTINGS: tuple[tuple[str, Callable[[StepsConfig], str]], ...] = (
    ("Peak learning rate", lambda steps: f"{steps.peak_learning_rate:g}"),
    ("Schedule after warm-up", _schedule),
    ("Warm-up steps", lambda steps: plain(steps.warmup_steps)),
    ("Tokens a batch", lambda steps: plain(steps.batch_tokens)),
    ("Tokens a row", lambda steps: plain(steps.row_tokens)),
    ("Weight decay", lambda steps: f"{steps.weight_decay:g}"),
    ("AdamW betas", lambda steps: f"{steps.beta1:g}, {steps.beta2:g}"),
    ("Gradient norm clipped at", lambda steps: f"{steps.clip_norm:g}"),
    ("Precision", lambda steps: steps.precision),
    ("Optimizer state", lambda steps: NOT_PLANNED if steps.optimizer_state == "float32" else steps.optimizer_state),
    ("LoRA", _lora),
    ("Groups with a rate of their own", _groups),
    (
        "Steps on new rows alone",
        lambda steps: plain(steps.only_new_rows_steps) if steps.only_new_rows_steps else NOT_PLANNED,
    ),
)

_SEEN: tuple[tuple[str, Callable[[TrainingSummary], str]], ...] = (
    ("Optimizer steps", lambda summary: plain(summary.num_steps)),
    ("Tokens read", lambda summary: count_text(summary.num_tokens)),
    ("Training compute", lambda summary: flops_text(summary.train_flops)),
)

_PLACES: tuple[tuple[str, Callable[[Artifact], str]], ...] = (
    ("Device", lambda artifact: _device(artifact.manifest.provenance.execution)),
    ("Machine", lambda artifact: _machine(artifact.manifest.provenance.machine)),
)


def _known(summary: TrainingSummary | None, told: Callable[[TrainingSummary], str]) -> str:
    return NOT_PLANNED if summary is None else told(summary)


def _placed(artifact: Artifact | None, told: Callable[[Artifact], str]) -> str:
    return "missing" if artifact is None else told(artifact)


def _device(execution: Mapping[str, object]) -> str:
    device, processes = execution.get("device"), execution.get("processes")
    if device is None:
        return NOT_PLANNED
    return (
        f"{plain(processes)} \u00d7 {escaped(device)}"
        if isinstance(processes, int) and processes > 1
        else escaped(device)
    )


def _machine(machine: object) -> str:
    if isinstance(machine, dict):
        return escaped(", ".join(f"{name} {value}" for name, value in sorted(machine.items())))  # pyright: ignore
    return NOT_PLANNED if machine is None else escaped(machine)


def _versions(artifact: Artifact | None) -> str:
    versions = {} if artifact is None else artifact.manifest.provenance.versions
    known = [f"{name} {code(versions[name])}" for name in _LIBRARIES if name in versions]
    return f"Made with {', '.join(known)}." if known else ""

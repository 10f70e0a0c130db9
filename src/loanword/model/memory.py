"""How much memory training takes on one device, tensor by tensor, and which recipes fit; no torch is needed.

Three moments of a step may be its peak: in the loss, when every activation is kept and logits are made; in the
backward pass of the last layer; and at the end of it, where the gradient of the input embeddings is made. Activations
follow transformers' LLaMA layer: norms in float32, the copies that autocast makes, what attention keeps.
`python -m bench memory` compares with training.

Letters: D width, Q all query heads together, K all key heads, F feed-forward width, V pieces.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from loanword.model.shape import DecoderShape
from loanword.recipe import LoraConfig, StepsConfig

Activations = Literal["keep", "selective", "recompute"]
ACTIVATIONS: tuple[Activations, ...] = ("keep", "selective", "recompute")

HALF, FLOAT = 2, 4
STATE_8_BIT = 1 + FLOAT / 256  # a code, and a scale for every 256 of them
WEIGHT_4_BIT = 0.5 + FLOAT / 64  # a code, and a scale for every 64 of them
CHUNK_LOGITS = {"cpu": 2**21, "cuda": 2**27}
"""Logits that exist at once in the loss: 8 MB on a processor, 512 MB keep a GPU busy."""
CHUNK_TOKENS = 256
"""Tokens of a chunk at the least: with fewer, products wait for the head's rows to be read (docs/performance.md)."""
BESIDE_BYTES = {"cpu": 8_000_000, "cuda": 1_000_000_000}
"""What is there beside tensors: work space of libraries, measured on a CPU; CUDA's context, assumed, on a GPU."""
LARGEST_TOKENS = 2**20
USABLE = 0.9
"""Share of a device's memory that an estimate may fill: estimates are within 10 % of the peak."""


class Memory(NamedTuple):
    """Bytes on one device at the peak of a training step, by what they are for.

    `copies`: weights in bf16 that products read or, where parameters are sharded, what is gathered of them.
    `recomputed`: activations of the one layer that is computed again. `loss`: logits, and gradients of whole tables
    on their way. `workspace`: gradients inside one layer, and what is there beside tensors.
    """

    weights_bytes: float = 0.0
    copies_bytes: float = 0.0
    gradients_bytes: float = 0.0
    optimizer_bytes: float = 0.0
    activations_bytes: float = 0.0
    recomputed_bytes: float = 0.0
    loss_bytes: float = 0.0
    workspace_bytes: float = 0.0

    @property
    def total_bytes(self) -> int:
        """All of them together."""
        return int(sum(self))


@dataclass(frozen=True)
class Place:
    """Where training runs, as far as memory depends on it; parameters are sharded over all processes."""

    device: Literal["cpu", "cuda"] = "cuda"
    num_processes: int = 1


GPU = Place()


class Fit(NamedTuple):
    """A recipe, and the most tokens that may go through the model at once in it; None where not even a row may.

    `memory` is that of the largest micro-batch, or of one row where none fits.
    """

    name: str
    steps: StepsConfig
    activations: Activations
    micro_batch_tokens: int | None
    memory: Memory


def estimate(
    shape: DecoderShape,
    steps: StepsConfig,
    micro_batch_tokens: int,
    activations: Activations = "keep",
    place: Place = GPU,
) -> Memory:
    """Memory of steps in which `micro_batch_tokens` go through the model at once, several times a step.

    A checkpoint's copy of the state lies in the machine's memory and is left out.
    """
    still = _still(shape, steps, place)
    layer = _layer_bytes(shape, steps, "keep", place)
    kept = _layer_bytes(shape, steps, activations, place)
    again = 0.0 if activations == "keep" else layer - kept
    residual = shape.width * _residual_bytes(steps)
    # The last norm's input in float32, its value and output, angles, three integers; on a CPU a mask over the row.
    outside = FLOAT * shape.width + 2 * residual + 2 * FLOAT * shape.head_width + 24
    outside += FLOAT * steps.row_tokens if place.device == "cpu" else 0
    activations_bytes = micro_batch_tokens * (shape.num_layers * kept + outside)
    waiting = _weight_bytes(steps) * shape.num_pieces * shape.width  # the gradient of one table, whole
    trains_tables = _trains_tables(steps)
    beside = BESIDE_BYTES[place.device]
    in_loss = still._replace(
        activations_bytes=activations_bytes + 2 * micro_batch_tokens * residual,
        loss_bytes=_loss_bytes(shape, steps, micro_batch_tokens, place),
        workspace_bytes=beside,
    )
    in_layers = still._replace(
        activations_bytes=activations_bytes,
        recomputed_bytes=micro_batch_tokens * again,
        loss_bytes=waiting * (shape.tied and trains_tables),
        workspace_bytes=micro_batch_tokens * _backward_bytes(shape, steps) + beside,
    )
    at_embeddings = still._replace(
        copies_bytes=0.0,
        loss_bytes=waiting * ((1 + shape.tied) if trains_tables else 0),
        workspace_bytes=micro_batch_tokens * residual + beside,
    )
    return max((in_loss, in_layers, at_embeddings), key=lambda memory: memory.total_bytes)


def largest_micro_batch(
    shape: DecoderShape,
    steps: StepsConfig,
    capacity_bytes: float,
    activations: Activations = "keep",
    place: Place = GPU,
) -> int | None:
    """Tokens of the most whole rows that fit, at most about a million; None where not one row fits."""
    rows = range(1, max(1, LARGEST_TOKENS // steps.row_tokens) + 1)
    num_rows = bisect_right(
        rows,
        capacity_bytes,
        key=lambda rows: estimate(shape, steps, rows * steps.row_tokens, activations, place).total_bytes,
    )
    return num_rows * steps.row_tokens or None


def activations_that_fit(
    shape: DecoderShape, steps: StepsConfig, capacity_bytes: float, micro_batch_tokens: int, place: Place = GPU
) -> Activations:
    """What computes least again among what fits; `recompute` where nothing does."""
    for activations in ACTIVATIONS:
        if estimate(shape, steps, micro_batch_tokens, activations, place).total_bytes <= capacity_bytes:
            return activations
    return "recompute"


def fitting(shape: DecoderShape, steps: StepsConfig, capacity_bytes: float, place: Place = GPU) -> Iterator[Fit]:
    """Recipes in order of preference, first the given one; each with activations kept, kept in part, recomputed."""
    for name, leaner in recipes(steps).items():
        for activations in ACTIVATIONS:
            tokens = largest_micro_batch(shape, leaner, capacity_bytes, activations, place)
            memory = estimate(shape, leaner, tokens or leaner.row_tokens, activations, place)
            yield Fit(name, leaner, activations, tokens, memory)


def recipes(steps: StepsConfig) -> dict[str, StepsConfig]:
    """The given steps, then the same with ever less memory, by a name for people."""
    lora = steps.lora or LoraConfig()
    adapters: list[dict[str, object]] = [
        {"precision": "pure-bf16", "lora": lora.model_copy(update={"four_bit": four_bit})} for four_bit in (False, True)
    ]
    full: list[dict[str, object]] = [
        {"precision": "bf16"},
        {"precision": "pure-bf16"},
        {"precision": "pure-bf16", "optimizer_state": "8-bit"},
    ]
    # Who asks for adapters is not offered full training.
    changes = [{}, *(full if steps.lora is None else []), *adapters]
    leaner = [steps.model_copy(update=change) for change in changes]
    return {recipe_name(each): each for each in leaner}


def recipe_name(steps: StepsConfig) -> str:
    """Precision, state and adapters in a few words."""
    words: list[str] = [steps.precision]
    if steps.optimizer_state == "8-bit":
        words.append("8-bit state")
    if steps.lora is not None:
        words.append(f"{'QLoRA' if steps.lora.four_bit else 'LoRA'} of rank {steps.lora.rank}")
    return ", ".join(words)


def _still(shape: DecoderShape, steps: StepsConfig, place: Place) -> Memory:
    """What does not depend on how much goes through the model at once."""
    lora, groups = steps.lora, steps.groups
    weight, moment = _weight_bytes(steps), FLOAT if steps.optimizer_state == "float32" else STATE_8_BIT
    matrices = shape.num_layers * shape.layer_parameters
    tables = shape.num_pieces * shape.row_parameters
    adapters = 0 if lora is None else shape.num_layers * lora.rank * sum(map(sum, _moved(shape, steps).values()))
    trained = adapters
    if lora is None:
        trained += matrices * (not groups.backbone.frozen) + shape.norm_parameters * (not groups.norms.frozen)
    trained += tables * _trains_tables(steps)
    packed = lora is not None and lora.four_bit
    held = matrices * (WEIGHT_4_BIT if packed else weight) + (tables + shape.norm_parameters + adapters) * weight
    return Memory(
        weights_bytes=held / place.num_processes,
        copies_bytes=_copies_bytes(shape, steps, place.num_processes),
        gradients_bytes=trained * weight / place.num_processes,
        optimizer_bytes=2 * trained * moment / place.num_processes,
    )


def _copies_bytes(shape: DecoderShape, steps: StepsConfig, num_processes: int) -> float:
    layer, product = shape.layer_parameters, _product_bytes(steps)
    if num_processes > 1:
        # Two layers are gathered, the next while one is used, whose gradients are then summed in float32; the tables
        # stay gathered.
        tables = shape.num_pieces * shape.row_parameters * (1 - 1 / num_processes)
        return layer * (2 * product + product + FLOAT) + tables * _weight_bytes(steps)
    if steps.lora is not None and steps.lora.four_bit:
        return HALF * max(wide * high for wide, high in shape.matrices.values())
    # Autocast keeps its copy of every matrix until the backward pass has used it.
    return HALF * layer * shape.num_layers if _autocasts(steps) else 0.0


def _layer_bytes(shape: DecoderShape, steps: StepsConfig, activations: Activations, place: Place) -> float:
    """What one layer keeps of one token for the backward pass."""
    product, width = _product_bytes(steps), shape.width
    query, key, wide = shape.query_width, shape.key_width, shape.feed_forward_width
    residual, sums = width * _residual_bytes(steps), FLOAT * shape.num_heads
    ups = 2 if shape.gated else 1
    if activations == "recompute":
        return residual
    if activations == "selective":  # the layer's input, products of matrices, and of attention
        return residual + product * (2 * query + 2 * key + 2 * width + ups * wide) + sums
    trains_norms = steps.lora is None and not steps.groups.norms.frozen
    norms = 2 * (FLOAT * width + FLOAT + (residual if trains_norms else 0))
    # Inputs of trained matrices: autocast makes a copy for each of them; joining documents is a copy on a CPU.
    moved = _moved(shape, steps)
    sharing = [moved.keys() & names for names in ({"q_proj", "k_proj", "v_proj"}, {"gate_proj", "up_proj"})]
    inputs = width * sum(len(names) if _autocasts(steps) else min(1, len(names)) for names in sharing)
    joined = query * ("o_proj" in moved and place.device == "cpu")
    attention = 2 * query + 2 * key + joined
    feed_forward = wide * (2 * ups - 1 + ("down_proj" in moved))
    inside = 0 if steps.lora is None else steps.lora.rank * len(moved)
    return norms + sums + product * (inputs + attention + feed_forward + inside)


def _backward_bytes(shape: DecoderShape, steps: StepsConfig) -> float:
    """Gradients of one token inside the last layer, where they take most; what is freed by then is taken off."""
    residual = shape.width * _residual_bytes(steps)
    return max(_product_bytes(steps) * 2 * shape.feed_forward_width - 2 * residual, 3 * FLOAT * shape.width)


def _loss_bytes(shape: DecoderShape, steps: StepsConfig, num_tokens: int, place: Place) -> float:
    table, cpu = shape.num_pieces * shape.width, place.device == "cpu"
    chunk_tokens = min(num_tokens, max(CHUNK_TOKENS, CHUNK_LOGITS[place.device] // shape.num_pieces))
    # Logits are float32; products in bf16 want their gradient so, and on a CPU are made so and added so.
    half = 0 if steps.precision == "float32" else HALF
    logits = chunk_tokens * shape.num_pieces * (FLOAT + half * (2 if cpu else 1))
    head = table * ((half if _autocasts(steps) else 0) + (FLOAT + half * cpu) * _trains_tables(steps))
    return logits + head


def _moved(shape: DecoderShape, steps: StepsConfig) -> dict[str, tuple[int, int]]:
    """The matrices of a layer that are trained, or have adapters that are."""
    if steps.lora is None:
        return {} if steps.groups.backbone.frozen else shape.matrices
    targets = steps.lora.targets
    return {name: widths for name, widths in shape.matrices.items() if not targets or name in targets}


def _trains_tables(steps: StepsConfig) -> bool:
    groups = steps.groups
    rows = (groups.old_rows, groups.new_rows, groups.old_head_rows, groups.new_head_rows)
    return steps.lora.embeddings if steps.lora is not None else not all(group.frozen for group in rows)


def _autocasts(steps: StepsConfig) -> bool:
    return steps.precision in ("bf16", "float8")


def _weight_bytes(steps: StepsConfig) -> int:
    return HALF if steps.precision == "pure-bf16" else FLOAT


def _residual_bytes(steps: StepsConfig) -> int:
    # Embeddings start the residual stream in their own precision, and autocast's products are added to it.
    return _weight_bytes(steps)


def _product_bytes(steps: StepsConfig) -> int:
    return FLOAT if steps.precision == "float32" else HALF

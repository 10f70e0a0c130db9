"""A tokenizer small enough to check by eye."""

from collections.abc import Sequence


class Characters:
    """One id a character; BOS is 1, EOS is 2."""

    bos_id = 1
    eos_id = 2

    def __init__(self, num_pieces: int = 0x110000 + 3) -> None:
        self.num_pieces = num_pieces

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [[(ord(character) + 3) % self.num_pieces for character in text] for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join({1: "<s>", 2: "</s>"}.get(id) or chr(id - 3) for id in ids)

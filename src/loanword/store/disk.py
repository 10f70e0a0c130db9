"""Whether an error says that there is no room to write."""

import errno

from safetensors import SafetensorError

FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: OSError | SafetensorError) -> bool:
    """Whether writing failed because the disk, or a quota on it, is full."""
    if isinstance(error, OSError):
        return error.errno in FULL
    # What safetensors cannot write it tells in words alone.
    return any(f"(os error {number})" in str(error) for number in FULL)

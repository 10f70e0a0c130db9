"""What a file holds, unpacked, in blocks: memory stays flat whatever a file says that it holds.

In: plain, gzip (several members) and zstd (several frames) files, on this machine or on the Hub.
Out: blocks of at most about 32 MB, mostly below 1 MB. Where they are cut means nothing.
"""

import io
import zlib
from collections.abc import Iterator

import zstandard

from loanword.corpus.hub import HubStream
from loanword.corpus.sources import SourceFile
from loanword.errors import UserError
from loanword.protocols import Progress

FREE_BYTES = 64_000_000
"""What any file may unpack to besides, however small it is."""

_BLOCK_BYTES = 1 << 20
_PIECE_BYTES = 1 << 18
_HUB_BYTES = 1 << 23
_ZSTD_BYTES = 1 << 10
# Four bytes of zstd can stand for 128 KB, and the library unpacks all that it is given: a piece gives 32 MB at most.


def unpacked(file: SourceFile, max_expansion: int, progress: Progress) -> Iterator[bytes]:
    """Blocks of a file's content in order. Progress is in bytes of the file as it lies there.

    Raises:
        UserError: a file that cannot be read to its end, or where what has been read of it unpacks to more than
            `max_expansion` times its size and FREE_BYTES besides.
    """
    unpack = {".gz": _gzip, ".zst": _zstd}.get(file.packing)
    packed_bytes = num_bytes = 0

    def counted(pieces: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal packed_bytes
        for piece in pieces:
            packed_bytes += len(piece)
            yield piece

    try:
        with opened(file) as raw:
            pieces = _pieces(raw, file, progress)
            for block in unpack(counted(pieces)) if unpack else pieces:
                num_bytes += len(block)
                if unpack:
                    check_expansion(file, packed_bytes, num_bytes, max_expansion)
                yield block
    except (EOFError, zlib.error, zstandard.ZstdError, OSError) as error:
        raise damaged(file.name, str(error)) from None


def opened(file: SourceFile) -> io.RawIOBase:
    """A source file, open for reading and seeking."""
    if file.hub is not None:
        return HubStream(file.hub, file.num_bytes)
    assert file.path is not None
    return io.FileIO(file.path)


def damaged(where: object, reason: str) -> UserError:
    """What to say of a file that cannot be read to its end."""
    return UserError(
        where,
        f"the file cannot be read any further: {reason.strip()}",
        expected="a file that is whole",
        do="fetch the file again, and compare its size or digest with the original's",
    )


def check_expansion(file: SourceFile, packed_bytes: int, num_bytes: int, max_expansion: int) -> None:
    """Refuses a file of which `packed_bytes` unpack to `num_bytes`, where that is more than it may.

    Raises:
        UserError: it is.
    """
    if num_bytes > FREE_BYTES + max_expansion * packed_bytes:
        raise UserError(
            file.name,
            f"{packed_bytes:,} bytes of it unpack to {num_bytes:,} bytes or more",
            expected=f"at most max_expansion = {max_expansion:,} times as many",
            do="check where the file is from; if it is to be so, raise max_expansion",
        )


def _pieces(raw: io.RawIOBase, file: SourceFile, progress: Progress) -> Iterator[bytes]:
    read_bytes = 0
    while block := raw.read(_HUB_BYTES if file.hub else _BLOCK_BYTES):
        for start in range(0, len(block), _PIECE_BYTES):
            yield block[start : start + _PIECE_BYTES]
        read_bytes += len(block)
        progress(read_bytes, file.num_bytes, "bytes")


def _gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    member, num_members = None, 0
    for piece in pieces:
        packed = piece
        while packed:
            if member is None:
                # Tapes and some tools fill up with zeros behind a member.
                packed = packed.lstrip(b"\0") if num_members else packed
                member, num_members = (zlib.decompressobj(wbits=31), num_members + 1) if packed else (None, num_members)
                continue
            if block := member.decompress(packed, _BLOCK_BYTES):
                yield block
            packed = member.unused_data if member.eof else member.unconsumed_tail
            member = None if member.eof else member
    if member is not None or not num_members:
        raise EOFError("the last gzip member is not complete")


def _zstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    frame, num_frames = None, 0
    for piece in pieces:
        for start in range(0, len(piece), _ZSTD_BYTES):
            packed = piece[start : start + _ZSTD_BYTES]
            while packed:
                if frame is None:
                    frame, num_frames = zstandard.ZstdDecompressor().decompressobj(), num_frames + 1
                if block := frame.decompress(packed):
                    yield block
                packed = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    if frame is not None or not num_frames:
        raise EOFError("the last zstd frame is not complete")

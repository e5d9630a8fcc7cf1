"""How a campaign and its workers talk: length-prefixed JSON with an optional binary part."""

from __future__ import annotations

import json
import struct
from typing import IO, Any

_HEADER = struct.Struct("!II")


def send(stream: IO[bytes], message: dict[str, Any], blob: bytes = b"") -> None:
    """Write one message.

    Raises:
        BrokenPipeError: The other side is gone.
    """
    body = json.dumps(message).encode()
    left = memoryview(_HEADER.pack(len(body), len(blob)) + body + blob)
    while left:
        # An unbuffered pipe takes what fits.
        left = left[stream.write(left) :]
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read one message, waiting for it.

    Raises:
        EOFError: The other side closed the stream, perhaps in the middle of a message.
    """
    body_length, blob_length = _HEADER.unpack(_exactly(stream, _HEADER.size))
    message: dict[str, Any] = json.loads(_exactly(stream, body_length))
    return message, _exactly(stream, blob_length)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            raise EOFError("the stream ended inside a message")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)

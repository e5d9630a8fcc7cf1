"""Messages between a campaign and its workers."""

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.measuring.wire import receive, send

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values), st.binary(max_size=2000))
def test_round_trip(message, blob):
    stream = io.BytesIO()
    send(stream, message, blob)
    stream.seek(0)
    assert receive(stream) == (message, blob)


def test_a_cut_message_is_an_end_and_not_a_wrong_message():
    stream = io.BytesIO()
    send(stream, {"command": "turn"}, b"x" * 100)
    whole = stream.getvalue()
    for length in (0, 3, 9, len(whole) - 1):
        with pytest.raises(EOFError):
            receive(io.BytesIO(whole[:length]))


def test_large_blobs_pass_an_unbuffered_pipe():
    import threading

    read, write = os.pipe()
    blob = os.urandom(3_000_000)
    with os.fdopen(read, "rb", buffering=0) as source, os.fdopen(write, "wb", buffering=0) as sink:
        thread = threading.Thread(target=send, args=(sink, {"a": 1}, blob))
        thread.start()
        assert receive(source) == ({"a": 1}, blob)
        thread.join()

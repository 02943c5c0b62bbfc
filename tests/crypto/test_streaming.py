"""Sealed streams: the same bytes as Tink's, and whatever is not exactly what was sealed is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import tink
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import tink_peer
from tenantkms.crypto import streaming
from tenantkms.crypto.context import canonical
from tenantkms.crypto.streaming import HEADER_SIZE, SEGMENT
from tenantkms.errors import InvalidCiphertext

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
CONTEXT = canonical({"file": "export.csv", "app": "shop"})
FIRST, OTHERS = SEGMENT - HEADER_SIZE - 16, SEGMENT - 16
"""Bytes of plaintext in a segment."""
SIZES = {
    "nothing": 0,
    "a byte": 1,
    "a first segment less a byte": FIRST - 1,
    "a first segment": FIRST,
    "a first segment and a byte": FIRST + 1,
    "two segments less a byte": FIRST + OTHERS - 1,
    "two segments": FIRST + OTHERS,
    "two segments and a byte": FIRST + OTHERS + 1,
    "3 MB and 5 bytes": 3_000_005,
}


def plaintext(size: int) -> bytes:
    """No two segments of it are alike."""
    return (b"".join(b"%08x" % n for n in range(size // 8 + 1)))[:size]


def sealed(text: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
    return b"".join(bytes(piece) for piece in streaming.seal_stream(key, context, io.BytesIO(text)))


def opened(stream: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
    return b"".join(bytes(piece) for piece in streaming.open_stream(key, context, io.BytesIO(stream)))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_tink_opens_what_is_sealed_here_and_the_other_way_round(size: int) -> None:
    text = plaintext(size)
    here = sealed(text)
    assert len(here) == streaming.sealed_size(size)
    assert opened(here) == text
    assert tink_peer.open_(KEY, CONTEXT, io.BytesIO(here)) == text
    theirs = tink_peer.seal(KEY, CONTEXT, text)
    assert len(theirs) == len(here)
    assert opened(theirs) == text


def test_the_same_random_bytes_give_what_tink_made_of_them() -> None:
    text = plaintext(FIRST + 1)
    theirs = tink_peer.seal(KEY, CONTEXT, text)
    pieces = streaming.seal_stream(KEY, CONTEXT, io.BytesIO(text), random=lambda size: theirs[1 : 1 + size])
    assert b"".join(bytes(piece) for piece in pieces) == theirs


THREE = FIRST + OTHERS + 5


def segments(stream: bytes) -> list[bytes]:
    return [stream[start : start + SEGMENT] for start in range(0, len(stream), SEGMENT)]


def _broken() -> Iterator[tuple[str, bytes]]:
    text = plaintext(THREE)
    good = sealed(text)
    one, two, three = segments(good)
    head, body = one[:HEADER_SIZE], one[HEADER_SIZE:]
    foreign = segments(sealed(text))
    yield "nothing", b""
    yield "part of the header", good[: HEADER_SIZE - 1]
    yield "the header alone", head
    yield "less than a tag", good[: HEADER_SIZE + 15]
    yield "the tag of nothing", head + bytes(16)
    for where in (0, 1, 32, 33, 39, 40, SEGMENT - 17, SEGMENT - 1, SEGMENT, 2 * SEGMENT, len(good) - 1):
        yield f"a bit at {where}", good[:where] + bytes([good[where] ^ 1]) + good[where + 1 :]
    for cut in (1, 5, 20):
        yield f"{cut} bytes less", good[:-cut]
    yield "a segment less", one + two
    yield "two segments less", one
    yield "half a segment less", good[: SEGMENT + SEGMENT // 2]
    yield "the first segment less", head + two + three
    yield "the second segment less", one + three
    yield "a byte more", good + b"\0"
    yield "a tag more", good + bytes(16)
    yield "a segment more", good + two
    yield "the last segment twice", good + three
    yield "the second segment twice", one + two + two + three
    yield "the stream twice", good + good
    yield "a byte in front", b"\0" + good
    yield "segments swapped", head + two[:-HEADER_SIZE] + body + two[-HEADER_SIZE:] + three
    yield "second and third swapped", one + three + two
    yield "a segment of another stream", one + foreign[1] + three
    yield "the header of another stream", foreign[0][:HEADER_SIZE] + body + two + three


BROKEN = dict(_broken())


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN)
def test_what_is_not_what_was_sealed_is_refused_as_tink_refuses_it(stream: bytes) -> None:
    with pytest.raises(InvalidCiphertext) as refused:
        opened(stream)
    with pytest.raises(tink.TinkError):
        tink_peer.open_(KEY, CONTEXT, io.BytesIO(stream))
    assert str(refused.value) == "The sealed data is damaged, not whole, or of another key or context."
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("size", [0, 1, FIRST, THREE])
@pytest.mark.parametrize(
    ("key", "context"),
    [
        (OTHER_KEY, CONTEXT),
        (KEY, canonical({})),
        (KEY, canonical({"file": "export.csv"})),
        (KEY, canonical({"file": "export.csv", "app": "shop", "more": ""})),
        (KEY, CONTEXT + b"\0"),
        (KEY[:16], CONTEXT),
        (KEY + KEY, CONTEXT),
        (b"", CONTEXT),
    ],
)
def test_another_key_or_context_opens_nothing(size: int, key: bytes, context: bytes) -> None:
    good = sealed(plaintext(size))
    pieces = streaming.open_stream(key, context, io.BytesIO(good))
    with pytest.raises(InvalidCiphertext, match="another key or context"):
        next(pieces)


@pytest.mark.parametrize("size", [16, 31, 33, 64])
def test_a_stream_under_a_key_of_another_length_is_none(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may Encrypt can make a blob of any length, and a stream for it."""
    key = bytes(size)
    with monkeypatch.context() as other:
        other.setattr(streaming, "KEY_SIZE", size)
        stream = sealed(b"text", key)
        assert opened(stream, key) == b"text"
    with pytest.raises(InvalidCiphertext, match="another key or context"):
        opened(stream, key)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_data_key_of_another_length_seals_nothing(size: int) -> None:
    with pytest.raises(ValueError, match=f"a data key of {size} bytes"):
        next(streaming.seal_stream(bytes(size), CONTEXT, io.BytesIO(b"text")))


def test_two_streams_of_the_same_have_nothing_in_common() -> None:
    one, two = sealed(b"text" * 100), sealed(b"text" * 100)
    assert one[0] == two[0] == HEADER_SIZE
    assert one[1:33] != two[1:33]
    assert one[HEADER_SIZE:] != two[HEADER_SIZE:]


class Dribble(io.BytesIO):
    """Gives what has arrived, as a socket does."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        return super().read(min(size, 1 + size // 3))


def test_a_reader_may_give_less_than_it_is_asked_for() -> None:
    text = plaintext(THREE)
    stream = b"".join(bytes(piece) for piece in streaming.seal_stream(KEY, CONTEXT, Dribble(text)))
    assert tink_peer.open_(KEY, CONTEXT, io.BytesIO(stream)) == text
    assert b"".join(bytes(piece) for piece in streaming.open_stream(KEY, CONTEXT, Dribble(stream))) == text


def test_a_piece_that_was_kept_is_an_error_and_no_other_bytes() -> None:
    for pieces in (
        streaming.seal_stream(KEY, CONTEXT, io.BytesIO(b"text")),
        streaming.open_stream(KEY, CONTEXT, io.BytesIO(sealed(b"text"))),
    ):
        kept = list(pieces)
        for piece in kept:
            with pytest.raises(ValueError, match="released"):
                bytes(piece)


def test_a_fault_of_the_reader_goes_through() -> None:
    class Fails(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > SEGMENT:
                raise OSError("the disk is gone")
            return super().read(size)

    good = sealed(plaintext(THREE))
    with pytest.raises(OSError, match="the disk is gone"):
        list(streaming.seal_stream(KEY, CONTEXT, Fails(good)))
    with pytest.raises(OSError, match="the disk is gone"):
        list(streaming.open_stream(KEY, CONTEXT, Fails(good)))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=40), st.integers(0, 400), st.integers(0, 255))
def test_any_change_of_a_short_stream_is_refused(text: bytes, context: bytes, where: int, byte: int) -> None:
    good = sealed(text, context=context)
    assert opened(good, context=context) == text
    at = where % len(good)
    changed = good[:at] + bytes([byte]) + good[at + 1 :]
    if changed != good:
        with pytest.raises(InvalidCiphertext):
            opened(changed, context=context)
    with pytest.raises(InvalidCiphertext):
        opened(good[:at], context=context)
    with pytest.raises(InvalidCiphertext):
        opened(good + bytes([byte]), context=context)

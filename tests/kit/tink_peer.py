"""Tink's own AES256_GCM_HKDF_1MB, under a key that is given to it: the second implementation of sealed streams."""

from __future__ import annotations

import io
from functools import cache
from typing import IO

import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, tink_pb2


@cache
def _registered() -> None:
    streaming_aead.register()


def primitive(data_key: bytes) -> streaming_aead.StreamingAead:
    _registered()
    template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    format_ = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKeyFormat.FromString(template.value)
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(params=format_.params, key_value=data_key)
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(
        key_data=tink_pb2.KeyData(
            type_url=template.type_url, value=key.SerializeToString(), key_material_type=tink_pb2.KeyData.SYMMETRIC
        ),
        status=tink_pb2.ENABLED,
        key_id=1,
        output_prefix_type=tink_pb2.RAW,
    )
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class _Kept(io.BytesIO):
    """Tink closes what it writes to."""

    def close(self) -> None:
        self.seek(0)


def seal(data_key: bytes, associated_data: bytes, plaintext: bytes) -> bytes:
    kept = _Kept()
    with primitive(data_key).new_encrypting_stream(kept, associated_data) as stream:
        stream.write(plaintext)
    return kept.getvalue()


def open_(data_key: bytes, associated_data: bytes, source: IO[bytes]) -> bytes:
    """Raises `tink.TinkError`."""
    with primitive(data_key).new_decrypting_stream(source, associated_data) as stream:
        return bytes(stream.read())

"""`tkms key import` and `public-key`: material from a file, and the half of it that everybody may have."""

from __future__ import annotations

import argparse
import base64
import os
import time
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tenantkms.crypto import asymmetric
from tenantkms.model.specs import ASYMMETRIC, SIZES, KeySpec
from tkms.keys.show import show
from tkms.output import Failed, print_json, read_bytes
from tkms.places import Place, find

_WRAPPING_KEY = KeySpec.RSA_3072
"""As strong as AES-128; larger ones take a function seconds to make."""
_SHORT, _LONG = "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"


def import_(args: argparse.Namespace) -> int:
    """As clients import: parameters of the key, and the material wrapped for them in this process."""
    material = read_bytes(args.file)
    place = find(args)
    described: Any = place.call("DescribeKey", {"key_ids": [args.key]})
    key = described["keys"][0]
    spec = KeySpec(key["spec"])
    algorithm = _LONG if spec in ASYMMETRIC else _SHORT
    asked = {"key_id": key["id"], "wrapping_algorithm": algorithm, "wrapping_key_spec": _WRAPPING_KEY}
    parameters: Any = place.call("GetParametersForImport", asked)
    public = base64.b64decode(parameters["public_key"])
    wrapped = _wrapped(public, _pkcs8(material)) if spec in ASYMMETRIC else _wrapped_bytes(public, spec, material)
    return _import(args, place, key["id"], parameters["token"], wrapped)


def _import(args: argparse.Namespace, place: Place, key_id: str, token: str, wrapped: bytes) -> int:
    expires = int(time.time()) + args.expires if args.expires else 0
    params = {"key_id": key_id, "token": token, "wrapped": base64.b64encode(wrapped).decode(), "expires": expires}
    return show({**place.call("ImportKeyMaterial", params), "expires": expires}, args.json)


def _wrapped_bytes(public: bytes, spec: KeySpec, material: bytes) -> bytes:
    if len(material) != SIZES[spec]:
        raise Failed(
            f"The material has {len(material)} bytes, and a key of {spec} has {SIZES[spec]}: the bytes themselves, in"
            " no base64, and without a line end."
        )
    return asymmetric.encrypt_for(public, _SHORT, material)


def _wrapped(public: bytes, pkcs8: bytes) -> bytes:
    aes = os.urandom(32)
    return asymmetric.encrypt_for(public, _SHORT, aes) + aes_key_wrap_with_padding(aes, pkcs8)


def _pkcs8(material: bytes) -> bytes:
    """In DER, of PEM or of DER."""
    if not material.lstrip().startswith(b"-----BEGIN"):
        return material
    try:
        return asymmetric.material(load_pem_private_key(material, None))
    except TypeError:
        raise Failed("The private key is encrypted: openssl pkey -in FILE -out PLAIN takes its password off.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Failed("The file is no private key in PEM that can be read.") from None


def public_key(args: argparse.Namespace) -> int:
    answer: Any = find(args).call("GetPublicKey", {"key_id": args.key, "key_version_id": args.version_id})
    if args.json:
        print_json(answer)
    else:
        print(answer["pem"].rstrip("\n"))
    return 0

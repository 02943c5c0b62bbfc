"""What AWS KMS itself answered, replayed here: `vectors/contract/aws_observed.json`, whose `meta` has the notation."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from kit.asymmetric_keys import wrap
from kit.support import VECTORS, Kms
from tenantkms.model.site import Site

Case = Mapping[str, Any]
Ask = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]
CASES: dict[str, Case] = {
    case["id"]: case for case in json.loads((VECTORS / "contract" / "aws_observed.json").read_text("utf-8"))["cases"]
}
_FORMS: dict[str, str] = {
    "#arn": r"arn:aws:kms:[^:]+:[0-9]{12}:key/[0-9a-f-]{36}",
    "#uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "#hex64": r"[0-9a-f]{64}",
    "#account": r"[0-9]{12}",
    "#text": r".+",
}
CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ECC_NIST_P256": ec.SECP256R1,
    "ECC_NIST_P384": ec.SECP384R1,
    "ECC_NIST_P521": ec.SECP521R1,
    "ECC_SECG_P256K1": ec.SECP256K1,
}
_HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def endpoint(kms: Kms) -> Ask:
    """Status and body of what the endpoint answers."""

    def ask(operation: str, params: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = kms.send(kms.signer.aws(operation, params))
        return answer["statusCode"], json.loads(answer["body"])

    return ask


def _material(kind: str) -> dict[str, str]:
    """New material, and of a private key its public one."""
    name, _, size = kind.partition(":")
    if name == "random":
        return {"private": b64(os.urandom(int(size)))}
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    key = rsa.generate_private_key(65537, int(size)) if name == "rsa" else ec.generate_private_key(CURVES[size]())
    return {
        "private": b64(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
        "public": b64(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
    }


def _bare(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer that is KeyMetadata alone, without that layer."""
    return dict(answer["KeyMetadata"]) if answer.keys() == {"KeyMetadata"} else answer


class Replay:
    """One case. `run` raises `AssertionError` where an answer differs from AWS's."""

    def __init__(self, ask: Ask, site: Site) -> None:
        self._ask = ask
        self._kept: dict[str, Any] = {}
        self._home = {
            "home": f"arn:aws:kms:{site.region}:{site.account}",
            "region": site.region,
            "account": site.account,
            "partition": "aws",
        }

    def run(self, case: Case) -> None:
        for step in case["steps"]:
            where = f"{case['id']} {step.get('n', step.get('call'))}"
            if "make" in step:
                status, answer = 200, self._make(step)
            else:
                status, answer = self._ask(step["call"], {k: self._value(v) for k, v in step["in"].items()})
            see = step.get("see", {"ok": {}})
            if "error" in see:
                self._check_error(see, status, answer, where)
                continue
            assert status == 200, f"{where}: {answer}"
            answer = _bare(answer)
            for name, expected in see["ok"].items():
                self._check(answer.get(name), expected, f"{where}: {name}")
            for name in see.get("absent", ()):
                assert name not in answer, f"{where}: {name}"
            if "as" in step:
                self._kept[step["as"]] = answer

    def _check_error(self, see: Mapping[str, Any], status: int, answer: dict[str, Any], where: str) -> None:
        assert (status, answer.get("__type")) == (see["status"], see["error"]), f"{where}: {answer}"
        if "message" not in see:
            return
        expected, told = see["message"], answer.get("message")
        if expected is None:
            assert told is None, where
            return
        # Lists of an enumeration grew since, and their order is arbitrary.
        expected, told = (self._text(text).partition("[")[0] for text in (expected, told))
        assert told == expected, where

    def _text(self, text: str) -> str:
        def known(match: re.Match[str]) -> str:
            name, _, field = match[1].partition(".")
            return str(self._home.get(field) or self._kept[name][field])

        return re.sub(r"\{(\w+\.\w+)\}", known, text)

    def _value(self, value: Any) -> Any:
        """What a placeholder of an input, or of an expected value, stands for."""
        if isinstance(value, str):
            if value.startswith("$"):
                name, _, field = value[1:].partition(".")
                return self._kept[name][field]
            return self._text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "#bytes" in value:
            return b64(value["#bytes"].encode())
        if "#zeros" in value:
            return b64(bytes(value["#zeros"]))
        if "#digest" in value:
            name, text = value["#digest"]
            return b64(hashlib.new(name.replace("_", "").lower(), text.encode()).digest())
        if "#cut" in value:
            blob, count = value["#cut"]
            return b64(base64.b64decode(self._value(blob))[count:])
        assert not any(name.startswith("#") for name in value), value
        return {name: self._value(item) for name, item in value.items()}

    def _check(self, got: Any, expected: Any, where: str) -> None:
        if isinstance(expected, str) and expected.startswith("!"):
            assert got != self._value(expected[1:]), where
        elif expected == "#date":
            assert isinstance(got, int), where
        elif isinstance(expected, str) and expected.startswith("#bytes"):
            size = expected.partition(":")[2]
            data = base64.b64decode(got, validate=True)
            assert len(data) == int(size) if size else data, where
        elif isinstance(expected, str) and expected in _FORMS:
            assert re.fullmatch(_FORMS[expected], got), where
        elif isinstance(expected, dict) and "#count" in expected:
            assert len(got) == expected["#count"], where
        elif isinstance(expected, dict) and "#set" in expected:
            rows = [sorted(row.items()) for row in expected["#set"]]
            assert sorted(sorted(row.items()) for row in got) == sorted(rows), where
        else:
            assert got == self._value(expected), where

    def _make(self, step: Mapping[str, Any]) -> dict[str, Any]:
        if step["make"] == "material":
            return _material(step["kind"])
        public = load_der_public_key(base64.b64decode(self._value(step["public"])))
        assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        if step["make"] == "wrap":
            assert isinstance(public, rsa.RSAPublicKey)
            return {"blob": b64(wrap(public, step["algorithm"], base64.b64decode(self._value(step["key"]))))}
        assert step["make"] == "verify"
        return {"valid": self._verifies(public, step)}

    def _verifies(self, public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, step: Mapping[str, Any]) -> bool:
        """By this test's own reading of the algorithm's name; raises what `cryptography` raises."""
        hash_ = _HASHES[step["algorithm"][-3:]]()
        message, signature = (base64.b64decode(self._value(step[name])) for name in ("Message", "signature"))
        digested = utils.Prehashed(hash_) if step["MessageType"] == "DIGEST" else hash_
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, message, ec.ECDSA(digested))
        elif "PSS" in step["algorithm"]:
            pss = padding.PSS(padding.MGF1(hash_), hash_.digest_size)
            public.verify(signature, message, pss, digested)
        else:
            public.verify(signature, message, padding.PKCS1v15(), digested)
        return True

"""The seed that the documentation shows, with the files that it names."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

KEY = "bc436485-5092-42b8-92a3-0aa8b93536dc"
SECRET = "not-a-secret-of-anybody"
APP_SECRET = "another-secret-of-nobody"
SIGNER = ec.derive_private_key(4711, ec.SECP256R1())
_DOC = Path(__file__).parent.parent.parent / "docs" / "seed.md"


def example_seed(folder: Path) -> Path:
    """In `folder`, for its owner alone."""
    (text,) = re.findall(r"```json\n(.*?)```", _DOC.read_text("utf-8"), re.DOTALL)
    folder.mkdir(exist_ok=True)
    files = {
        "seed.json": text.encode(),
        "sign.pem": SIGNER.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "app.secret": f"{APP_SECRET}\n".encode(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    return folder / "seed.json"

#!/usr/bin/env bash
# pyrage 1.4.0 (PyPI), the binding of the Rust implementation of age; the same in 1.2.5 and 1.3.0, which were run, too
# Surprise: whatever a file object raises while `encrypt_io` reads or writes it comes out as EncryptError, with no `errno`, no `__cause__` and
# no `__context__`: a full disk is an error of encryption, and so is Ctrl-C. KeyboardInterrupt, which `except Exception` is known not
# to catch, is caught by it. `decrypt_io` lets the OSError of what it writes to through as it was.
# Why it matters: a backup in a loop that skips the files that cannot be sealed goes on after Ctrl-C, and who frees space on ENOSPC never sees it.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check pyrage==1.4.0
v/bin/python - <<'E'
import errno
import io
import sys
from importlib.metadata import version

import pyrage

print("pyrage", version("pyrage"))
me = pyrage.x25519.Identity.generate()
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")
sealed = pyrage.encrypt(b"x" * 200_000, [me.to_public()])


class File(io.RawIOBase):
    """A file that ends with `error`."""

    def __init__(self, error):
        self.error = error

    def readable(self):
        return True

    def writable(self):
        return True

    def readinto(self, _):
        raise self.error

    def write(self, _):
        raise self.error


def interrupted():
    try:
        pyrage.encrypt_io(File(KeyboardInterrupt()), io.BytesIO(), [me.to_public()])
    except Exception as error:
        return error


def full():
    try:
        pyrage.encrypt_io(io.BytesIO(b"x" * 200_000), File(NO_SPACE), [me.to_public()])
    except Exception as error:
        return error


def full_when_opening():
    try:
        pyrage.decrypt_io(io.BytesIO(sealed), File(NO_SPACE), [me])
    except Exception as error:
        return error


seen = []
for what, error in (
    ("Ctrl-C while it reads", interrupted()),
    ("a full disk while it encrypts", full()),
    ("a full disk while it decrypts", full_when_opening()),
):
    print(f"{what}: {error!r}, errno {getattr(error, 'errno', None)}, cause {error.__cause__}, context {error.__context__}")
    seen.append((type(error).__name__, getattr(error, "errno", None), error.__cause__, error.__context__))
hidden = ("EncryptError", None, None, None)
same = seen == [hidden, hidden, ("OSError", errno.ENOSPC, None, None)]
print("still so" if same else "changed")
sys.exit(not same)
E

"""What a key of an export has that is not the same where it arrives, as docs/export.md tells."""

from __future__ import annotations

import json
import time
from pathlib import Path

from kit.backups import create, decrypt, encrypt, found, rewritten, tkms
from tenantkms.model.profiles import DAY
from tenantkms.model.states import KeyState
from tkms.machine.directory import Directory


def test_a_deletion_whose_date_is_over_is_put_off_and_told(directory: Directory, tmp_path: Path) -> None:
    """To a day from the import, and nothing goes with the next run; a date that is to come stays."""
    over, to_come = create(directory), create(directory)
    blob, later = encrypt(directory, over), int(time.time()) + 9 * DAY
    for key, when in ((over, 1), (to_come, later)):
        rewritten(directory, key, state=KeyState.PENDING_DELETION, deletion_date=when)
    file, new = tmp_path / "file", Directory(tmp_path / "new")
    tkms(directory, "export", file, "--plain")
    began = int(time.time())
    told = tkms(new, "import", file)
    assert f"\n{over} are past the date of their deletion: it is put off to a day from now.\n" in told
    assert to_come not in told
    dates = {}
    for key in (over, to_come):
        there = found(new, key)
        assert there
        dates[key] = there.deletion_date
    assert began + DAY <= dates[over] <= int(time.time()) + DAY
    assert dates[to_come] == later

    assert json.loads(tkms(new, "maintain", "--json"))["destroy"]["due"] == 0
    assert "Nothing of it is new" in tkms(new, "import", file), "it is the same key, whatever became of its date"
    tkms(new, "key", "cancel-deletion", over)
    assert decrypt(new, blob) == b"secret"

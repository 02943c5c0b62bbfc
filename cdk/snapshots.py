"""Whose functions AWS Lambda may start from a snapshot (SnapStart): docs/decisions/0041-starts.md.

All processes that start from a snapshot begin with the same memory. The kernel gives each of them random numbers of
its own, and OpenSSL in the wheels of `cryptography` does not know that it was copied: two copies would make the same
keys, and sign two messages with one nonce, which tells the private key. So only those are allowed whose every random
number is the kernel's. `tests/cdk/test_snapshots.py` runs them as copies that OpenSSL cannot tell from one another.
"""

from __future__ import annotations

from collections.abc import Mapping

OPENSSL = "OpenSSL's random numbers, for its keys, nonces, salts and blinding, are the same in all copies of a snapshot"
CHANGES = "it changes something, or issues a session: seldom enough to start anew, and it is not proven for copies"
SCHEDULED = "nobody waits for its start"

REFUSED: Mapping[str, frozenset[str]] = {
    OPENSSL: frozenset(
        """
        asymmetric_decrypt asymmetric_encrypt asymmetric_sign asymmetric_verify create_key create_key_version
        derive_shared_secret export_data_key generate_and_export_data_key generate_data_key_pair
        generate_data_key_pair_without_plaintext get_parameters_for_import get_public_key import_key_material
        """.split()
    ),
    CHANGES: frozenset(
        """
        archive_key cancel_key_archive cancel_key_deletion create_alias create_grant delete_alias delete_key_material
        disable_key enable_key issue_session retire_grant revoke_grant schedule_key_deletion set_deletion_protection
        set_key_alias set_key_policy tag_resources untag_resources update_alias update_key_description
        update_rotation_policy
        """.split()
    ),
    SCHEDULED: frozenset({"delete_due_keys", "rotate_due_keys"}),
}
"""The reason -> folders of functions."""
ALLOWED = frozenset(
    """
    decrypt describe_key describe_key_version describe_service encrypt endpoint generate_data_key
    generate_data_key_without_plaintext generate_mac generate_random get_key_policy list_aliases list_grants
    list_key_versions list_keys list_retirable_grants list_tag_resources re_encrypt verify_mac
    """.split()
)
"""Each function is here or in `REFUSED`. The endpoint is only if each Action that runs inside it is."""

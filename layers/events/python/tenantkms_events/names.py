"""Names that the functions, the stack, the command and who sends and listens have to agree on."""

from __future__ import annotations

FUNCTIONS = ("seal_messages", "seal_objects")
"""The folders under `functions/` of what events start: no Actions, and deployed where a tenant's entry says so."""

CALLER = "events"
"""In whose name the Actions are called, in their audit lines."""
QUARANTINE_KEY = "alias/tkms-quarantine"
"""The CMK of these functions themselves: it seals what was rejected, and what the table `events` must not show."""
WRAPPING_KEY = "alias/tkms-wrapping"
"""The RSA CMK under whose public key senders may wrap a plaintext."""
UNWRAP_ALGORITHM = "RSAES_OAEP_SHA_256"

SOURCE = "tenantkms"
"""Of the events that are sent."""
SEAL_ONE = "SealSecret"
"""The detail type of an event that asks to seal its detail, a message."""
SECRET_SEALED, SECRET_SUPERSEDED, OBJECT_SEALED = "SecretSealed", "SecretSuperseded", "ObjectSealed"
"""The detail types of the events that tell how it went."""

PARTITION_KEY, EXPIRES = "pk", "expires"
"""Of the table `events`: its only key, a string, and when DynamoDB may drop a row, in Unix seconds."""

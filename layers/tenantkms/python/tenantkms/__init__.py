"""Tenant KMS, the shared layer: crypto, envelope, sealing, stores, access and wire.

Rooms import only what stands above them in this list, and `tests/test_architecture.py` says so:
errors, model, context, envelope, ciphers, sealing, keystore, access, policy, audit, action, settings, wire.
"""

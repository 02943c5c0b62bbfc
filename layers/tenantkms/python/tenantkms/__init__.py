"""Tenant KMS, the shared layer: crypto, envelope, sealing, stores, access and wire.

Rooms import only what stands above them in this list, and `tests/test_architecture.py` says so:
errors, context, ciphers, envelope, model, rules, asymmetric, sealing, wrapping, keystore, keyring, versions, access,
policy, key_policy, audit, metrics, action, mac, data_key, rotation, maintenance, views, settings, wire.
"""

"""Tenant KMS, the shared layer.

A room imports only rooms that stand above it in this list, and `tests/house` holds that:

errors    failures, one class each
names     of dialects, of Actions, and of the folder of one
crypto    ciphers, the envelope (FORMAT.md), encryption contexts, asymmetric keys
model     keys, versions, aliases, access keys; what states refuse, specs allow and providers decide
parent    the parent key that seals all others: a file, or a key of AWS KMS
store     where keys and access keys rest: SQLite, DynamoDB
audit     the line of each call, faults for the operator, metrics
keys      keys at work: the keyring, rotation, destruction, import
access    who may do what: access keys, their policies, policies of keys
action    what every Action has in common
wire      HTTP, signatures and dialects
runtime   puts a process together, and makes it a Lambda function
"""

__version__ = "0.1.0"

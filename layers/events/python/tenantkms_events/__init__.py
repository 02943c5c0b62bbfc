"""Tenant KMS, what events start: the layer of the functions that seal messages and objects, on top of the shared one.

A module imports only modules that stand above it in this list, and of the shared layer what knows no wire:

names     that functions, stack and command agree on
errors    why a message can never be sealed
log       the line of each message or object
aws       what AWS's services say when they do not do their part
message   what is to be sealed, and where the ciphertext goes
actions   the Actions, called by invoking their functions
table     the one ciphertext of each message, and how far it is
targets   where ciphertexts go
sealing   exactly once in effect
rejected  the queue of what can never be sealed
arrivals  which versions of which objects have come to the inbox
buckets   the inbox, and where objects rest sealed
objects   an object on its way from the inbox to sealed
assemble  puts a function together
"""

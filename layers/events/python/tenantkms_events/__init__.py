"""Tenant KMS, what events start: the layer of the functions that seal messages and objects, on top of the shared one.

A module imports only modules that stand above it in this list, and of the shared layer what knows no wire:

names     that functions, stack and command agree on
actions   the Actions, called by invoking their functions
"""

"""What `make fuzz` gives random bytes to: one function for each parser, which raises where a promise is broken.

They are plain functions without atheris, so that `tests/fuzz` holds them against the kept corpora in every run.
"""

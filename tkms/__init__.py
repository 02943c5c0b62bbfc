"""The `tkms` command: on this machine (`machine`), and on a deployed stack (`stack`). It is no library."""

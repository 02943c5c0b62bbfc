"""HTTP and the vendors' dialects. Only `functions/endpoint` and `local/` import this room."""

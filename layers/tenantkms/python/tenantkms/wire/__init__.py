"""HTTP and the vendors' dialects. Only `functions/endpoint` and `tkms/` import this room."""

"""The infrastructure: one stack for each tenant. `app.py` reads the tenants, `stack.py` wires the constructs."""

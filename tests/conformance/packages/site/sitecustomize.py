"""Loaded by each Python that has this folder on its path, also by those that tests start."""

import os

if os.environ.get("CONFORMANCE_LOOP") == "fournil":
    from fournil.launch import loops

    loops.install()

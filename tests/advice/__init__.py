"""Sentences that were tried: programs that block, and the same as their advice says.

`programs` has the programs, besides those that the rules bring along; `trial` records each,
makes the edits of its advice, records it again, and compares. `python -m tests.advice` prints a
table of them.
"""

"""Programs as people start them: servers with their workers, and what runs jobs in processes.

`apps` has what they serve: each waits for 0.2 s in one place, and computes for as long in another.
`servers` and `jobs` have the commands; `python -m tests.integration.commands` runs each under
`python` and under `fournil run`, and says whether they ended alike and whether the report's first
entries are these places. What is not installed is left out by name.
"""

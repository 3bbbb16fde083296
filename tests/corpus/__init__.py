"""Programs that each block a loop in one known way, and what Fournil says of them.

`blockers` has the ways to block, a file a class; `ways` has the steps that they block from;
`program` runs some of them under a recorder; `harness` compares what was recorded with what
they are. `python -m tests.corpus --runs 20` prints how often each was seen right.
"""

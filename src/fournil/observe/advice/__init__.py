"""What would help, and what it would gain.

```
scene rules   what a blocked step looks like; the table of checks and sentences
advisor       advice on blocked steps, with its gain
pools         whether pools were worth it, and what would help
```
"""

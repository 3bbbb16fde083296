"""The recording: the contract between the recorder and everything that reads.

A recording is one mapped file. A running program writes into it and any process of
the same user reads it, while the program runs, when it is stuck, or after it died.
Nothing else in the project knows a byte of it.

```
layout     where each field is, who writes it, and how it is read while it is written
kinds      what the numbers mean
units      packed numbers become nanoseconds and seconds
bounds     what a recorder may be told: threshold, size
files      which file a recording is written into
programs   which recordings belong to one program
control    asking a recorded program for something, through its recording
hook       where pools find the recorder
native     the layout as Cython declarations
```
"""

"""Runs a program as `python` would, on Fournil's loops and recorded.

Two processes take part. The supervisor holds nothing of the program, so that it can tell
what happened however the program ends; the program's process holds nothing of the command,
so that the program sees what it would see without Fournil.

The supervisor is the parent, although whoever started the command then knows its number and
not the program's, and its signals have to be passed on. Were it a child of the program, the
command would end, in a shell, a script or a container, before the report is written; and what
only a parent is told, how the program ended, nobody would know.

```
order         what the supervisor tells the program's process: what to run, where to record
supervisor    starts the program's process, passes signals on, waits, ends as it ended
environment   what the program's process finds in its environment
ending        how the program ended, written into its recording
group         tells a signal for the whole process group from one for the supervisor alone

start         the script that the program's interpreter is started with
entry         the program's process: follows the order, from its first to its last line
program       finds, compiles and runs the program in `__main__`
tracebacks    shows the program's exceptions without the frames that lead to it
loops         makes asyncio's loops Fournil's
foreign       makes the loops of uvloop and its like Fournil's
forks         keeps forks from warning of the watch's thread
children      has what the program forks, spawns or becomes be recorded as well
commands      what a command line runs, and the same under our eyes
room          the room that recordings of children take, and how it is given back
unawaited     tells the recorder of coroutines that were never awaited
```
"""

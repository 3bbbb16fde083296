"""The script that the program's interpreter is started with.

A script and not `-c`, since its frame is the last of each stack in a recording, and a file's
name tells that it is none of the program's.
"""

import sys

# Python puts a script's directory first on the path, where a module of ours would hide one of
# the standard library.
if not sys.flags.safe_path:
    del sys.path[0]
# Where Fournil is goes last, and for one import only: the interpreter may have been told not
# to look there, and then the program's imports must not find it there either.
sys.path.append(__file__.rsplit("/", 3)[0])
from fournil.launch.entry import main

sys.path.pop()

main()

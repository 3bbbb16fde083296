"""Children that only look like Pythons of ours: they run what they would run under `python`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.running import both, write

PRELUDE = """
import os, subprocess, sys
def show(start):
    try:
        done = start()
        print(getattr(done, 'returncode', done), getattr(done, 'stdout', ''),
              getattr(done, 'stderr', ''))
    except OSError as error:
        print(type(error).__name__, error.filename)
def script(path, line, text, mode=0o755):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with open(path, 'w', newline='') as file:
        file.write(line + text)
    os.chmod(path, mode)
def start(*words, **options):
    show(lambda: subprocess.run(words, capture_output=True, text=True, **options))
ENV = '#!/usr/bin/env python3\\n'
OURS = os.path.dirname(sys.executable)
SHOW = 'import sys; print(sys.argv, sys.version_info[:2])'
"""

PROGRAMS = {
    "a word of another program's": """
open('log.txt', 'w').write('python here\\n')
start('timeout', '5', 'grep', 'python', 'log.txt')
start('env', 'echo', 'python', 'hello')
start('nice', 'echo', 'install', 'python3', '-y', 'vim')
""",
    "a path of the child's own": """
script('other/python3', '#!/bin/sh\\n', 'echo another "$@"\\n')
script('show.py', ENV, SHOW)
environment = {'PATH': os.path.abspath('other') + ':/usr/bin:/bin'}
start('timeout', '5', 'python3', 'show.py', env=environment)
start('env', 'PATH=' + environment['PATH'], 'python3', 'show.py')
start('./show.py', 'a', env=environment)
""",
    "a folder of its own": """
script('sub/show.py', ENV, SHOW)
os.environ['PATH'] = OURS + ':' + os.environ['PATH']
os.makedirs('sub/bin', exist_ok=True)
if not os.path.lexists('sub/bin/python'):
    os.symlink(sys.executable, 'sub/bin/python')
start('bin/python', 'show.py', cwd='sub')
start('./show.py', 'a', cwd='sub')
start('./show.py', 'a', cwd=os.path.abspath('sub'))
""",
    "a script that may not be run": """
script('d1/tool', ENV, "print('first')", 0o644)
script('d2/tool', ENV, "print('second')")
path = os.path.abspath
os.environ['PATH'] = f"{path('d1')}:{path('d2')}:{OURS}:{os.environ['PATH']}"
sys.stdout.flush()
show(lambda: os.spawnvp(os.P_WAIT, 'tool', ['tool']))
show(lambda: os.execv('d1/tool', ['d1/tool']))
""",
    "a first line that the kernel refuses": """
os.environ['PATH'] = OURS + ':' + os.environ['PATH']
script('relative', '#!python3\\n', "print('ran')")
script('carriage', '#!/usr/bin/env python3\\r\\n', "print('ran')")
start('./relative')
start('./carriage')
""",
    "modules named as the library's": """
script('mine/random.py', '', 'X = 2\\n')
script('mine/typing.py', '', 'X = 1\\n')
script('mine/s.py', '', 'import random; print(random.X)')
start(sys.executable, '-c', 'import typing; print(typing.X)', env={'PYTHONPATH': 'mine'})
start(sys.executable, 'mine/s.py')
start(sys.executable, '-m', 's', cwd='mine')
""",
    "a separator": """
script('-dash.py', '', 'import sys; print(sys.orig_argv[1:])')
start(sys.executable, '--', '-dash.py', '1')
""",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_children_run_what_they_would(program: str, tmp_path: Path) -> None:
    write(tmp_path, {"app.py": PRELUDE + PROGRAMS[program]})
    plain, ours = both(["app.py"], cwd=tmp_path)
    assert plain.stdout.strip()
    assert (ours.status, ours.stdout) == (plain.status, plain.stdout)

"""Runs the tests of well-known packages on Fournil's loop, and compares with asyncio's.

`make packages`. It downloads the packages' sources and what their tests need, so it is no part
of the test suite: no file here is collected.

```
projects.py       the packages, their versions, how their tests are run
preparing.py      unpacks a package's source and makes an environment for its tests
suites.py         runs a package's tests on a loop
site/             what those Pythons load: the loop, and a pytest plugin that writes outcomes
__main__.py       the command: python -m tests.conformance.packages
```
"""

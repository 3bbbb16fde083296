"""Makes the virtual environment of a checkout: python3 tools/make_venv.py FOLDER.

Says what a machine lacks before a build fails on it half-way. A Python that is too old is
told so by this file, which therefore keeps to what Python 3.6 understands.
"""

import importlib.util
import os
import shutil
import sys
import sysconfig

OLDEST = (3, 11)
NEWEST = (3, 15)


def lacking():
    """Yield what this machine lacks, each with what to do about it."""
    version = ".".join(map(str, sys.version_info[:2]))
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        yield (
            f"{sys.executable} is Python {version}, and CPython 3.11 to 3.15 is needed.\n"
            "Name another: make PYTHON=python3.12 …"
        )
        return
    if importlib.util.find_spec("ensurepip") is None:
        yield (
            f"Python {version} has no ensurepip, so it makes no virtual environments with pip.\n"
            f"On Debian and Ubuntu: apt install python{version}-venv"
        )
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if not os.path.exists(header):
        yield (
            f"Python {version} has no C headers ({header}).\n"
            f"On Debian and Ubuntu: apt install python{version}-dev"
        )
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        yield (
            f"The C compiler {compiler} is not there.\n"
            "On Debian and Ubuntu: apt install gcc libc6-dev"
        )


def main(folder):
    found = list(lacking())
    if found:
        sys.exit("\n\n".join(found))
    # Only now: on a Python without ensurepip the import may fail as well.
    import venv

    venv.create(folder, with_pip=True, symlinks=True)


if __name__ == "__main__":
    main(sys.argv[1])

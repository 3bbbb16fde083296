"""Unpacks a package's source and makes an environment for its tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

from tests.conformance.packages.projects import Project
from tests.conformance.running import ROOT

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
FOLDER = ROOT / "build" / "packages" / VERSION


class Place(NamedTuple):
    """Where a package's tests run."""

    python: Path
    source: Path


def prepare(project: Project) -> Place:
    """Prepare a package's tests, unless an earlier call has done so.

    Raises:
        subprocess.CalledProcessError: something could not be downloaded or installed.
    """
    folder = FOLDER / f"{project.name}-{project.version}"
    place = Place(folder / "venv" / "bin" / "python", folder / "source")
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        _install(project, place)
        _unpack(project, place, folder / "sdist")
        done.touch()
    return place


def _install(project: Project, place: Place) -> None:
    package = f"{project.name}{project.extras}=={project.version}"
    # What needs a compiler that is not there, or a newer Python, is left to the tests to miss.
    _pip(place, "install", "--prefer-binary", "pytest", package, *project.requires)


def _unpack(project: Project, place: Place, sdist: Path) -> None:
    version = f"{project.name}=={project.version}"
    _pip(place, "download", "--no-deps", "--no-binary", project.name, "-d", str(sdist), version)
    [archive] = sdist.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(sdist, filter="data")
    [unpacked] = (path for path in sdist.iterdir() if path.is_dir())
    unpacked.rename(place.source)
    for hidden in project.hide:
        shutil.rmtree(place.source / hidden)


def _pip(place: Place, *arguments: str) -> None:
    subprocess.run([place.python, "-m", "pip", *arguments, "-q"], check=True)

"""The packages whose tests are run."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Project(NamedTuple):
    """A package, and how its tests are run."""

    name: str
    version: str
    requires: tuple[str, ...]
    """What its tests need beside the package itself and pytest."""

    arguments: tuple[str, ...] = ()
    """Arguments for pytest."""

    hide: tuple[str, ...] = ()
    """Folders of the source that would be imported in place of the installed package."""

    extras: str = ""
    """The package's extras that are installed, as in `package[these]`."""

    server: tuple[str, ...] = ()
    """The command that starts a server which the tests need; its port comes last."""

    listed: Mapping[str, str] = MappingProxyType({})
    """Tests that pass on asyncio's loop and fail on ours, and why."""


# The options of their authors that start several processes or measure coverage.
PLAIN = ("-o", "addopts=")

PROJECTS = (
    Project(
        "aiohttp",
        "3.14.5",
        (
            *("pytest-cov", "pytest-mock", "pytest-timeout", "pytest-xdist", "pytest-codspeed"),
            *("blockbuster", "freezegun", "isal; python_version < '3.14'", "proxy.py>=2.4.4rc5"),
            *("python-on-whales", "re-assert", "setuptools-git", "trustme", "zlib-ng"),
        ),
        (*PLAIN, "-m", "not dev_mode and not autobahn and not internal", "tests"),
        hide=("aiohttp",),
        extras="[speedups]",
        listed=MappingProxyType(
            {
                "tests/test_connector.py::test_start_tls_connection_returns_none": (
                    "of a transport that was closed before, start_tls raises a ConnectionError"
                ),
                "tests/test_helpers.py::"
                "test_when_timeout_smaller_second_with_low_threshold[pyloop]": (
                    "a timer's moment is a float, also where it was given as an int"
                ),
            }
        ),
    ),
    Project(
        "aiosmtpd",
        "1.4.6",
        ("pytest-asyncio<0.24", "pytest<8.3", "pytest-mock", "pytest-cov", "setuptools<81"),
        (*PLAIN, "aiosmtpd/tests"),
    ),
    Project(
        "anyio",
        "4.16.0",
        (
            *("blockbuster>=1.5.29", "coverage>=7", "hypothesis", "psutil", "pytest-mock"),
            *("pytest-timeout", "trustme", "truststore", "exceptiongroup"),
        ),
        ("-m", "not network", "-k", "not trio", "tests"),
        hide=("src",),
    ),
    Project(
        "asyncssh",
        "2.24.1",
        ("aiofiles", "bcrypt", "fido2", "ifaddr", "pyOpenSSL"),
        (*PLAIN, "tests"),
        hide=("asyncssh",),
    ),
    Project(
        "httpcore",
        "1.0.9",
        ("trio", "trustme", "pytest-httpbin", "pytest-trio", "anyio"),
        (*PLAIN, "-k", "not trio", "tests"),
        hide=("httpcore",),
        extras="[asyncio,http2,socks]",
    ),
    Project(
        "hypercorn",
        "0.18.0",
        ("httpx", "hypothesis", "mock", "pytest-asyncio", "pytest-trio", "trio"),
        (*PLAIN, "-k", "not trio", "tests"),
        hide=("src",),
    ),
    Project(
        "pytest-asyncio",
        "1.5.0",
        ("hypothesis",),
        (*PLAIN, "tests"),
        hide=("pytest_asyncio",),
    ),
    Project(
        "redis",
        "8.1.0",
        ("pytest-asyncio", "pytest-timeout", "mock", "numpy", "cachetools", "pybreaker", "aiohttp"),
        (
            *(*PLAIN, "-m", "not onlycluster and not redismod and not ssl"),
            # For servers and keys of the package's authors.
            "--ignore=tests/test_asyncio/test_scenario",
            "--ignore=tests/test_asyncio/test_credentials.py",
            "tests/test_asyncio",
        ),
        hide=("redis",),
        server=(
            *("redis-server", "--save", "", "--enable-debug-command", "local"),
            *("--port", "6379"),
        ),
    ),
    Project(
        "starlette",
        "1.10.0",
        ("blockbuster", "opentelemetry-sdk", "trio", "httpx2"),
        (*PLAIN, "-k", "not trio", "tests"),
        hide=("starlette",),
        extras="[full]",
    ),
    Project(
        "tornado",
        "6.6.1",
        (),
        # Its tests are installed, and have no configuration: pytest would find ours.
        (
            *("-c", "tox.ini", "-o", "python_files=*_test.py", "-p", "no:logging"),
            *("-p", "quiet_tornado", "--pyargs", "tornado.test"),
        ),
        hide=("tornado",),
    ),
    Project(
        "uvicorn",
        "0.54.0",
        (
            *("a2wsgi", "cryptography", "httptools", "httpx2", "pytest-mock", "python-dotenv"),
            *("pytest-xdist", "PyYAML", "trustme", "watchfiles", "websockets", "wsproto"),
        ),
        (*PLAIN, "--ignore=tests/benchmarks", "tests"),
        hide=("uvicorn",),
        listed=MappingProxyType(
            {
                "tests/test_auto_detection.py::test_loop_auto": "the loop's module is asyncio's",
                "tests/test_config.py::test_get_loop_factory[asyncio-_UnixSelectorEventLoop]": (
                    "the name of the loop's class is part of the test's"
                ),
            }
        ),
    ),
)

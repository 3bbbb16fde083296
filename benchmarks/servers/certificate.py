"""A certificate for 127.0.0.1, made when it is needed, by OpenSSL's command."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return a server's context; its key, on the curve P-256, is one of today's usual ones."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    where = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [*command, "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", *where],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context

"""Makes a certificate with a wheel of native code, and loads those of the authorities."""

from __future__ import annotations

import datetime
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(host: str) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime(2026, 1, 1)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=90))
        .sign(key, hashes.SHA256())
    )


def main() -> None:
    made = certificate(sys.argv[1])
    trusted = ssl.create_default_context().cert_store_stats()["x509_ca"]
    print(f"{made.subject.rfc4514_string()}, trusted authorities: {trusted}")

"""A certificate authority made for a test, and certificates of it, good and bad."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import real_time
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass
class Authority:
    """A CA with a name; its certificate is in ``file``."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        builder = self._builder(self.name, self.key, -DAY, 30 * DAY)
        own = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(
            key_cert_sign=True,
            crl_sign=True,
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        own = own.add_extension(usage, critical=True)
        self.file = self.folder / f"{self.name}.pem"
        self.file.write_bytes(own.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def server(self, host: str = "127.0.0.1", *, starts: timedelta = -DAY, ends: timedelta = DAY) -> ssl.SSLContext:
        """What a server at that host needs; the certificate is valid from ``starts`` to ``ends``, from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        name: x509.GeneralName
        try:
            name = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        builder = self._builder(host, key, starts, ends)
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        chain = self.folder / f"{self.name}-{host}.chain.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _builder(
        self, subject: str, key: ec.EllipticCurvePrivateKey, starts: timedelta, ends: timedelta
    ) -> x509.CertificateBuilder:
        now = real_time.now()
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(_named(subject))
            .issuer_name(_named(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + starts)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(issuer_id, critical=False)
        )


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

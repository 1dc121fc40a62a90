"""The certificates that databases on AWS are checked against when no others are named."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import botocore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from cdk.config.deployment import ENVIRONMENTS
from handler.aws.secrets import DATABASE_ROOTS

_FAR = timedelta(days=10 * 365)
_REGIONAL = re.compile(r"Amazon RDS ([a-z]+-[a-z]+-\d) Root CA RSA2048 G1")


def name_of(certificate: x509.Certificate) -> str:
    (found,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found.value)


@pytest.fixture(scope="module")
def roots() -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(DATABASE_ROOTS.read_bytes())


def test_each_is_a_root_that_will_be_there_for_years(roots: list[x509.Certificate]) -> None:
    for each in roots:
        each.verify_directly_issued_by(each)
        constraints = each.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.value.ca
        assert each.not_valid_after_utc - datetime.now(UTC) > _FAR, name_of(each)


def test_the_public_ones_are_those_of_mozilla(roots: list[x509.Certificate]) -> None:
    """Two sources that know nothing of each other; RDS' own roots are in no public list."""
    text = Path(botocore.__file__).with_name("cacert.pem").read_text(encoding="utf-8")
    blocks = re.findall(r"-----BEGIN[^#]+?END CERTIFICATE-----", text)
    mozillas = {re.sub(r"\s", "", each) for each in blocks}
    public = [each for each in roots if not _REGIONAL.fullmatch(name_of(each))]
    assert len(public) == 4
    for each in public:
        assert re.sub(r"\s", "", each.public_bytes(Encoding.PEM).decode()) in mozillas, name_of(
            each
        )


def test_each_region_that_is_deployed_to_has_one(roots: list[x509.Certificate]) -> None:
    regions = {found[1] for each in roots if (found := _REGIONAL.fullmatch(name_of(each)))}
    for environment in ENVIRONMENTS.values():
        assert environment.region in regions
        assert environment.recovery is None or environment.recovery.region in regions


def test_fingerprints_stand_beside_them_for_comparison(roots: list[x509.Certificate]) -> None:
    shown = re.findall(r"^# SHA-256 ([0-9a-f]{64})$", DATABASE_ROOTS.read_text(), re.MULTILINE)
    assert shown == [each.fingerprint(hashes.SHA256()).hex() for each in roots]

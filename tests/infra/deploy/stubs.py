"""What was pretended: the committed list, which only gets shorter."""

from __future__ import annotations

from pathlib import Path

LISTED = Path(__file__).parent.parent / "moto_extension/stubbed.txt"

_MADE = ("RDS", "EC2", "IAM", "S3", "Lambda", "SecretsManager", "EKS", "ElastiCache", "KMS")
# moto has no API for these parts of EKS; the cluster's own templates are tested apart.
_WITHOUT_API = {"AWS::EKS::AccessEntry", "AWS::EKS::Addon", "AWS::EKS::PodIdentityAssociation"}


def check(seen: Path) -> None:
    """Raises AssertionError if the list is not what was seen, or has what is never pretended."""
    listed = set(LISTED.read_text().split())
    found = set(seen.read_text().split()) if seen.exists() else set()
    assert found <= listed, f"new stubs: {sorted(found - listed)}; make them in recipes/"
    assert listed <= found, f"no stubs any more: {sorted(listed - found)}; take them off {LISTED}"
    never = {each for each in listed - _WITHOUT_API if each.split("::")[1] in _MADE}
    assert not never, f"never to be stubs: {sorted(never)}"

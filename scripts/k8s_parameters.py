"""Write what an environment's overlay needs to know: what CDK published in SSM, and the image.

    python -m scripts.k8s_parameters ENV (--digest sha256:... | --image REPOSITORY@sha256:...)
                                     [--region us-east-1]

Reads the parameters below /user-api/ENV/k8s and writes k8s/overlays/ENV/parameters/parameters.env,
which git ignores. `--digest` is of an image in the published `image-repository`; an environment
that publishes none needs `--image`. Nothing here is a secret: secrets are named by ARN.

Prints each name and value. When something is missing: one line, exit status 1, nothing written.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parent.parent
OVERLAYS = ROOT / "k8s" / "overlays"
ENVIRONMENTS = ("development", "staging", "production")
NEEDED = frozenset(
    {
        "application-log-group",
        "cache-secret-arn",
        "cluster-name",
        "database-host",
        "database-owner-secret-arn",
        "database-secret-arn",
        "log-level",
        "region",
        "settings-secret-arn",
        "subnet-ids",
        "volume-key-arn",
        "vpc-id",
        "web-acl-arn",
    }
)
"""What k8s/components/wiring, k8s/platform and the add-ons read, less the image."""
NEEDED_WITH_DOMAIN = frozenset(
    {
        "certificate-arn",
        "cluster-host",
        "failover-host",
        "health-check-id",
        "mail-events-queue-url",
        "mail-from",
        "mail-url",
        "public-url",
    }
)
"""What k8s/components/public reads: staging and production."""

_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DEADLINES = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3})


class Incomplete(Exception):
    """The overlay could not be rendered with this; the message is one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    place = OVERLAYS / options.environment / "parameters" / "parameters.env"
    try:
        published = read_parameters(options.environment, region=options.region)
        found = completed(
            published, environment=options.environment, digest=options.digest, image=options.image
        )
    except Incomplete as error:
        print(f"k8s_parameters: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        # Some messages of botocore have several lines.
        print(f"k8s_parameters: AWS: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    write(place, found)
    for name, value in sorted(found.items()):
        print(f"{name}={value}")
    return 0


def read_parameters(environment: str, *, region: str) -> dict[str, str]:
    """Name -> value of what is published.

    Raises:
        ClientError, BotoCoreError: AWS did not answer, or refused.
    """
    path = f"/user-api/{environment}/k8s"
    client = boto3.client("ssm", region_name=region, config=_DEADLINES)
    pages = client.get_paginator("get_parameters_by_path").paginate(Path=path)
    return {
        each["Name"].removeprefix(f"{path}/"): each["Value"]
        for page in pages
        for each in page["Parameters"]
    }


def completed(
    published: Mapping[str, str], *, environment: str, digest: str | None, image: str | None
) -> dict[str, str]:
    """With the image, by digest.

    Raises:
        Incomplete: a value is missing, or would not be one line of the file.
    """
    if not published:
        raise Incomplete(f"nothing below /user-api/{environment}/k8s: is {environment} deployed?")
    needed = NEEDED if environment == "development" else NEEDED | NEEDED_WITH_DOMAIN
    if missing := sorted(needed - published.keys()):
        raise Incomplete(f"not published: {', '.join(missing)}")
    if broken := sorted(name for name, it in published.items() if not it or "\n" in it):
        raise Incomplete(f"not one line: {', '.join(broken)}")
    if image is None:
        repository = published.get("image-repository")
        if repository is None:
            raise Incomplete(f"{environment} publishes no image-repository: say --image")
        if digest is None or not _DIGEST.fullmatch(digest):
            raise Incomplete(f"{digest} is no digest such as sha256: and 64 hexadecimal digits")
        image = f"{repository}@{digest}"
    if not _IMAGE.fullmatch(image):
        raise Incomplete(f"{image} names no image by digest")
    return {**published, "image": image}


def write(place: Path, values: Mapping[str, str]) -> None:
    """The whole file or, when that fails, the one that was there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    fresh.write_text("".join(f"{name}={value}\n" for name, value in sorted(values.items())))
    fresh.replace(place)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="k8s_parameters", description="Write the parameters of an overlay of k8s/."
    )
    parser.add_argument("environment", choices=ENVIRONMENTS)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--digest", help="of the image, in the published repository")
    which.add_argument("--image", help="REPOSITORY@sha256:..., in place of the published one")
    parser.add_argument("--region", default="us-east-1", help="(default: us-east-1)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())

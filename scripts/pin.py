"""Ask the registry which digests the pinned tags have now, and write them down.

    python -m scripts.pin

Needs docker (with buildx) or skopeo, and the network. Changes the lines of the files below that
name an image as NAME:TAG@sha256:..., prints each, and exits with 1 and one line if one is not had.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = (Path("Dockerfile"), Path("k8s/components/debug/pod.yaml"))
PINNED = re.compile(r"(?P<tag>[a-z0-9][\w./-]*:[\w.-]+)@(?P<digest>sha256:[0-9a-f]{64})")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SECONDS = 60.0


class NotHad(Exception):
    """One line on why there is no digest."""


def digest_of(tag: str) -> str:
    """Of the list of all platforms. Raises NotHad."""
    if shutil.which("docker"):
        command = ["docker", "buildx", "imagetools", "inspect", tag]
        command += ["--format", "{{.Manifest.Digest}}"]
    elif shutil.which("skopeo"):
        command = ["skopeo", "inspect", "--format", "{{.Digest}}", f"docker://{tag}"]
    else:
        raise NotHad("needs docker with buildx, or skopeo")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotHad(f"{tag}: no answer within {_SECONDS:g} s") from None
    found = done.stdout.strip()
    if done.returncode != 0 or not _DIGEST.fullmatch(found):
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise NotHad(f"{tag}: {reason[-1] if reason else 'no digest'}")
    return found


def main(root: Path = ROOT) -> int:
    texts = {path: (root / path).read_text(encoding="utf-8") for path in FILES}
    tags = sorted({found["tag"] for text in texts.values() for found in PINNED.finditer(text)})
    try:
        digests = {tag: digest_of(tag) for tag in tags}
    except NotHad as reason:
        print(f"pin: {reason}", file=sys.stderr)
        return 1
    for path, text in texts.items():
        pinned = PINNED.sub(lambda it: f"{it['tag']}@{digests[it['tag']]}", text)
        (root / path).write_text(pinned, encoding="utf-8")
    for tag, digest in digests.items():
        print(f"pin: {tag} {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

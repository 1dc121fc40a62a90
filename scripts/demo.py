"""`make demo`: plays sign-up to logout against a running service, showing requests and answers.

Usage: demo.py [URL] [--email ADDRESS]     (URL is http://127.0.0.1:3000 if not given)

With --email an account that exists and is verified plays, and its password is read from
STORY_PASSWORD; so the story is also the smoke test of a deployment, where nobody can read the mail.

Exit code 0: all was as expected; 1: something was not, in one line; 2: wrong usage;
130: interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

_DEFAULT_URL = "http://127.0.0.1:3000"


def main() -> int:
    # The script is started by its path, and its neighbours are found from the folder above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from scripts.story import Account, Story
    from scripts.story_client import HttpClient, StoryFailed

    options = _options()
    account = Account.fresh()
    if options.email:
        password = os.environ.get("STORY_PASSWORD")
        if not password:
            print("demo: --email needs the password in STORY_PASSWORD", file=sys.stderr)
            return 2
        account = Account(email=options.email, password=password, verified=True)
    client = HttpClient(url=options.url.rstrip("/"), tell=print)
    started = time.monotonic()
    try:
        Story(client, account).play()
    except StoryFailed as failure:
        sys.stdout.flush()
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"\nAll answers were as expected ({time.monotonic() - started:.1f} s).")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="Plays sign-up to logout over HTTP.")
    parser.add_argument("url", nargs="?", default=_DEFAULT_URL)
    parser.add_argument("--email", help="play as this verified account; password in STORY_PASSWORD")
    options = parser.parse_args()
    if not _is_url(options.url):
        parser.error(f"{options.url!r} is no http or https URL")
    return options


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())

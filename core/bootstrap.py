"""Settings in, Core out: the one place where ports meet their adapters."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

from core.adapters.accelerators import accelerators_for
from core.adapters.crypto.codes import HmacCodeSecrets
from core.adapters.crypto.derive import KeyUse, derive_key
from core.adapters.crypto.keyring import KeyRing
from core.adapters.crypto.passwords import Argon2Hasher
from core.adapters.crypto.pseudonyms import HmacPseudonyms
from core.adapters.crypto.refresh import HmacRefreshTokens
from core.adapters.crypto.seal import AesGcmSealer
from core.adapters.crypto.signing_keys import new_signing_key, open_signing_key
from core.adapters.crypto.tokens import Es256AccessTokens
from core.adapters.mail import mailer_for
from core.adapters.postgres.inspection import PostgresInspection
from core.adapters.postgres.logins import PostgresLogins
from core.adapters.postgres.storage import PostgresStorage
from core.adapters.runtime import SystemClock, UuidV7Ids
from core.adapters.telemetry import logs
from core.adapters.telemetry.metrics import PrometheusMetrics
from core.config import Settings
from core.config.examination import Examination
from core.domain.session import SessionPolicy
from core.ports.logins import LoginKeeper, LoginSource
from core.ports.messaging import RelayOpener
from core.ports.runtime import Accelerator, Cache, Clock, Ids, Metrics, RateLimiter
from core.ports.security import AccessTokens, PasswordHasher
from core.ports.storage import Storage
from core.services.access import Access
from core.services.accounts import Accounts
from core.services.administration import Administration
from core.services.authentication import Authentication
from core.services.backlog import Backlog
from core.services.cursors import Cursors
from core.services.deliveries import Deliveries
from core.services.diagnosis import Diagnosis
from core.services.directory import Directory
from core.services.guards import Guard
from core.services.housekeeping import HousekeepingService
from core.services.keys import Keys
from core.services.lifecycle import Lifecycle
from core.services.passwords import Passwords
from core.services.refusals import Refusals
from core.services.roles import Roles
from core.services.sessions import Sessions
from core.services.sign_up_passwords import SignUpPasswords
from core.services.sign_ups import SignUps
from core.services.suppressions import Suppressions
from core.services.throttling import STRANGERS_AT_ONCE, Throttling
from core.services.tokens import TokenIssuer
from core.services.trail import Trail
from core.services.turns import Turns
from core.services.verification import Verification

SERVICE = "user-api"


@dataclass(frozen=True, kw_only=True)
class Core:
    """The application without a face. Its services are safe to use from several threads."""

    settings: Settings
    storage: Storage
    access_tokens: AccessTokens
    hasher: PasswordHasher
    limiter: RateLimiter
    local_limiter: RateLimiter
    cache: Cache
    accelerator: Accelerator
    metrics: Metrics
    clock: Clock
    ids: Ids
    cursors: Cursors
    sign_ups: SignUps
    verification: Verification
    accounts: Accounts
    passwords: Passwords
    authentication: Authentication
    sessions: Sessions
    access: Access
    directory: Directory
    administration: Administration
    lifecycle: Lifecycle
    roles: Roles
    trail: Trail
    keys: Keys
    deliveries: Deliveries
    backlog: Backlog
    suppressions: Suppressions
    housekeeping: HousekeepingService

    def close(self) -> None:
        """Closes the connections to the database and to the accelerator."""
        self.storage.close()
        self.accelerator.close()


def configure_logging(settings: Settings) -> None:
    """JSON lines on standard output, for everything that logs in this process."""
    logs.configure(level=settings.log_level, service=SERVICE, pod=settings.pod_name)


def version() -> str:
    """The version of the installed distribution."""
    return importlib.metadata.version(SERVICE)


def build_core(
    settings: Settings, *, logins: LoginSource | None = None, relay: RelayOpener | None = None
) -> Core:
    """Wires everything and connects to nothing; `logins` keeps a database login that changes, and
    `relay` opens what mails go through beside SMTP.

    Raises:
        ConfigurationError: a setting is well-formed but cannot be used.
    """
    clock = SystemClock()
    ids = UuidV7Ids(clock)
    metrics = PrometheusMetrics(version=version())
    sealer = AesGcmSealer(derive_key(settings.secret_key, KeyUse.SEALING))
    pseudonyms = HmacPseudonyms(derive_key(settings.secret_key, KeyUse.PSEUDONYMS))
    accelerators = accelerators_for(settings, pseudonyms=pseudonyms, sealer=sealer, metrics=metrics)
    codes = HmacCodeSecrets(derive_key(settings.secret_key, KeyUse.CODES))
    refresh_tokens = HmacRefreshTokens(derive_key(settings.secret_key, KeyUse.REFRESH_TOKENS))
    cursors = Cursors(AesGcmSealer(derive_key(settings.secret_key, KeyUse.CURSORS)))
    hasher = Argon2Hasher(
        memory_kib=settings.argon2_memory_kib,
        iterations=settings.argon2_iterations,
        concurrency=settings.hash_concurrency,
        queue_timeout=settings.hash_queue_timeout,
        metrics=metrics,
    )
    storage = PostgresStorage(
        settings,
        clock=clock,
        ids=ids,
        sealer=sealer,
        pseudonyms=pseudonyms,
        metrics=metrics,
        logins=logins,
    )
    keys = Keys(
        storage=storage,
        new_key=lambda: new_signing_key(clock=clock, sealer=sealer),
        open_key=lambda key: open_signing_key(key, sealer),
        clock=clock,
    )
    access_tokens = Es256AccessTokens(
        keys=KeyRing(load=keys.usable, sealer=sealer, clock=clock),
        clock=clock,
        issuer=settings.public_url,
        audience=settings.token_audience,
        high_s_until=settings.high_s_until,
    )
    policy = SessionPolicy(
        sliding=settings.refresh_token_sliding,
        absolute=settings.refresh_token_absolute,
        grace=settings.refresh_grace,
    )
    issuer = TokenIssuer(
        access_tokens=access_tokens,
        refresh_tokens=refresh_tokens,
        lifetime=settings.access_token_lifetime,
        ids=ids,
    )
    throttling = Throttling(
        settings=settings,
        pseudonyms=pseudonyms,
        refusals=Refusals(pseudonyms=pseudonyms, cache=accelerators.cache),
        turns=Turns(at_once=STRANGERS_AT_ONCE),
    )
    sign_up_passwords = SignUpPasswords(pseudonyms=pseudonyms)
    guard = Guard(storage=storage, throttling=throttling, metrics=metrics, clock=clock)
    suppressions = Suppressions(storage=storage, pseudonyms=pseudonyms, clock=clock)
    return Core(
        settings=settings,
        storage=storage,
        access_tokens=access_tokens,
        hasher=hasher,
        limiter=accelerators.limiter,
        local_limiter=accelerators.local_limiter,
        cache=accelerators.cache,
        accelerator=accelerators.server,
        metrics=metrics,
        clock=clock,
        ids=ids,
        cursors=cursors,
        keys=keys,
        sign_ups=SignUps(
            settings=settings,
            storage=storage,
            hasher=hasher,
            passwords=sign_up_passwords,
            codes=codes,
            throttling=throttling,
            metrics=metrics,
            clock=clock,
            ids=ids,
        ),
        verification=Verification(
            settings=settings,
            storage=storage,
            hasher=hasher,
            passwords=sign_up_passwords,
            codes=codes,
            throttling=throttling,
            clock=clock,
            ids=ids,
        ),
        accounts=Accounts(settings=settings, storage=storage, clock=clock),
        passwords=Passwords(
            settings=settings,
            storage=storage,
            hasher=hasher,
            codes=codes,
            throttling=throttling,
            metrics=metrics,
            clock=clock,
            ids=ids,
        ),
        authentication=Authentication(
            settings=settings,
            storage=storage,
            hasher=hasher,
            access_tokens=access_tokens,
            issuer=issuer,
            throttling=throttling,
            sign_up_passwords=sign_up_passwords,
            policy=policy,
            metrics=metrics,
            clock=clock,
            ids=ids,
        ),
        sessions=Sessions(
            storage=storage,
            refresh_tokens=refresh_tokens,
            issuer=issuer,
            pseudonyms=pseudonyms,
            policy=policy,
            clock=clock,
        ),
        access=Access(settings=settings, storage=storage, hasher=hasher, clock=clock, ids=ids),
        directory=Directory(settings=settings, storage=storage, guard=guard),
        administration=Administration(
            settings=settings,
            guard=guard,
            codes=codes,
            throttling=throttling,
            clock=clock,
            ids=ids,
        ),
        lifecycle=Lifecycle(
            settings=settings, guard=guard, hasher=hasher, throttling=throttling, clock=clock
        ),
        roles=Roles(storage=storage, guard=guard, clock=clock),
        trail=Trail(storage=storage, guard=guard),
        deliveries=Deliveries(
            settings=settings,
            storage=storage,
            mailer=mailer_for(settings, relay),
            codes=codes,
            suppressions=suppressions,
            clock=clock,
            metrics=metrics,
        ),
        suppressions=suppressions,
        backlog=Backlog(storage=storage, clock=clock, metrics=metrics),
        housekeeping=HousekeepingService(
            settings=settings, storage=storage, metrics=metrics, clock=clock
        ),
    )


def build_diagnosis(examined: Examination, *, relay: RelayOpener | None = None) -> Diagnosis:
    """The checks of `user-api doctor`; never raises, whatever the settings are."""
    settings, clock = examined.settings, SystemClock()
    metrics = PrometheusMetrics(version=version())
    sealer = AesGcmSealer(derive_key(settings.secret_key, KeyUse.SEALING))
    pseudonyms = HmacPseudonyms(derive_key(settings.secret_key, KeyUse.PSEUDONYMS))
    return Diagnosis(
        examined=examined,
        open_inspection=lambda: PostgresInspection(settings, clock=clock),
        open_mailer=lambda: mailer_for(settings, relay),
        open_accelerator=lambda: (
            accelerators_for(settings, pseudonyms=pseudonyms, sealer=sealer, metrics=metrics).server
        ),
        open_key=lambda key: open_signing_key(key, sealer),
        hasher=Argon2Hasher(
            memory_kib=settings.argon2_memory_kib,
            iterations=settings.argon2_iterations,
            concurrency=1,
            queue_timeout=settings.hash_queue_timeout,
            metrics=metrics,
        ),
        clock=clock,
    )


def database_logins() -> LoginKeeper:
    """For the rotation of the service's own logins."""
    return PostgresLogins()

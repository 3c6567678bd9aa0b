"""Puts a service together: store, identities, keys, objects, workers, telemetry, and the API over them.

Each part is entered into an ExitStack as it comes up, and so goes down in reverse order.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tinsmith.cli.console import say
from tinsmith.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from tinsmith.identity.sealing import Sealer
    from tinsmith.identity.store import IdentityStore
    from tinsmith.jobs.store import Store
    from tinsmith.kms.keys import KeyStore
    from tinsmith.storage.embedded import EmbeddedStore
    from tinsmith.worker.controller import Credentials

MAILBOX = "tinsmith-mailbox"
"""The bucket of the embedded store through which attempts on other machines are reached."""


@dataclass(frozen=True)
class Assembly:
    """A service that is up but for its port."""

    app: ASGIApp
    settings: Settings
    """With an S3 endpoint in them."""
    embedded: bool
    """The S3 endpoint is the embedded store."""


def assemble(settings: Settings, up: ExitStack) -> Assembly:
    """Everything up in order. Raises InternalError for whatever does not come up."""
    from tinsmith.api.app import build_app
    from tinsmith.api.observed import Observed
    from tinsmith.api.protocol import ApiOptions
    from tinsmith.api.services import Kms, Logs, Metrics, Sts
    from tinsmith.cli.telling import start_telling
    from tinsmith.identity.bootstrap import administrator_arn
    from tinsmith.identity.sealing import Sealer
    from tinsmith.jobs.store import Store
    from tinsmith.kms.keys import KeyStore
    from tinsmith.telemetry.logs import LogStore
    from tinsmith.telemetry.metrics import MetricStore

    store = Store.open(settings.database_url, settings.quotas, alone=True)
    up.callback(store.close)
    objects, settings = _embedded(settings)
    sealer = Sealer.of_file(settings.master_key_file)
    identities = _identities(settings, store, sealer)
    keys = KeyStore(store.database, sealer, time.time)
    logs, metrics = LogStore(store.database), MetricStore(store.database, time.time)
    others = (Kms(keys, administrator_arn(settings.account)), Logs(logs), Metrics(metrics), Sts(identities))
    options = ApiOptions(
        settings.account,
        settings.region,
        settings.packages_dir,
        open_metrics=settings.telemetry.open_metrics,
        quotas=settings.quotas,
        foreign_roles=objects is None,
    )
    observed = Observed(store)
    app = build_app(store, options, time.time, identities, others, observed)
    if objects is not None:
        objects.use_keys_of(up.enter_context(inner_endpoint(app)))
        up.enter_context(objects)
        settings = _with_mailbox(settings, objects)
        if identities is not None:
            _start_store_users(objects, identities, settings.account, up)
    _start_workers(settings, store, identities, keys if objects is not None else None, up)
    told = start_telling(settings, store, logs, metrics, observed, up)
    return Assembly(told(app), settings, objects is not None)


def _embedded(settings: Settings) -> tuple[EmbeddedStore | None, Settings]:
    """The embedded store, not started yet, and settings that name it; None where another is configured."""
    if settings.s3.endpoint_url:
        return None, settings
    from tinsmith.storage.embedded import EmbeddedStore

    store = EmbeddedStore(settings.objects_dir, settings.s3.port, settings.region)
    s3 = replace(
        settings.s3,
        endpoint_url=store.endpoint_url,
        access_key_id=store.credentials.access_key,
        secret_access_key=store.credentials.secret_key,
        sts_endpoint_url=store.endpoint_url,
    )
    return store, replace(settings, s3=s3)


def _start_store_users(
    objects: EmbeddedStore, identities: IdentityStore, account: str, up: ExitStack
) -> None:
    """Users have their keys in the embedded store too, from now on."""
    from tinsmith.identity.store_users import StoreUsers

    users = objects.users()
    up.callback(users.close)
    following = StoreUsers(lambda: identities.directory, account, users)
    following.start()
    up.callback(following.stop)


def _with_mailbox(settings: Settings, store: EmbeddedStore) -> Settings:
    engine = settings.engine
    if engine.kind == "local" or engine.mailbox is not None:
        return settings
    store.store().ensure_bucket(MAILBOX)
    return replace(settings, engine=replace(engine, mailbox=f"s3://{MAILBOX}/attempts"))


def _identities(settings: Settings, store: Store, sealer: Sealer) -> IdentityStore | None:
    """The identities, with an administrator who has the service's own key; None without authentication."""
    if not settings.identity.authenticate:
        return None
    from tinsmith.identity.bootstrap import ADMIN, ServiceKey, bootstrap
    from tinsmith.identity.store import IdentityStore

    identities = IdentityStore(store.database, sealer)
    key = own_key(settings)
    bootstrap(identities, settings.account, ServiceKey(*key) if key else None, time.time)
    if not any(key.account == settings.account for key in identities.directory.keys.values()):
        say(f"Nobody has an access key yet: tinsmith iam create-access-key {ADMIN}")
    return identities


def own_key(settings: Settings) -> tuple[str, str] | None:
    """The long-term key that the service has for its object store: its clients use the same one for both."""
    s3 = settings.s3
    if s3.access_key_id and s3.secret_access_key:
        return None if s3.session_token else (s3.access_key_id, s3.secret_access_key)
    import boto3

    found = boto3.session.Session().get_credentials()
    if found is None:
        return None
    frozen = found.get_frozen_credentials()
    return None if frozen.token else (frozen.access_key, frozen.secret_key)


@contextmanager
def inner_endpoint(app: ASGIApp) -> Iterator[str]:
    """The URL of `app` on loopback for the object store, which asks for keys before all else is up."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="inner", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _start_workers(
    settings: Settings,
    store: Store,
    identities: IdentityStore | None,
    keys: KeyStore | None,
    up: ExitStack,
) -> None:
    from tinsmith.worker.controller import Controller
    from tinsmith.worker.networks import read_networks

    networks = None if settings.networks is None else read_networks(settings.networks)
    credentials = _job_credentials(settings, keys is not None, identities)
    controller = Controller(
        store, settings, credentials=credentials, keys=_job_key(keys, identities), networks=networks
    )
    controller.start()
    up.callback(controller.stop)


def _job_credentials(
    settings: Settings, embedded: bool, identities: IdentityStore | None
) -> Credentials | None:
    """How jobs get the credentials of their roles; None where they use the service's own keys."""
    if embedded and identities is None:
        return None
    if settings.s3.sts_endpoint_url is None:
        say("Jobs use the service's own keys for S3, not those of their roles: there is no --sts-endpoint.")
        return None
    from tinsmith.storage.credentials import SESSION_ROLE
    from tinsmith.worker.credentials import EmbeddedRole, session_of

    role = None
    if embedded and identities is not None:
        role = EmbeddedRole(SESSION_ROLE, lambda: identities.directory)
    return lambda job, seconds: session_of(job, settings.s3, seconds, role, time.time())


def _job_key(keys: KeyStore | None, identities: IdentityStore | None) -> Callable[..., str] | None:
    """How the KmsKeyId of a job becomes a key's ARN; None where the object store's own KMS knows it."""
    if keys is None:
        return None
    from tinsmith.worker.keys import key_of

    directory = None if identities is None else lambda: identities.directory
    return lambda job: key_of(job, keys, directory, time.time())

"""Why the store refuses a change."""

from __future__ import annotations

from tinsmith.jobs.job import Job, JobKey

MAX_TAGS = 50


class NameInUse(Exception):
    """A job with that key exists: `job`."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"the name {job.key.name} is in use by {job.arn}")


class JobNotFound(Exception):
    """No job has that key or ARN."""

    def __init__(self, key: JobKey | str) -> None:
        self.key = key
        super().__init__(f"no job {key.name if isinstance(key, JobKey) else key}")


class WrongStatus(Exception):
    """`job.status` does not allow the change."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"job {job.key.name} is {job.status}")


class QuotaExceeded(Exception):
    """The account would have one job more than `limit`, of which it has `used`; `name` is the quota's."""

    def __init__(self, name: str, limit: int, used: int) -> None:
        self.name, self.limit, self.used = name, limit, used
        super().__init__(f"{name}: {used} of {limit} are in use")


class StaleAttempt(Exception):
    """The attempt is no longer the caller's; what it did must not be recorded."""


class TooManyTags(Exception):
    """The resource would have `count` tags; `MAX_TAGS` are allowed."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"{count} tags, at most {MAX_TAGS} are allowed")

"""How the service's own log is written: for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
CONTEXT = ("job", "request_id")
"""What a line may be about; given as `extra` of a logging call."""


class LogFormat(StrEnum):
    """Values of --log-format."""

    text = "text"
    json = "json"


class JsonFormatter(logging.Formatter):
    """{"time", "level", "logger", "message"}, and `job`, `request_id` and `exception` where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        content |= {name: getattr(record, name) for name in CONTEXT if hasattr(record, name)}
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str)


def configure(form: LogFormat) -> None:
    """Sends the log to stderr in `form`; libraries only where they warn."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form is LogFormat.json else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for library in ("alembic", "botocore", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)

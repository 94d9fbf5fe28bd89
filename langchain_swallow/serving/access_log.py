"""The access log: one row per request, without the ids in its path, its query and its body."""

import time
from typing import Any

from langchain_swallow.serving.request_record import RequestRecord


def access_row(record: RequestRecord) -> dict[str, Any]:
    """Return the row for a request that has been answered."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "request": record.id,
        "client": record.client,
        "person": record.person,
        "method": record.method,
        "route": record.route,
        "status": record.status,
        "sent_bytes": record.sent_bytes,
        "duration_s": round(record.duration_s, 4),
    }

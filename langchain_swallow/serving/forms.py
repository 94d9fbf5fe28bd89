"""Reads the files of a multipart form within limits."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from langchain_swallow._system.language import in_language
from langchain_swallow.serving.refusals import Refusal, TooLargeError
from langchain_swallow.serving.uploads import Limits, Received, file_name

# Bytes for the form's boundaries and headers.
_OVERHEAD = 64 * 1024
_MAX_FIELDS = 10
# A form occupies one of few upload places while it arrives.
_TIMEOUT_S = 120
_PATH = re.compile(r"/v1/sessions/[^/]+/documents")

FORM_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            }
        },
    }
}


class SlowFormError(Refusal):
    """A form took too long to arrive."""

    status = 408

    def __init__(self) -> None:
        super().__init__(
            in_language(
                f"{_TIMEOUT_S} 秒以内に届きませんでした。", f"The form took over {_TIMEOUT_S} s."
            )
        )


class FormError(Refusal):
    """The form holds no files, or cannot be read."""

    status = 400


def largest_form(limits: Limits) -> int:
    """Return the maximum size in bytes of a request with all files that a session may have."""
    return limits.files * limits.file_bytes + _OVERHEAD


def takes_files(path: str) -> bool:
    """Whether a request to this path may have the size of documents."""
    return _PATH.fullmatch(path) is not None


@asynccontextmanager
async def received_files(request: Request, limits: Limits) -> AsyncIterator[list[Received]]:
    """Give the files of a form until the block ends; they are not written to this server's disk
    under any name.

    Raises:
        FormError: The body is not a form, or has no files or too many.
        TooLargeError: The form exceeds the total size of files that a session may have.
    """
    if int(request.headers.get("content-length", "0") or 0) > largest_form(limits):
        raise TooLargeError(
            in_language(
                f"一つのリクエストは {limits.files} 個、一つ {limits.file_mb:g} MiB までです。",
                f"A request may have {limits.files} files of {limits.file_mb:g} MiB each.",
            )
        )
    try:
        reading = request.form(max_files=limits.files, max_fields=_MAX_FIELDS)
        form = await asyncio.wait_for(_awaited(reading), _TIMEOUT_S)
    except asyncio.TimeoutError as error:
        raise SlowFormError from error
    except HTTPException as error:
        raise FormError(
            in_language(
                f"フォームを読めません。multipart/form-data で {limits.files} 個まで送れます。",
                "The form cannot be read. It must be multipart/form-data with at most "
                f"{limits.files} files.",
            )
        ) from error
    try:
        files = [_received(file) for file in form.getlist("files") if isinstance(file, UploadFile)]
        if not files:
            raise FormError(
                in_language(
                    "files にファイルがありません。",
                    "The form has no files under the name `files`.",
                )
            )
        yield files
    finally:
        await form.close()


async def _awaited(reading: Awaitable[FormData]) -> FormData:
    return await reading


def _received(file: UploadFile) -> Received:
    def read() -> bytes:
        file.file.seek(0)
        data: bytes = file.file.read()
        return data

    return Received(file_name(file.filename), file.size or 0, read)

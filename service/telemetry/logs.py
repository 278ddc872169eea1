"""Logs on stderr: everything that any part of the process logs, in one form, one line each.

A line is one JSON object, or text for a person at a terminal. What a client sent may stand in a line, but can't end it
or begin another: control characters are escaped.
"""

import logging
import sys
import threading
from typing import Any

from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor

from service.settings import Settings
from service.telemetry.access_log import ACCESS_LOGGER
from service.telemetry.flood_gate import FloodGate
from service.telemetry.request_id import REQUEST_ID

_OURS = ("lookalike", "service", "uvicorn")
"""Loggers whose level is the setting; others' are heard from warnings on."""
_FIRST = ("timestamp", "level", "logger", "event", "request_id")
_MOST_OF_A_LINE, _MOST_LINES = 1000, 300
"""Characters of a text, and lines of a traceback: an error may name all that it could not make sense of."""


def configure(settings: Settings) -> None:
    """Send this process's logs to stderr in the form and from the level on that the settings say."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(text_formatter(colours=sys.stderr.isatty()) if as_text else json_formatter())
    handler.addFilter(FloodGate(but={ACCESS_LOGGER} if settings.access_log == "all" else ()))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(settings.log_level.upper())
    logging.captureWarnings(capture=True)
    threading.excepthook = _thread_died


def json_formatter() -> logging.Formatter:
    """A JSON object a line; its keys are ``_FIRST`` and whatever else the line is about."""
    return _formatter(TimeStamper("iso"), format_exc_info, _shorten, _first_things_first, JSONRenderer())


def text_formatter(*, colours: bool) -> logging.Formatter:
    """A line for people; a traceback follows on lines of its own, which are indented."""
    renderer = ConsoleRenderer(colors=colours, exception_formatter=plain_traceback, pad_level=False, pad_event_to=0)
    return _formatter(TimeStamper("%H:%M:%S", utc=False), format_exc_info, _shorten, _escape, renderer)


def _formatter(*last: Processor) -> logging.Formatter:
    first: list[Processor] = [add_log_level, add_logger_name, ExtraAdder(), _tidy, _add_request_id]
    return ProcessorFormatter(foreign_pre_chain=first, processors=[ProcessorFormatter.remove_processors_meta, *last])


def _tidy(_: Any, __: str, event: EventDict) -> EventDict:
    """Uvicorn calls its logger of everything ``uvicorn.error``, and has a second, coloured message."""
    event.pop("color_message", None)
    event["logger"] = event["logger"].removesuffix(".error")
    return event


def _add_request_id(_: Any, __: str, event: EventDict) -> EventDict:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event["request_id"] = request_id
    return event


def _shorten(_: Any, __: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = "\n".join(line[:_MOST_OF_A_LINE] for line in value.split("\n")[-_MOST_LINES:])
    return event


def _first_things_first(_: Any, __: str, event: EventDict) -> EventDict:
    return {**{key: event[key] for key in _FIRST if key in event}, **event}


def _escape(_: Any, __: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join(f"    {_printable(line)}" for line in value.split("\n"))
        elif isinstance(value, str):
            event[key] = _printable(value)
    return event


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _thread_died(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is not None:
        name = died.thread.name if died.thread else "?"
        logging.getLogger("lookalike").critical("the thread %s died", name, exc_info=died.exc_value)

"""``serkit serve``: serve a model over TF Serving's REST interface."""

import argparse
import os
import sys
from pathlib import Path

from serkit.cli.arguments import field_values
from serkit.errors import check_range
from serkit.serving.server.settings import VERSION_CHOICES, ServeSettings

_DEFAULT = ServeSettings()


def add_to(commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="serve a model over HTTP, with a page to try it",
        description="Serves a SavedModel by TF Serving's REST interface, where there is no TF "
        "Serving: for development, tests, and a look at a model from a browser. It is one process "
        "of Python, without encryption; for anything that others depend on, take TF Serving, which "
        "serves the same folder to the same clients.",
    )
    add = parser.add_argument
    add(
        "model",
        type=Path,
        metavar="MODEL",
        help="folder with a SavedModel, or with folders of them named by whole numbers",
    )
    add("--host", default="127.0.0.1", help="listen at this address; default: %(default)s")
    add(
        "--port",
        type=int,
        default=8501,
        help="listen at this port, 0 for any free one; default: %(default)s",
    )
    add("--name", default="", help="use this name in addresses; default: the folder's")
    add(
        "--versions",
        choices=VERSION_CHOICES,
        default=_DEFAULT.versions,
        help="load these versions; default: %(default)s",
    )
    _add_limits(parser)
    _add_access(parser)
    add(
        "--trust",
        action="store_true",
        help="load a model even if it reads or writes files, or runs Python code: a model is a "
        "program",
    )
    add(
        "--no-warm-up",
        dest="warm_up",
        action="store_false",
        help="skip the warm-up: ready sooner, but the first request is slow",
    )
    parser.set_defaults(run=run)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    for name, value_type, text in (
        ("max_batch", int, "compute at most so many examples in a batch; 1 disables batching"),
        (
            "batch_delay",
            float,
            "let an example wait so many milliseconds for others while the model is idle",
        ),
        ("queue", int, "let at most so many examples wait; more are refused (503)"),
        (
            "time_out",
            float,
            "allow so many seconds each for the head of a request, its body (408), its answer "
            "(504), and the reading of the answer",
        ),
        (
            "max_bytes",
            int,
            "take at most so many bytes in a request; longer ones are refused (413)",
        ),
        (
            "max_answer",
            int,
            "send at most so many bytes in an answer; longer ones are refused (400)",
        ),
    ):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=value_type,
            default=getattr(_DEFAULT, name),
            help=f"{text}; default: %(default)s",
        )


def _add_access(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--allowed-host",
        dest="allowed_hosts",
        action="append",
        metavar="NAME",
        help="answer requests for this host, too, for example speech.example; others are "
        "refused (403); default: IP addresses, localhost and the name given to --host",
    )
    add(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="ask for the token in this file: requests without it are refused (401), except for "
        "the page and health checks; default: ask for none",
    )
    add(
        "--metrics-port",
        type=int,
        metavar="PORT",
        help="serve /metrics at this port instead, 0 for any free one; default: at --port",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until a signal arrives; return 0."""
    check_range("port", options.port, 0, 65_535)
    token = ""
    if options.token_file is not None:
        from serkit.serving.retries import read_token

        token = read_token(options.token_file)
    settings = ServeSettings(**field_values(options, ServeSettings), token=token)
    from serkit.serving.server.process import serve

    service = serve(options.model, settings, options.host, options.port, _print_line)
    if service.is_busy:
        # Otherwise Python would wait for the thread that runs the model, which may never end.
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(0)
    return 0


def _print_line(line: str) -> None:
    print(f"serkit serve: {line}", flush=True)

"""Which tests run, and how many at a time."""

import os
import signal

# One core for each worker of xdist and what it starts, before torch is imported: threads of two
# processes that share two cores wait for each other at every product.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Texts are in the language of the locale; tests that choose none expect English.
os.environ["SWALLOW_LANG"] = "en"

from langchain_swallow._system.machine import allowed_cores, allowed_memory

# What a worker takes with the demo model loaded, in bytes.
_WORKER_MEMORY = 3 * 2**30
# Beyond, starting workers (each imports torch) takes longer than they save.
_MAX_WORKERS = 4


def pytest_configure(config):
    """Leave out slow tests unless `-m` says which to run, or a file is named.

    A shell has its background jobs ignore Ctrl-C, and tests that press it would wait forever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not config.option.markexpr and not _names_a_file(config):
        config.option.markexpr = "not slow"


def pytest_xdist_auto_num_workers(config):
    """`-n auto` of pyproject.toml: one process per core, as far as memory goes.

    0 (the tests run in pytest's own process) if a file is named: its tests are over before a
    worker has started.
    """
    if _names_a_file(config):
        return 0
    workers = min(allowed_cores(), allowed_memory() // _WORKER_MEMORY, _MAX_WORKERS)
    return workers if workers > 1 else 0


def _names_a_file(config):
    return any(".py" in argument for argument in config.args)

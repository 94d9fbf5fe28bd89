"""A contributor's tasks: `nox -s fast`, `all`, `lint`, `docs`, `bench`.

Each has a virtual environment of its own, kept for the next time; `nox --no-venv -s lint` uses the
one that is active, and installs nothing.
"""

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["fast", "lint"]


def _install(session: nox.Session, extras: str) -> None:
    if session.venv_backend != "none":
        session.install("-e", f".[{extras}]")


@nox.session
def fast(session: nox.Session) -> None:
    """Unit tests, doctests, and the README's Python with the demo model."""
    _install(session, "demo,test")
    session.run("pytest", *session.posargs)


@nox.session(name="all")
def everything(session: nox.Session) -> None:
    """Every test: one per core, then those that need the machine for themselves."""
    _install(session, "demo,test-all")
    session.run("pytest", "-m", "not alone", *session.posargs)
    session.run("pytest", "-m", "alone", "-n", "0", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, the direction of imports, and types."""
    _install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into build/site; a broken link is an error."""
    _install(session, "docs")
    environment = {"NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", "build", "-f", ".mkdocs.yml", *session.posargs, env=environment)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed beside ChatHuggingFace; `nox -s bench -- engine` runs another benchmark."""
    _install(session, "demo,test-all")
    if session.posargs:
        name, *arguments = session.posargs
        session.run("python", f"tests/benchmarks/{name}.py", *arguments)
    else:
        command = "langchain-swallow bench --model demo --against chathuggingface"
        session.run(*command.split())

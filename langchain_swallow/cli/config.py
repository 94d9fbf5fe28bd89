"""Defaults of all options from the environment and from a file; `langchain-swallow config`.

What stands on the command line goes first, then the environment (`SWALLOW_MAX_TOKENS=512`), then
the file's table of the command, then its top, then the built-in default. A secret can be in a file
of its own, which a variable names (`SWALLOW_TOKEN_FILE=/run/secrets/token`).
"""

import argparse
import difflib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from platformdirs import user_config_path

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import Renamed, Repeated, add_json, print_json
from langchain_swallow.cli.old_names import OldName, renamed_note
from langchain_swallow.cli.parsers import SECRET, CommandError, add_command, say

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PREFIX = "SWALLOW_"
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})
_HEADER_JA = """\
# langchain-swallow の設定。コマンドラインと環境変数（SWALLOW_…）が優先します。
# オプションの長い名前を、- を _ に替えて書きます。[コマンド名] の表は、そのコマンドだけの設定です。
"""
_HEADER_EN = """\
# Settings of langchain-swallow. The command line and the environment (SWALLOW_…) override them.
# Write options by their long names, with _ for -. A table holds the settings of one command.
"""
_EXAMPLE = """
# model = "tokyotech-llm/Swallow-7b-instruct-v0.1"
# base_url = ["http://localhost:8000/v1"]
# max_tokens = 256

# [serve]
# index = "/srv/索引"
# port = 7860
"""


class Setting(NamedTuple):
    """What is set for an option: the value, where, and what is said if that is by an old name."""

    value: Any
    origin: str
    note: str = ""


def config_path() -> Path:
    """The file: `SWALLOW_CONFIG`, or config.toml in the user's folder for settings."""
    named = os.environ.get(f"{_PREFIX}CONFIG")
    return Path(named) if named else user_config_path("langchain-swallow") / "config.toml"


def add_parsers(commands: Any) -> None:
    """Add the command to the subparsers."""
    config = add_command(
        commands,
        "config",
        in_language("設定と、その出どころを表示する", "Show settings and where they come from"),
        in_language(
            "優先順: コマンドライン、環境変数（SWALLOW_MAX_TOKENS=…）、設定ファイルのコマンドの表、"
            f"設定ファイルの先頭、デフォルト。\n設定ファイル: {config_path()}",
            "Order of precedence: command line, environment (SWALLOW_MAX_TOKENS=…), the command's "
            f"table in the file, the file's top level, the default.\nFile: {config_path()}",
        ),
        ("langchain-swallow config --init", "SWALLOW_MAX_TOKENS=512 langchain-swallow config"),
    )
    config.add_argument(
        "--init",
        action="store_true",
        help=in_language("設定ファイルを作る", "Create the file with examples"),
    )
    add_json(config)
    config.set_defaults(command=_config, all_commands=commands)


def apply_settings(commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Make settings the defaults of the commands' options.

    Raises:
        CommandError: The file is not valid TOML, or sets what no command has.
    """
    settings = _read(config_path())
    _check(settings, commands)
    notes: dict[str, None] = {}
    for name, parser in commands.items():
        for action in _options(parser):
            if setting := _setting(settings, name, parser, action):
                action.default, action.required = setting.value, False
                notes[setting.note] = None
    for note in filter(None, notes):
        say(note)


def _config(arguments: argparse.Namespace) -> int:
    path = config_path()
    if arguments.init:
        if path.exists():
            raise CommandError(
                in_language(
                    f"{path} はすでにあります。そのファイルを編集してください。",
                    f"{path} exists already. Edit that file.",
                )
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(in_language(_HEADER_JA, _HEADER_EN) + _EXAMPLE, encoding="utf-8")
        say(in_language(f"{path} を作成しました。", f"Wrote {path}."))
        return 0
    settings, rows = _read(path), []
    for name, parser in arguments.all_commands.choices.items():
        for action in _options(parser):
            if setting := _setting(settings, name, parser, action):
                value = "…" if action.dest in SECRET else setting.value
                rows.append({"command": name, "option": action.dest, "value": value,
                             "from": setting.origin})  # fmt: skip
    if arguments.json:
        print_json({"file": str(path), "settings": rows}, default=str)
        return 0
    missing = in_language(
        "（ありません。config --init で作成できます）",
        " (does not exist; `config --init` creates it)",
    )
    print(f"{path}{'' if path.exists() else missing}")
    for row in rows:
        print(f"{row['command']:<8} {row['option']:<16} {row['value']!s:<40} {row['from']}")
    return 0


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(
            in_language(
                f"{path} は TOML として読めません。直してください: {error}",
                f"{path} is not valid TOML. Correct it: {error}",
            )
        ) from error


def _check(settings: Mapping[str, Any], commands: Mapping[str, argparse.ArgumentParser]) -> None:
    options = {
        name: {n for action in _options(parser) for n in _names(parser, action)}
        for name, parser in commands.items()
    }
    everywhere = set().union(*options.values())
    for name, value in settings.items():
        if isinstance(value, dict):
            problem = f"[{name}] というコマンドはありません", f"[{name}] is not a command"
            _known(name, set(options), in_language(*problem))
            for option in value:
                _check_name(option, name, commands)
                _known(option, options[name], _unknown_option(option, name))
        else:
            problem = f"{name} というオプションはありません", f"{name} is not an option"
            _known(name, everywhere, in_language(*problem))


def _check_name(option: str, name: str, commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Refuse an option that a command has under another name now."""
    for action in commands[name]._actions:
        if isinstance(action, Renamed) and action.dest == option:
            now = action.now.removeprefix("--").replace("-", "_")
            advice = in_language(f"。{now} を使ってください。", f". Use {now}.")
            raise CommandError(f"{config_path()}: {_unknown_option(option, name)}{advice}")


def _unknown_option(option: str, command: str) -> str:
    return in_language(
        f"{command} に {option} というオプションはありません",
        f"{option} is not an option of {command}",
    )


def _known(name: str, names: set[str], problem: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        if near:
            end = in_language(f"。{near[0]} のことですか。", f". Did you mean {near[0]}?")
        else:
            listed = ", ".join(sorted(names))
            end = in_language(f"。使える名前: {listed}", f". Use one of {listed}.")
        raise CommandError(f"{config_path()}: {problem}{end}")


def _setting(
    settings: Mapping[str, Any],
    command: str,
    parser: argparse.ArgumentParser,
    action: argparse.Action,
) -> Setting | None:
    """What is set for an option, by its name or an old one."""
    names = _names(parser, action)
    environment = {n: os.environ[_variable(n)] for n in names if _variable(n) in os.environ}
    secret = f"{_variable(action.dest)}_FILE"
    if action.dest in SECRET and secret in os.environ and not environment:
        return Setting(_read_secret(secret), f"${secret}")
    file = f"{config_path()}, "
    for values, label, where, origin in (
        (environment, _variable, "", ""),
        (settings.get(command, {}), str, file, f"file, [{command}]"),
        (settings, str, file, "file, top"),
    ):
        used = [name for name in names if name in values]
        if not used:
            continue
        name, current = label(used[-1]), label(action.dest)
        if len(used) > 1:
            both = in_language(
                f"{current} と、古い名前の {name} が両方あります。{name} を削除してください。",
                f"{current} and {name}, its old name, are both set. Remove {name}.",
            )
            raise CommandError(where + both)
        value = _value(names[used[0]], values[used[0]], where + name)
        note = where + renamed_note(name, current) if name != current else ""
        return Setting(value, origin if where else f"${name}", note)
    return None


def _names(parser: argparse.ArgumentParser, action: argparse.Action) -> dict[str, argparse.Action]:
    """The names by which an option can be set, the current one first, and how each is read."""
    old = [a for a in parser._actions if isinstance(a, OldName) and a.current is action]
    return {action.dest: action, **{one.old: one for one in old}}


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"


def _read_secret(variable: str) -> str:
    """The text of the file that a variable names, as Docker and systemd pass secrets."""
    path = os.environ[variable]
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            in_language(
                f"{variable} のファイル {path!r} を読めません: {error}",
                f"{variable} names a file that cannot be read, {path!r}: {error}",
            )
        ) from error
    if not secret:
        raise CommandError(
            in_language(
                f"{variable} のファイル {path!r} は空です。",
                f"{variable} names an empty file, {path!r}.",
            )
        )
    return secret


def _value(action: argparse.Action, value: Any, origin: str) -> Any:
    """As the command line would give it."""
    if action.nargs == 0:
        word = str(value).lower()
        if word not in _TRUE | _FALSE:
            raise CommandError(
                in_language(
                    f"{origin} は true か false にしてください。今の値: {value!r}",
                    f"{origin} must be true or false, not {value!r}.",
                )
            )
        is_on = word in _TRUE
        if isinstance(action, OldName):
            return action.const if is_on else action.current.default
        return is_on
    if isinstance(action, Repeated) or action.nargs == "+":
        parts = value if isinstance(value, list) else str(value).split()
        return [_one(action, part, origin) for part in parts]
    return _one(action, value, origin)


def _one(action: argparse.Action, value: Any, origin: str) -> Any:
    kind: Any = action.type or str
    shown = "…" if action.dest in SECRET else repr(value)
    try:
        read = kind(str(value))
    except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
        raise CommandError(
            in_language(
                f"{origin} に {shown} は指定できません（{error}）。",
                f"{origin} is wrong: {shown} ({error}).",
            )
        ) from None
    if action.choices and read not in action.choices:
        listed = ", ".join(action.choices)
        raise CommandError(
            in_language(
                f"{origin} に {value!r} は指定できません。指定できる値: {listed}",
                f"{origin} must be one of {listed}, not {value!r}.",
            )
        )
    return read


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    without = ("help", "json", "init")
    return [
        action
        for action in parser._actions
        if action.option_strings
        and action.dest not in without
        and not isinstance(action, Renamed | OldName)
    ]

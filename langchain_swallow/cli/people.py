"""`langchain-swallow token add | list | remove`, and the options of `serve` for people."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_json, print_json
from langchain_swallow.cli.numbers import at_least
from langchain_swallow.cli.parsers import Command, CommandError, add_command, say
from langchain_swallow.documents.access import EVERYONE, FOLDER_GROUPS

if TYPE_CHECKING:
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS


def add_parsers(tokens: Any) -> None:
    """Add the commands to the subparsers of `token`."""
    add = add_command(
        tokens,
        "add",
        in_language("人を追加し、トークンを作る", "Add a person and make a token"),
        in_language(
            "トークンは一度だけ標準出力に出る。ファイルにはハッシュだけを書く。",
            "Prints the token once, to stdout. The file has only its hash.",
        ),
        ["langchain-swallow token add sato --groups hr board --people people.json"],
    )
    add.add_argument("name", metavar="NAME", help=in_language("名前", "Name"))
    add.add_argument(
        "--groups",
        nargs="+",
        default=[],
        metavar="GROUP",
        help=in_language("グループ", "Groups"),
    )
    _add_file(add)
    add.set_defaults(command=_add)
    show = add_command(
        tokens,
        "list",
        in_language("人の一覧", "List people"),
        examples=["langchain-swallow token list --people people.json"],
    )
    _add_file(show)
    add_json(show)
    show.set_defaults(command=_list)
    remove = add_command(
        tokens,
        "remove",
        in_language("人とトークンを削除する", "Remove a person and the token"),
        examples=["langchain-swallow token remove sato --people people.json"],
    )
    remove.add_argument("name", metavar="NAME", help=in_language("名前", "Name"))
    _add_file(remove)
    remove.set_defaults(command=_remove)


def add_people(serve: Command) -> None:
    """Options of `serve` for who may ask, and who may see what."""
    group = serve.add_further(in_language("人と権限", "People and permissions"))
    group.add_argument(
        "--people",
        type=Path,
        metavar="FILE",
        help=in_language(
            "token add が作ったファイル。一人ひとりのトークンでログインする",
            "File that `token add` has made; each person logs in with a token of their own",
        ),
    )
    group.add_argument(
        "--trusted-proxy",
        nargs="+",
        default=[],
        metavar="IP",
        help=in_language(
            "ログインした人をヘッダーで伝えるプロキシのアドレス",
            "Addresses of proxies that send who has logged in, in headers",
        ),
    )
    group.add_argument(
        "--user-header",
        default="X-Forwarded-User",
        metavar="NAME",
        help=in_language("人の名前のヘッダー", "Header with a person's name"),
    )
    group.add_argument(
        "--groups-header",
        default="X-Forwarded-Groups",
        metavar="NAME",
        help=in_language(
            "グループのヘッダー（コンマ区切り）", "Header with their groups, separated by commas"
        ),
    )
    group.add_argument(
        "--oidc-issuer",
        metavar="URL",
        help=in_language(
            "OpenID Connect のプロバイダー。そのトークンを Authorization: Bearer で受け取る",
            "OpenID Connect provider whose tokens are accepted as Authorization: Bearer",
        ),
    )
    group.add_argument(
        "--oidc-audience",
        metavar="ID",
        help=in_language("プロバイダーでのこのサーバーの ID", "Id of this server at the provider"),
    )
    group.add_argument(
        "--oidc-name-claim",
        default="preferred_username",
        metavar="NAME",
        help=in_language("人の名前のクレーム", "Claim with a person's name"),
    )
    group.add_argument(
        "--oidc-groups-claim",
        default="groups",
        metavar="NAME",
        help=in_language(
            "グループのクレーム。a.b は a の中の b", "Claim with their groups; a.b is b within a"
        ),
    )
    group.add_argument(
        "--default-groups",
        nargs="+",
        default=[EVERYONE],
        metavar="GROUP",
        help=in_language(
            "グループのない文書を見てよいグループ。* は全員",
            "Groups that may see documents without groups; * is everyone",
        ),
    )
    group.add_argument(
        "--requests-per-minute",
        type=at_least(1),
        metavar="N",
        help=in_language(
            "一人が 1 分間に送れる質問と文書（デフォルト: 無制限）",
            "Questions and uploads that a person can send in a minute (default: unlimited)",
        ),
    )
    group.add_argument(
        "--audit-log",
        type=Path,
        metavar="FILE",
        help=in_language(
            "誰が何を質問し、どの文書を見たかを書くファイル（JSON Lines）",
            "File for who asked what and which documents they were shown (JSON lines)",
        ),
    )


def load_people(arguments: argparse.Namespace) -> dict[str, Any]:
    """The `people`, `sign_on` and `oidc` of a server that the options describe."""
    from langchain_swallow.serving.people import People
    from langchain_swallow.serving.sign_on import SignOn

    people = None if arguments.people is None else People(arguments.people)
    sign_on = None
    if arguments.trusted_proxy:
        sign_on = SignOn(
            arguments.trusted_proxy,
            user_header=arguments.user_header,
            groups_header=arguments.groups_header,
        )
    oidc = _provider(arguments)
    if arguments.shared_uploads and (people or sign_on or oidc):
        raise CommandError(
            in_language(
                "--shared-uploads は --people、--trusted-proxy、--oidc-issuer と一緒に使えません。"
                "同じ名前の文書があるかどうかが、見てはいけない人に伝わるためです。全員の文書は"
                " sync で追加してください。",
                "--shared-uploads cannot be used with --people, --trusted-proxy or --oidc-issuer: "
                "it would show whether a document of that name exists. Add documents for everyone "
                "with `sync`.",
            )
        )
    return {"people": people, "sign_on": sign_on, "oidc": oidc}


def _provider(arguments: argparse.Namespace) -> Any:
    if arguments.oidc_issuer is None and arguments.oidc_audience is None:
        return None
    if not (arguments.oidc_issuer and arguments.oidc_audience):
        raise CommandError(
            in_language(
                "--oidc-issuer と --oidc-audience は両方を指定してください。",
                "--oidc-issuer and --oidc-audience must be given together.",
            )
        )
    from langchain_swallow.serving.oidc import Oidc

    return Oidc(
        arguments.oidc_issuer,
        arguments.oidc_audience,
        name_claim=arguments.oidc_name_claim,
        groups_claim=arguments.oidc_groups_claim,
    )


def warn_of_groups(store: "SwallowFAISS") -> None:
    """Warn that rules of folders have no effect on a server that does not know its people."""
    if store.snapshot().distinct(FOLDER_GROUPS) - {(None,)}:
        say(
            in_language(
                "注意: 索引にはグループの決まった文書がありますが、このサーバーは人を区別せず、"
                "すべての文書を見せます。--people か --trusted-proxy で区別できます。",
                "Warning: the index has documents for groups only, but this server does not "
                "distinguish people and shows every document. --people and --trusted-proxy do.",
            )
        )


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--people",
        type=Path,
        required=True,
        metavar="FILE",
        help=in_language("人のファイル（JSON）", "File of people (JSON)"),
    )


def _add(arguments: argparse.Namespace) -> int:
    from langchain_swallow.serving.people import add_person

    token = add_person(arguments.people, arguments.name, arguments.groups)
    say(
        in_language(
            f"{arguments.name} のトークン。二度は表示できません:",
            f"Token of {arguments.name}. It cannot be shown again:",
        )
    )
    print(token)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from langchain_swallow.serving.people import read_people

    entries = read_people(arguments.people)
    if arguments.json:
        rows = [{"name": e.name, "groups": e.groups, "created": e.created} for e in entries]
        print_json(rows)
        return 0
    for entry in entries:
        print(f"{entry.created}  {entry.name}  {', '.join(entry.groups)}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from langchain_swallow.serving.people import remove_person

    remove_person(arguments.people, arguments.name)
    say(in_language(f"{arguments.name} を削除しました。", f"Removed {arguments.name}."))
    return 0

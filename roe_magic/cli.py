"""The command ``roe-magic``: ``serve`` the local service, ``doctor``, ``login``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from roe_magic import config
from roe_magic._version import __version__
from roe_magic.config import profiles
from roe_magic.errors import RoeError
from roe_magic.service import serve


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit: with 0 where it worked, 1 where it failed, 2 where it was mistyped."""
    arguments = _parser().parse_args(argv)
    try:
        status = arguments.run(arguments)
    except RoeError as error:
        print(f"roe-magic: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="roe-magic", description="SQL in notebook cells, on Roe's async query API.")
    parser.add_argument("--version", action="version", version=f"roe-magic {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    service = commands.add_parser("serve", help="run the local service: Roe's API on embedded ClickHouse")
    serve.add_arguments(service)
    service.set_defaults(run=serve.run)
    doctor = commands.add_parser("doctor", help="check the installation, the API key and the server")
    doctor.add_argument(
        "-s", "--section", metavar="PROFILE", help="check this profile, not the environment and the profile 'default'"
    )
    doctor.set_defaults(run=_doctor)
    login = commands.add_parser("login", help="store an API key in this machine's keyring, under a profile's name")
    login.add_argument("profile", nargs="?", default="default", help="the profile's name (default: %(default)s)")
    login.add_argument("--base-url", default=config.DEFAULT_BASE_URL, help="the API's address (default: %(default)s)")
    login.add_argument("--organization", metavar="UUID", help="the organisation that queries run for")
    login.set_defaults(run=_login)
    return parser


def _doctor(arguments: argparse.Namespace) -> int:
    from roe_magic.doctor import report

    return report(arguments.section)


def _login(arguments: argparse.Namespace) -> int:
    profiles.require_keyring()
    base_url = config.check_base_url(arguments.base_url)
    key = profiles.ask_for_key(f"API key for {base_url} (not shown): ")
    path = profiles.save_profile(arguments.profile, base_url, arguments.organization, key)
    print(f"The API key was stored in this machine's keyring, the other settings of {arguments.profile!r} in {path}.")
    print(f"Use it in a cell: %%roe -s {arguments.profile}. Check it: roe-magic doctor -s {arguments.profile}")
    return 0

"""`tkms console --stack NAME`: the console of a stack, served on 127.0.0.1 until Ctrl-C."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from threading import Lock
from typing import Any

from tenantkms.runtime.assemble import SettingsError
from tenantkms.store.shared import Memory
from tenantkms.wire.http import Request, Response
from tkms.console.pages import PATH, Console, mine
from tkms.console.sessions import Sessions
from tkms.console.stack import Deployed
from tkms.machine.app import PageWork
from tkms.machine.guests import Guests, connections_by_files
from tkms.machine.listener import Server, server_config
from tkms.machine.threads import Threads
from tkms.output import say
from tkms.stack.stack import Stack

HOST = "127.0.0.1"
_THREADS = 4
_NONE = Response(status=404, content_type="text/plain; charset=utf-8", body="There is nothing here: see /console.")
_DOOR = Response(status=302, content_type="text/plain; charset=utf-8", body="", headers={"location": PATH})


class Alone:
    """Serves the console and nothing else, to who calls it by a name of this machine: not by one that somebody else has
    pointed here.
    """

    def __init__(self, answer: Callable[[Request], Response], port: int) -> None:
        self._answer = answer
        self._hosts = (f"{HOST}:{port}", f"localhost:{port}")
        self.pool: Executor = Threads(_THREADS)

    def begin(self, request: Request, *, together: bool) -> PageWork:  # noqa: ARG002 - nothing is done for several
        work = PageWork(request, self._answer)
        if request.header("host") not in self._hosts:
            work.response = _NONE
        elif not mine(request):
            work.response = _DOOR if request.path == "/" else _NONE
        return work

    def finish(self, work: Any) -> Response:
        made: Response = work.answer(work.request)
        return made

    def settle(self) -> None:
        """Nothing waits for it."""


def console(args: argparse.Namespace) -> int:
    place = Deployed(Stack(args.stack))
    listening = socket.socket()
    if not 0 <= args.port <= 65535:  # the kernel would be asked for another one
        raise SettingsError(f"Cannot listen on {HOST}:{args.port}: a port is a number from 0 to 65535.")
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, args.port))
        listening.listen()  # who opens the address at once waits for a moment
    except OSError as error:
        listening.close()
        raise SettingsError(f"Cannot listen on {HOST}:{args.port}: {error}.") from error
    port = listening.getsockname()[1]
    page = Console(place, Sessions(Memory(), Lock()), secure=False)
    app = Alone(page.respond, port)
    say(f"the console of {args.stack}, until Ctrl-C. This address signs in, once:")
    say(f"http://{HOST}:{port}{PATH}#keys?ticket={place.secret}")
    try:
        Server(server_config(), listening, app, Guests(connections_by_files())).run()
    except KeyboardInterrupt:
        pass
    finally:
        app.pool.shutdown(wait=False, cancel_futures=True)
    return 0

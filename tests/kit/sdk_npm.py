"""The packages of Alibaba Cloud and Tencent Cloud on npm, unmodified, each client in a process of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cdk.node import NODE
from kit.sdk_clients import Login, Refusal
from kit.sdk_programs import CLIENTS, environment, installed
from kit.worker import Worker, WorkerError

_PROGRAM = Path(__file__).with_suffix(".mjs")
# What kms20160120 makes of the status, text and request id of an answer.
_TEA = re.compile(r"code: (?P<status>\d+), (?P<message>.*) requestid: (?P<request_id>\S+)", re.DOTALL)


class Npm(Worker):
    """`package` is one of `CLIENTS` of the program. Fields and answers as the API has them."""

    def __init__(self, package: str, login: Login, **options: Any) -> None:
        self.package = package
        at = {"host": login.host, "scheme": login.scheme, "id": login.access_key_id, "secret": login.secret}
        given = json.dumps({**at, "token": login.token, **options})
        super().__init__([installed(NODE), _PROGRAM, CLIENTS, package, given], environment(login))

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """A map becomes the JSON text that all but one leave to their user. What kms-sdk returns is raised, too."""
        if self.package != "kms20160120":
            fields = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in fields.items()}
        answer: dict[str, Any] = self.call("ask", action, fields)
        if "Code" in answer:
            raise WorkerError("", answer["Message"], code=answer["Code"], request_id=answer["RequestId"])
        return answer

    @staticmethod
    def read(error: Any) -> Refusal:
        """Status 0: the client does not tell it."""
        rest = error.rest
        if told := _TEA.fullmatch(error.message.removeprefix(f"{rest['code']}: ")):
            code = rest["code"].removesuffix("Error")
            return Refusal(code, int(told["status"]), told["request_id"], told["message"])
        return Refusal(rest["code"], rest.get("status", 0), rest["request_id"], error.message)

"""Audit lines of what an operator does with a stack's rows themselves: in the log of the function that makes keys."""

from __future__ import annotations

import io
import time

from tenantkms.audit.line import StreamAudit
from tenantkms.names import folder
from tenantkms.runtime.assemble import AUDIT_KEY
from tkms.stack.stack import Stack, aws_errors

_BESIDE = "CreateKey"


class _LogStream(io.StringIO):
    """A new stream of a log group. Raises `SettingsError`."""

    def __init__(self, stack: Stack, group: str, name: str) -> None:
        super().__init__()
        self._client, self._where = stack.client("logs"), {"logGroupName": group, "logStreamName": name}
        with aws_errors(f"The log group {group} cannot be written"):
            self._client.create_log_stream(**self._where)

    def write(self, line: str, /) -> int:
        event = {"timestamp": int(time.time() * 1000), "message": line.rstrip("\n")}
        with aws_errors(f"The log group {self._where['logGroupName']} cannot be written"):
            self._client.put_log_events(**self._where, logEvents=[event])
        return len(line)


def audit_of(stack: Stack, request_id: str) -> StreamAudit:
    """Lines of a chain of their own, which `tkms audit` finds. Raises `SettingsError`."""
    function = stack.outputs["FunctionPrefix"] + folder(_BESIDE)
    with aws_errors(f"The function {function} cannot be read"):
        told = stack.client("lambda").get_function_configuration(FunctionName=function)
    group = told.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}"
    return StreamAudit(lambda: stack.settings.root.key(AUDIT_KEY), _LogStream(stack, group, f"tkms/{request_id}"))

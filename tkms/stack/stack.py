"""A deployed stack, worked on with the AWS credentials of whoever types the command.

Keys are used through the stack's own functions, so that no key material leaves them and every call has its audit
line there. Credentials are written to the access table, their secrets sealed by the tenant's parent key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import msgspec

from tenantkms.access.credentials import Access
from tenantkms.keys.maintenance import JOBS, Progress, Report, complete
from tenantkms.names import folder
from tenantkms.parent.port import SealBroken
from tenantkms.runtime.assemble import Settings, SettingsError, on_aws
from tenantkms.runtime.invoke import LambdaDispatcher
from tkms.anchor import anchor, has_rows
from tkms.machine.directory import as_operator
from tkms.output import NotDone

_OUTPUTS = {
    "Tenant": "TENANT",
    "Region": "REGION",
    "Account": "ACCOUNT",
    "KeysTable": "KEYS_TABLE",
    "AccessTable": "ACCESS_TABLE",
    "ParentKeyArn": "PARENT_KEY_ARN",
}
"""Outputs of the stack -> what its functions are told in their environment."""
_MAYBE = {"OtherParentKeyArn": "OTHER_PARENT_KEY_ARN", "Here": "HERE", "First": "FIRST"}
"""As `_OUTPUTS`, of stacks that have it: another parent key, another region."""
_NEVER_MADE = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""States of a stack whose first deployment did not succeed."""
_SWEEP_SECONDS = 310


@contextmanager
def aws_errors(what: str, codes: Container[str] = (), why: str = "was changed meanwhile: try again") -> Iterator[None]:
    """What AWS refuses, and what is missing to ask it, as `SettingsError` that says so.

    `codes`: of errors that are about this one thing only, which is `NotDone` because of `why`.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as e:
        if isinstance(e, ClientError) and e.response["Error"]["Code"] in codes:
            raise NotDone(why) from None
        raise SettingsError(f"{what}: {e}") from e


class Stack:
    """The stack `name` of the account and region that the AWS settings of this shell name.

    `region` goes before the shell's. `role` is the ARN of one to take, whose account it then is.
    """

    def __init__(self, name: str, region: str = "", role: str = "") -> None:
        import botocore.session

        self.name = name
        self._session = botocore.session.get_session()
        if region := region or os.environ.get("AWS_REGION", ""):  # botocore reads AWS_DEFAULT_REGION only
            self._session.set_config_variable("region", region)
        if not self._session.get_config_variable("region"):
            raise SettingsError("No AWS region is set: AWS_REGION=... or a profile that names one (AWS_PROFILE).")
        if role:
            self._take(role)
        self.outputs = self._read()
        self.url = self.outputs["Url"]

    def _take(self, role: str) -> None:
        with aws_errors(f"The role {role} cannot be taken"):
            taken = self.client("sts").assume_role(RoleArn=role, RoleSessionName="tkms")["Credentials"]
        self._session.set_credentials(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])

    def client(self, service: str, *, region: str | None = None, **config: Any) -> Any:
        """A client of botocore, for another `region` if one is given."""
        from botocore.config import Config

        settings = Config(connect_timeout=5, **{"read_timeout": 30, **config})
        with aws_errors("AWS cannot be asked"):
            return self._session.create_client(service, region_name=region, config=settings)

    def describe(self) -> dict[str, Any]:
        """The stack as CloudFormation describes it."""
        with aws_errors(f"The stack {self.name} cannot be read"):
            found: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        return found

    def _read(self) -> dict[str, str]:
        described = self.describe()
        if (status := described.get("StackStatus")) in _NEVER_MADE:
            raise SettingsError(
                f"{self.name} was never made: it is {status}. docs/operations.md, 'A first deployment that failed',"
                " says how to begin again."
            )
        outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
        if missing := sorted({*_OUTPUTS, "Url", "FunctionPrefix"} - outputs.keys()):
            raise SettingsError(
                f"{self.name} is no stack of tenant-kms, or its deployment did not end: it has no output {missing[0]}."
            )
        return outputs

    @cached_property
    def settings(self) -> Settings:
        """As the stack's functions have them; nothing is asked of AWS yet."""
        known = {**_OUTPUTS, **_MAYBE}
        environment = {known[output]: text for output, text in self.outputs.items() if output in known}
        with aws_errors("AWS cannot be asked"):
            return on_aws(environment, self._session)

    @cached_property
    def access(self) -> Access:
        if not self.settings.root.exists() and has_rows(self.settings):
            raise SettingsError(
                f"{self.name} has keys or access keys, but no root secret to authenticate them with. After an upgrade"
                f" of a release before MACs: tkms take-over --stack {self.name}. Else somebody took it away: restore"
                " the row ROOT of the keys table from a backup (docs/operations.md)."
            )
        self.anchor()
        return self.settings.access

    def anchor(self) -> None:
        """Make the root secret, if there is none. Raises `SettingsError` for a parent key that is not the tenant's."""
        try:
            anchor(self.settings)
        except SealBroken:
            raise SettingsError(
                f"{self.outputs['ParentKeyArn']} is not the parent key that this tenant was sealed with: name the"
                " right one as parent_key_arn. With another one nothing opens, and what is made would be lost."
            ) from None

    @cached_property
    def _dispatch(self) -> LambdaDispatcher:
        """An invocation is not repeated: CreateKey would make a second key."""
        client = self.client("lambda", retries={"total_max_attempts": 1})
        return LambdaDispatcher(client, self.outputs["FunctionPrefix"])

    def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
        return as_operator(self._dispatch, action, params)

    def maintain(
        self, bar: Callable[[str], Progress] | None, *, dry_run: bool, trust_clock: bool
    ) -> Iterator[tuple[str, Report]]:
        """`Place.maintain`. A function tells how far it is when it ends, before its time is up: then it is invoked
        again. Not for a dry run, which would begin anew: that has counted as many as it could.
        """
        client = self.client("lambda", read_timeout=_SWEEP_SECONDS, retries={"total_max_attempts": 1})
        event = msgspec.json.encode({"dry_run": dry_run, "trust_clock": trust_clock})
        for name, job in JOBS.items():
            sweep = partial(self._swept, client, self.outputs["FunctionPrefix"] + folder(job.name), event)
            progress = bar(name) if bar else None
            for report in [sweep()] if dry_run else complete(sweep):
                if progress:
                    progress(report.due)
                yield name, report

    @staticmethod
    def _swept(client: Any, function: str, event: bytes) -> Report:
        with aws_errors(f"{function} cannot be invoked"):
            answer = client.invoke(FunctionName=function, Payload=event)
            payload = answer["Payload"].read()
        if answer.get("FunctionError"):
            raise SettingsError(f"{function} failed: its log says why.")
        return msgspec.json.decode(payload, type=Report)

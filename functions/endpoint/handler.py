"""The one public function: it speaks the dialects and knows who is calling; it touches no CMK.

An API Gateway HTTP API event comes in. The dialect is told from the authentication material, the signature is
verified, the parameters become one canonical call, the Action answers, and the answer is rendered in the
caller's dialect. Whatever goes wrong is answered in that dialect too; only the gateway's own limits are not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from functions.endpoint.dispatch import Dispatcher, dispatcher, inline_actions
from functions.endpoint.pages import human_page, plain_error
from tenantkms import errors as e
from tenantkms.access.credentials import Access
from tenantkms.audit.faults import log_fault
from tenantkms.audit.line import Record
from tenantkms.model.credential import Credential, Session
from tenantkms.runtime.assemble import Settings
from tenantkms.runtime.lambda_entry import from_environment, invoke_client
from tenantkms.wire.dialects import Spoken, check_unambiguous, recognise
from tenantkms.wire.http import Request, Response, check_headers, check_size, request_from_event
from tenantkms.wire.signing import check_time, verify
from tenantkms.wire.translate import View, decode, encode


class Endpoint:
    """`endpoint(event)` answers any event, and `respond` any request; neither raises."""

    def __init__(self, settings: Settings, dispatch: Dispatcher) -> None:
        self._access: Access = settings.access
        self._sessions = settings.sessions
        self._noted: dict[str, int] = {}  # until when the use of an access key is noted
        self._audit = settings.deps.audit
        self._clock = settings.deps.clock
        self._tenant = settings.site.tenant
        self._view = View(settings.site)
        self._dispatch = dispatch

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            request = request_from_event(event)
        except e.KmsError as error:
            return plain_error(400, error.message, _request_id()).event()
        return self.respond(request).event()

    def respond(self, request: Request) -> Response:
        request_id = _request_id()
        try:
            return self._respond(request, request_id)
        except Exception as error:  # noqa: BLE001 - the last barrier: nothing of it may leave
            log_fault(request_id, error)
            return plain_error(500, e.Internal.text, request_id)

    def _respond(self, request: Request, request_id: str) -> Response:
        spoken = recognise(request)
        if spoken is None:
            return human_page(request, request_id)
        answer = _Answer(spoken, request, request_id)
        try:
            return self._serve(answer)
        except e.KmsError as error:
            return self._refuse(answer, error)
        except Exception as error:  # noqa: BLE001 - the caller's dialect still says so
            log_fault(request_id, error)
            return self._refuse(answer, e.Internal())

    def _serve(self, answer: _Answer) -> Response:
        request, dialect, scheme = answer.request, answer.spoken.dialect, answer.spoken.scheme
        check_size(request)
        check_headers(request)
        check_unambiguous(answer.spoken)
        parameters = dialect.parameters(request, scheme)
        claim = scheme.read(request, parameters)
        answer.principal = claim.access_key_id
        if claim.token:
            session = answer.session = self._sessions.open(claim.token, claim.access_key_id)
            answer.principal = session.parent
            credential, secret = self._access.known(session.parent), session.secret
        else:
            credential, secret = self._access.find(claim.access_key_id)
        try:
            uncovered = verify(claim, secret)
        except e.SignatureMismatch:
            if credential is None:
                raise e.UnknownAccessKey from None  # after the same work as for a wrong secret
            raise
        now = self._clock()
        if answer.session and answer.session.expires <= now:
            raise e.ExpiredSecurityToken
        credential = self._access.admit(credential, dialect.name, now)
        check_time(claim, scheme.window, now)
        if uncovered:
            raise e.MalformedRequest("A value begins with '@', which this client does not sign: it is not accepted.")
        if claim.replay:
            self._access.use_nonce(scheme.name, claim.access_key_id, claim.replay, now=int(now), window=scheme.window)
        used = credential.access_key_id
        if now >= self._noted.get(used, 0):
            self._noted[used] = self._access.note_use(used, now)
        answer.action, params = dialect.parse(request, scheme, parameters)
        return self._run(answer, credential, params)

    def _run(self, answer: _Answer, credential: Credential, params: Mapping[str, Any]) -> Response:
        dialect = answer.spoken.dialect
        operation = dialect.operations.get(answer.action)
        if operation is None:
            if answer.action in dialect.unsupported:
                reason = dialect.unsupported[answer.action]
                raise e.UnsupportedAction(f"{answer.action} is not supported: {reason}.")
            raise e.UnknownAction
        canonical, fields = decode(operation, params, dialect.common)
        principal = {"id": credential.access_key_id, "policy": credential.policy}
        if answer.session:
            principal |= {"session": answer.session.access_key_id, "session_policy": answer.session.policy}
        outcome = self._dispatch(
            {
                "v": 1,
                "request_id": answer.request_id,
                "action": operation.action,
                "principal": principal,
                "profile": dialect.name,
                "params": canonical,
                "source_ip": answer.request.source_ip,
                **fields,
            }
        )
        answer.audited = True
        if "error" in outcome:
            raise operation.named(e.from_data(outcome["error"]))
        rendered = encode(operation.out, outcome["result"], self._view)
        return dialect.success(answer.request, answer.action, rendered, answer.request_id)

    def _refuse(self, answer: _Answer, error: e.KmsError) -> Response:
        """The dialect's answer to `error`; what no Action has audited is audited here."""
        if not answer.audited:
            if error.retryable:
                log_fault(answer.request_id, error)
            try:
                self._audit.write(
                    Record(
                        time=self._clock(),
                        request_id=answer.request_id,
                        tenant=self._tenant,
                        action=_printable(answer.action),
                        profile=answer.spoken.dialect.name,
                        principal=_printable(answer.principal),
                        outcome=type(error).__name__,
                        source_ip=answer.request.source_ip,
                        session=answer.session.access_key_id if answer.session else "",
                    )
                )
            except e.Unavailable as fault:
                log_fault(answer.request_id, fault)
        return answer.spoken.dialect.failure(answer.request, answer.action, error, answer.request_id)


class _Answer:
    """One answer in the making: what is known of the request so far."""

    __slots__ = ("action", "audited", "principal", "request", "request_id", "session", "spoken")

    def __init__(self, spoken: Spoken, request: Request, request_id: str) -> None:
        self.spoken, self.request, self.request_id = spoken, request, request_id
        self.action = ""
        self.principal = ""
        self.session: Session | None = None
        self.audited = False


def _request_id() -> str:
    """A random UUID (version 4, RFC 9562); the class `UUID` takes longer than the randomness."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def _printable(text: str) -> str:
    """What a stranger sent, fit for a log: short and of printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:64])


_INLINE = inline_actions(os.environ)


@lru_cache(maxsize=1)
def _endpoint() -> Endpoint:
    settings = from_environment()
    return Endpoint(settings, dispatcher(settings, os.environ["FUNCTION_PREFIX"], _INLINE, invoke_client))


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda handler."""
    from_environment().metrics.begin(_INLINE)
    return _endpoint()(event)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _endpoint()  # until its first event a function has a whole core; nothing is unsealed

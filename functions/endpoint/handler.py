"""The one public function: it speaks the dialects and knows who is calling; it touches no CMK.

An event of an API Gateway HTTP API, or of the load balancer of a private address, comes in. The dialect is told from
the authentication material, the signature is verified, the parameters become one canonical call, the Action answers,
and the answer is rendered in the caller's dialect. Whatever goes wrong is answered in that dialect too; only the limits
of what stands in front are not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from functions.endpoint.answer import Answer, new_request_id
from functions.endpoint.dispatch import dispatcher, inline_actions, live_folders
from functions.endpoint.pages import Doors, human_page, plain_error
from functions.endpoint.repeats import REPEATED, Answers, Known
from tenantkms import errors as e
from tenantkms.access.credentials import Access
from tenantkms.access.sessions import lacking
from tenantkms.audit.faults import log_fault
from tenantkms.audit.line import Record
from tenantkms.model.credential import Credential
from tenantkms.names import CHANGING
from tenantkms.runtime.assemble import Settings
from tenantkms.runtime.invoke import Dispatcher
from tenantkms.runtime.lambda_entry import from_environment, invoke_client
from tenantkms.wire.dialects import check_unambiguous, recognise
from tenantkms.wire.http import Request, Response, check_headers, check_size, request_from_event
from tenantkms.wire.load_balancer import answer_to_balancer, is_balanced, request_from_balancer
from tenantkms.wire.signing import Claim, check_time, verify
from tenantkms.wire.translate import Operation, View, decode, encode


class Endpoint:
    """`endpoint(event)` answers any event, and `respond` any request; neither raises.

    `begin` and `finish` are the halves of `respond`: until the Action, and the Action. `answers` are those of this
    process alone, if none are given. `refused` is told of what is refused before its caller is admitted; it never
    raises.
    """

    def __init__(
        self,
        settings: Settings,
        dispatch: Dispatcher,
        answers: Answers | None = None,
        refused: Callable[[Answer, e.KmsError], None] | None = None,
    ) -> None:
        self._access: Access = settings.access
        self._limiter, self._sessions = settings.limiter, settings.sessions
        self._without_nonce, self._not_before = settings.without_nonce, settings.not_before
        self._audit, self._clock, self._fence = settings.deps.audit, settings.deps.clock, settings.deps.fence
        self._judged: tuple[Credential, int] | None = None
        self._tenant, self._view = settings.site.tenant, View(settings.site)
        self._answers = answers or Answers()
        self._doors = Doors(explorer=settings.explorer, machine=settings.log is not None)
        self._dispatch, self._refused = dispatch, refused

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        balanced = is_balanced(event)
        try:
            response = self.respond(request_from_balancer(event) if balanced else request_from_event(event))
        except e.KmsError as error:
            response = plain_error(400, error.message, new_request_id())
        return answer_to_balancer(response) if balanced else response.event()

    def respond(self, request: Request) -> Response:
        answer = self.begin(request)
        return answer.response or self.finish(answer)

    def begin(self, request: Request) -> Answer:
        """`request` as far as its Action, of which there may be none: then the answer has its response already."""
        answer = Answer(request, new_request_id())
        try:
            spoken = recognise(request)
            if spoken is None:
                answer.response = human_page(request, answer.request_id, self._doors)
            else:
                answer.spoken = spoken
                self._serve(answer)
        except Exception as error:  # noqa: BLE001 - the caller's dialect still says so
            answer.response = self._failed(answer, error)
        return answer

    def finish(self, answer: Answer, dispatch: Dispatcher | None = None) -> Response:
        """The response of an answer that has none: its Action runs, which may take long. `dispatch`: another way to
        it."""
        try:
            response = self._run(answer, dispatch or self._dispatch)
        except Exception as error:  # noqa: BLE001 - the caller's dialect still says so
            response = self._failed(answer, error)
        answer.response = response
        return response

    def take_back(self, answer: Answer, error: e.KmsError) -> None:
        """`answer`, of which nothing has left, becomes that to `error`."""
        answer.response = self._failed(answer, error)

    def _since(self, credential: Credential) -> int:
        """Before when no request of `credential` is good: asked whenever that was read from the store anew."""
        judged = self._judged
        if judged is None or judged[0] is not credential:
            judged = self._judged = credential, self._not_before()
        return judged[1]

    def _failed(self, answer: Answer, error: Exception) -> Response:
        try:
            if isinstance(error, e.KmsError):
                return self._refuse(answer, error)
            log_fault(answer.request_id, error)
            return self._refuse(answer, e.Internal())
        except Exception as fault:  # noqa: BLE001 - the last barrier: nothing of it may leave
            log_fault(answer.request_id, fault)
            return plain_error(500, e.Internal.text, answer.request_id)

    def _serve(self, answer: Answer) -> None:
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
        now = self._clock()
        known = self._limiter.knows(request.source_ip, claim.access_key_id, now)
        if answer.session:
            credential, secret = self._access.known(answer.session.parent), answer.session.secret
        else:
            credential, secret = self._access.find(claim.access_key_id)
        try:
            uncovered = verify(claim, secret)
        except e.SignatureMismatch:
            if credential is None:
                told = "" if answer.session else lacking(claim.access_key_id)
                raise e.UnknownAccessKey(told) from None  # after the same work as for a wrong secret
            raise
        answer.signed = True
        if not known:
            self._limiter.passed(request.source_ip, claim.access_key_id)
        if answer.session and answer.session.expires <= now:
            raise e.ExpiredSecurityToken
        credential = self._access.admit(credential, dialect.name, now)
        check_time(claim, scheme.window, now, self._since(credential))
        if uncovered:
            raise e.MalformedRequest("A value begins with '@', which this client does not sign: it is not accepted.")
        answer.action, version, params = dialect.parse(request, scheme, parameters)
        operation = dialect.operation(answer.action, params)
        rate = dialect.rates.get(answer.action, dialect.other_rate)
        bucket = self._limiter.take(credential, operation.action if operation else "", rate, now)
        if operation and operation.action in CHANGING:
            self._fence.check(claim.time)  # before its nonce is used: it may be sent again
        try:
            self._refuse_replay(answer, claim, operation, params, int(now))
        except e.NonceReused:
            self._limiter.give_back(bucket)  # whoever sends requests of others again uses nothing of theirs up
            raise
        answer.admitted = True
        self._access.note_use(credential.access_key_id, now)
        if scheme.repeats and operation and operation.action in CHANGING:
            answer.once = claim.access_key_id, scheme.repeats(request)
        self._prepare(answer, operation, version, credential, params)

    def _refuse_replay(
        self, answer: Answer, claim: Claim, operation: Operation | None, params: Mapping[str, Any], now: int
    ) -> None:
        """Raises `NonceReused`. What is not signed, as the Action may be, is not judged before it."""
        scheme, dialect, action = answer.spoken.scheme, answer.spoken.dialect, answer.action
        if scheme.repeats:
            return
        once, source = claim.replay, None
        if scheme.alike:
            once = f"{claim.replay}\n{action}" if operation and operation.action in CHANGING else ""
            source = answer.request.source_ip if dialect.fits_another(action, params) else None
        elif operation and operation.action in self._without_nonce:
            return  # all but `alike` schemes sign the Action
        if source is not None:
            self._access.use_nonce(
                scheme.name, claim.access_key_id, claim.replay, now=now, window=scheme.window, source=source
            )
        if once:
            self._access.use_nonce(scheme.name, claim.access_key_id, once, now=now, window=scheme.window)

    def _prepare(
        self,
        answer: Answer,
        operation: Operation | None,
        version: str,
        credential: Credential,
        params: Mapping[str, Any],
    ) -> None:
        dialect = answer.spoken.dialect
        if not answer.action:
            raise e.MissingParameter("Action is required.")
        if version != dialect.version:
            raise e.UnknownVersion(f"The Version must be {dialect.version}.")
        if operation is None:
            if reason := dialect.unsupported.get(answer.action):
                raise e.UnsupportedAction(f"{answer.action} is not supported: {reason}.")
            raise e.UnknownAction
        if dialect.arns:
            dialect.arns.check(params, self._view.site)
        dialect.check_site(params, self._view.site)
        try:
            canonical, fields = decode(operation, params, dialect.common)
        except e.InvalidKeyId:
            dialect.no_arns.check(params, self._view.site)
            raise
        principal = {"id": credential.access_key_id, "policy": credential.policy}
        if answer.session:
            principal |= {"session": answer.session.access_key_id, "session_policy": answer.session.policy}
        answer.operation = operation
        call = {
            "v": 1,
            "request_id": answer.request_id,
            "action": operation.action,
            "principal": principal,
            "profile": dialect.name,
            "params": canonical,
            "source_ip": answer.request.source_ip,
            **fields,
        }
        if answer.trace:
            call["trace"] = answer.trace
        answer.call = call

    def _run(self, answer: Answer, dispatch: Dispatcher) -> Response:
        return self._run_once(answer, answer.once, dispatch) if answer.once else self._act(answer, dispatch)

    def _run_once(self, answer: Answer, once: Known, dispatch: Dispatcher) -> Response:
        """The response that another attempt at the same call had, or is having, or else its own."""
        with self._answers.turn(once):
            response = self._answers.get(once, self._clock())
            if response:
                self._audit.write(self._record(answer, "ok", REPEATED))
            else:
                response = self._act(answer, dispatch)
                self._answers.put(once, response, self._clock() + 2 * answer.spoken.scheme.window)
            return response

    def _act(self, answer: Answer, dispatch: Dispatcher) -> Response:
        dialect, operation = answer.spoken.dialect, answer.operation
        outcome = dispatch(answer.call)
        answer.audited = True
        if "error" in outcome:
            raise operation.named(e.from_data(outcome["error"]))
        rendered = encode(operation.out, outcome["result"], self._view)
        return dialect.success(answer.request, answer.action, rendered, answer.request_id)

    def _refuse(self, answer: Answer, error: e.KmsError) -> Response:
        """The dialect's answer to `error`; what no Action has audited is audited here."""
        if not (answer.signed or error.retryable):
            self._limiter.failed(answer.request.source_ip, self._clock())
        if self._refused and not answer.admitted:
            self._refused(answer, error)
        if not answer.audited:
            if error.retryable and not isinstance(error, e.Throttled):
                log_fault(answer.request_id, error)
            tell = self._audit.write if answer.admitted else self._audit.refuse
            try:
                tell(self._record(answer, type(error).__name__))
            except e.Unavailable as fault:
                log_fault(answer.request_id, fault)
        return answer.spoken.dialect.failure(answer.request, answer.action, error, answer.request_id, self._view)

    def _record(self, answer: Answer, outcome: str, note: str = "") -> Record:
        """The audit line of what no Action has answered."""
        return Record(
            time=self._clock(),
            request_id=answer.request_id,
            tenant=self._tenant,
            action=_printable(answer.action),
            profile=answer.spoken.dialect.name,
            principal=_printable(answer.principal),
            outcome=outcome,
            source_ip=answer.request.source_ip,
            session=answer.session.access_key_id if answer.session else "",
            note=note,
            trace=answer.trace,
        )


def _printable(text: str) -> str:
    """What a stranger sent, fit for a log: short and of printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:64])


_INLINE = inline_actions(os.environ)


@lru_cache(maxsize=1)
def _endpoint() -> Endpoint:
    settings = from_environment()
    live = live_folders(os.environ)
    return Endpoint(settings, dispatcher(settings, os.environ["FUNCTION_PREFIX"], _INLINE, invoke_client, live))


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda handler."""
    from_environment().metrics.begin(_INLINE)
    return _endpoint()(event)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _endpoint()  # until its first event a function has a whole core; nothing is unsealed

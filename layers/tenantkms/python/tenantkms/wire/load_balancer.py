"""An event of an Application Load Balancer to a `Request`, and a `Response` back: what comes by a private address.

Its target group has `lambda.multi_value_headers.enabled`, without which it drops all values of a name but the last. It
decodes nothing, so the query string is put together again from its parts: parameters of one name stand together then,
in the place of the first, and one without a value has an `=`. Of the signature schemes only TC3 signs more than the
parameters' names and values.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from tenantkms.errors import MalformedRequest
from tenantkms.wire.http import OWS, Request, Response, settle


def is_balanced(event: Mapping[str, Any]) -> bool:
    """Whether a load balancer sent it, and not API Gateway."""
    context = event.get("requestContext")
    return isinstance(context, Mapping) and "elb" in context


def request_from_balancer(event: Mapping[str, Any]) -> Request:
    """Raises `MalformedRequest` for what a load balancer does not send."""
    try:
        joined = {name.lower(): ",".join(_listed(values)) for name, values in event["multiValueHeaders"].items()}
        if len(joined) != len(event["multiValueHeaders"]):
            raise ValueError
        joined.pop("cookie", None)  # as API Gateway has it apart from the headers
        headers, unfit = settle(joined)
        query = event.get("multiValueQueryStringParameters") or {}
        text = event.get("body") or ""
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode("utf-8")
        request = Request(
            method=event["httpMethod"],
            path=event["path"],
            query="&".join(f"{name}={value}" for name, values in query.items() for value in _listed(values)),
            headers=headers,
            body=body,
            # The last one is what the balancer saw; those before it are what the client says.
            source_ip=headers["x-forwarded-for"].rpartition(",")[2].strip(OWS),
            unfit=unfit,
        )
        f"{request.method}{request.path}{request.query}".encode()  # lone surrogates
        return request  # noqa: TRY300
    except (AttributeError, KeyError, TypeError, ValueError, UnicodeError) as e:
        raise MalformedRequest("The event is not a load balancer's with multi-value headers.") from e


def _listed(values: object) -> list[str]:
    if not isinstance(values, list):
        raise TypeError
    return values


def answer_to_balancer(response: Response) -> dict[str, Any]:
    """With the headers where a balancer of multi-value headers looks for them."""
    made = response.event()
    made["multiValueHeaders"] = {name: [value] for name, value in made.pop("headers").items()}
    return made

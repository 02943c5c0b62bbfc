"""What an Application Load Balancer makes of a request, with `lambda.multi_value_headers.enabled`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

TARGET_GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/tkms-acme/0123456789abcdef"
AS_IT_IS = ("text/", "application/json", "application/javascript", "application/xml")
"""Content types whose body is not in base64."""


def balanced(event: Mapping[str, Any], forwarded: str = "") -> dict[str, Any]:
    """The same request as API Gateway made `event` of; `forwarded` is what its client says of whom it speaks for."""
    http, headers = event["requestContext"]["http"], event["headers"]
    query: dict[str, list[str]] = {}
    for pair in filter(None, event["rawQueryString"].split("&")):
        name, _, value = pair.partition("=")
        query.setdefault(name, []).append(value)
    body = event.get("body") or ""
    if event.get("isBase64Encoded") and headers.get("content-type", "").startswith(AS_IT_IS):
        try:
            return balanced({**event, "body": base64.b64decode(body).decode(), "isBase64Encoded": False}, forwarded)
        except UnicodeDecodeError:
            pass
    source = ",".join(filter(None, [forwarded, http["sourceIp"]]))
    return {
        "requestContext": {"elb": {"targetGroupArn": TARGET_GROUP}},
        "httpMethod": http["method"],
        "path": event["rawPath"],
        "multiValueQueryStringParameters": query,
        "multiValueHeaders": {**{name: [value] for name, value in headers.items()}, "x-forwarded-for": [source]},
        "body": body,
        "isBase64Encoded": bool(event.get("isBase64Encoded")),
    }

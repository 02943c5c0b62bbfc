"""The programs that the explorer writes: whole in every language, without a secret, and of what the SDKs have."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import alibabacloud_kms20160120.models
import aliyunsdkkms.request.v20160120
import botocore.session
import pytest
import tencentcloud.kms.v20190118.models
from alibabacloud_kms20160120.client import Client as Tea
from botocore import xform_name
from tencentcloud.kms.v20190118.kms_client import KmsClient

from functions.endpoint.clients import CLIENTS, LANGUAGES, hello, parts
from kit.in_node import call, exported
from kit.programs import parses
from kit.written import KNOWN, OPERATIONS, jobs_of, write

HOST = "kms.example.test:8480"
WRITTEN = tuple(KNOWN["clients"])


def test_each_client_has_a_program_and_a_way_to_write_any() -> None:
    assert CLIENTS.keys() == CLIENTS.keys()
    assert set(exported("programs.js", "WRITTEN")) == set(WRITTEN)
    assert {row["dialect"] for row in KNOWN["clients"].values()} == OPERATIONS.keys()
    for name in CLIENTS:
        assert parts(name).keys() <= {"", "hello", "call", "bare"}
        assert ("bare" in parts(name)) == bool(CLIENTS[name].bare)


@pytest.mark.parametrize("id_", WRITTEN)
def test_every_operation_s_program_could_begin(id_: str) -> None:
    """With all parameters, whose texts would end a string of some language, and with none."""
    jobs = jobs_of(id_)
    for params in ("all", "none"):
        made = write([job if params == "all" else (*job[:2], {}) for job in jobs], HOST)
        language, lacks = CLIENTS[id_].language, set(CLIENTS[id_].lacks)
        texts = []
        for (_, name, given), program in zip(jobs, made, strict=True):
            assert program.lacks == (name in lacks)
            if program.lacks:
                continue
            assert not re.search(r"@(?!HOST@ )[A-Z][A-Za-z_-]*@", program.text), program.text
            assert HOST in program.text
            assert program.text.startswith(LANGUAGES[language].head.format(CLIENTS[id_].title))
            if params == "all":
                assert set(program.left) == {left for left in given if f"{name}.{left}" in lacks}
            assert all(variable in program.text for variable in KNOWN["environment"][CLIENTS[id_].dialect])
            texts.append(program.text)
        _check(language, texts)


def _check(language: str, texts: list[str]) -> None:
    """Whether each parses; what starts a process for it is asked of all at once, and of each to say which."""
    if language == "js":  # blocks keep their names apart
        if parses("js", "\n".join(f"{{\n{text}\n}}" for text in texts)):
            return
    elif language == "sh" and parses("sh", "\n".join(f"(\n{text}\n)" for text in texts)):
        return
    for text in texts:
        assert parses(language, text), text
    assert language not in ("js", "sh")


def test_a_program_says_what_it_imports_and_nothing_more() -> None:
    """Go refuses an import that is not used; words in texts are no uses."""
    (plain, sealed) = write(
        [
            ("aws-go", "CreateAlias", {"AliasName": "alias/types.base64.time.Unix", "TargetKeyId": "k"}),
            ("aws-go", "Encrypt", {"KeyId": "k", "Plaintext": "aGVsbG8="}),
        ],
        HOST,
    )
    assert re.findall(r'^import "(.*)"$', plain.text, re.MULTILINE) == ["encoding/json", "os"]
    assert re.findall(r'^import "(.*)"$', sealed.text, re.MULTILINE) == ["encoding/base64", "encoding/json", "os"]
    for name, client in CLIENTS.items():
        bare = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', hello(name))
        for word, line in LANGUAGES[client.language].needs.items():
            assert (line in hello(name)) >= (word in bare.replace(line, "")), (name, word)


def test_where_it_is_and_what_it_may_not_be_told() -> None:
    job = ("aws", "ListKeys", {})
    at = {"host": HOST, "scheme": "https", "region": 'eu-west-1"); import evil; ("'}
    operation = OPERATIONS["aws"]["ListKeys"]
    (made,) = call("programs.js", "program", [[KNOWN, "aws", operation, {}, at]])
    assert "evil" not in made["text"]
    assert 'region_name="us-east-1"' in made["text"]
    (asked,) = call("programs.js", "program", [[KNOWN, "aws", operation, {}, {**at, "region": "eu-west-1"}]])
    assert 'region_name="eu-west-1"' in asked["text"]
    assert f'"https://{HOST}"' in asked["text"]
    assert write([job], HOST)[0].text.count("http://") == 1
    (shaped,) = call(
        "programs.js", "program", [[KNOWN, "aws-go", OPERATIONS["aws"]["TagResource"], {"Tags": [{"x{}": "y"}]}, at]]
    )
    assert "TypeError" in shaped


# -- what the SDKs have ----------------------------------------------------------------------------------


def _lacks(dialect: str, has: Any, takes: Any) -> set[str]:
    """`has(operation)`, `takes(operation, parameter)`: what an SDK has."""

    def missing() -> Iterator[str]:
        for name, operation in OPERATIONS[dialect].items():
            if not has(name):
                yield name
            else:
                yield from (f"{name}.{p['name']}" for p in operation["params"] if not takes(name, p["name"]))

    return set(missing())


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _given(sdk_class: Any) -> dict[str, Any]:
    return {name: row.annotation for name, row in inspect.signature(sdk_class.__init__).parameters.items()}


def test_the_newer_alibaba_sdk_has_what_is_written() -> None:
    models = alibabacloud_kms20160120.models
    bare = {
        name
        for name in OPERATIONS["alibaba"]
        if hasattr(Tea, _snake(name)) and len(inspect.signature(getattr(Tea, _snake(name))).parameters) == 1
    }
    assert set(CLIENTS["alibaba"].bare) == bare

    def takes(operation: str, name: str) -> bool:
        return _snake(name) in _given(getattr(models, f"{operation}Request"))

    assert set(CLIENTS["alibaba"].lacks) == _lacks("alibaba", lambda name: hasattr(Tea, _snake(name)), takes)
    names = {"text": "str", "long": "int", "integer": "int", "boolean": "bool", "map": "Dict[str, Any]"}
    for (operation, param), said in _types("alibaba").items():
        if operation in bare or f"{operation}.{param}" in CLIENTS["alibaba"].lacks:
            continue
        told = _given(getattr(models, f"{operation}Request"))[_snake(param)]
        item = said.removeprefix("list of ")
        expected = names.get(said) or (f"List[{names.get(item, item)}]" if item != said else "str")
        assert (
            re.sub(
                r"main_models\.|typing\.", "", getattr(told, "__name__", "") if isinstance(told, type) else str(told)
            )
            == expected
        ), (operation, param)


def test_the_classic_alibaba_sdk_has_what_is_written() -> None:
    package = aliyunsdkkms.request.v20160120
    have = {module.name for module in pkgutil.iter_modules(package.__path__)}
    other = {"ResourceId": "ResourceIds", "Tag": "Tags", "TagKey": "TagKeys"}

    def takes(operation: str, name: str) -> bool:
        module = importlib.import_module(f"{package.__name__}.{operation}Request")
        return hasattr(getattr(module, f"{operation}Request"), f"set_{other.get(name, name)}")

    assert set(CLIENTS["alibaba-classic"].lacks) == _lacks("alibaba", lambda name: f"{name}Request" in have, takes)


def test_tencent_s_sdk_has_all() -> None:
    def takes(operation: str, name: str) -> bool:
        return hasattr(getattr(tencentcloud.kms.v20190118.models, f"{operation}Request"), name)

    assert _lacks("tencent", lambda name: hasattr(KmsClient, name), takes) == set()


def test_aws_s_model_has_all_and_of_the_types_that_are_written() -> None:
    model = botocore.session.get_session().get_service_model("kms")

    def takes(operation: str, name: str) -> bool:
        return name in model.operation_model(operation).input_shape.members

    assert _lacks("aws", lambda name: name in model.operation_names, takes) == set()
    for (operation, param), said in _types("aws").items():
        assert said == _of(model.operation_model(operation).input_shape.members[param]), (operation, param)


def test_aws_s_command_line_calls_things_so() -> None:
    jobs = jobs_of("aws-cli")
    for (_, name, params), program in zip(jobs, write(jobs, HOST), strict=True):
        assert f"\naws kms {xform_name(name, '-')}" in program.text
        flags = {flag.removeprefix("no-") for flag in re.findall(r"^  --([a-z-]+)", program.text, re.MULTILINE)}
        assert flags == {xform_name(param, "-") for param in params}


def _types(dialect: str) -> dict[tuple[str, str], str]:
    """The types that values are written by, by operation and parameter."""
    rows = [(name, param) for name, operation in OPERATIONS[dialect].items() for param in operation["params"]]
    said = call("programs.js", "typeOf", [[dialect, name, param] for name, param in rows])
    return {(name, param["name"]): _said(one) for (name, param), one in zip(rows, said, strict=True)}


def _said(said: dict[str, Any]) -> str:
    if said["is"] == "list":
        return f"list of {_said(said['of'])}"
    return str(said.get("name") or {"key": "text", "choice": "enum"}.get(said["is"], said["is"]))


def _of(shape: Any) -> str:
    if shape.type_name == "list":
        return f"list of {_of(shape.member)}"
    if shape.type_name == "structure":
        return str(shape.name)
    if shape.type_name == "string":
        return "enum" if shape.enum else "text"
    # In Smithy it has a default, so that Go's SDK has no pointer of it.
    if shape.name == "BooleanType":
        return "flag"
    return {"blob": "bytes", "timestamp": "time"}.get(shape.type_name, shape.type_name)


def test_a_member_that_is_a_text_is_one() -> None:
    """The writers take a struct's members for texts, or maps of texts."""
    model = botocore.session.get_session().get_service_model("kms")
    members = {**model.shape_for("Tag").members, **model.shape_for("GrantConstraints").members}
    assert {shape.type_name for shape in members.values()} == {"string", "map"}


def _written(id_: str, name: str, params: dict[str, Any], host: str = HOST) -> Any:
    """{lacks, left, text}, or the text of what is thrown."""
    operation = OPERATIONS[CLIENTS[id_].dialect][name]
    at = {"host": host, "scheme": "http", "region": "x"}
    return call("programs.js", "program", [[KNOWN, id_, operation, params, at]])[0]


@pytest.mark.parametrize(
    "host", ["a'b.test", "a$(id).test", "a`id`.test:1", "a;b.test", 'a"b.test', "a'$ifs'b.test:8480"]
)
@pytest.mark.parametrize("id_", ["curl-aws", "curl", "aliyun", "aws", "aws-php"])
def test_a_host_is_never_code(id_: str, host: str) -> None:
    """Chromium takes each of these in an address."""
    name = "ListKeys" if CLIENTS[id_].dialect != "tencent" else "ListKeyDetail"
    assert "no host that a program can name" in _written(id_, name, {}, host)
    for good in ("127.0.0.1:8480", "[::1]:8480", "kms_a.example-b.test"):
        assert good in _written(id_, name, {}, good)["text"]


@pytest.mark.parametrize("name", ["x;id;#", "$(id)", "a'", "a b"])
def test_a_flag_s_name_is_never_code(name: str) -> None:
    params = {"ResourceId": [], "ResourceType": "key", "Tag": [{name: "v"}]}
    assert "no object of named members" in _written("aliyun", "TagResources", params)


def test_a_value_that_looks_like_a_part_of_a_program_is_a_value() -> None:
    text = "a\n@NEEDS@\n\n@HOST@ b"
    for id_ in ("aws-php", "aws-cli"):
        assert text in _written(id_, "CreateKey", {"Description": text})["text"]

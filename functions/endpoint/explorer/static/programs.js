// Writes the program of a call for a client: its template (clients.py) with values in its language.
//
// A value is written by its type, which is that of the SDK's own field. A writer has a function for each type: text,
// integer, boolean, bytes (from base64), time (from seconds), list, map, struct, json (what JSON can say).

import { flatten } from "./sign.js";
import { byCodePoint, escape } from "./signing.js";

// What the SDKs' own types are, where the form's are others. A struct has its class's name.
const TEXT = { is: "text" };
const MAP = { is: "map" };
const struct = (name) => ({ is: "struct", name });
const list = (of) => ({ is: "list", of });
const TYPES = {
  alibaba: {
    DryRun: TEXT,
    KeyMaterialExpireUnix: { is: "long" },
    NextToken: TEXT,
    Tag: (operation) => list(struct(`${operation}RequestTag`)),
  },
  tencent: { Tags: { is: "json" }, TagFilters: { is: "json" } },
  "tencent-v2": {},
  aws: {
    BypassPolicyLockoutSafetyCheck: { is: "flag" },
    Constraints: struct("GrantConstraints"),
    PolicyName: TEXT,
    Tags: list(struct("Tag")),
    ValidTo: { is: "time" },
  },
};
const ALIKE = { base64: "text", bytes: "text", enum: "text", key: "text", choice: "enum", long: "integer", time: "integer", flag: "boolean" };
// Dialects whose SDKs take a context as a map, though it travels as JSON text.
const MAPS = new Set(["alibaba", "aws"]);
const BYTES = new Set(["aws"]);

export function typeOf(dialect, operation, param) {
  const known = TYPES[dialect][param.name];
  if (known) return typeof known === "function" ? known(operation) : known;
  if (param.kind === "map") return MAPS.has(dialect) ? MAP : TEXT;
  if (param.kind === "list") return list({ is: param.of.kind === "choice" ? "enum" : "text" });
  if (param.json) return TEXT;
  return { is: param.kind === "base64" && BYTES.has(dialect) ? "bytes" : param.kind };
}

// -- languages -------------------------------------------------------------------------------------------

// As JSON writes a text, which Python, JavaScript, Java, Go and C# read alike.
const quoted = (text) => JSON.stringify(String(text)).replace(/[\u007f-\u009f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
const single = (text) => `'${String(text).replace(/[\\']/g, "\\$&")}'`;
const shell = (text) => `'${String(text).replaceAll("'", `'\\''`)}'`;
const pairs = (entries, write, between = ", ") => entries.map(write).join(between);
const plain = { text: quoted, integer: String, boolean: String };
const lower = (name) => name[0].toLowerCase() + name.slice(1);
const apart = (name, by) => name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, by).toLowerCase();
const snake = (name) => apart(name, "_");

const PYTHON = {
  ...plain,
  boolean: (value) => (value ? "True" : "False"),
  bytes: (value) => `base64.b64decode(${quoted(value)})`,
  list: (items) => `[${items.join(", ")}]`,
  map: (entries) => `{${pairs(entries, ([name, value]) => `${quoted(name)}: ${value}`)}}`,
  struct: (_, entries) => PYTHON.map(entries),
};
const JS = {
  ...plain,
  bytes: (value) => `Buffer.from(${quoted(value)}, "base64")`,
  time: (value) => `new Date(${value} * 1000)`,
  list: (items) => `[${items.join(", ")}]`,
  // "__proto__" would be no name of an entry.
  map: (entries) => `{ ${pairs(entries, ([name, value]) => `${name === "__proto__" ? `["${name}"]` : quoted(name)}: ${value}`)} }`,
  struct: (_, entries) => `{ ${pairs(entries, ([name, value]) => `${name}: ${value}`)} }`,
};
const JAVA = {
  ...plain,
  bytes: (value) => `SdkBytes.fromByteArray(Base64.getDecoder().decode(${quoted(value)}))`,
  long: (value) => `${value}L`,
  time: (value) => `Instant.ofEpochSecond(${value}L)`,
  list: (items) => `List.of(${items.join(", ")})`,
  map: (entries) => `Map.ofEntries(${pairs(entries, ([name, value]) => `Map.entry(${quoted(name)}, ${value})`)})`,
  struct: (name, entries) => `${name}.builder()${pairs(entries, ([field, value]) => `.${lower(field)}(${value})`, "")}.build()`,
};
const GO = {
  ...plain,
  text: (value) => `aws.String(${quoted(value)})`,
  enum: quoted,
  item: quoted,
  integer: (value) => `aws.Int32(${value})`,
  boolean: (value) => `aws.Bool(${value})`,
  flag: String,
  bytes: (value) => `must(base64.StdEncoding.DecodeString(${quoted(value)}))`,
  time: (value) => `aws.Time(time.Unix(${value}, 0))`,
  list: (items, of) => `[]${of.name ? `types.${of.name}` : (of.go ?? "string")}{${items.join(", ")}}`,
  map: (entries) => `map[string]string{${pairs(entries, ([name, value]) => `${quoted(name)}: ${value}`)}}`,
  struct: (name, entries) => `${name === "Tag" ? "" : `&types.${name}`}{${pairs(entries, ([field, value]) => `${field}: ${value}`)}}`,
};
const CSHARP = {
  ...plain,
  bytes: (value) => `new MemoryStream(Convert.FromBase64String(${quoted(value)}))`,
  time: (value) => `DateTimeOffset.FromUnixTimeSeconds(${value}).UtcDateTime`,
  list: (items, of) => `new List<${of.name ?? "string"}> { ${items.join(", ")} }`,
  map: (entries, of = "string") => `new Dictionary<string, ${of}> { ${pairs(entries, ([name, value]) => `[${quoted(name)}] = ${value}`)} }`,
  struct: (name, entries) => `new ${name} { ${pairs(entries, ([field, value]) => `${field} = ${value}`)} }`,
};
const PHP = {
  ...plain,
  text: single,
  bytes: (value) => `base64_decode(${single(value)})`,
  list: (items) => `[${items.join(", ")}]`,
  map: (entries) => `[${pairs(entries, ([name, value]) => `${single(name)} => ${value}`)}]`,
  struct: (_, entries) => PHP.map(entries),
};

// What JSON can say, in a language.
function json(w, value) {
  if (Array.isArray(value)) return w.list(value.map((item) => json(w, item)), {});
  if (value !== null && typeof value === "object") return w.map(Object.entries(value).map(([name, item]) => [name, json(w, item)]));
  return typeof value === "string" ? w.text(value) : typeof value === "boolean" ? w.boolean(value) : String(value);
}

function write(w, type, value) {
  const item = (of, one) => (of.is !== "struct" && w.item ? w.item(one) : write(w, of, one));
  if (type.is === "list") return w.list(value.map((one) => item(type.of, one)), type.of);
  if (type.is === "map") return w.map(Object.entries(typeof value === "string" ? JSON.parse(value) : value).map(([name, one]) => [name, (w.item ?? w.text)(one)]));
  if (type.is === "struct") return w.struct(type.name, members(value).map(([name, one]) => [name, write(w, isObject(one) ? MAP : TEXT, one)]));
  if (type.is === "json") return json(w, value);
  let is = type.is;
  while (!w[is] && ALIKE[is]) is = ALIKE[is];
  return w[is](value);
}

const isObject = (value) => value !== null && typeof value === "object";

// A struct's members have names of the SDK: anything else would be code.
function members(value) {
  const entries = isObject(value) ? Object.entries(value) : [["", value]];
  if (!entries.every(([name]) => /^[A-Za-z]+$/.test(name))) throw new TypeError("This is no object of named members.");
  return entries;
}

// So are the names of a tool's flags, which stand bare in a shell.
function bare(name) {
  if (!/^[A-Za-z0-9.]+$/.test(name)) throw new TypeError("This is no object of named members.");
  return name;
}

// Browsers take quotes, ; and $( in a host, and who links to this page under a name of their own has chosen it.
function hostOf(host) {
  if (!/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?$/.test(host)) throw new TypeError(`This page is at ${host}, which is no host that a program can name.`);
  return host;
}

// -- clients ---------------------------------------------------------------------------------------------

// How the fields of a request stand in a program: (fields, pad) -> text, where `fields` are [name, value, type] and
// `pad` is the blanks that their line begins with.

// One a line, between brackets that stand in the program.
const inside = (w, one, unit = "    ") => (fields, pad) =>
  fields.length ? `\n${fields.map(([name, value, type]) => `${pad}${unit}${one(name, write(w, type, value))}`).join("\n")}\n${pad}` : "";
// One a line, each of which goes on with the line before.
const after = (w, one, unit = "    ", end = "") => (fields, pad) => fields.map(([name, value, type]) => `${end}\n${pad}${unit}${one(name, write(w, type, value))}`).join("");
const flags = (each) => (fields, pad) => fields.flatMap(each).map((flag) => ` \\\n${pad}  ${flag}`).join("");
// A value that begins with a dash would be read as a flag.
const flag = (name, text) => (text.startsWith("-") ? `${name}=${shell(text)}` : `${name} ${shell(text)}`);

const object = (fields) => Object.fromEntries(fields.map(([name, value]) => [name, value]));
const asText = (value) => (isObject(value) ? JSON.stringify(value) : String(value));
const asJson = (quote) => (fields, pad) => quote(JSON.stringify(object(fields), null, 2).replaceAll("\n", `\n${pad}`), pad);
// """ is never in JSON. Java's has escapes, C#'s has none; both take the closing line's blanks off each line.
const block = (escapes) => (text, pad) => `"""\n${pad}${escapes ? text.replaceAll("\\", "\\\\") : text}\n${pad}"""`;

const CLASSIC_NAMES = { ResourceId: "ResourceIds", Tag: "Tags", TagKey: "TagKeys" };
const CLASSIC = { ...PYTHON, boolean: quoted };
const TEA_PYTHON = { ...PYTHON, struct: (name, entries) => `models.${name}(${pairs(entries, ([field, value]) => `${snake(field)}=${value}`)})` };
const nested = (name) => `${name.replace(/Tag$/, "")}.${name}`;
const TEA_JAVA = { ...JAVA, struct: (name, entries) => `new ${nested(name)}()${pairs(entries, ([field, value]) => `.set${field}(${value})`, "")}` };
const TEA_GO = {
  ...plain,
  list: (items, of) => (of.name ? `[]*kms.${of.name}{${items.join(", ")}}` : `tea.StringSlice([]string{${items.join(", ")}})`),
  map: (entries) => `map[string]interface{}{${pairs(entries, ([name, value]) => `${quoted(name)}: ${value}`)}}`,
  struct: (name, entries) => `new(kms.${name})${pairs(entries, ([field, value]) => `.Set${field}(${value})`, "")}`,
};
const TEA_CSHARP = {
  ...CSHARP,
  list: (items, of) => CSHARP.list(items, of.name ? { name: nested(of.name) } : of),
  map: (entries) => CSHARP.map(entries, "object"),
  struct: (name, entries) => CSHARP.struct(nested(name), entries),
};
const AWS_JAVA_NAMES = { Operations: "operationsWithStrings", ResourceOwners: "resourceOwnersWithStrings" };
const AWS_GO_ENUMS = { Operations: "types.GrantOperation", ResourceOwners: "types.ResourceOwnerType" };

const colon = (name, value) => `${name}: ${value},`;
const awsFlag = ([name, value, { is }]) => {
  const key = apart(name, "-");
  return is === "boolean" || is === "flag" ? `--${value ? "" : "no-"}${key}` : flag(`--${key}`, asText(value));
};

const FIELDS = {
  alibaba: inside(TEA_PYTHON, (name, value) => `${snake(name)}=${value},`),
  "alibaba-classic": (fields) => fields.map(([name, value, type]) => `r.set_${CLASSIC_NAMES[name] ?? name}(${write(CLASSIC, type === MAP ? TEXT : type, value)})\n`).join(""),
  "alibaba-node": inside(JS, (name, value) => colon(lower(name), value), "  "),
  "alibaba-java": after(TEA_JAVA, (name, value) => `.set${name}(${value})`),
  "alibaba-go": after(TEA_GO, (name, value) => `Set${name}(${value})`, "\t", "."),
  "alibaba-php": inside(PHP, (name, value) => `'${name}' => ${value},`),
  "alibaba-dotnet": inside(TEA_CSHARP, (name, value) => `${name} = ${value},`),
  aliyun: flags(([name, value]) => flatten({ [name]: value }, 1).map(([full, text]) => flag(`--${bare(full)}`, text))),
  "curl-alibaba": (fields) => shell(flatten(object(fields), 1).map(([name, text]) => `${escape(name)}=${escape(text)}`).join("&")),
  tencent: inside(PYTHON, (name, value) => `"${name}": ${value},`),
  "tencent-node": inside(JS, colon, "  "),
  "tencent-java": asJson(block(true)),
  "tencent-go": asJson((text) => `\`${text.replaceAll("`", "\\u0060")}\``),
  "tencent-php": asJson(single),
  "tencent-dotnet": asJson(block(false)),
  tccli: flags(([name, value]) => flag(`--${name}`, asText(value))),
  curl: (fields) => shell(JSON.stringify(object(fields), null, 2)),
  "tencent-v2": inside(PYTHON, (name, value) => `"${name}": ${value},`),
  "curl-v2": (fields, pad) => flags(([name, value]) => shell(`${name}=${asText(value)}`))([...fields].sort(([a], [b]) => byCodePoint(a, b)), pad),
  aws: inside(PYTHON, (name, value) => `${name}=${value},`),
  "aws-cli": flags(awsFlag),
  "aws-node": inside(JS, colon, "  "),
  "aws-java": inside(JAVA, (name, value) => `r.${AWS_JAVA_NAMES[name] ?? lower(name)}(${value});`),
  "aws-go": (fields, pad) => inside(GO, colon, "\t")(fields.map(([name, value, type]) => [name, value, AWS_GO_ENUMS[name] ? list({ ...type.of, go: AWS_GO_ENUMS[name] }) : type]), pad),
  "aws-php": inside(PHP, (name, value) => `'${name}' => ${value},`),
  "aws-dotnet": inside(CSHARP, (name, value) => `${name} = ${value},`),
  "curl-aws": (fields) => shell(JSON.stringify(object(fields), null, 2)),
};

export const WRITTEN = Object.keys(FIELDS);

// -- programs --------------------------------------------------------------------------------------------

const STRING = /"(?:[^"\\\n]|\\.)*"/g;
const NEEDS = /@NEEDS@\n(\n?)/;
const FIELD = /@([A-Za-z_-]+)@/g;

const names = (operation) => ({
  Operation: operation,
  operation: lower(operation),
  operation_name: snake(operation),
  "operation-name": apart(operation, "-"),
});

// The program of a call: {lacks, left, text}. `known` is programs.json, `id` names a client of it, `operation` is one of
// reference.json with its `dialect`, `params` its parameters' values, `at` is {host, scheme, region}.
//
// `lacks`: the client has no such operation, and there is no text. `left`: parameters that it cannot be given, which are
// left out. The access key is read from the environment. Throws for a value that is not of its parameter's shape.
export function program(known, id, operation, params, at) {
  const client = known.clients[id];
  const lacking = new Set(client.lacks);
  if (lacking.has(operation.name)) return { lacks: true, left: [], text: "" };
  const given = operation.params.filter((param) => params[param.name] !== undefined);
  const left = given.filter((param) => lacking.has(`${operation.name}.${param.name}`));
  const { parts, dialect } = client;
  const fields = given.filter((param) => !left.includes(param)).map((param) => [param.name, params[param.name], typeOf(dialect, operation.name, param)]);
  const language = known.languages[client.language];
  const [key, secret] = known.environment[dialect].map((name) => language.environ.replace("{}", name));
  const host = hostOf(at.host);
  const values = {
    ...names(operation.name),
    ID: key,
    SECRET: secret,
    HOST: host,
    SCHEME: at.scheme,
    REGION: /^[\w-]+$/.test(at.region) ? at.region : (known.regions[dialect] ?? "us-east-1"),
    TCCLI: at.scheme === "http" ? `http://${host}` : host,
    ALIYUN: at.scheme === "http" ? "--insecure" : "--secure",
  };
  const template = `${parts[""]}${client.bare.includes(operation.name) ? parts.bare : parts.call}`;
  const fill = (text) =>
    text.replace(FIELD, (whole, name, offset) => {
      if (name === "FIELDS") return FIELDS[id](fields, text.slice(text.lastIndexOf("\n", offset) + 1, offset).match(/^\s*/)[0]);
      return values[name] ?? whole;
    });
  const words = fill(template).replace(STRING, '""');
  const needs = [...new Set(Object.entries(language.needs).filter(([word]) => words.includes(word)).map(([, line]) => line))];
  const code = fill(template.replace(NEEDS, (_, gap) => (needs.length ? `${needs.join("\n")}\n${gap}` : "")));
  const install = client.install ? `  (${client.install})` : "";
  return { lacks: false, left: left.map((param) => param.name), text: `${language.head.replace("{}", client.title + install)}\n${code}` };
}

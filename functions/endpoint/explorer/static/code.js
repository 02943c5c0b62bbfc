// Code: a program that makes the call of the form of Call, for a client of its dialect. It is loaded when it is opened.

import { chooses, filled, operationOf, select, typed } from "./call.js";
import { copyable, el, fill } from "./dom.js";
import { program } from "./programs.js";
import { format } from "./route.js";
import { valueOf, wrong } from "./values.js";

const known = await (await fetch(new URL("programs.json", import.meta.url))).json();

const PLACEHOLDERS = { text: String, key: String, base64: String, list: (text) => [text] };

// What the form has: {params, missing, bad}. A required text that is missing has a placeholder; what is wrong is left out.
function values(operation, mine, t) {
  const found = { params: {}, missing: [], bad: [] };
  for (const param of operation.params) {
    const text = filled(param, typed(mine, operation), mine.seen);
    if (!wrong(param, text, t)) found.params[param.name] = valueOf(param, text);
    else if (text === "" && PLACEHOLDERS[param.kind]) {
      found.missing.push(param.name);
      found.params[param.name] = PLACEHOLDERS[param.kind](`<${param.name}>`);
    } else found.bad.push(param.name);
  }
  return found;
}

function written(id, operation, mine, t) {
  const { params, missing, bad } = values(operation, mine, t);
  const { title } = known.clients[id];
  const note = (key, names) => names.length > 0 && el("p", { class: "wrong" }, t(key, names.join(", ")));
  const at = { host: location.host, scheme: location.protocol.replace(":", ""), region: mine.region };
  let made;
  try {
    made = program(known, id, operation, params, at);
  } catch (error) {
    return [el("p", { class: "wrong", role: "alert" }, t("code.shape", error.message)), note("code.wrong", bad)];
  }
  if (made.lacks) return [el("p", { class: "wrong", role: "alert" }, t("code.lacks", title, operation.name))];
  return [
    note("code.missing", missing),
    note("code.wrong", bad),
    note("code.left", made.left),
    mine.token && el("p", { class: "wrong" }, t("code.token")),
    copyable(t("code.program"), made.text, t("copy"), t("copied")),
  ];
}

export function show(root, app, route) {
  const { t, reference, session: mine } = app;
  const operation = operationOf(reference, route);
  const { dialect } = operation;
  const clients = Object.entries(known.clients).filter(([, client]) => client.dialect === dialect.name);
  const go = (name, other) => app.go({ ...app.kept(), tab: "code", dialect: name, operation: other });
  const out = el("section", { class: "result", "aria-live": "polite", "aria-label": t("code.program") });

  function choose(id) {
    mine.client[dialect.name] = id;
    fill(out, written(id, operation, mine, t));
  }

  const chosen = mine.client[dialect.name] ?? clients[0][0];
  const form = format({ ...app.kept(), tab: "call", dialect: dialect.name, operation: operation.name });
  fill(
    root,
    el("h1", { class: "quiet-heading" }, `${t("tab.code")}${t("colon")}${operation.name}`),
    el(
      "fieldset",
      { class: "grid" },
      el("legend", {}, t("call.what")),
      ...chooses(reference, operation, t, go),
      select("client", t("code.client"), clients.map(([id, { title }]) => [id, title]), chosen, choose),
      el("p", { class: "may wide" }, t("code.note", ...known.environment[dialect.name]), " ", el("a", { href: form, id: "edit" }, t("code.edit"))),
    ),
    out,
  );
  choose(chosen);
  return document.getElementById("client");
}

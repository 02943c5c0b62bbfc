// What came of a call: the answer, what it means, the request as it was signed, and what it looks like as curl.

import { copyable, el } from "./dom.js";
import { codeOf, meanings } from "./reference.js";

const FEW_SECONDS = 5;

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function asCurl(request, origin) {
  const parts = [
    `curl -sS -X ${request.method} ${quoted(origin + request.url)}`,
    ...request.headers.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(request.body ? [`--data-binary ${quoted(request.body)}`] : []),
  ];
  return parts.join(" \\\n  ");
}

export function asHttp(request, host) {
  const heads = [["Host", host], ...request.headers].map(([name, value]) => `${name}: ${value}`);
  return [`${request.method} ${request.url} HTTP/1.1`, ...heads, "", request.body].join("\n");
}

// Sends what was signed to where the page is from: {status, text, body, ms, skew}. `skew`: seconds that this clock is
// ahead of the server's. Throws what `fetch` throws.
export async function send(request) {
  const began = performance.now();
  const answer = await fetch(request.url, {
    method: request.method,
    headers: request.headers,
    body: request.body || undefined,
    credentials: "omit",
    cache: "no-store",
    redirect: "error",
    referrerPolicy: "no-referrer",
  });
  const text = await answer.text();
  const ms = Math.round((performance.now() - began) * 10) / 10;
  const date = Date.parse(answer.headers.get("date") ?? "");
  return { status: answer.status, text, body: parsed(text), ms, skew: Number.isNaN(date) ? 0 : Math.round((Date.now() - date) / 1000) };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function verdict(made, app) {
  const { t, reference, lang } = app;
  const { operation, answer } = made;
  const code = answer.body === null ? `HTTP ${answer.status}` : codeOf(operation.dialect, answer.body) || (answer.status >= 400 ? `HTTP ${answer.status}` : "");
  if (!code) return [el("p", { class: "good" }, t("answer.ok"))];
  const about = meanings(reference, operation.dialect, code).map((error) => el("li", {}, error[lang].join(" ")));
  return [el("p", { class: "bad" }, t("answer.error", code)), about.length ? el("ul", {}, about.slice(0, 4)) : null];
}

function clock({ skew }, t) {
  if (Math.abs(skew) <= FEW_SECONDS) return null;
  return el("p", { class: "bad", id: "clock" }, t("answer.clock", Math.abs(skew), t(skew > 0 ? "answer.clock.ahead" : "answer.clock.behind")));
}

// `made` is {operation, request, answer, trouble}; without an answer it was signed only, or did not arrive.
export function result(made, app) {
  const { t } = app;
  const { request, answer, trouble } = made;
  const part = (key, text, open = false) =>
    el("details", { open, class: key.replace("answer.", "part-") }, el("summary", {}, t(key)), copyable(t(key), text, t("copy"), t("copied")));
  const told = answer
    ? [
        el("p", { class: "status" }, t("answer.status", answer.status, answer.ms)),
        ...verdict(made, app),
        clock(answer, t),
        el("div", { class: "answered" }, copyable(t("answer.body"), answer.body === null ? answer.text : JSON.stringify(answer.body, null, 2), t("copy"), t("copied"))),
      ]
    : [trouble ? el("p", { class: "bad" }, t("call.unreached", trouble)) : el("p", { class: "good" }, t("answer.signed"))];
  return [
    ...told,
    part("answer.request", asHttp(request, location.host), !answer),
    part("answer.canonical", request.canonicalRequest),
    part("answer.string", request.stringToSign),
    el("details", { class: "part-curl" }, el("summary", {}, t("answer.curl")), el("p", { class: "may" }, t("answer.curl.note")), copyable(t("answer.curl"), asCurl(request, location.origin), t("copy"), t("copied"))),
  ].filter(Boolean);
}

// Signature check: a request that a client sent, and why its signature is refused. Nothing of it leaves the tab.

import { TEXTS } from "./check-texts.js";
import { el, fill } from "./dom.js";
import { example } from "./example.js";
import { finding } from "./finding.js";
import { SCHEMES } from "./signing.js";
import { say } from "./texts.js";
import { judge } from "./verdict.js";

const HOW = ["curl", "python", "aws", "java", "plain"];
const advice = fetch(new URL("advice.json", import.meta.url)).then((answer) => answer.json());

// What is kept in memory while the tab is open.
const session = (secret) => ({ request: "", secret, canonicalRequest: "", stringToSign: "", shown: 0, said: null });

export function show(root, app) {
  const t = say(app.lang, TEXTS);
  const kept = (app.session.check ??= session(app.session.secret));
  const filled = {};

  const keep = (name) => (event) => (kept[name] = event.target.value);
  const describe = (id, about) => (about ? { "aria-describedby": `${id}-about` } : {});
  function area(id, name, label, { about, ...more } = {}) {
    filled[name] = el("textarea", { id, spellcheck: "false", autocomplete: "off", autocapitalize: "off", value: kept[name], rows: 4, on: { input: keep(name), keydown: hurry }, ...describe(id, about), ...more });
    return el("div", { class: "field" }, el("label", { for: id }, t(label)), about && el("p", { class: "may", id: `${id}-about` }, t(about)), filled[name]);
  }

  const out = el("section", { class: "result", "aria-label": t("check.result") });
  const told = el("p", { role: "status", class: "may" });
  const trouble = el("p", { class: "wrong", role: "alert" });
  const mine = () => ({ canonicalRequest: kept.canonicalRequest.replace(/^\n+/, ""), stringToSign: kept.stringToSign.replace(/^\n+/, "") });
  let latest = 0;

  function hurry(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run();
  }

  async function reveal(focus) {
    if (!kept.said) return fill(out, el("p", { class: "may" }, t("check.wait")));
    const { heading, parts } = finding(kept.said.answer, kept.said.mine, await advice, app, t);
    fill(out, heading, parts);
    if (focus) heading.focus();
  }

  // False where the browser has no WebCrypto, which is told.
  function able() {
    trouble.textContent = globalThis.isSecureContext ? "" : t("check.insecure");
    return globalThis.isSecureContext;
  }

  async function run() {
    if (!able()) return;
    const turn = (latest += 1);
    told.textContent = t("check.busy");
    const given = mine();
    let answer;
    try {
      answer = await judge(kept.request, { secret: kept.secret, mine: given });
    } catch (error) {
      trouble.textContent = t("check.failed", error.message);
    }
    if (turn !== latest) return; // asked again meanwhile
    told.textContent = "";
    if (!answer) return;
    kept.said = { answer, mine: given };
    await reveal(true);
  }

  async function fillIn() {
    if (!able()) return;
    latest += 1; // what is being found of another request is not shown beside this one
    const made = await example(kept.shown, location.host);
    kept.shown += 1;
    Object.assign(kept, { request: made.text, secret: made.secret, canonicalRequest: "", stringToSign: "", said: null });
    for (const [name, input] of Object.entries(filled)) input.value = kept[name];
    const { title } = SCHEMES.find(({ id }) => id === made.scheme);
    await reveal(false);
    told.textContent = t("check.example.told", title, t("check.run"));
    other.textContent = t("check.example.next");
  }

  const other = el("button", { type: "button", class: "quiet", id: "example", on: { click: fillIn } }, t(kept.shown ? "check.example.next" : "check.example"));
  filled.secret = el("input", { id: "check-secret", type: "password", autocomplete: "off", spellcheck: "false", value: kept.secret, "aria-describedby": "check-secret-about", on: { input: (event) => (kept.secret = event.target.value.trim()) } });
  const submit = (event) => {
    event.preventDefault();
    run();
  };
  fill(
    root,
    el("h1", { class: "quiet-heading" }, t("tab.check")),
    el("p", { class: "say-why" }, t("check.lead")),
    el(
      "div",
      { class: "call" },
      el(
        "form",
        { autocomplete: "off", novalidate: true, on: { submit } },
        area("request", "request", "check.request", { about: "check.request.about", rows: 12, placeholder: t("check.request.placeholder") }),
        el("details", { class: "how" }, el("summary", {}, t("check.how")), el("ul", {}, HOW.map((name) => el("li", {}, t(`check.how.${name}`))))),
        el("div", { class: "field" }, el("label", { for: "check-secret" }, t("check.secret")), filled.secret, el("p", { class: "may", id: "check-secret-about" }, t("check.secret.note"))),
        el(
          "details",
          { class: "mine", open: Boolean(kept.canonicalRequest || kept.stringToSign) },
          el("summary", {}, t("check.mine")),
          el("p", { class: "may" }, t("check.mine.about")),
          area("string-to-sign", "stringToSign", "check.text"),
          area("canonical", "canonicalRequest", "check.canonical", { rows: 6 }),
        ),
        el("p", { class: "actions" }, el("button", { type: "submit", id: "check" }, t("check.run")), " ", other),
        told,
        trouble,
      ),
      el("div", { class: "came" }, out),
    ),
  );
  reveal(false);
  return document.getElementById("request");
}

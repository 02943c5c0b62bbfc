// Signing in with an access key.

import { Refused, signIn } from "./api.js";
import { el, fill } from "./dom.js";

export function show(root, app) {
  const { t } = app;
  if (app.ticket) {
    fill(root, el("section", { class: "sign-in" }, el("h1", {}, t("sign.in")), el("p", {}, t("sign.ticket"))));
    return null;
  }
  const id = el("input", { id: "access-key-id", type: "text", autocomplete: "off", spellcheck: "false", required: true });
  const secret = el("input", { id: "secret", type: "password", autocomplete: "off", required: true });
  const trouble = el("p", { class: "wrong", role: "alert" });
  const button = el("button", { type: "submit", id: "sign-in" }, t("sign.in"));

  async function submit(event) {
    event.preventDefault();
    if (!globalThis.isSecureContext) {
      trouble.textContent = t("sign.insecure");
      return;
    }
    const missing = [id, secret].find((field) => !field.value.trim());
    if (missing) {
      trouble.textContent = t("sign.missing");
      missing.focus();
      return;
    }
    button.disabled = true;
    trouble.textContent = "";
    try {
      await signIn(id.value.trim(), secret.value.trim());
      secret.value = "";
      await app.begin();
      await app.show();
    } catch (error) {
      button.disabled = false;
      trouble.textContent = error instanceof Refused ? t("refused", error.code, error.message) : t("failed", error.message);
    }
  }

  const entry = (field, label) => el("label", { for: field.id }, el("span", {}, t(label)), field);
  fill(
    root,
    el(
      "section",
      { class: "sign-in" },
      el("h1", {}, t("sign.in")),
      el("p", {}, t("sign.what")),
      el("form", { autocomplete: "off", novalidate: true, on: { submit } }, el("fieldset", { class: "grid" }, el("legend", {}, t("sign.key")), entry(id, "sign.id"), entry(secret, "sign.secret")), el("p", { class: "may" }, t("sign.note")), el("p", {}, button), trouble),
    ),
  );
  return id;
}

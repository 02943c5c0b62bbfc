// What stands around the parts of a page of ours: its names, and the choice of language and theme.

import { el } from "./dom.js";
import { tag } from "./language.js";

const THEMES = ["auto", "light", "dark"];
export const byId = (id) => document.getElementById(id);

// The page in the language `app.lang` and the theme of `route`.
export function dress({ lang, t }, route) {
  document.documentElement.lang = tag(lang);
  document.documentElement.dataset.theme = THEMES.includes(route.theme) ? route.theme : "auto";
  document.title = t("title");
  byId("skip").textContent = t("skip");
  byId("brand").textContent = t("brand");
  byId("tabs").setAttribute("aria-label", t("tabs"));
}

// The elements that are chosen by; `turn({lang})` or `turn({theme})` is told what.
export function choices({ lang, t }, turn) {
  const other = lang === "zh" ? "en" : "zh";
  const theme = (name) => el("option", { value: name, selected: name === document.documentElement.dataset.theme }, t(`theme.${name}`));
  return [
    el("button", { type: "button", id: "language", lang: tag(other), "aria-label": t("language.label"), on: { click: () => turn({ lang: other }) } }, t("language")),
    el("label", { class: "theme" }, el("span", {}, t("theme")), el("select", { id: "theme", on: { change: (event) => turn({ theme: event.target.value }) } }, THEMES.map(theme))),
  ];
}

// turn(changes) of the address `{format, parse}`: `show` the page so, with the focus where it was.
export const turning =
  ({ format, parse }, show) =>
  async (changes) => {
    const focused = document.activeElement?.id;
    history.replaceState(null, "", format({ ...parse(location.hash), ...changes }));
    await show(false);
    if (focused) byId(focused)?.focus();
  };

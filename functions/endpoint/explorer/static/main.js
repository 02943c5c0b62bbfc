// The page: where somebody is decides what is shown. Each part is a module with
//
//   show(root, app, route) -> the element that takes the focus when somebody comes there
//
// which fills `root`, the empty main element. `app` is what parts share: {reference, lang, t, session}, where `t` says a text of
// texts.js and `session` is what is kept in memory while the tab is open; `kept()`: the language and theme of the
// address; `go(route)`: go there; `note(route)`: say in the address where somebody is, without going anywhere.

import * as call from "./call.js";
import { el, fill } from "./dom.js";
import { byId, choices, dress, turning } from "./frame.js";
import { load } from "./reference.js";
import { TABS, format, parse } from "./route.js";
import * as search from "./search.js";
import { language, say } from "./texts.js";

// A part that few people open is imported when they do, and is not in the first view: `() => import(..)`.
const PARTS = {
  search: () => search,
  call: () => call,
  code: () => import("./code.js"),
  check: () => import("./check.js"),
};

const app = {
  session: call.session(),
  kept() {
    const { lang, theme } = parse(location.hash);
    return { lang, theme };
  },
  go(route) {
    location.hash = format(route);
  },
  note(route) {
    history.replaceState(null, "", format({ ...route, ...this.kept() }));
  },
};

function frame(route) {
  const { t } = app;
  dress(app, route);
  const { dialect, operation } = route;
  fill(
    byId("tabs"),
    TABS.map((tab) =>
      el("a", { href: format({ ...app.kept(), tab, dialect, operation }), "aria-current": tab === route.tab && "page" }, t(`tab.${tab}`)),
    ),
  );
  fill(byId("switches"), choices(app, turn));
}

const turn = turning({ format, parse }, show);

async function show(moved = true) {
  const route = parse(location.hash);
  app.lang = language(route.lang);
  app.t = say(app.lang);
  frame(route);
  let part;
  try {
    part = await PARTS[route.tab]();
  } catch (error) {
    fill(byId("main"), el("p", { role: "alert" }, app.t("failed", error.message)));
    return;
  }
  if (parse(location.hash).tab !== route.tab) return; // somebody went on meanwhile
  const start = part.show(byId("main"), app, route);
  if (moved) start?.focus({ preventScroll: true });
}

function press(event) {
  const typing = event.target.closest("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (parse(location.hash).tab !== "search") app.go({ ...app.kept(), tab: "search" });
  setTimeout(() => byId("query")?.focus());
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address says where somebody is
  byId("main").focus();
});
addEventListener("hashchange", () => show());
addEventListener("keydown", press);
try {
  app.reference = await load(new URL("reference.json", import.meta.url));
  await show(false);
} catch (error) {
  fill(byId("main"), el("p", { role: "alert" }, say(language())("failed", error.message)));
}

// The page: who is signed in sees the part that the address names. Each part is a module with
//
//   show(root, app, route) -> a promise; it fills `root`, the empty main element, and asks for what it shows
//
// `app`: {t, lang, who, kept(), go(route), data}. `data` keeps what was asked for until somebody asks anew.

import * as activity from "./activity.js";
import { Refused, get, post } from "./api.js";
import { el, fill } from "./dom.js";
import { byId, choices, dress, turning } from "./frame.js";
import * as hand from "./hand.js";
import * as keys from "./keys.js";
import { TABS, format, parse } from "./route.js";
import * as signing from "./signing.js";
import { language, say } from "./texts.js";

const PARTS = { keys, activity, hand };

const app = {
  data: new Map(),
  who: null,
  kept() {
    const { lang, theme } = parse(location.hash);
    return { lang, theme };
  },
  go(route) {
    location.hash = format({ ...this.kept(), ...route });
  },
  // What `path` answers, asked once until `forget`.
  ask(path) {
    if (!this.data.has(path)) this.data.set(path, get(path));
    return this.data.get(path);
  },
  forget() {
    this.data.clear();
  },
  show: () => show(false),
  begin,
};

function frame(route) {
  const { t } = app;
  dress(app, route);
  const link = (tab) => el("a", { href: format({ ...app.kept(), tab }), "aria-current": tab === route.tab && "page" }, t(`tab.${tab}`));
  fill(byId("tabs"), app.who ? TABS.map(link) : []);
  fill(
    byId("switches"),
    app.who && el("span", { class: "who" }, app.who.id),
    app.who && el("button", { type: "button", id: "refresh", on: { click: refresh } }, t("refresh")),
    app.who && el("button", { type: "button", id: "sign-out", on: { click: leave } }, t("sign.out")),
    ...choices(app, turn),
  );
}

const turn = turning({ format, parse }, show);

async function refresh() {
  app.forget();
  await show(false);
  byId("refresh")?.focus();
}

async function leave() {
  await post("sign-out", {});
  app.forget();
  app.who = null;
  await show();
}

async function begin() {
  const session = await get("session");
  app.who = session.id ? session : null;
  app.ticket = session.ticket;
}

let turnOf = 0;

async function show(moved = true) {
  const mine = (turnOf += 1);
  const route = parse(location.hash);
  app.lang = language(route.lang);
  app.t = say(app.lang);
  frame(route);
  const root = el("div", {});
  const current = () => mine === turnOf;
  try {
    if (app.who) {
      fill(byId("main"), el("p", { role: "status" }, app.t("busy")));
      await PARTS[route.tab].load(app, route);
    }
    if (!current()) return;
    fill(byId("main"), root);
    const start = app.who ? PARTS[route.tab].show(root, app, route) : signing.show(root, app);
    if (moved) (start ?? byId("main")).focus({ preventScroll: true });
  } catch (error) {
    if (!current()) return;
    if (error instanceof Refused && error.status === 401) {
      app.forget();
      app.who = null;
      await show();
      return;
    }
    app.forget();
    fill(byId("main"), el("p", { role: "alert", class: "wrong lead" }, error instanceof Refused ? app.t("refused", error.code, error.message) : app.t("failed", error.message)));
  }
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address says where somebody is
  byId("main").focus();
});
addEventListener("hashchange", () => show());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.who && show(false));
try {
  const { ticket } = parse(location.hash);
  if (ticket) {
    history.replaceState(null, "", format(parse(location.hash))); // it is good once, and no bookmark
    await post("sign-in", { ticket }).catch(() => null);
  }
  await begin();
  await show(false);
} catch (error) {
  fill(byId("main"), el("p", { role: "alert" }, say(language())("failed", error.message)));
}

// Where somebody is, in the fragment: #keys/KEY-ID?lang=zh.

export const TABS = ["keys", "activity", "hand"];

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const [tab, key = ""] = path.split("/");
  const options = new URLSearchParams(query);
  return { tab: TABS.includes(tab) ? tab : TABS[0], key: /^[0-9a-f-]{1,64}$/.test(key) ? key : "", lang: options.get("lang"), theme: options.get("theme"), ticket: options.get("ticket") };
}

export function format({ tab, key, lang, theme }) {
  const options = new URLSearchParams(Object.entries({ lang, theme }).filter(([, value]) => value));
  return `#${[tab, key].filter(Boolean).join("/")}${options.size ? `?${options}` : ""}`;
}

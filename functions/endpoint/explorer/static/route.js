// Where somebody is, in the fragment: #call/aws/Encrypt?lang=zh. It never leaves the browser, and holds no secret.

export const TABS = ["search", "call", "code", "check"];

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const [tab, dialect = "", operation = ""] = path.split("/").map(decode);
  const options = new URLSearchParams(query);
  return { tab: TABS.includes(tab) ? tab : TABS[0], dialect, operation, q: options.get("q") ?? "", lang: options.get("lang"), theme: options.get("theme") };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

export function format({ tab, dialect, operation, q, lang, theme }) {
  const path = [tab, dialect, operation].filter(Boolean).map(encodeURIComponent).join("/");
  const options = new URLSearchParams(Object.entries({ q, lang, theme }).filter(([, value]) => value));
  return `#${path}${options.size ? `?${options}` : ""}`;
}

// Elements are made here only, and text goes in as text: nothing that was received is ever read as markup.

// el("a", {href: "#x", on: {click}}, "text", child): null and false children are left out.
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, heard] of Object.entries(value)) made.addEventListener(event, heard);
    else if (key === "value") made.value = value;
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== false && child !== undefined));
  return made;
}

export const fill = (root, ...children) => root.replaceChildren(...children.flat(Infinity).filter(Boolean));

// A table that scrolls by itself where the page is narrow. Rows are lists of texts and elements.
export function table(label, heads, rows) {
  const cell = (kind, content) => el(kind, kind === "th" ? { scope: "col" } : {}, content);
  return el(
    "div",
    { class: "scrolls", role: "region", "aria-label": label, tabindex: "0" },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, heads.map((head) => cell("th", head)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((content) => cell("td", content))))),
    ),
  );
}

// A text to read and copy. `copied` is what the button says afterwards.
export function copyable(label, text, copy, copied) {
  const said = el("span", { role: "status" });
  const press = async () => {
    await navigator.clipboard.writeText(text);
    said.textContent = copied;
  };
  return el(
    "div",
    { class: "copyable" },
    el("pre", { tabindex: "0", role: "region", "aria-label": label }, text),
    navigator.clipboard && el("p", {}, el("button", { type: "button", class: "quiet", on: { click: press } }, copy), " ", said),
  );
}

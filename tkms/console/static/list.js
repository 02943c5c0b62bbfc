// A list of any length, of which only what is in view is in the page. Rows that have the focus stay.

import { el } from "./dom.js";

const AROUND = 8;

// {element, show(items), row(item)}. `make(item)` answers the cells of a row; `label` says what the list is of.
export function list(label, make, chosen) {
  const rows = new Map();
  let items = [];
  const body = el("div", { role: "rowgroup" });
  const root = el("div", { class: "rows", role: "table", "aria-label": label, tabindex: "0", on: { scroll: draw, keydown: press } }, body);
  let height = 0;

  function measure() {
    const tried = el("div", { role: "row" });
    body.append(tried);
    height = tried.getBoundingClientRect().height;
    tried.remove();
  }

  function made(at) {
    const row = el("div", { role: "row", "aria-rowindex": String(at + 1), "data-chosen": chosen(items[at]) }, make(items[at]).map((cell) => el("div", { role: "cell" }, cell)));
    row.style.top = `${at * height}px`;
    return row;
  }

  function draw() {
    if (!height) return;
    const first = Math.max(0, Math.floor(root.scrollTop / height) - AROUND);
    const last = Math.min(items.length, Math.ceil((root.scrollTop + root.clientHeight) / height) + AROUND);
    for (const [at, row] of rows) {
      if ((at < first || at >= last) && !row.contains(document.activeElement)) {
        row.remove();
        rows.delete(at);
      }
    }
    let next = null;
    for (let at = last - 1; at >= first; at -= 1) {
      if (!rows.has(at)) {
        const row = made(at);
        rows.set(at, row);
        body.insertBefore(row, next);
      }
      next = rows.get(at);
    }
  }

  // Arrows go from row to row, as Tab does.
  function press(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = [...rows].find(([, row]) => row.contains(document.activeElement))?.[0];
    if (!step || (at === undefined && document.activeElement !== root)) return;
    event.preventDefault();
    const to = at === undefined ? Math.round(root.scrollTop / height) : Math.min(items.length - 1, Math.max(0, at + step));
    const top = to * height;
    if (top < root.scrollTop) root.scrollTop = top;
    if (top + height > root.scrollTop + root.clientHeight) root.scrollTop = top + height - root.clientHeight;
    draw();
    rows.get(to)?.querySelector("a")?.focus({ preventScroll: true });
  }

  function show(given) {
    items = given;
    for (const row of rows.values()) row.remove();
    rows.clear();
    measure();
    body.style.height = `${items.length * height}px`;
    root.setAttribute("aria-rowcount", String(items.length));
    draw();
  }

  function reveal(at) {
    if (at < 0) return;
    root.scrollTop = Math.max(0, at * height - root.clientHeight / 2);
    draw();
  }

  new ResizeObserver(() => items.length && show(items)).observe(root);
  return { element: root, show, reveal };
}

// The boxes of a page, for Page.layout of browser.py: an expression that yields what is in whose way.
(() => {
  const found = [];
  const CONTROLS = "a, button, input, select, textarea, summary";
  const root = document.querySelector("dialog[open]") ?? document.body;
  const name = (el) => {
    const text = (el.value || el.innerText || el.getAttribute("aria-label") || "").trim().replace(/\s+/g, " ").slice(0, 40);
    return `${el.tagName.toLowerCase()}${el.id ? `#${el.id}` : ""} "${text}"`;
  };
  const scrolls = (el) => ["auto", "scroll"].includes(getComputedStyle(el).overflowX) || ["auto", "scroll"].includes(getComputedStyle(el).overflowY);
  const ancestors = function* (el) {
    for (let up = el.parentElement; up && up !== document.body; up = up.parentElement) yield up;
  };
  const own = (el) => [...el.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  // What can be seen of it: what scrolls, and what hides what is beyond its edges, cut it.
  const seen = (el, rect) => {
    let { left, right, top, bottom } = rect;
    for (const up of [el, ...ancestors(el)]) {
      if (!scrolls(up) && getComputedStyle(up).overflowX !== "hidden") continue;
      const edge = up.getBoundingClientRect();
      [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
      [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
    }
    return { left, right, top, bottom };
  };
  const boxes = [];
  for (const el of root.querySelectorAll("*")) {
    if (!el.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || el.closest("svg, canvas, .uplot, option")) continue;
    const style = getComputedStyle(el);
    if (style.overflowX === "hidden" && el.scrollWidth > el.clientWidth + 1 && style.textOverflow !== "ellipsis" && own(el)) {
      found.push(`cut off: ${name(el)}`);
    }
    const control = el.matches(CONTROLS);
    if (!control && !own(el)) continue;
    // Of a control its box; of a text its lines, since a box may be wider than they are.
    const range = document.createRange();
    const rects = [];
    if (control && style.display !== "inline") rects.push(el.getBoundingClientRect());
    else {
      for (const node of el.childNodes) {
        if (node.nodeType !== Node.TEXT_NODE || !node.data.trim()) continue;
        range.selectNodeContents(node);
        rects.push(...range.getClientRects());
      }
    }
    const free = ![...ancestors(el), el].some(scrolls);
    for (const rect of rects) {
      // What stands wholly outside is put there on purpose: the link that skips to the content.
      if (rect.width < 2 || rect.height < 2 || rect.right <= 0 || rect.bottom + scrollY <= 0) continue;
      if (free && (rect.left < -1 || rect.right > document.documentElement.clientWidth + 1)) found.push(`beyond the edge: ${name(el)}`);
      const box = seen(el, rect);
      if (box.right - box.left >= 2 && box.bottom - box.top >= 2) boxes.push({ el, ...box });
    }
  }
  boxes.sort((a, b) => a.top - b.top);
  const told = new Set();
  boxes.forEach((one, at) => {
    for (let next = at + 1; next < boxes.length && boxes[next].top < one.bottom - 3; next += 1) {
      const other = boxes[next];
      if (one.el.contains(other.el) || other.el.contains(one.el)) continue;
      const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const high = Math.min(one.bottom, other.bottom) - other.top;
      if (wide > 3 && high > 3) told.add(`overlap: ${name(one.el)} and ${name(other.el)}`);
    }
  });
  return [...found, ...told];
})();

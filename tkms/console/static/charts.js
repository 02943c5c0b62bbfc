// Small charts by uPlot, which is a global of its own script. Each has its figures in words beside it.

import { el } from "./dom.js";

const HIGH = 96;

// Canvases know no variables of CSS: what a colour is now, in this theme.
function colour(name) {
  const probe = el("span", {});
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// `data`: x values, and a list of y values for each of `colours`. `format(x)` writes a place on the x axis.
export function chart(caption, data, colours, format, { bars = false, time = false } = {}) {
  const place = el("div", { role: "img", "aria-label": caption });
  const figure = el("figure", {}, place, el("figcaption", {}, caption));
  const quiet = colour("--quiet");
  const grid = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: quiet, grid, ticks: grid, font: "11px system-ui, sans-serif" };
  const paths = bars ? uPlot.paths.bars({ size: [0.9, 40] }) : uPlot.paths.stepped({ align: 1 });
  const series = colours.map((name) => ({ stroke: colour(name), fill: bars ? colour(name) : undefined, width: 1.5, paths, points: { show: false } }));
  const options = {
    width: 300,
    height: HIGH,
    padding: [6, 28, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time }, y: { range: (_, _least, most) => [0, Math.max(1, most)] } },
    axes: [
      { ...axis, size: 30, space: 70, values: (_, places) => places.map(format) },
      { ...axis, size: 38, space: 24, values: (_, places) => places.map((value) => (Number.isInteger(value) ? String(value) : "")) },
    ],
    series: [{}, ...series],
  };
  const made = new uPlot(options, data, place);
  new ResizeObserver(([{ contentRect }]) => contentRect.width > 40 && made.setSize({ width: Math.floor(contentRect.width), height: HIGH })).observe(figure);
  return figure;
}

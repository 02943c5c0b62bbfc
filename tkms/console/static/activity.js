// Activity: calls and latencies by operation, refusals and throttles, from the end of the audit log.

import { chart } from "./charts.js";
import { el, fill, table } from "./dom.js";
import { time, took } from "./when.js";

const HOURS = [1, 24, 168];
const kept = { hours: 1 };

export async function load(app) {
  app.activity = await app.ask(`activity?hours=${kept.hours}`);
}

// Where step `at` of the latencies begins, in microseconds.
const begins = (at) => 2 ** Math.floor(at / 2) * (at % 2 ? 1.5 : 1);
const clock = (seconds) => time(seconds).slice(11, 16);
const dayAndClock = (seconds) => time(seconds).slice(5, 16);

export function show(root, app) {
  const { t, activity: told } = app;
  const { since, until, operations } = told;
  const latencies = new Map((told.latencies ?? []).map((one) => [one.action, one]));
  const places = operations[0]?.calls.map((_, slot) => since + (slot * (until - since)) / operations[0].calls.length);
  const written = until - since > 90000 ? dayAndClock : clock;

  function card({ action, total, refused, throttled, calls, refusals }) {
    const latency = latencies.get(action);
    const called = action || t("activity.unnamed"); // refused before it was known what was asked
    const words = [t("activity.calls", total), refused && t("activity.refused", refused), throttled && t("activity.throttled", throttled)].filter(Boolean).join(" · ");
    return el(
      "li",
      { class: "card" },
      el("h3", {}, called),
      el("p", {}, words),
      chart(t("activity.chart", called), [places, calls, refusals], ["--strong", "--bad"], written),
      latency && [el("p", {}, t("activity.took", took(latency.p50), took(latency.p99), latency.total)), times(latency)],
    );
  }

  function times({ action, first, counts }) {
    const steps = counts.map((_, at) => first + at);
    // One bar alone has no width of its own.
    const padded = [[first - 1, ...steps, first + steps.length], [0, ...counts, 0]];
    return chart(t("activity.times", action), padded, ["--quiet"], (at) => (Number.isInteger(at) ? took(begins(Math.max(0, at))) : ""), { bars: true });
  }

  const hours = el("select", { id: "hours", on: { change } }, HOURS.map((one) => el("option", { value: String(one), selected: one === kept.hours }, t(`hours.${one}`))));
  async function change() {
    kept.hours = Number(hours.value);
    await app.show();
    document.getElementById("hours")?.focus();
  }

  fill(
    root,
    el("h1", { class: "quiet-heading" }, t("tab.activity")),
    el("div", { class: "bar" }, el("label", { for: "hours" }, el("span", {}, t("activity.span")), hours)),
    el("p", { class: "may", id: "span" }, t("activity.from", time(since), time(until)), " ", told.whole ? null : t("activity.own"), " ", told.latencies ? t("activity.latencies") : t("activity.no.latencies")),
    el("h2", {}, t("activity.operations")),
    operations.length ? el("ul", { class: "cards" }, operations.map(card)) : el("p", {}, t("activity.none")),
    el("h2", {}, t("refusals")),
    told.refusals.length
      ? [
          table(t("refusals"), [t("refusals.why"), t("uses.count"), t("uses.last")], told.refusals.map(([outcome, count, last]) => [el("code", {}, outcome), String(count), time(last)])),
          el("h3", {}, t("refusals.last")),
          table(
            t("refusals.last"),
            ["refusals.when", "uses.who", "uses.what", "refusals.why", "refusals.from", "uses.count"].map((head) => t(head)),
            told.refused.map((line) => [time(line.time), el("code", {}, line.principal || "–"), line.action || "–", el("code", {}, line.outcome), line.source_ip || "–", String(line.count)]),
          ),
        ]
      : el("p", {}, t("refusals.none")),
  );
  return null;
}

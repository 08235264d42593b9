// Read-outs of charts: one tab stop a chart. Left and right move by week, Home and End jump, Enter opens the week's pull
// requests, T the table, Escape closes. A pointer or a finger on the chart shows the same. The texts are the <title>s of
// the chart's marks.

const MARKS = "rect, circle, path, line";

// The weeks of a chart in order, each with the texts and the link of its marks.
function weeksOf(chart) {
  const weeks = new Map();
  for (const title of chart.querySelectorAll("title")) {
    const mark = title.parentElement;
    if (!mark.matches(MARKS)) continue;
    const box = mark.getBoundingClientRect();
    const at = Math.round(box.left + box.width / 2);
    const week = weeks.get(at) ?? { at, texts: [], href: mark.closest("a")?.getAttribute("href") };
    week.texts.push(title.textContent);
    weeks.set(at, week);
  }
  return [...weeks.values()].sort((one, other) => one.at - other.at);
}

function readoutOf(chart) {
  const box = chart.closest(".chart-box");
  let readout = box.querySelector(".readout");
  if (!readout) {
    readout = document.createElement("p");
    readout.className = "readout";
    readout.setAttribute("role", "status");
    box.append(readout);
  }
  return readout;
}

function show(chart, week) {
  const readout = readoutOf(chart);
  const words = week.texts.join(". ");
  if (readout.textContent !== words) readout.textContent = words;
  const { left, width } = chart.closest(".chart-box").getBoundingClientRect();
  readout.dataset.side = week.at - left > width / 2 ? "left" : "right";
  chart.dataset.week = String(week.at);
}

function hide(chart) {
  readoutOf(chart).textContent = "";
  delete chart.dataset.week;
}

const chartAt = (event) => event.target.closest?.(".chart-box")?.querySelector("svg.chart");

function showNearest(event) {
  const chart = chartAt(event);
  const weeks = chart ? weeksOf(chart) : [];
  if (!weeks.length) return;
  const distance = (week) => Math.abs(week.at - event.clientX);
  show(
    chart,
    weeks.reduce((best, week) => (distance(week) < distance(best) ? week : best)),
  );
}

document.addEventListener("pointermove", showNearest);
document.addEventListener("pointerdown", (event) => event.pointerType === "touch" && showNearest(event));
document.addEventListener("pointerout", (event) => {
  const chart = chartAt(event);
  const isInside = chart?.closest(".chart-box").contains(event.relatedTarget);
  if (chart && !isInside && event.pointerType === "mouse" && document.activeElement !== chart) hide(chart);
});
// A first tap shows a week, a second one opens it.
document.addEventListener("click", (event) => {
  const chart = event.pointerType === "touch" && chartAt(event);
  if (!chart) return;
  if (chart.dataset.tapped !== chart.dataset.week) event.preventDefault();
  chart.dataset.tapped = chart.dataset.week;
});
document.addEventListener("focusout", ({ target }) => target.matches?.("svg.chart") && hide(target));
document.addEventListener("keydown", (event) => {
  const chart = event.target;
  if (!chart.matches?.("svg.chart") || event.ctrlKey || event.metaKey || event.altKey) return;
  const weeks = weeksOf(chart);
  if (!weeks.length) return;
  const now = weeks.findIndex(({ at }) => String(at) === chart.dataset.week);
  const last = weeks.length - 1;
  const moves = {
    ArrowLeft: now < 0 ? last : Math.max(now - 1, 0),
    ArrowRight: now < 0 ? 0 : Math.min(now + 1, last),
    Home: 0,
    End: last,
  };
  if (event.key in moves) show(chart, weeks[moves[event.key]]);
  else if (event.key === "Enter" && weeks[now]?.href) location.assign(weeks[now].href);
  else if (event.key === "Escape") hide(chart);
  else if (event.key.toLowerCase() === "t") openTable(chart);
  else return;
  event.preventDefault();
});

function openTable(chart) {
  const table = chart.closest(".panel, .card")?.querySelector("details.chart-data:has(table)");
  if (!table) return;
  table.open = true;
  table.querySelector("summary").focus();
}

function prepare() {
  for (const chart of document.querySelectorAll(".chart-box svg.chart:not([tabindex])"))
    if (weeksOf(chart).length) chart.setAttribute("tabindex", "0");
}
document.addEventListener("htmx:after:swap", prepare);
document.addEventListener("htmx:sse:after:message", prepare);
prepare();

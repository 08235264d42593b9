// A run's page, while somebody looks at it: running clocks, the log's follow, the connection in words, one polite voice.
// The page says the same without it, by reload.

const $ = (id) => document.getElementById(id);
const region = () => $("live");
const seq = () => Number($("run-seq")?.value ?? $("run-seq")?.getAttribute("value") ?? 0);
const state = () => $("run-seq")?.dataset.state ?? "";
const isLive = () => ["running", "paused"].includes(state());

// What a viewer has unfolded stays so when the part around it changes.

htmx.registerExtension("unfolded", {
  htmx_before_morph_attr: (element, { attrName }) => !(attrName === "open" && element.localName === "details"),
});

// Clocks. The server gives since when; here they run.

function words(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
  return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

function tick() {
  const now = Date.now();
  for (const clock of document.querySelectorAll("[data-clock]")) {
    const { since, until, seconds } = clock.dataset;
    let shown = "";
    if (until) {
      const left = (new Date(until) - now) / 1000;
      shown = left > 90 ? ` (in ${Math.round(left / 60)} min)` : left > 0 ? ` (in ${Math.ceil(left)} s)` : "";
    } else if (since) shown = words(Number(seconds ?? 0) + (now - new Date(since)) / 1000);
    else continue;
    if (clock.textContent !== shown) clock.textContent = shown;
  }
  sayConnection();
}
setInterval(tick, 1000);

// The log follows its newest line until somebody scrolls up; then it counts what is new.

let seenTotal = 0;
const box = () => document.querySelector(".log-box");
const atEnd = () => box().scrollHeight - box().scrollTop - box().clientHeight < 24;

function showLog() {
  if (!box()) return;
  const total = Number($("run-seq")?.dataset.total ?? 0);
  const label = document.querySelector("[data-log-total]");
  if (label) label.textContent = `${total} ${total === 1 ? "entry" : "entries"}`;
  const more = document.querySelector("[data-log-new]");
  if ($("follow").checked) {
    box().scrollTop = box().scrollHeight;
    seenTotal = total;
  }
  more.hidden = total <= seenTotal;
  more.textContent = `${total - seenTotal} new`;
}

document.addEventListener("scroll", (event) => {
  if (event.target !== box()) return;
  if (atEnd() !== $("follow").checked) {
    $("follow").checked = atEnd();
    if (atEnd()) showLog();
  }
}, true);
document.addEventListener("change", (event) => event.target.id === "follow" && showLog());
document.addEventListener("click", (event) => {
  if (!event.target.matches?.("[data-log-new]")) return;
  $("follow").checked = true;
  showLog();
  box().focus();
});

// The connection. Live; reconnecting, last heard 8 s ago; not live, refreshing every 15 s.

let heard = Date.now();
let connected = false;
let lost = false;

function sayConnection() {
  const spot = $("connection");
  if (!spot) return;
  spot.hidden = !isLive();
  const ago = Math.round((Date.now() - heard) / 1000);
  const said = connected ? "Live" : lost && ago > 20 ? "Not live, refreshing every 15 s"
    : lost ? `Reconnecting, last heard ${ago} s ago` : "Connecting";
  spot.classList.toggle("on", connected);
  if (spot.textContent !== said) spot.textContent = said;
}

document.addEventListener("htmx:sse:after:connection", (event) => {
  if (event.target !== region()) return;
  connected = event.detail.connection.status === 200;
  lost = !connected;
  heard = Date.now();
  sayConnection();
});
for (const name of ["htmx:sse:error", "htmx:sse:before:connection", "htmx:sse:close"])
  document.addEventListener(name, (event) => {
    if (event.target !== region()) return;
    const again = name !== "htmx:sse:before:connection" || event.detail.connection.attempt > 0;
    if (!again) return;
    connected = false;
    lost = true;
    sayConnection();
  });

// HTMX ends the stream of a hidden tab and comes back to it: that is no loss. Nor is anything polled for it.

document.addEventListener("visibilitychange", () => {
  heard = Date.now();
  if (!document.hidden || !isLive()) return;
  connected = lost = false;
});
document.addEventListener("htmx:before:request", (event) => {
  if (event.target.id === "run-workers" && document.hidden) event.preventDefault();
});

// The first request of a stream is not tried again by HTMX, and a run may go on after its end: the slow poll tells of
// both by a number that is ahead of the page's.

let refreshed = 0;
function refresh() {
  if (Date.now() - refreshed < 3000) return;
  refreshed = Date.now();
  htmx.ajax("GET", region().dataset.page, { target: "#live", swap: "outerMorph" });
}

// A stream that seems to be there and hears nothing is found by the same number: it stands still while the run goes on.
let behind = 0;
let stuckAt = -1;
document.addEventListener("htmx:after:swap", ({ target }) => {
  if (target.id !== "run-workers") return;
  const ahead = Number(target.dataset.seq) > seq();
  behind = !ahead ? 0 : seq() === stuckAt ? behind + 1 : 1;
  stuckAt = seq();
  if (behind >= (connected ? 3 : 2)) refresh();
});
setInterval(() => {
  if (isLive() && !connected && !document.hidden && Date.now() - heard > 15000) refresh();
}, 15000);

// One polite voice: what changed of steps and repositories, at most once in ten seconds, together.

let before = new Map();
let pending = [];
let spoken = 0;

function states() {
  const found = new Map();
  for (const row of document.querySelectorAll(".step, .repository"))
    found.set(row.id, `${row.querySelector(".title").textContent}: ${row.querySelector(".word").textContent.toLowerCase()}`);
  if (document.querySelector(".first-insight")) found.set("insight", "The first insight is here");
  return found;
}

function listen() {
  const now = states();
  for (const [id, said] of now) if (before.size && before.get(id) !== said && !said.endsWith(": waiting")) pending.push(said);
  before = now;
  speak();
}

function speak() {
  if (!pending.length || Date.now() - spoken < 10000) return;
  $("polite").textContent = [...new Set(pending)].slice(-4).join(". ");
  pending = [];
  spoken = Date.now();
}
setInterval(speak, 2000);

// A run that ends well before somebody's eyes goes on to the dashboard, unless they stay.

let watched = isLive();
let leaving = 0;

function stay() {
  clearInterval(leaving);
  leaving = 0;
  if ($("moving")) $("moving").hidden = true;
}

function leave() {
  if (leaving || !$("moving")) return;
  // What is missing takes a while to read.
  let left = state() === "partial" ? 15 : 6;
  const count = () => ($("moving").querySelector("[data-left]").textContent = left);
  count();
  $("moving").hidden = false;
  leaving = setInterval(() => {
    left -= 1;
    if (left <= 0) {
      stay();
      location.assign(region().dataset.dashboard);
    } else count();
  }, 1000);
}
document.addEventListener("click", (event) => event.target.matches?.("[data-stay]") && stay());
// Who does something here has not finished here.
document.addEventListener("htmx:before:request", ({ detail }) => detail.ctx.request.method === "POST" && stay());

function shown() {
  tick();
  showLog();
  listen();
  if (isLive()) {
    watched = true;
    stay();
  } else if (watched) {
    watched = false;
    if (["done", "partial"].includes(state())) leave();
  }
}

document.addEventListener("htmx:sse:after:message", (event) => {
  heard = Date.now();
  if (event.detail.message.event !== "done") connected = true;
  shown();
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx?.request.method === "POST") {
    // Whoever pressed a button that is no longer there goes on at what came of it.
    const pressed = document.activeElement;
    if ($("said")) $("said").focus();
    else if (pressed === document.body || !pressed.checkVisibility()) $("run-title").focus();
  }
  shown();
});

before = states();
shown();

// A run's page, while somebody looks at it: running clocks, the log's follow, the connection in words, one polite voice.
// The page says the same without it, by reload.

const $ = (id) => document.getElementById(id);
const region = () => $("live");
const seq = () => Number($("run-seq")?.value ?? $("run-seq")?.getAttribute("value") ?? 0);
const state = () => $("run-seq")?.dataset.state ?? "";
const isLive = () => ["running", "paused"].includes(state());

// What a viewer has unfolded stays so when the part around it changes.

htmx.registerExtension("unfolded", {
  htmx_before_morph_attr: (element, { attrName }) =>
    !(attrName === "open" && element.localName === "details"),
});

// Spans are measured by a clock that nobody sets.

const ticks = () => performance.now();

// The server's time. A browser's own clock may be wrong by hours, and may be set right while the page is open: the page
// and each answer have the time at which the server made them. A difference of less than 2 s is the way that they took.

let difference = 0;
const serverNow = () => Date.now() + difference;

function compareClocks(made, received = Date.now()) {
  const found = new Date(made) - received;
  if (Math.abs(found - difference) > 2000) difference = found;
}

const [navigation] = performance.getEntriesByType("navigation");
compareClocks(region().dataset.made, Date.now() - performance.now() + navigation.responseStart);
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  const made = ctx.response.headers.get("Date");
  if (made) compareClocks(made);
});

// Clocks. The server gives since when; here they run.

function words(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    String(whole % 60).padStart(2, "0"),
  ];
  return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

function tick() {
  const now = serverNow();
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

// The stream only adds new lines. A page that was refreshed meanwhile may have some of them already.
function trimLog() {
  const log = $("run-log");
  let newest = 0;
  for (const line of [...(log?.children ?? [])]) {
    const number = Number(line.id.slice("log-".length));
    if (number <= newest) line.remove();
    else newest = number;
  }
  while (log && log.children.length > Number(log.dataset.most)) log.firstElementChild.remove();
}

const box = () => document.querySelector(".log-box");
const atEnd = () => box().scrollHeight - box().scrollTop - box().clientHeight < 24;

function showLog() {
  if (!box()) return;
  trimLog();
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

document.addEventListener(
  "scroll",
  (event) => {
    if (event.target !== box()) return;
    if (atEnd() !== $("follow").checked) {
      $("follow").checked = atEnd();
      if (atEnd()) showLog();
    }
  },
  true,
);
document.addEventListener("change", (event) => event.target.id === "follow" && showLog());
document.addEventListener("click", (event) => {
  if (!event.target.matches?.("[data-log-new]")) return;
  $("follow").checked = true;
  showLog();
  box().focus();
});

// The connection: "Live" only while the stream was heard within `data-silence` seconds (the server sends a keep-alive
// more often than that), the newest poll was answered, and the browser is online.

let heard = ticks();
let looked = Date.now();
let connected = false;
let lost = false;
let pollFailed = false;
let stream = null;
let lostSince = 0;

const silence = () => 1000 * Number(region()?.dataset.silence);
const isHeard = () => connected && !pollFailed && navigator.onLine;

function sayConnection() {
  const spot = $("connection");
  if (!spot) return;
  spot.hidden = !isLive();
  // After a sleep of the computer or of the window nothing was heard for longer than these spans show.
  const slept = Date.now() - looked > silence();
  looked = Date.now();
  if (connected && !document.hidden && (slept || ticks() - heard > silence())) lose();
  const isLost = lost || pollFailed || !navigator.onLine;
  lostSince = isHeard() || !isLost ? 0 : lostSince || ticks();
  const isLong = lostSince && ticks() - lostSince > 15000;
  const said = isHeard()
    ? "Live"
    : isLong
      ? "Not live, refreshing every 15 s"
      : isLost
        ? "Reconnecting"
        : "Connecting";
  spot.classList.toggle("on", isHeard());
  spot.dataset.connection = isHeard() ? "live" : isLost ? "lost" : "connecting";
  if (spot.textContent !== said) spot.textContent = said;
}

// A stream that stays open and silent is broken off, so that HTMX connects again.
function lose() {
  connected = false;
  lost = true;
  stream?.reader?.cancel();
}

document.addEventListener("htmx:sse:after:connection", (event) => {
  if (event.target !== region()) return;
  stream = event.detail.connection;
  connected = stream.status === 200;
  lost = !connected;
  heard = ticks();
  sayConnection();
});
for (const name of ["htmx:sse:error", "htmx:sse:before:connection", "htmx:sse:close"])
  document.addEventListener(name, (event) => {
    if (event.target !== region()) return;
    const { connection: of } = event.detail;
    // Not its first connection, and not one of a window without a stream of its own, which comes back by plan.
    const again = name !== "htmx:sse:before:connection" || (of.attempt > 0 && !of.isPoll);
    if (!again) return;
    connected = false;
    lost = true;
    sayConnection();
  });
window.addEventListener("offline", () => {
  lose();
  sayConnection();
});
window.addEventListener("online", () => {
  stream?.delayCanceller?.();
  sayConnection();
});
document.addEventListener("htmx:finally:request", ({ target, detail: { ctx } }) => {
  if (target.id !== "run-workers") return;
  pollFailed = !ctx.response || ctx.response.status >= 500;
  sayConnection();
});

// HTMX ends the stream of a hidden tab and comes back to it: that is no loss. Nor is anything polled for it.

document.addEventListener("visibilitychange", () => {
  heard = ticks();
  looked = Date.now();
  if (!document.hidden || !isLive()) return;
  connected = lost = false;
});
// A hidden tab polls three times a minute at most, for its title and icon.
let polled = -Infinity;
document.addEventListener("htmx:before:request", (event) => {
  if (event.target.id !== "run-workers") return;
  if (document.hidden && ticks() - polled < 20000) event.preventDefault();
  else polled = ticks();
});

// The first request of a stream is not tried again by HTMX, and a run may go on after its end: the slow poll tells of
// both by a number that is ahead of the page's.

let refreshed = -Infinity;
function refresh() {
  if (ticks() - refreshed < 3000) return;
  refreshed = ticks();
  htmx.ajax("GET", region().dataset.page, { target: "#live", swap: "outerMorph" });
}

// A stream that seems to be there and hears nothing is found by the same number: it stands still while the run goes on.
let behind = 0;
let stuckAt = -1;
document.addEventListener("htmx:after:swap", ({ target }) => {
  if (target.id !== "run-workers" || document.hidden) return;
  const ahead = Number(target.dataset.seq) > seq();
  behind = !ahead ? 0 : seq() === stuckAt ? behind + 1 : 1;
  stuckAt = seq();
  if (behind >= (connected ? 3 : 2)) refresh();
});
setInterval(() => {
  if (isLive() && !connected && !document.hidden && ticks() - heard > 15000) refresh();
}, 15000);

// The title and the icon: how far the run is, also for a hidden tab, whose stream is closed and which knows only what
// it polls. The newer of the two is shown.

function showTitle() {
  const polled = $("run-workers");
  const newest = Number(polled?.dataset.seq ?? 0) > seq() ? polled : $("run-seq");
  const { title, icon } = newest.dataset;
  if (title) document.title = title;
  const link = document.querySelector("link[rel=icon]");
  const address = icon && region().dataset[`icon${icon[0].toUpperCase()}${icon.slice(1)}`];
  if (address && link.getAttribute("href") !== address) link.setAttribute("href", address);
}

// One polite voice for screen readers: what changed of steps and repositories, the newest state of each, in the order
// in which it changed, at most once in ten seconds. The end is announced at once, and nothing after it.

const MOST_SPOKEN = 4;
let before = new Map();
let pending = new Map();
let spoken = -Infinity;
let ended = "";

function states() {
  const found = new Map();
  for (const row of document.querySelectorAll(".step, .repository"))
    found.set(
      row.id,
      `${row.querySelector(".title").textContent}: ${row.querySelector(".word").textContent.toLowerCase()}`,
    );
  if (document.querySelector(".first-insight")) found.set("insight", "The first insight is here");
  const problem = document.querySelector("#run-workers [data-problem]");
  if (problem) found.set("problem", problem.dataset.problem);
  return found;
}

function listen() {
  const now = states();
  for (const [id, said] of now) {
    if (!before.size || before.get(id) === said || said.endsWith(": waiting")) continue;
    pending.delete(id);
    pending.set(id, said);
  }
  before = now;
  if (!isLive() && ended !== state()) {
    pending = new Map([["end", $("run-title").textContent]]);
    spoken = -Infinity;
  }
  ended = isLive() ? "" : state();
  speak();
}

function speak() {
  if (!pending.size || ticks() - spoken < 10000) return;
  const more = pending.size - MOST_SPOKEN;
  const words = [...pending.values()].slice(-MOST_SPOKEN);
  if (more > 0) words.push(`${more} more changed`);
  $("polite").textContent = words.join(". ");
  pending.clear();
  spoken = ticks();
}
setInterval(speak, 2000);

function shown() {
  // Another page took this one's place: its viewer may no longer see it.
  if (!region()) return sayConnection();
  tick();
  showLog();
  showTitle();
  listen();
}

document.addEventListener("htmx:sse:after:message", (event) => {
  heard = ticks();
  if (event.detail.message.event !== "done") {
    connected = true;
    lost = false;
  }
  if (event.detail.message.event === "keep-alive") sayConnection();
  else shown();
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
ended = isLive() ? "" : state();
shown();

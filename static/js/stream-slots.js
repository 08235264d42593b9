// Over HTTP/1.1 a browser opens six connections to a host, for all its windows together, and a stream holds one for as
// long as its page is shown. So up to three windows have a stream. Every other window asks the stream's address again and
// again with `once`, for what it lacks: the same frames, and no connection that stays.
//
// A slot is a Web Lock: the browser frees it when its window closes, and gives it to the window that has waited longest.
// Without Web Locks (they need TLS, or localhost) every window asks again and again.

const SLOTS = ["firstlight-stream-1", "firstlight-stream-2", "firstlight-stream-3"];
const POLL_EVERY = 3000;
// What the stream's extension uses by default after a stream has ended.
const CONNECT_AGAIN_AFTER = 500;

let giveBack = null; // frees this window's slot
let waiting = null; // stops to wait for one
let request = null; // the stream's, which the extension sends again
let connection = null; // of the extension

function setAddress() {
  if (!request) return;
  const address = new URL(request.action, location.href);
  if (giveBack) address.searchParams.delete("once");
  else address.searchParams.set("once", "1");
  request.action = address.pathname + address.search;
}

function takeSlot() {
  if (!navigator.locks || giveBack || waiting || document.hidden) return;
  const attempt = new AbortController();
  waiting = attempt;
  const hold = () => {
    // Another slot was free as well.
    if (attempt.signal.aborted) return undefined;
    attempt.abort();
    waiting = null;
    return new Promise((free) => {
      giveBack = free;
      setAddress();
      connection?.delayCanceller?.();
    });
  };
  for (const slot of SLOTS) navigator.locks.request(slot, { signal: attempt.signal }, hold).catch(() => {});
}

function leaveSlot() {
  waiting?.abort();
  giveBack?.();
  waiting = giveBack = null;
  setAddress();
}

const isStream = (element) => element?.hasAttribute?.("hx-sse:connect");

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (!isStream(ctx.sourceElement)) return;
  request = ctx.request;
  takeSlot();
  setAddress();
});
document.addEventListener("htmx:sse:after:connection", ({ target, detail }) => {
  if (!isStream(target)) return;
  connection = detail.connection;
  connection.isPoll = request.action.includes("once=");
  connection.config.reconnectDelay = !giveBack ? POLL_EVERY : connection.isPoll ? 0 : CONNECT_AGAIN_AFTER;
});
document.addEventListener("htmx:sse:close", ({ detail }) => {
  if (detail.connection !== connection) return;
  request = connection = null;
  leaveSlot();
});
// The extension ends the stream of a hidden window.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) leaveSlot();
  else if (connection) takeSlot();
});

// Most often the slot is there before the first request.
if (document.querySelector("[hx-sse\\:connect]")) takeSlot();

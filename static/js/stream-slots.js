// Over HTTP/1.1 a browser opens six connections to a host, for all its windows together, and a stream holds one for as
// long as its page is shown. So up to three windows have a stream. Every other window asks the stream's address again and
// again with `once`, for what it lacks: the same frames, and no connection that stays.
//
// A slot is a Web Lock: the browser frees it when its window closes, and gives it to the window that has waited longest.
// Web Locks need TLS or localhost. Without them a slot is an entry of localStorage, which its window renews. If that is
// blocked as well, every window asks again and again.

const SLOTS = ["firstlight-stream-1", "firstlight-stream-2", "firstlight-stream-3"];
const POLL_EVERY = 3000;
// What the stream's extension uses by default after a stream has ended.
const CONNECT_AGAIN_AFTER = 500;
// An entry that was not renewed for so long is free: its window crashed, or its computer slept.
const FREE_AFTER = 10000;
const RENEW_EVERY = 2000;

let hasSlot = false;
let request = null; // the stream's, which the extension sends again
let connection = null; // of the extension

function setAddress() {
  if (!request) return;
  const address = new URL(request.action, location.href);
  if (hasSlot) address.searchParams.delete("once");
  else address.searchParams.set("once", "1");
  request.action = address.pathname + address.search;
}

function onTaken() {
  hasSlot = true;
  // The address of a request that is under way stays: it shows what was asked for.
  if (!connection?.delayCanceller) return;
  setAddress();
  connection.delayCanceller();
}

function onLost() {
  hasSlot = false;
  setAddress();
  connection?.reader?.cancel();
}

// Each kind of slots has `take`, which calls `onTaken` when this window has a slot, and `leave`, which frees it.

const webLocks = {
  waiting: null, // stops to wait for a slot
  giveBack: null, // frees this window's slot

  take() {
    if (this.giveBack || this.waiting) return;
    const attempt = new AbortController();
    this.waiting = attempt;
    const hold = () => {
      // Another slot was free as well.
      if (attempt.signal.aborted) return undefined;
      attempt.abort();
      this.waiting = null;
      return new Promise((free) => {
        this.giveBack = free;
        onTaken();
      });
    };
    for (const slot of SLOTS) navigator.locks.request(slot, { signal: attempt.signal }, hold).catch(() => {});
  },

  leave() {
    this.waiting?.abort();
    this.giveBack?.();
    this.waiting = this.giveBack = null;
  },
};

const storedSlots = {
  owner: String(Math.random()),
  slot: null, // this window's
  timer: null, // renews the slot, or looks for a free one
  confirmation: null,

  isFree(slot) {
    // The difference is negative after the clock was set back.
    const { at } = this.read(slot);
    return !(Math.abs(Date.now() - at) < FREE_AFTER);
  },

  isMine(slot) {
    return this.read(slot).owner === this.owner;
  },

  read(slot) {
    try {
      return JSON.parse(localStorage.getItem(slot)) ?? {};
    } catch {
      return {};
    }
  },

  write(slot) {
    localStorage.setItem(slot, JSON.stringify({ owner: this.owner, at: Date.now() }));
  },

  take() {
    if (this.timer) return;
    this.timer = setInterval(() => (this.slot ? this.renew() : this.find()), RENEW_EVERY);
    this.find();
  },

  find() {
    const slot = SLOTS.find((each) => this.isFree(each));
    if (!slot) return;
    this.write(slot);
    // Several windows may have written at once. The last one has the slot.
    clearTimeout(this.confirmation);
    this.confirmation = setTimeout(() => this.confirm(slot), 50 + 150 * Math.random());
  },

  confirm(slot) {
    if (!this.isMine(slot)) return this.find();
    this.slot = slot;
    onTaken();
  },

  renew() {
    if (this.isMine(this.slot) || this.isFree(this.slot)) return this.write(this.slot);
    this.slot = null;
    onLost();
  },

  leave() {
    clearInterval(this.timer);
    clearTimeout(this.confirmation);
    for (const slot of SLOTS) if (this.isMine(slot)) localStorage.removeItem(slot);
    this.slot = this.timer = this.confirmation = null;
  },
};

const noSlots = { take() {}, leave() {} };

function canStore() {
  try {
    localStorage.setItem("firstlight-stream", "");
    localStorage.removeItem("firstlight-stream");
    return true;
  } catch {
    return false;
  }
}

function kindOfSlots() {
  if (navigator.locks) return webLocks;
  return canStore() ? storedSlots : noSlots;
}

const slots = kindOfSlots();

function takeSlot() {
  if (!document.hidden) slots.take();
}

function leaveSlot() {
  slots.leave();
  hasSlot = false;
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
  connection.config.reconnectDelay = !hasSlot ? POLL_EVERY : connection.isPoll ? 0 : CONNECT_AGAIN_AFTER;
  setAddress();
});
document.addEventListener("htmx:sse:close", ({ detail }) => {
  if (detail.connection !== connection) return;
  request = connection = null;
  leaveSlot();
});
// The extension overlooks a window that was hidden before its request was answered, so it is told again once it streams.
document.addEventListener("htmx:sse:after:connection", ({ target }) => {
  if (!isStream(target) || !document.hidden) return;
  // At once, so that an answer that ends soon is the last one; its reader is there a little later.
  document.dispatchEvent(new Event("visibilitychange"));
  setTimeout(() => document.hidden && connection?.reader?.cancel());
});
// The extension ends the stream of a hidden window.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    leaveSlot();
    // The extension doesn't look while it waits to ask again, so it asks for the last time now and not later.
    connection?.delayCanceller?.();
  } else if (connection) takeSlot();
});
window.addEventListener("pagehide", leaveSlot);

// Most often the slot is there before the first request.
if (document.querySelector("[hx-sse\\:connect]")) takeSlot();

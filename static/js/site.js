// What every page has beyond HTML: menus that close, buttons that say they work, times in the viewer's zone.
// Without it each of them still does its job.

// Menus: <details class="menu">. Escape closes and goes back to the button; a click or the focus elsewhere closes.

const openMenus = () => document.querySelectorAll("details.menu[open]");

function closeMenus(except) {
  for (const menu of openMenus()) if (!menu.contains(except)) menu.open = false;
}

document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("focusin", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    const within = menu.contains(document.activeElement);
    menu.open = false;
    if (within) menu.querySelector("summary").focus();
  }
});

// Buttons: while a form is under way its button keeps its width, says so (`data-busy="Retrying"`) and sends nothing more.

const atRest = new WeakMap(); // what a button shows when it is not at work

function rest(button) {
  button.removeAttribute("aria-busy");
  button.removeAttribute("aria-disabled");
  button.style.minWidth = "";
  if (atRest.has(button)) button.replaceChildren(...atRest.get(button));
  atRest.delete(button);
}

function work(button) {
  button.style.minWidth = `${button.offsetWidth}px`;
  button.setAttribute("aria-busy", "true");
  button.setAttribute("aria-disabled", "true");
  if (!button.dataset.busy) return;
  atRest.set(button, [...button.childNodes]);
  button.replaceChildren(...button.querySelectorAll("svg"), button.dataset.busy);
}

document.addEventListener(
  "submit",
  (event) => {
    const button = event.submitter;
    if (!button?.classList.contains("button")) return;
    if (button.getAttribute("aria-disabled") === "true") {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    // After everybody else has heard of it: what stops the form must not leave the button busy.
    setTimeout(() => {
      if (event.defaultPrevented && !event.target.matches("[hx-post], [hx-get]")) return;
      if (button.isConnected && event.target.target !== "_blank") work(button);
    });
  },
  true,
);
// A button that HTMX itself listens to submits no form. A second press must not even be queued.
const isBusy = (button) => button?.matches?.('.button[aria-busy="true"]');
document.addEventListener("htmx:config:request", (event) => isBusy(event.target) && event.preventDefault());
document.addEventListener(
  "htmx:before:request",
  (event) => event.target.matches?.(".button[hx-post]") && work(event.target),
);
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  for (const button of [ctx.sourceElement, ctx.request.submitter]) if (isBusy(button)) rest(button);
});
// HTMX copies an element's attributes to the one that takes its place; a style as text is against the site's policy.
document.addEventListener("htmx:before:swap", (event) => {
  if (event.target.matches?.('.button[aria-busy="true"]')) event.target.removeAttribute("style");
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll('.button[aria-busy="true"]').forEach(rest);
});

// HTMX takes whatever it is answered for the part that it asked for, a proxy's "502 Bad Gateway" and whole pages too.
// Those take no part's place; who pressed a button is told, and what only looks now and then looks again.

function isPart({ response, text, select }) {
  if (!response || response.status < 400) return select || !/^\s*<(!doctype|html|head|body)\b/i.test(text);
  return response.status < 500 && /^\s*<(?!!doctype|html|head|body)/i.test(text);
}

function complain(words) {
  document.querySelector(".toast")?.remove();
  const toast = document.createElement("div");
  toast.className = "note state-failed toast";
  toast.setAttribute("role", "alert");
  const said = document.createElement("div");
  const close = document.createElement("button");
  close.className = "button secondary small";
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => toast.remove());
  said.append(
    Object.assign(document.createElement("strong"), { textContent: "Request failed." }),
    ` ${words}`,
  );
  toast.append(said, close);
  document.body.append(toast);
}

document.addEventListener("htmx:before:request", ({ detail }) => {
  if (detail.ctx.request.method !== "GET") document.querySelector(".toast")?.remove();
});
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  if (isPart(ctx)) return;
  event.preventDefault();
  if (ctx.request.method === "GET") return;
  const { status } = ctx.response;
  // While the database is away or busy, the answer is one sentence.
  if (status === 503 && ctx.text && ctx.text.length < 200 && !/^\s*</.test(ctx.text))
    return complain(ctx.text);
  complain(
    `The server answered ${status >= 400 ? `with the error ${status}` : "with another page"}. Check the page, then try again.`,
  );
});
document.addEventListener("htmx:error", ({ detail }) => {
  if (!detail.ctx || detail.ctx.request.method === "GET" || detail.ctx.response) return;
  complain("The server could not be reached. Try again when the connection is back.");
});
// The run's state in the header and the progress of the AI summaries are asked for again and again. That ends with the
// viewer's access to the team.
const ASKED_AGAIN = ["run-indicator", "ai-progress"];
document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if (ctx.response.status === 404 && ASKED_AGAIN.includes(ctx.target?.id)) ctx.target.remove();
});
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden && event.target.id === "ai-progress") event.preventDefault();
});

// Copy buttons: <button data-copy="FL-7K2M">, or data-copy-of="id" for a field or a text of the page. They show "Copied"
// for two seconds and announce it.

const announcer = document.createElement("div");
announcer.className = "visually-hidden";
announcer.setAttribute("role", "status");
document.body.append(announcer);

function textOf(button) {
  const source = document.getElementById(button.dataset.copyOf ?? "");
  return button.dataset.copy ?? source?.value ?? source?.textContent.trim() ?? "";
}

// Without TLS there is no clipboard but the old command's, which copies what is selected.
function copySelected(text) {
  const field = Object.assign(document.createElement("textarea"), {
    value: text,
    readOnly: true,
    className: "visually-hidden",
  });
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-of]");
  if (!button) return;
  const done = await copy(textOf(button));
  button.focus();
  announcer.textContent = done ? "Copied" : "Not copied";
  const words = button.querySelector("[data-copy-words]");
  words.textContent = announcer.textContent;
  setTimeout(() => {
    words.textContent = "Copy";
    announcer.textContent = "";
  }, 2000);
});

// A form that came back with errors: the focus goes to the first field that has one, so that a screen reader reads
// the field with its error (`aria-describedby`), and a keyboard is where the correction is.

document.querySelector('main [aria-invalid="true"]')?.focus();

// Addresses to share: a form that only asks leaves out what is not chosen, so `?weeks=26`, not `?weeks=26&repository=`.

document.addEventListener("formdata", ({ target, formData }) => {
  if (target.method !== "get") return;
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

// Times: <time datetime="2025-11-26T15:45:46Z" data-local="minute">15:45 UTC</time>. The server's words are UTC; here
// they become the viewer's own clock and calendar, now and whenever the page changes.

const day = { day: "numeric", month: "long" };
const FORMATS = Object.fromEntries(
  Object.entries({
    second: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
    minute: { hour: "2-digit", minute: "2-digit", timeZoneName: "short" },
    day,
    date: { ...day, year: "numeric" },
    moment: { ...day, hour: "2-digit", minute: "2-digit", timeZoneName: "short" },
  }).map(([name, parts]) => [name, new Intl.DateTimeFormat("en-GB", { ...parts, hourCycle: "h23" })]),
);

function showLocal(time) {
  const format = FORMATS[time.dataset.local];
  const at = new Date(time.dateTime);
  if (!format || Number.isNaN(at.valueOf())) return;
  const words = format.format(at);
  if (time.textContent !== words) time.textContent = words;
}

function showLocalIn(node) {
  const element = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
  if (!element) return;
  const around = element.closest("time[data-local]");
  if (around) showLocal(around);
  else element.querySelectorAll("time[data-local]").forEach(showLocal);
}

showLocalIn(document.body);
new MutationObserver((changes) => {
  for (const change of changes) {
    if (change.type === "childList") change.addedNodes.forEach(showLocalIn);
    else showLocalIn(change.target);
  }
}).observe(document.body, {
  subtree: true,
  childList: true,
  characterData: true,
  attributeFilter: ["datetime"],
});

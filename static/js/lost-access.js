// A page whose viewer may no longer see it: the server is asked once for the reason, and the answer takes the page's place.
// The stream, the polls, and the buttons are parts of the page and end with it, so nothing more is asked.
//
//   <div id="live" data-lost-access="/lost-access/?proof=…">
//
// The pages of figures have the address in the header's state of the run (`#run-indicator`), which is asked for again and
// again.

// 401: nobody is signed in. 404: the viewer left the team, or the team or the run is gone.
const REFUSALS = [401, 404];
// A proxy answers 404 as well while the site restarts. Then there is no reason yet, and the page goes on trying.
const ASK_AGAIN_AFTER = 15000;
let askedAt = -Infinity;

async function askForTheReason() {
  const page = document.querySelector("#live, .figures-page");
  const address = document.querySelector("[data-lost-access]")?.dataset.lostAccess;
  if (!page || !address || performance.now() - askedAt < ASK_AGAIN_AFTER) return;
  askedAt = performance.now();
  await htmx.ajax("GET", address, { target: page, swap: "outerHTML" });
  if (page.isConnected) return;
  for (const rest of document.querySelectorAll(".toast, #run-indicator")) rest.remove();
  if (document.activeElement === document.body) document.getElementById("lost-access-title")?.focus();
}

const onRefusal = (status) => REFUSALS.includes(status) && askForTheReason();
// Before `site.js`, which removes the part that was refused.
document.addEventListener("htmx:response:error", ({ detail }) => onRefusal(detail.ctx.response.status), true);
document.addEventListener("htmx:sse:error", ({ detail }) => onRefusal(detail.status));

// Forms of security keys: allauth's script asks the browser for the key; this shows what went wrong, and lets Enter in
// a field do what the button does.

const WORDS = {
  NotAllowedError:
    "No key answered. Try again, and touch the key or confirm on your device when your browser asks.",
  InvalidStateError: "This key is already added.",
  SecurityError: "Security keys can't be used at this address. Contact the operator of this site.",
};

document.addEventListener("allauth.error", (event) => {
  event.preventDefault(); // it is no error of the program
  const region = document.getElementById("key-error");
  const note = document.getElementById("key-error-note").content.cloneNode(true);
  const reason = event.detail.exception?.name;
  note.querySelector("[data-words]").textContent =
    WORDS[reason] ?? "The key could not be read. Try again, or use another one.";
  region.replaceChildren(note);
});

// allauth sends the form with `form.submit()`, which fires no event: this is Enter in a field, without a key so far.
document.addEventListener("submit", (event) => {
  const button = document.getElementById(event.target.dataset.securityKey);
  if (!button) return;
  event.preventDefault();
  button.click();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-security-key] button"))
    document.getElementById("key-error").replaceChildren();
});

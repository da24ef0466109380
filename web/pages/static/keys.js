"use strict";
// Shortcuts of the keyboard. Every one of them is a link or a field of the page, which works without them.
const OFF = "mparchive-keys-off";
const dialog = document.getElementById("keys");
const toggle = document.getElementById("keys-on");

function isOff(value) {  // some browsers forbid storage; then shortcuts are on
  try {
    if (value !== undefined) localStorage.setItem(OFF, value ? "1" : "");
    return localStorage.getItem(OFF) === "1";
  } catch {
    return false;
  }
}

function move(step) {
  const items = [...document.querySelectorAll("main [data-item]")];
  const place = items.indexOf(document.activeElement);
  const next = items[place < 0 ? (step > 0 ? 0 : items.length - 1) : place + step];
  if (next) next.focus();
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link) link.click();
}

const actions = {
  "/": () => {
    const field = document.querySelector("main input[type=search]");
    if (field) field.focus(); else follow("[data-search]");
  },
  "j": () => move(1),
  "k": () => move(-1),
  "o": () => {
    if (document.activeElement.matches("[data-item]")) document.activeElement.click(); else move(1);
  },
  "?": () => dialog.showModal(),
};

const inViewer = {
  "ArrowLeft": ".viewer:target [rel=prev]",
  "ArrowRight": ".viewer:target [rel=next]",
  "Escape": ".viewer:target [data-close]",
};

document.addEventListener("keydown", event => {
  const isTyping = event.target.closest("input, select, textarea, [contenteditable], audio, video");
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || isTyping || dialog.open) return;
  if (inViewer[event.key]) follow(inViewer[event.key]);
  else if (actions[event.key] && !isOff()) {
    event.preventDefault();
    actions[event.key]();
  }
});

toggle.checked = !isOff();
toggle.addEventListener("change", () => isOff(!toggle.checked));
const button = document.getElementById("keys-open");
button.hidden = false;
button.addEventListener("click", () => dialog.showModal());

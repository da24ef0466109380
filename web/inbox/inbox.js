
"use strict";
const TOKEN = "mparchive-inbox-token";
const TAP = "mparchive-inbox-tap";
const [form, text, token, button, said] =
  ["form", "text", "token", "button", "said"].map(id => document.getElementById(id));

function kept(name, value) {  // some browsers forbid it; then the token is asked for each time
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name) || "";
  } catch {
    return "";
  }
}

function word() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
}

function words(answer) {
  if (answer.error) return `${answer.error}\n${answer.zh}`;
  const filed = answer.filed.map(one =>
    `${one.new ? "Filed 已收下" : "Known already 已有"}: ${one.title || one.address}`);
  return [...filed, ...answer.refused.map(one => `Not taken 未收下: ${one.why}`)].join("\n");
}

async function send() {
  button.disabled = true;
  said.textContent = "…";
  try {
    const body = JSON.stringify({text: text.value, token: token.value});
    const headers = {"Content-Type": "application/json"};
    const answer = await fetch("inbox", {method: "POST", headers, body});
    said.textContent = words(await answer.json());
    if (answer.ok) kept(TOKEN, token.value);
    if (answer.status === 401) kept(TOKEN, "");
  } catch {
    said.textContent = "The archive does not answer; nothing was filed.\n存档没有应答，未收下。";
  }
  button.disabled = false;
}

form.addEventListener("submit", event => {
  event.preventDefault();
  send();
});

const given = new URLSearchParams(location.hash.slice(1));
text.value = ["title", "text", "url"].map(name => given.get(name)).filter(Boolean).join("\n");
token.value = kept(TOKEN);
const tap = kept(TAP) || kept(TAP, word());
history.replaceState(null, "", location.pathname);

const here = JSON.stringify(`${location.origin}${location.pathname}#tap=${tap}&`);
document.getElementById("bookmarklet").href =
  `javascript:void(open(${here}+new URLSearchParams({url:location.href,title:document.title})))`;
document.getElementById("offer").hidden = false;

// One tap is enough when it is this browser's own bookmarklet; any other page could send its visitors here.
if (text.value && token.value && tap && given.get("tap") === tap) send();
else (text.value ? (token.value ? button : token) : text).focus();


"use strict";
const TOKEN = "mparchive-inbox-token";
const TAP = "mparchive-inbox-tap";
const [form, text, token, button, result] =
  ["form", "text", "token", "button", "result"].map(id => document.getElementById(id));

function stored(name, value) {  // some browsers forbid storage; then the token is asked for each time
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name) || "";
  } catch {
    return "";
  }
}

function randomWord() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
}

const labels = result.dataset;  // in the words of the page

const isChinese = document.documentElement.lang.startsWith("zh");

function summary(answer) {
  if (answer.error) return isChinese ? answer.zh : answer.error;
  if (answer.detail) return answer.detail;  // a problem document of the server before the inbox
  const filed = answer.filed.map(one =>
    `${one.new ? labels.filed : labels.known}: ${one.title || one.address}`);
  return [...filed, ...answer.refused.map(one => `${labels.refused}: ${isChinese ? one.zh : one.why}`)].join("\n");
}

async function send() {
  button.disabled = true;
  result.textContent = "…";
  try {
    const body = JSON.stringify({text: text.value, token: token.value});
    const headers = {"Content-Type": "application/json"};
    const answer = await fetch("inbox", {method: "POST", headers, body});
    result.textContent = summary(await answer.json());
    if (answer.ok) stored(TOKEN, token.value);
    if (answer.status === 401) stored(TOKEN, "");
  } catch {
    result.textContent = labels.silent;
  }
  button.disabled = false;
}

form.addEventListener("submit", event => {
  event.preventDefault();
  send();
});

const fragment = new URLSearchParams(location.hash.slice(1));
text.value = ["title", "text", "url"].map(name => fragment.get(name)).filter(Boolean).join("\n");
token.value = stored(TOKEN);
const tap = stored(TAP) || stored(TAP, randomWord());
history.replaceState(null, "", location.pathname + location.search);

const here = JSON.stringify(`${location.origin}${location.pathname}#tap=${tap}&`);
document.getElementById("bookmarklet").href =
  `javascript:void(open(${here}+new URLSearchParams({url:location.href,title:document.title})))`;
document.getElementById("offer").hidden = false;

// One tap is enough when it is this browser's own bookmarklet; any other page could send its visitors here.
if (text.value && token.value && tap && fragment.get("tap") === tap) send();
else (text.value ? (token.value ? button : token) : text).focus();

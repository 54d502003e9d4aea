// Keeps the page in step with seawall: when /events says that something changed, asks for the page again and puts what
// is new in place of what is old. Without it the page is as good, only older.

const CALM = 1000; // at most one look a second
const SILENCE = 8000; // without a word for so long the connection is lost
const AGAIN = 15000; // how long before trying the stream again where it was refused

const by = (id) => document.getElementById(id);
const pause = by("pause"), stale = by("stale"), say = by("say");
let source, paused = false, heard = Date.now(), retry = 0;
let asking = false, due = false, pace = CALM;

function morph(from, to) {
  if (from.nodeName !== to.nodeName || from.id !== to.id) {
    from.replaceWith(document.importNode(to, true));
  } else if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.data !== to.data) from.data = to.data;
  } else if (!from.hasAttribute("data-keep")) {
    for (const { name } of [...from.attributes]) if (name !== "open" && !to.hasAttribute(name)) from.removeAttribute(name);
    for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    children(from, to);
  }
}

// What has an id stays the same element wherever it goes, so that nobody loses their place.
function children(from, to) {
  const wanted = new Set([...to.children].map((child) => child.id).filter(Boolean));
  for (const child of [...from.children]) {
    if (child.id && !wanted.has(child.id) && !child.hasAttribute("data-keep")) child.remove();
  }
  let at = from.firstChild;
  for (const child of [...to.childNodes]) {
    const same = child.id ? [...from.children].find((own) => own.id === child.id) : null;
    while (at && at !== same && at.nodeType === 1 && at.hasAttribute("data-keep")) at = at.nextSibling;
    if (same && same !== at) {
      from.insertBefore(same, at);
      morph(same, child);
    } else if (at && (same || !(at.id && wanted.has(at.id)))) {
      const next = at.nextSibling;
      morph(at, child);
      at = next;
    } else {
      from.insertBefore(document.importNode(child, true), at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    if (!(at.nodeType === 1 && at.hasAttribute("data-keep"))) at.remove();
    at = next;
  }
}

// Asks for this page again. The browser parses it, so that no text of ours ever becomes markup.
function look() {
  if (asking || paused || document.hidden) {
    due = asking;
    return;
  }
  asking = true;
  due = false;
  const began = performance.now();
  const request = new XMLHttpRequest();
  request.open("GET", location.pathname + location.search);
  request.responseType = "document";
  request.timeout = 10000;
  request.onload = () => {
    const page = request.response;
    // The session is over: the page that asks for a token is the next.
    if (request.status === 401) location.reload();
    if (request.status !== 200 || !page) return;
    word();
    document.title = page.title;
    for (const id of ["top", "main", "foot"]) if (by(id) && page.getElementById(id)) morph(by(id), page.getElementById(id));
  };
  request.onloadend = () => {
    // A page that is slow to make, or large, is asked for less often.
    pace = Math.max(CALM, 10 * (performance.now() - began));
    setTimeout(() => {
      asking = false;
      if (due) look();
    }, pace);
  };
  request.send();
}

function word() {
  heard = Date.now();
  stale.hidden = true;
}

let state = "";
function listen() {
  if (source) source.close();
  retry = Date.now() + AGAIN;
  source = new EventSource("/events");
  source.addEventListener("status", ({ data }) => {
    word();
    const status = JSON.parse(data);
    if (state && state !== status.status) say.textContent = `${status.status}: ${status.verdict}`;
    state = status.status;
    look();
  });
  source.addEventListener("breaker", ({ data }) => {
    const breaker = JSON.parse(data);
    say.textContent = `The breaker of ${breaker.name} is ${breaker.state}`;
  });
  source.addEventListener("alert", ({ data }) => {
    const alert = JSON.parse(data);
    say.textContent = `The alert ${alert.id} is ${alert.state}`;
    look();
  });
  source.addEventListener("health", ({ data }) => {
    const check = JSON.parse(data);
    say.textContent = `${check.name} is ${check.state}`;
    look();
  });
  source.addEventListener("beat", () => {
    word();
    look();
  });
  source.addEventListener("bye", () => source.close());
}

function keep() {
  if (paused || document.hidden) return;
  if (source.readyState === EventSource.CLOSED) {
    // Refused, drained, or too many pages: the page itself still answers.
    look();
    if (Date.now() > retry) listen();
  }
  const silent = Date.now() - heard;
  if (silent > SILENCE) {
    stale.textContent = `No word from seawall for ${Math.round(silent / 1000)} s: what you see is old.`;
    stale.hidden = false;
    look();
  }
}

function halt(now) {
  paused = now;
  pause.textContent = paused ? "Resume" : "Pause";
  pause.setAttribute("aria-pressed", String(paused));
  if (paused) source.close();
  else wake();
}

function wake() {
  heard = Date.now();
  listen();
}

pause.hidden = false;
pause.addEventListener("click", () => halt(!paused));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) source.close();
  else if (!paused) wake();
});
// What was done is said once.
if (new URLSearchParams(location.search).has("note")) history.replaceState(null, "", location.pathname);
// Whoever says who they are once need not say it again in this browser.
const who = document.querySelector("input[name=by]");
if (who) {
  try {
    if (!who.value) who.value = localStorage.getItem("by") ?? "";
    who.form.addEventListener("submit", () => localStorage.setItem("by", who.value));
  } catch {
    // A browser that keeps nothing is fine too.
  }
}
listen();
setInterval(keep, 2000);

// The parts of the page. Texts from mazes and visitors become text nodes, and invisible characters become visible.

const $ = (id) => document.getElementById(id);

// What the page shows.
const page = {
  api: document.querySelector('meta[name="decnet-api"]')?.content,
  token: "",
  rows: [],
  // The topology: its row, its maze file as `topology`.
  maze: null,
  // The states of deckies on Docker, by name.
  states: new Map(),
  analysis: null,
  services: [],
  archetypes: [],
  mutations: [],
  moments: [],
  // The deckies and the status of another time, or null.
  past: null,
  selected: null,
  hits: [],
  hit: 0,
};

// A file has its data inside, and no server.
const embedded = $("data");

function visible(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child != null) made.append(child instanceof Node ? child : visible(child));
  }
  return made;
}

function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child != null).map((child) => (child instanceof Node ? child : visible(child))));
}

function button(label, press, attributes) {
  return element("button", { type: "button", click: press, ...attributes }, label);
}

function table(heads, rows, caption) {
  // Only long texts are broken within a word.
  const cell = (value) => element("td", typeof value === "string" && value.length > 24 ? { class: "long" } : null, value);
  return element("table", null,
    element("caption", null, caption),
    element("thead", null, element("tr", null, heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", null, rows.map((row) => element("tr", null, row.map(cell)))));
}

function time(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? String(text) : at.toISOString().replace("T", " ").replace(/\.\d+Z/, "Z");
}

let noticeTimer;
let noticeOf = null;

// Shows an error above the maze, until the next one or for a while. `of` is the kind of work that failed.
function notice(error, of = "asked") {
  clearTimeout(noticeTimer);
  const place = $("notice");
  place.hidden = !error;
  noticeOf = error ? of : null;
  if (!error) return;
  const lines = error instanceof Refused ? error.lines() : [error.message ?? String(error)];
  fill(place, lines.map((line) => element("p", null, line)), button("Close", () => notice(null)));
  noticeTimer = setTimeout(() => notice(null), 30000);
}

// Runs work that a person asked for, and shows its error.
function attempt(work) {
  return async (event) => {
    event?.preventDefault?.();
    notice(null);
    try {
      await work(event);
    } catch (error) {
      notice(error);
    }
  };
}

// Runs work that an event caused. It leaves the error of what a person asked for where it is.
function unasked(work) {
  return async () => {
    try {
      await work();
      if (noticeOf === "unasked") notice(null);
    } catch (error) {
      if (noticeOf !== "asked") notice(error, "unasked");
    }
  };
}

let answered = Promise.resolve();

// Asks in a dialog. Returns whether the answer is yes. A question waits for the answer to the one before: an answer is never
// taken for that of another question.
function ask(title, yes, ...body) {
  const dialog = $("dialog");
  answered = answered.then(() => new Promise((answer) => {
    fill($("dialog-title"), title);
    fill($("dialog-body"), ...body);
    fill($("dialog-yes"), yes ?? "OK");
    $("dialog-yes").hidden = !yes;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  }));
  return answered;
}

// Fills a place again. The button that had the focus has it afterwards.
function refill(place, ...children) {
  const buttons = () => [...place.querySelectorAll("button")];
  const focus = place.contains(document.activeElement) ? document.activeElement : null;
  const alike = (text) => buttons().filter((other) => other.textContent === text);
  const nth = focus ? alike(focus.textContent).indexOf(focus) : -1;
  fill(place, ...children);
  if (nth >= 0) alike(focus.textContent)[nth]?.focus({ preventScroll: true });
}

const counted = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

function delay(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

function later(milliseconds, work) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}

// The maze.

const lans = () => page.maze?.topology?.lans ?? [];
const deckies = () => page.past?.deckies ?? page.maze?.topology?.deckies ?? [];
const home = (decky) => decky.attachments?.[0]?.lan;
const same = (one, other) => String(one).toLowerCase() === String(other).toLowerCase();
const lanNamed = (name) => lans().find((lan) => same(lan.name, name));
const deckyNamed = (name) => deckies().find((decky) => same(decky.name, name));
const attachedTo = (lan) => deckies().filter((decky) => decky.attachments?.some((edge) => same(edge.lan, lan)));

function role(decky) {
  const many = (decky.attachments?.length ?? 0) > 1;
  if (!decky.forwards_l3) return many ? "bridge" : "host";
  return lanNamed(home(decky))?.dmz ? "gateway" : "router";
}

// The words for the state of a decky, as in the picture.
function stateText(name) {
  const state = page.states.get(String(name).toLowerCase());
  if (!state || page.past) return "";
  if (state.base !== "running") return "✕ gone";
  const down = state.services.filter((service) => service.activity !== "running" || service.crash_loop);
  if (down.length) return `▲ degraded: ${down.map((service) => service.service).join(", ")}`;
  const wrong = state.base_crash_loop || state.interfaces.some((edge) => edge.found !== edge.expected);
  return wrong ? "▲ degraded" : "● running";
}

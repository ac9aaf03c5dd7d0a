// The present: the list of mazes, the maze that is shown, and the stream of events.

const RUNNING = new Set(["active", "degraded", "deploying", "tearing_down", "failed"]);

function head() {
  const status = page.past?.status ?? page.maze?.status ?? "";
  const version = page.maze?.version ? `${status}, version ${page.maze.version}` : status;
  fill($("status"), page.past ? `${status} then` : version);
  $("status").dataset.status = status;
  document.title = page.maze ? `${visible(page.maze.name)} – DECNET` : "DECNET";
  const isFixed = !page.maze || page.past !== null;
  for (const control of document.querySelectorAll("[data-work], #place")) control.disabled = isFixed;
  for (const control of document.querySelectorAll("#edit button, #edit select, #edit input")) control.disabled = isFixed || isSubmitting;
}

// Reads the list of mazes.
async function mazes() {
  const { topologies } = await read("/topologies?limit=1000");
  page.rows = topologies;
  const chosen = page.maze?.id;
  const none = topologies.length ? "choose one" : "no maze";
  fill($("mazes"), chosen && topologies.some((row) => row.id === chosen) ? null : element("option", { value: "" }, none),
    topologies.map((row) => element("option", { value: row.id, selected: row.id === chosen }, `${row.name} (${row.status})`)));
  if (chosen) $("mazes").value = chosen;
}

// The name after the `#` of the address of the page.
function nameInAddress() {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Shows a maze; the address of the page names it. Nothing of the maze before stays, also if this one cannot be read.
async function open(id, why) {
  const named = page.rows.filter((row) => row.name === id);
  const row = page.rows.find((row) => row.id === id) ?? named.find((row) => row.status !== "torn_down") ?? named[0];
  const missing = why ?? (id ? `There is no maze named ${id}.` : "");
  const empty = page.rows.length ? "Choose a maze above." : "There is no maze yet. “New…” stores an empty one.";
  Object.assign(page, { maze: row ? { ...row, topology: null } : null, past: null, selected: null, states: new Map(), analysis: null, mutations: [] });
  moments([], []);
  present();
  Object.assign(picture, { svg: null, view: null });
  operations();
  search();
  select(null);
  for (const id of ["picture", "table"]) fill($(id), element("p", { class: "empty" }, row ? "…" : `${missing} ${empty}`));
  if (!row) return mazes();
  $("mazes").value = row.id;
  if (nameInAddress() !== row.name) history.replaceState(null, "", `#${encodeURIComponent(row.name)}`);
  await refresh();
}

let reading = 0;

// Reads the maze that is shown. Of two readings at the same time, the later one counts.
async function refresh() {
  const id = page.maze?.id;
  if (!id) return;
  reading += 1;
  const mine = reading;
  const maze = await read(at("", id));
  const isRunning = RUNNING.has(maze.status);
  const withStates = async (path) => {
    try {
      return await read(at(path, id));
    } catch (error) {
      // Without Docker, the maze can still be seen.
      if (error.status >= 500) return null;
      throw error;
    }
  };
  const [state, drawn, analysis, statuses, changes] = await Promise.all([
    isRunning ? withStates("/state") : null,
    isRunning ? withStates("/graph.svg?states=true") : null,
    read(at("/analysis", id)),
    read(at("/status-events", id)),
    read(at("/mutations?limit=1000", id)),
  ]);
  const svg = drawn ?? (await read(at("/graph.svg", id)));
  if (mine !== reading || page.maze?.id !== id) return;
  page.maze = maze;
  page.states = new Map((state?.deckies ?? []).map((decky) => [decky.decky.toLowerCase(), decky]));
  page.analysis = analysis;
  page.mutations = changes.mutations;
  moments(statuses.events, changes.mutations);
  const row = page.rows.find((row) => row.id === id);
  if (row && row.status !== maze.status) await mazes();
  head();
  if (page.past) return;
  if (drag?.moved) return soon();
  draw(svg);
  search();
  detail();
  operations();
}

const soon = later(30, unasked(refresh));
const listSoon = later(30, unasked(async () => {
  if (!page.services.length) await catalog();
  const { maze } = page;
  await mazes();
  if (maze !== page.maze) return;
  const named = nameInAddress();
  // Another maze is not shown instead: who edits would edit that one.
  if (maze && !page.rows.some((row) => row.id === maze.id)) await open(null, `The maze ${maze.name} was deleted.`);
  else if (!maze && page.rows.some((row) => row.name === named)) await open(named);
  else if (!maze && !named && page.rows.length) await open(page.rows[0].id);
}));

// Adds a line to the list of events.
function log(text, at = new Date().toISOString(), maze = "") {
  const list = $("events");
  list.prepend(element("li", null, element("time", { datetime: at }, time(at).slice(11)), ` ${maze && !same(maze, page.maze?.name) ? `${maze}: ` : ""}${text}`));
  while (list.children.length > 100) list.lastChild.remove();
}

const placeText = (place) => place.decky ?? place.outside ?? place.inside ?? JSON.stringify(place);

// What each type of event means for the page. `ours` is whether it is about the maze that is shown.
const EVENTS = {
  snapshot: () => { listSoon(); soon(); },
  status: ({ from, to, reason }, ours) => {
    listSoon();
    if (ours) soon();
    return `${from ? `${from} → ` : ""}${to}${reason ? `: ${reason}` : ""}`;
  },
  mutation: ({ mutation, op, state, reason, actor }, ours) => {
    if (ours) soon();
    return `mutation ${mutation} ${op} ${state}${actor ? ` by ${actor}` : ""}${reason ? `: ${reason}` : ""}`;
  },
  decky: ({ decky, old_services, new_services, trigger }, ours) => {
    if (ours) soon();
    return `${decky}: ${old_services.join(" ") || "nothing"} → ${new_services.join(" ") || "nothing"} (${trigger})`;
  },
  planned: ({ steps }) => `${counted(steps, "step")} planned`,
  step: ({ state, text, error, undo }) => (state === "started" ? null : `${undo ? "undo: " : ""}${text}: ${state}${error ? `, ${error}` : ""}`),
  attacker: ({ action, decky, service, origin, path }, ours) => {
    const route = path ?? [origin];
    if (ours) visit([decky, ...route.map((place) => place.decky).filter(Boolean)]);
    return `intruder ${action.replace(/_/g, " ")}: ${[...route.map(placeText), decky].join(" → ")}${service ? ` (${service})` : ""}`;
  },
  edited: (_, ours) => { if (ours) soon(); },
  settings: (_, ours) => { if (ours) soon(); },
  deleted: () => { listSoon(); return "deleted"; },
  lagged: ({ lost }) => `${lost} events were lost`,
  // A service that ends makes no event, and a reading may have failed.
  ping: () => { if (page.maze && RUNNING.has(page.maze.status)) soon(); },
};

function connection(text, isOpen) {
  fill($("connection"), text);
  $("connection").dataset.open = String(isOpen);
}

// Follows the events, and connects again after a pause. Each connection needs a ticket of its own.
async function follow() {
  for (;;) {
    // Who gave no token is asked again only for what they do.
    if (isDeclined) {
      connection("no token", false);
      await tokenGiven();
    }
    try {
      const { ticket } = (await call("POST", "/tickets")).value;
      await listen(`${page.api}/events?ticket=${encodeURIComponent(ticket)}`);
    } catch (error) {
      if (error.status === 401) {
        connection("no token", false);
        if (noticeOf !== "asked") notice(error, "unasked");
        await tokenGiven();
        continue;
      }
    }
    connection("connecting again…", false);
    await delay(1000);
  }
}

// Listens until the connection ends. A connection without a ping for 40 seconds is dead.
function listen(url) {
  return new Promise((ended) => {
    const source = new EventSource(url);
    const end = () => {
      source.close();
      ended();
    };
    const dead = later(40000, end);
    source.onopen = () => { connection("live", true); dead(); };
    source.onerror = end;
    source.addEventListener("problem", end);
    for (const [kind, take] of Object.entries(EVENTS)) {
      source.addEventListener(kind, ({ data }) => {
        dead();
        const { payload = {}, ts, maze } = JSON.parse(data);
        const text = take(payload, payload.topology === page.maze?.id, maze);
        if (text) log(text, ts, maze);
      });
    }
  });
}

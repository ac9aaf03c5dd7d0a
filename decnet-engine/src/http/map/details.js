// What is selected: addresses, services, state, history, visits.

function select(part) {
  page.selected = part;
  marked();
  detail();
  if (!part || part.from) return;
  if ($("table").hidden) {
    const group = groupOf(part);
    const [place, room] = [group?.getBoundingClientRect(), $("picture").getBoundingClientRect()];
    const isOut = !place || place.right < room.left || place.left > room.right || place.bottom < room.top || place.top > room.bottom;
    if (isOut || page.hits.length) center(group);
  }
  if (!embedded) choose(part);
}

function facts(rows) {
  return element("dl", null, rows.filter(([, value]) => value != null && value !== "").map(([name, value]) => [element("dt", null, name), element("dd", null, value)]));
}

const linkTo = (part) => button(part.decky ?? part.lan, () => select(part), { class: "link" });

function detail() {
  const part = page.selected;
  const place = $("details");
  if (!part) return refill(place, mazeDetail());
  if (part.from) return fill(place, edgeDetail(part));
  const found = part.decky ? deckyNamed(part.decky) : lanNamed(part.lan);
  const kind = part.decky ? "decky" : "LAN";
  if (!found) return fill(place, element("p", null, `The ${kind} ${part.decky ?? part.lan} is not in the maze${page.past ? " of that time" : ""}.`));
  refill(place, part.decky ? deckyDetail(found) : lanDetail(found));
  if (part.decky && !embedded) more(part.decky, place);
}

// What is known of the whole maze: a list shortens its name, and only its row has the reason of its status.
function mazeDetail() {
  const { maze, past } = page;
  return [
    maze ? element("h3", null, `Maze ${maze.name}`) : null,
    maze?.topology ? facts([
      ["Status", past ? `${past.status} then` : maze.status],
      ["Reason", past ? "" : maze.reason],
      ["Size", `${counted(lans().length, "LAN")}, ${counted(deckies().length, "decky", "deckies")}`],
    ]) : null,
    element("p", null, "Select a LAN or a decky."),
  ];
}

function edgeDetail({ from, to }) {
  const both = deckies().filter((decky) => same(home(decky), from) && decky.attachments.some((edge) => same(edge.lan, to)));
  return [
    element("h3", null, `${from} → ${to}`),
    element("ul", null, both.map((decky) => element("li", null, linkTo({ decky: decky.name }), decky.forwards_l3 ? " forwards" : " does not forward"))),
  ];
}

function lanDetail(lan) {
  const found = page.past ? null : page.analysis?.lans?.find((row) => same(row.lan, lan.name));
  return [
    element("h3", null, `LAN ${lan.name}`),
    facts([["Subnet", lan.subnet], ["Kind", lan.dmz ? "DMZ" : ""], ["Depth", found?.depth], ["Compromises", found?.compromises], ["Version", page.maze.version]]),
    element("h4", null, "Deckies"),
    element("ul", null, attachedTo(lan.name).map((decky) => {
      const edge = decky.attachments.find((edge) => same(edge.lan, lan.name));
      return element("li", null, linkTo({ decky: decky.name }), ` ${edge.ip ?? ""} ${role(decky)} ${(decky.services ?? []).join(" ")} ${stateText(decky.name)}`);
    })),
    embedded || page.past || (lan.x == null && lan.y == null) ? null
      : button("Forget its place", attempt(() => mutate("update_lan", { name: lan.name, patch: {}, x: null, y: null }))),
    embedded || page.past ? null : button("Remove this LAN", attempt(() => sure(`Remove the LAN ${lan.name}?`, "remove_lan", { name: lan.name }))),
  ];
}

function deckyDetail(decky) {
  const found = page.past ? null : page.analysis?.deckies?.find((row) => same(row.decky, decky.name));
  const state = page.past ? null : page.states.get(decky.name.toLowerCase());
  const services = (decky.services ?? []).map((name) => {
    const now = state?.services.find((service) => service.service === name);
    const words = now ? ` ${now.crash_loop ? "crash loop" : now.activity ?? "absent"}${now.restarts ? `, ${now.restarts} restarts` : ""}` : "";
    return element("li", null, `${name}${words}`);
  });
  const edges = (decky.attachments ?? []).map((edge) => element("li", null, linkTo({ lan: edge.lan }), ` ${edge.ip ?? "no address yet"}`,
    embedded || page.past || same(edge.lan, home(decky)) ? null : [" ", button("Detach", attempt(() => sure(`Detach ${decky.name} from ${edge.lan}?`, "detach_decky", { decky: decky.name, lan: edge.lan })))]));
  return [
    element("h3", null, `Decky ${decky.name}`),
    facts([
      ["Role", role(decky)], ["State", stateText(decky.name)], ["Archetype", decky.archetype],
      ["Compromises", found?.compromises], ["Lost with it", found?.loss && `${counted(found.loss.lans, "LAN")}, ${counted(found.loss.deckies, "decky", "deckies")}`],
    ]),
    element("h4", null, "Addresses"), element("ul", null, edges),
    element("h4", null, "Services"), services.length ? element("ul", null, services) : element("p", null, "none"),
    embedded || page.past ? null : button("Remove this decky", attempt(() => sure(`Remove the decky ${decky.name}?`, "remove_decky", { decky: decky.name }))),
  ];
}

async function sure(question, op, payload) {
  // While the dialog is open, the page may show another maze.
  const { id } = page.maze;
  if (await ask(question, "Remove")) await mutate(op, payload, id);
}

// Adds the history and the visits of a decky, which are read only when they are shown.
async function more(name, place) {
  const history = element("div", null, element("p", null, "…"));
  const visits = element("div", null, element("p", null, "…"));
  place.append(element("h4", null, "History"), history, element("h4", null, "Last visits"), visits);
  const touches = ({ mutation: { payload } }) => same(payload.decky ?? payload.name ?? "", name);
  const changes = page.mutations.filter(touches).slice(-10).reverse();
  fill(history, changes.length
    ? element("ol", null, changes.map((row) => element("li", null, `${time(row.finished_at ?? row.enqueued_at)} ${row.mutation.op} ${row.state}${row.actor ? ` by ${row.actor}` : ""}${row.reason ? `: ${row.reason}` : ""}`)))
    : element("p", null, "no mutation"));
  try {
    const entries = await lastVisits(name);
    fill(visits, entries.length
      ? element("ol", null, entries.slice(-20).reverse().map((entry) => element("li", null, visitText(entry))))
      : element("p", null, "none stored; `decnet logs --follow --store` keeps them"));
  } catch (error) {
    fill(visits, element("p", null, error.message));
  }
}

// The API lists visits oldest first, in pages.
async function lastVisits(name) {
  const found = new Map();
  let since = "";
  for (let pages = 0; pages < 20; pages += 1) {
    const { entries, more: isMore } = await read(at(`/logs?limit=1000&decky=${encodeURIComponent(name)}${since}`));
    for (const entry of entries) found.set(entry.id, entry);
    if (!isMore) break;
    since = `&since=${encodeURIComponent(entries.at(-1).at)}`;
  }
  return [...found.values()];
}

function visitText({ at, service, from, record, json, text }) {
  const source = from ?? record?.source?.ip ?? json?.message?.src_ip ?? "";
  const known = [record?.event?.action, record?.user?.name, record?.process?.command_line, record?.url?.original].filter(Boolean);
  const what = record ? known.join(" ") : text?.message ?? JSON.stringify(json?.message ?? {});
  return `${time(at)} ${service ?? "base"} ${source} ${String(what).slice(0, 300)}`;
}

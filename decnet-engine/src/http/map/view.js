// The mouse, the keyboard, the search and the table.

// What is dragged: the picture, or a LAN.
let drag = null;

function begin(event) {
  if (event.button !== 0 || !picture.view) return;
  const part = partOf(event.target);
  const lan = $("place")?.checked && !page.past ? event.target.closest("[data-lan]") ?? null : null;
  drag = { x: event.clientX, y: event.clientY, part, lan, moved: false, by: scale() };
}

function move(event) {
  if (!drag) return;
  const [right, down] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.moved) {
    if (Math.hypot(right, down) < 4) return;
    drag.moved = true;
    $("picture").setPointerCapture(event.pointerId);
    $("picture").classList.add("dragged");
  }
  if (drag.lan) {
    drag.lan.setAttribute("transform", `translate(${Math.round(right * drag.by)} ${Math.round(down * drag.by)})`);
  } else {
    pan(-right, -down);
    [drag.x, drag.y] = [event.clientX, event.clientY];
  }
}

async function drop(event) {
  const ended = drag;
  drag = null;
  $("picture").classList.remove("dragged");
  if (!ended) return;
  if (!ended.moved) {
    if (ended.part) select(ended.part);
    return;
  }
  if (!ended.lan || event.type === "pointercancel") return;
  const box = ended.lan.querySelector(".box");
  const place = (name, by) => Number(box.getAttribute(name)) + Math.round(by * ended.by);
  const [x, y] = [place("x", event.clientX - ended.x), place("y", event.clientY - ended.y)];
  try {
    await mutate("update_lan", { name: ended.lan.dataset.lan, patch: {}, x, y });
  } catch (error) {
    ended.lan.removeAttribute("transform");
    throw error;
  }
}

function wheel(event) {
  event.preventDefault();
  zoom(Math.exp(Math.max(-300, Math.min(300, event.deltaY)) / 400), point(event.clientX, event.clientY));
}

const STEP = 60;
const KEYS = {
  ArrowLeft: () => pan(-STEP, 0),
  ArrowRight: () => pan(STEP, 0),
  ArrowUp: () => pan(0, -STEP),
  ArrowDown: () => pan(0, STEP),
  "+": () => zoom(1 / 1.25),
  "=": () => zoom(1 / 1.25),
  "-": () => zoom(1.25),
  0: fit,
};

function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Enter" || event.key === " ") {
    const part = partOf(event.target);
    if (part) select(part);
    else return;
  } else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
}

// The keys that work everywhere, except while someone types.
function anywhere(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("input, select, textarea, dialog")) return;
  if (event.key === "/") $("search").focus();
  else if (event.key === "t") show($("table").hidden);
  else if (event.key === "Escape") select(null);
  else return;
  event.preventDefault();
}

// A part that gets the focus by Tab comes into view.
function focused(event) {
  const group = event.target.closest?.("[data-lan], [data-decky]");
  if (!group || !event.target.matches(":focus-visible")) return;
  const [place, room] = [group.getBoundingClientRect(), $("picture").getBoundingClientRect()];
  const isOut = place.right < room.left || place.left > room.right || place.bottom < room.top || place.top > room.bottom;
  if (isOut) center(group);
}

// Shows the table, or the picture.
function show(isTable) {
  $("table").hidden = !isTable;
  $("picture").hidden = isTable;
  $("zoom").hidden = isTable;
  $("show-table").setAttribute("aria-pressed", String(isTable));
  $("show-picture").setAttribute("aria-pressed", String(!isTable));
  if (isTable) list();
  else if (picture.isFit) fit();
}

function search() {
  const words = $("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (texts) => words.every((word) => texts.some((text) => String(text ?? "").toLowerCase().includes(word)));
  page.hits = [];
  page.hit = 0;
  if (words.length) {
    for (const lan of lans()) {
      if (fits([lan.name, lan.subnet, lan.dmz ? "dmz" : ""])) page.hits.push({ lan: lan.name });
    }
    for (const decky of deckies()) {
      const edges = decky.attachments ?? [];
      const texts = [decky.name, role(decky), decky.archetype, ...(decky.services ?? []), ...edges.map((edge) => edge.ip), stateText(decky.name)];
      if (fits(texts)) page.hits.push({ decky: decky.name });
    }
  }
  fill($("found"), words.length ? `${page.hits.length} found` : "");
  marked();
  if (!$("table").hidden) list();
}

// Goes to the next part that was found.
function next(event) {
  if (event.key === "Escape") {
    $("search").value = "";
    search();
    return;
  }
  if (event.key !== "Enter" || !page.hits.length) return;
  event.preventDefault();
  const part = page.hits[page.hit % page.hits.length];
  page.hit += 1;
  select(part);
  fill($("found"), `${((page.hit - 1) % page.hits.length) + 1} of ${page.hits.length}`);
}

// The same data as the picture. A search leaves only what it found.
function list() {
  const isSearched = $("search").value.trim() !== "";
  const isHit = (part) => !isSearched || page.hits.some((hit) => same(hit.lan ?? "", part.lan ?? "") && same(hit.decky ?? "", part.decky ?? ""));
  const link = (part, name) => button(name, () => select(part), { class: "link" });
  const costs = (rows, key, name) => rows?.find((row) => same(row[key], name))?.compromises ?? "";
  const analysis = page.past ? null : page.analysis;
  const lanRows = lans().filter((lan) => isHit({ lan: lan.name })).map((lan) => [
    link({ lan: lan.name }, lan.name), lan.subnet, lan.dmz ? "DMZ" : "", attachedTo(lan.name).length, costs(analysis?.lans, "lan", lan.name),
  ]);
  const deckyRows = deckies().filter((decky) => isHit({ decky: decky.name })).map((decky) => [
    link({ decky: decky.name }, decky.name),
    role(decky),
    (decky.attachments ?? []).map((edge) => `${edge.lan} ${edge.ip ?? ""}`).join(", "),
    (decky.services ?? []).join(" "),
    stateText(decky.name),
    costs(analysis?.deckies, "decky", decky.name),
  ]);
  refill($("table"),
    table(["LAN", "Subnet", "Kind", "Deckies", "Compromises"], lanRows, "LANs"),
    table(["Decky", "Role", "Addresses", "Services", "State", "Compromises"], deckyRows, "Deckies"));
}

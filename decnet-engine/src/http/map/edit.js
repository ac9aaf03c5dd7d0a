// The editor: each change is a mutation, and its findings are shown while someone types.

const text = (name, label, more) => ({ name, label, kind: "text", ...more });
const need = { required: true };

const OPERATIONS = {
  add_lan: { label: "Add a LAN", fields: [text("name", "Name", need), text("subnet", "Subnet", { hint: "free one" }), { name: "is_dmz", label: "DMZ", kind: "flag" }] },
  add_decky: {
    label: "Add a decky",
    fields: [
      text("name", "Name", need), { name: "lan", label: "Home LAN", kind: "lan" }, { name: "archetype", label: "Archetype", kind: "archetype" },
      { name: "services", label: "Services", kind: "services" }, text("ip", "Address", { hint: "next free one" }), { name: "forwards_l3", label: "Forwards packets", kind: "flag" },
    ],
  },
  attach_decky: { label: "Attach a decky", fields: [{ name: "decky", label: "Decky", kind: "decky" }, { name: "lan", label: "LAN", kind: "lan" }, text("ip", "Address", { hint: "next free one" }), { name: "forwards_l3", label: "Forwards packets", kind: "flag" }, { name: "force", label: "Recreate running containers", kind: "flag" }] },
  detach_decky: { label: "Detach a decky", fields: [{ name: "decky", label: "Decky", kind: "decky" }, { name: "lan", label: "LAN", kind: "lan" }] },
  update_decky: { label: "Change services", fields: [{ name: "decky", label: "Decky", kind: "decky" }, { name: "services", label: "Services", kind: "services", always: true }, { name: "force", label: "Recreate running containers", kind: "flag" }] },
  remove_decky: { label: "Remove a decky", fields: [{ name: "decky", label: "Decky", kind: "decky" }] },
  remove_lan: { label: "Remove a LAN", fields: [{ name: "name", label: "LAN", kind: "lan" }] },
};

const words = (text) => text.toLowerCase().split(/[\s,]+/).filter(Boolean);

function input(field) {
  const attributes = { name: field.name, required: field.required };
  const choice = (options) => element("select", attributes, options.map(([value, label]) => element("option", { value }, label ?? value)));
  switch (field.kind) {
    case "flag": return element("input", { ...attributes, type: "checkbox" });
    case "lan": return choice(lans().map((lan) => [lan.name]));
    case "decky": return choice(deckies().map((decky) => [decky.name]));
    case "archetype": return choice([["", "none"], ...page.archetypes.map(({ slug, title }) => [slug, title ?? slug])]);
    default: return element("input", { ...attributes, type: "text", placeholder: field.hint, spellcheck: "false" });
  }
}

// Buttons that put a service into the field, or take it out.
function serviceButtons(field) {
  const toggle = (name) => () => {
    const now = words(field.value);
    field.value = (now.includes(name) ? now.filter((word) => word !== name) : [...now, name]).join(" ");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  return element("details", null, element("summary", null, "Services of the catalogue"), page.services.map(({ name }) => button(name, toggle(name), { class: "small" })));
}

// What the fields were made of: they are made again only if it changes.
let made;

// Makes the fields of the operation. Values that were typed stay.
function fields() {
  const parts = JSON.stringify([$("operation").value, lans().map((lan) => lan.name), deckies().map((decky) => decky.name), page.services.length, page.archetypes.length]);
  if (parts === made) return check();
  made = parts;
  const form = $("edit");
  const was = new Map([...form.querySelectorAll("#fields [name]")].map((field) => [field.name, field.type === "checkbox" ? field.checked : field.value]));
  const labels = OPERATIONS[$("operation").value].fields.map((field) => {
    const control = input(field);
    const before = was.get(field.name);
    if (field.kind === "flag") control.checked = before === true;
    else if (typeof before === "string" && (control.tagName !== "SELECT" || [...control.options].some((option) => option.value === before))) control.value = before;
    const label = field.kind === "flag" ? element("label", { class: "check" }, control, ` ${field.label}`) : element("label", null, `${field.label} `, control);
    return field.kind === "services" ? [label, serviceButtons(control)] : label;
  });
  fill($("fields"), labels);
  check();
}

// Keeps the choices of the form up to date, but not while someone uses it.
function operations() {
  if (!$("operation").options.length) fill($("operation"), Object.entries(OPERATIONS).map(([op, { label }]) => element("option", { value: op }, label)));
  if (!$("fields").contains(document.activeElement)) fields();
  head();
}

// Puts the selected part into the form.
function choose(part) {
  const set = (name, value) => {
    const field = $("edit").elements.namedItem(name);
    if (field?.tagName === "SELECT" && value) field.value = value;
  };
  if (part.lan) for (const name of ["lan", ...($("operation").value === "remove_lan" ? ["name"] : [])]) set(name, lanNamed(part.lan)?.name);
  if (part.decky) {
    set("decky", deckyNamed(part.decky)?.name);
    known();
  }
  check();
}

// The services of the chosen decky are the start of a change.
function known() {
  if ($("operation").value !== "update_decky") return;
  const form = $("edit").elements;
  const decky = deckyNamed(form.namedItem("decky")?.value ?? "");
  form.namedItem("services").value = (decky?.services ?? []).join(" ");
}

function payload() {
  const form = $("edit").elements;
  const made = {};
  for (const { name, kind, always } of OPERATIONS[$("operation").value].fields) {
    const field = form.namedItem(name);
    const value = field.value.trim();
    if (kind === "flag") {
      if (field.checked) made[name] = true;
    } else if (kind === "services") {
      if (always || value) made[name] = words(value);
    } else if (value) made[name] = value;
  }
  return made;
}

// The maze file after a mutation, as far as it can be known here: the server decides.
function changed(topology, op, value) {
  const after = structuredClone(topology);
  const decky = after.deckies.find((decky) => same(decky.name, value.decky));
  const edge = { lan: value.lan, ...(value.ip ? { ip: value.ip } : {}) };
  switch (op) {
    case "add_lan":
      after.lans.push({ name: value.name, ...(value.subnet ? { subnet: value.subnet } : {}), ...(value.is_dmz ? { dmz: true } : {}) });
      break;
    case "add_decky": {
      const { name, services, archetype, forwards_l3 } = value;
      after.deckies.push({ name, ...(services ? { services } : {}), ...(archetype ? { archetype } : {}), ...(forwards_l3 ? { forwards_l3 } : {}), attachments: [edge] });
      break;
    }
    case "attach_decky":
      decky?.attachments.push(edge);
      if (decky && value.forwards_l3) decky.forwards_l3 = true;
      break;
    case "detach_decky":
      if (decky) decky.attachments = decky.attachments.filter((edge) => !same(edge.lan, value.lan));
      break;
    case "update_decky":
      if (decky) decky.services = value.services;
      break;
    case "remove_decky":
      after.deckies = after.deckies.filter((other) => other !== decky);
      break;
    case "remove_lan":
      after.lans = after.lans.filter((lan) => !same(lan.name, value.name));
      for (const other of after.deckies) other.attachments = other.attachments.filter((edge) => !same(edge.lan, value.name));
      break;
  }
  return after;
}

let checking = 0;

// Validates the maze as it would be.
const check = later(150, async () => {
  const place = $("findings");
  checking += 1;
  const mine = checking;
  const op = $("operation").value;
  const value = payload();
  const isComplete = [...$("fields").querySelectorAll("[required]")].every((field) => field.value.trim());
  if (!page.maze?.topology || page.past || !isComplete) return fill(place);
  let lines;
  try {
    const { value: report } = await call("POST", "/topologies/validate?live=true", changed(page.maze.topology, op, value));
    lines = report.findings.map(({ severity, code, message }) => [severity, `${message} (${code})`]);
  } catch (error) {
    lines = error.problem?.findings?.map(({ severity, code, message }) => [severity, `${message} (${code})`]) ?? [["error", error.message]];
  }
  if (mine === checking) fill(place, lines.map(([severity, line]) => element("li", { "data-severity": severity }, `${severity}: ${line}`)));
});

let isSubmitting = false;

// Submits the form. It is disabled until the answer is there: what someone types meanwhile would be cleared with the rest.
async function submit() {
  const op = $("operation").value;
  const value = payload();
  const focus = document.activeElement;
  const lock = (isLocked) => {
    isSubmitting = isLocked;
    head();
  };
  lock(true);
  try {
    await mutate(op, value);
  } finally {
    lock(false);
    focus.focus();
  }
  for (const field of $("fields").querySelectorAll('input[type="text"]')) field.value = "";
  for (const field of $("fields").querySelectorAll('input[type="checkbox"]')) field.checked = false;
  fields();
  $("fields").querySelector("input, select")?.focus();
}

async function create() {
  const name = element("input", { id: "new-name", required: true, autocomplete: "off" });
  const subnet = element("input", { id: "new-subnet", placeholder: "free one", autocomplete: "off" });
  const yes = await ask("A new maze", "Create", element("p", null, "It has a DMZ and no decky."), element("label", null, "Name ", name), element("label", null, "Subnet of the DMZ ", subnet));
  if (!yes) return;
  const { value } = await call("POST", "/topologies/blank", { name: name.value.trim(), ...(subnet.value.trim() ? { subnet: subnet.value.trim() } : {}) });
  await mazes();
  await open(value.id);
}

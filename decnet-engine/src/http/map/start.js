// The start: listeners, then the first maze.

function controls() {
  const stage = $("picture");
  stage.addEventListener("pointerdown", begin);
  stage.addEventListener("pointermove", move);
  stage.addEventListener("pointerup", attempt(drop));
  stage.addEventListener("pointercancel", attempt(drop));
  stage.addEventListener("wheel", wheel, { passive: false });
  stage.addEventListener("keydown", key);
  stage.addEventListener("focusin", focused);
  document.addEventListener("keydown", anywhere);
  addEventListener("resize", later(100, () => { if (picture.isFit) fit(); }));
  $("zoom-in").addEventListener("click", () => zoom(1 / 1.4));
  $("zoom-out").addEventListener("click", () => zoom(1.4));
  $("zoom-fit").addEventListener("click", fit);
  $("search").addEventListener("input", search);
  $("search").addEventListener("keydown", next);
  $("dialog-no").addEventListener("click", () => $("dialog").close("no"));
  $("show-picture").addEventListener("click", () => show(false));
  $("show-table").addEventListener("click", () => show(true));
}

// A file: what its data says, and nothing that needs a server.
function startFile() {
  document.body.classList.add("file");
  for (const part of document.querySelectorAll(".online")) part.remove();
  const { name, status, version, topology, analysis, svg } = JSON.parse(embedded.textContent);
  page.maze = { id: "file", name, status, version, topology };
  page.analysis = analysis;
  fill($("name"), name);
  controls();
  head();
  draw(svg);
  detail();
}

async function startServer() {
  for (const part of document.querySelectorAll(".offline")) part.remove();
  controls();
  head();
  $("mazes").addEventListener("change", attempt(() => open($("mazes").value)));
  $("new-maze").addEventListener("click", attempt(create));
  $("token").addEventListener("click", attempt(async () => { if (await askToken()) await begun(); }));
  const slide = later(60, attempt(travel));
  $("time").addEventListener("input", slide);
  $("earlier").addEventListener("click", attempt(() => step(-1)));
  $("later").addEventListener("click", attempt(() => step(1)));
  $("now").addEventListener("click", attempt(() => step(page.moments.length)));
  $("place").addEventListener("change", () => $("picture").classList.toggle("placing", $("place").checked));
  $("operation").addEventListener("change", () => { fields(); known(); if (page.selected) choose(page.selected); });
  $("fields").addEventListener("input", (event) => { if (event.target.name === "decky") known(); check(); });
  $("edit").addEventListener("submit", attempt(submit));
  for (const control of document.querySelectorAll("[data-work]")) control.addEventListener("click", attempt(() => work(control.dataset.work)));
  addEventListener("hashchange", attempt(() => open(nameInAddress())));
  await attempt(begun)();
  follow();
}

async function catalog() {
  const [{ services }, { archetypes }] = await Promise.all([read("/services"), read("/archetypes")]);
  page.services = services;
  page.archetypes = archetypes;
}

// Reads the catalogue and the mazes, and shows the one that the address names, or the first.
async function begun() {
  await catalog();
  await mazes();
  await open(nameInAddress() || page.rows[0]?.id);
}

if (embedded) startFile();
else startServer();

// The picture: the SVG of the server, with pan and zoom.

const SVG = "http://www.w3.org/2000/svg";

const policy = globalThis.trustedTypes?.createPolicy("decnet", { createHTML: (text) => text }) ?? { createHTML: (text) => text };

// The elements and attributes that pictures have. Everything else is left out.
const ELEMENTS = new Set(["svg", "g", "title", "rect", "path", "polygon", "text"]);
const ATTRIBUTES = new Set([
  "class", "width", "height", "viewBox", "role", "aria-label", "aria-hidden", "tabindex", "x", "y", "rx", "d", "points",
  "text-anchor", "data-lan", "data-decky", "data-from", "data-to",
]);

const picture = { svg: null, whole: null, view: null, sheet: new CSSStyleSheet(), id: null };
document.adoptedStyleSheets = [...document.adoptedStyleSheets, picture.sheet];

function copied(source) {
  const made = document.createElementNS(SVG, source.localName);
  for (const { name, value } of source.attributes) {
    if (ATTRIBUTES.has(name)) made.setAttribute(name, value);
  }
  for (const child of source.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) made.append(child.data);
    else if (child.nodeType === Node.ELEMENT_NODE && child.namespaceURI === SVG && ELEMENTS.has(child.localName)) made.append(copied(child));
  }
  return made;
}

// Shows an SVG. The view stays as it is, unless it shows the whole picture or the maze is another one.
function draw(text) {
  // The policy of the page applies to style elements, even of a document that is only read.
  let style = "";
  const plain = text.replace(/<style>([^<]*)<\/style>/, (_, found) => {
    style = found;
    return "";
  });
  const parsed = new DOMParser().parseFromString(policy.createHTML(plain), "image/svg+xml").documentElement;
  if (parsed.localName !== "svg") throw new Error("the picture cannot be read");
  picture.sheet.replaceSync(style);
  const svg = copied(parsed);
  const [x, y, width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const isWhole = !picture.view || picture.isFit || picture.id !== page.maze?.id;
  const focus = document.activeElement?.closest?.("[data-lan],[data-decky]");
  const focused = focus && { ...focus.dataset };
  picture.whole = { x, y, width, height };
  picture.svg = svg;
  svg.removeAttribute("width");
  svg.removeAttribute("height");
  // Beyond its edges, the page has the same colour.
  svg.querySelector(".canvas")?.remove();
  fill($("picture"), svg);
  if (isWhole) fit();
  else look(picture.view);
  picture.id = page.maze?.id;
  marked();
  const group = focused && groupOf(focused.decky ? { decky: focused.decky } : { lan: focused.lan });
  group?.focus({ preventScroll: true });
}

// Shows a part of the picture.
function look(view) {
  picture.view = view;
  picture.isFit = false;
  picture.svg?.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
}

function fit() {
  if (!picture.whole) return;
  const { x, y, width, height } = picture.whole;
  // A small maze is not drawn larger than life.
  const room = $("picture").getBoundingClientRect();
  const scale = Math.max(width / (room.width || 1), height / (room.height || 1), 1 / 1.4);
  const [wide, high] = [room.width * scale, room.height * scale];
  look({ x: x + width / 2 - wide / 2, y: y + height / 2 - high / 2, width: wide, height: high });
  picture.isFit = true;
}

// Pixels of the picture for a pixel of the screen.
function scale() {
  const room = $("picture").getBoundingClientRect();
  return Math.max(picture.view.width / (room.width || 1), picture.view.height / (room.height || 1));
}

// The point of the picture below a point of the screen.
function point(clientX, clientY) {
  const room = $("picture").getBoundingClientRect();
  const by = scale();
  const { x, y, width, height } = picture.view;
  return {
    x: x + width / 2 + (clientX - room.left - room.width / 2) * by,
    y: y + height / 2 + (clientY - room.top - room.height / 2) * by,
  };
}

function zoom(factor, around) {
  if (!picture.view) return;
  const { x, y, width, height } = picture.view;
  const by = Math.min(Math.max(scale() * factor, 0.1), 60) / scale();
  const center = around ?? { x: x + width / 2, y: y + height / 2 };
  look({ x: center.x - (center.x - x) * by, y: center.y - (center.y - y) * by, width: width * by, height: height * by });
}

function pan(right, down) {
  if (!picture.view) return;
  const by = scale();
  look({ ...picture.view, x: picture.view.x + right * by, y: picture.view.y + down * by });
}

// Brings a part into the middle, large enough to read.
function center(group) {
  const place = group?.querySelector(".box, .row")?.getBBox();
  if (!place) return;
  if (scale() > 1) zoom(1 / scale());
  const { width, height } = picture.view;
  look({ x: place.x + place.width / 2 - width / 2, y: place.y + Math.min(place.height, height * 0.8) / 2 - height / 2, width, height });
}

// The group of a part. A decky of a LAN that shows only a number is its LAN.
function groupOf(part) {
  if (!part || !picture.svg) return null;
  const [attribute, name] = part.decky ? ["data-decky", part.decky] : ["data-lan", part.lan];
  const found = [...picture.svg.querySelectorAll(`[${attribute}]`)].find((group) => same(group.getAttribute(attribute), name));
  if (found || !part.decky) return found ?? null;
  const lan = home(deckyNamed(part.decky) ?? {});
  return lan ? groupOf({ lan }) : null;
}

function partOf(target) {
  const group = target.closest?.("[data-decky], [data-lan], [data-from]");
  if (!group) return null;
  const { decky, lan, from, to } = group.dataset;
  if (decky) return { decky };
  return lan ? { lan } : { from, to };
}

// Marks what is selected, found, or visited now.
function marked() {
  if (!picture.svg) return;
  const isSearch = page.hits.length > 0;
  picture.svg.classList.toggle("searched", isSearch);
  for (const group of picture.svg.querySelectorAll(".chosen, .hit, .visited")) group.classList.remove("chosen", "hit", "visited");
  for (const part of page.hits) groupOf(part)?.classList.add("hit");
  groupOf(page.selected)?.classList.add("chosen");
  for (const name of visited.keys()) groupOf({ decky: name })?.classList.add("visited");
}

// Deckies where something happened within the last half minute, with a timer each.
const visited = new Map();

function visit(names) {
  for (const name of names) {
    clearTimeout(visited.get(name));
    visited.set(name, setTimeout(() => { visited.delete(name); marked(); }, 30000));
  }
  marked();
}

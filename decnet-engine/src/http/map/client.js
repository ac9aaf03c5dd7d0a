// The client of the API.

// An answer that refuses something: a problem document.
class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the server answered with ${status}`);
    this.status = status;
    this.problem = problem;
  }

  // The error for people: what, findings, what to do.
  lines() {
    const { code, findings = [], faults = [], hint } = this.problem;
    const broken = [...findings, ...faults].map((finding) => finding.message ?? finding.detail ?? JSON.stringify(finding));
    return [`${this.message}${code ? ` (${code})` : ""}`, ...broken, ...(hint ? [hint] : [])];
  }
}

let asking = null;
let waiting = [];
let isDeclined = false;

// Waits until someone gives a token.
const tokenGiven = () => new Promise((given) => { waiting.push(given); });

// Asks for a token once, however many requests need it. It is kept in memory only.
function askToken(isRefused = false) {
  asking ??= (async () => {
    const input = element("input", { type: "password", autocomplete: "off", id: "token-text", required: true });
    const yes = await ask("A token is needed", "Use it",
      isRefused ? element("p", { class: "warning" }, "The server refuses the token: it is wrong, or it was revoked.") : null,
      element("p", null, "`decnet token create NAME --scope write` makes one. The page forgets it when it is closed."),
      element("label", null, "Token ", input));
    isDeclined = !yes || !input.value.trim();
    if (isDeclined) return false;
    page.token = input.value.trim();
    notice(null);
    for (const given of waiting) given();
    waiting = [];
    return true;
  })().finally(() => { asking = null; });
  return asking;
}

// Sends a request. A body is JSON. Returns the status, the headers, and the body.
async function call(method, path, body, headers = {}) {
  for (;;) {
    const sent = { ...headers };
    const { token } = page;
    if (token) sent.Authorization = `Bearer ${token}`;
    if (body !== undefined) sent["Content-Type"] = "application/json";
    const response = await fetch(`${page.api}${path}`, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    }).catch(() => {
      const change = method === "GET" ? "" : " It is not known whether the change was made.";
      throw new Error(`The server cannot be reached.${change} Check that \`decnet serve\` runs; the page connects again by itself.`);
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    let value = text;
    if (isJson) value = JSON.parse(text);
    if (response.ok) return { status: response.status, headers: response.headers, value };
    // While this request was on its way, another one may have asked.
    if (response.status === 401 && (page.token !== token || (await askToken(token !== "")))) continue;
    throw new Refused(response.status, isJson ? value : {});
  }
}

const read = async (path) => (await call("GET", path)).value;

// The path of something of the maze.
function at(path, id = page.maze?.id) {
  return `/topologies/${encodeURIComponent(id)}${path}`;
}

// Submits a mutation, and waits until it is applied. For a running maze this process applies it, unless another one does.
async function mutate(op, payload, id = page.maze?.id) {
  const { status, value } = await call("POST", at("/mutations", id), { op, payload }, { Prefer: "wait=60" });
  const row = value.mutation;
  if (status === 202) log(`mutation ${row.id} is queued`);
  else if (row && row.state !== "applied") throw new Error(`mutation ${row.id} is ${row.state}: ${row.reason ?? ""}`);
  await refresh();
}

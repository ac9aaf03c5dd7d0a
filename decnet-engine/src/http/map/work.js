// Deploy, tear down, reconcile: the plan first, then the work.

async function work(operation) {
  // An edit since then is refused, because its plan was not shown.
  const { id, name, version: seen } = page.maze;
  const version = { "If-Match": `"v${seen}"` };
  const plan = (await call("POST", at("/plan", id), { operation }, version)).value;
  const lines = plan.lines ?? [];
  const shown = lines.slice(0, 200);
  const force = element("input", { type: "checkbox", id: "force" });
  const title = { deploy: "Deploy", reconcile: "Reconcile", teardown: "Tear down" }[operation];
  const yes = await ask(`${title} ${name}`, lines.length || operation !== "reconcile" ? title : null,
    element("p", null, plan.summary),
    plan.refusal ? element("p", { class: "warning" }, plan.refusal) : null,
    (plan.warnings ?? []).map((warning) => element("p", { class: "warning" }, warning.message ?? JSON.stringify(warning))),
    (plan.unseen ?? []).map((line) => element("p", { class: "warning" }, line)),
    (plan.given_up ?? []).map(({ host, deckies }) => element("p", { class: "warning" }, `Host ${host} is not in the fleet; ${left(deckies)}.`)),
    plan.deleted_logs?.length ? element("p", { class: "warning" }, `Logs are deleted with ${plan.deleted_logs.length} containers.`) : null,
    element("ol", { class: "steps", tabindex: "0", "aria-label": "Steps" }, shown.map((line) => element("li", null, line)), lines.length > shown.length ? element("li", null, `and ${lines.length - shown.length} more`) : null),
    operation === "teardown" ? null : element("label", { class: "check" }, force, " Recreate running containers, and move deckies that cannot stay on their hosts, if that is needed"));
  if (!yes) return;
  const body = operation === "teardown" ? undefined : { force: force.checked };
  fill($("work"), `${operation} runs…`);
  try {
    const started = (await call("POST", at(`/${operation}`, id), body, version)).value;
    const ended = await finished(started);
    if (ended.state === "failed") throw new Refused(ended.problem?.status, ended.problem ?? {});
    fill($("work"), `${operation}: ${ended.result?.status ?? "done"}`);
    await mazes();
    // A topology that failed or is torn down is deployed as a fresh copy.
    const copy = ended.result?.id;
    if (copy && copy !== id && page.rows.some((row) => row.id === copy)) await open(copy);
    else await refresh();
  } catch (error) {
    fill($("work"), `${operation} failed`);
    throw error;
  }
}

// Without deckies, a host may have networks, or containers from before a move.
function left(deckies) {
  if (deckies === 0) return "parts of the maze may still be there";
  return `${deckies} ${deckies === 1 ? "decky" : "deckies"} may still run there`;
}

async function finished(job) {
  let now = job;
  while (now.state === "running") {
    now = (await call("GET", `/operations/${encodeURIComponent(job.id)}`, undefined, { Prefer: "wait=20" })).value;
    if (now.state === "running") await delay(200);
  }
  return now;
}

// The slider over the audit trail: the deckies and the picture of another time.

// The times when the maze changed, oldest first. The last position of the slider is now.
function moments(statuses, mutations) {
  const times = [...statuses.map((event) => event.at), ...mutations.map((row) => row.stored_at)].filter(Boolean);
  const sorted = [...new Set(times)].sort((one, other) => Date.parse(one) - Date.parse(other));
  const isPast = page.past !== null;
  page.moments = sorted;
  const slider = $("time");
  const was = Number(slider.value);
  slider.max = String(sorted.length);
  slider.value = String(isPast ? Math.min(was, sorted.length) : sorted.length);
  $("past").classList.toggle("empty", sorted.length === 0);
}

// Shows the slider as it is in the present.
function present() {
  $("time").value = $("time").max;
  $("now").disabled = true;
  fill($("moment"), "now");
  $("time").setAttribute("aria-valuetext", "now");
  document.body.classList.remove("in-past");
}

async function travel() {
  const moment = page.moments[Number($("time").value)];
  const id = page.maze?.id;
  if (moment === undefined) {
    present();
    page.past = null;
    await refresh();
    return;
  }
  $("now").disabled = false;
  fill($("moment"), time(moment));
  $("time").setAttribute("aria-valuetext", time(moment));
  document.body.classList.add("in-past");
  const query = `?time=${encodeURIComponent(moment)}`;
  const [then, svg] = await Promise.all([read(at(`/at${query}`)), read(at(`/graph.svg${query}`))]).catch((error) => {
    present();
    page.past = null;
    head();
    throw error;
  });
  // Someone may have moved the slider again.
  if (page.moments[Number($("time").value)] !== moment || page.maze?.id !== id) return;
  const known = then.deckies.map(({ decky, services, state }) => ({ ...state, name: decky, services }));
  page.past = { time: moment, status: then.status, deckies: known };
  draw(svg);
  head();
  search();
  detail();
}

function step(by) {
  const slider = $("time");
  slider.value = String(Number(slider.value) + by);
  return travel();
}

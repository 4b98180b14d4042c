// What the page does beyond links and forms: the live feed, and fresh numbers while things happen.
// Without this script the page shows the same numbers, as of when it was loaded.
"use strict";
(() => {
  const main = document.querySelector("main[data-live]");
  const feed = document.getElementById("feed");
  if (!main || !feed || !window.EventSource) return;

  const SHOWN = 10; // rows of the feed
  const PAUSE = 4000; // between two looks at the numbers, in milliseconds
  const REFRESHED = ["overview", "when", "now", "foot", "list-1", "list-2", "list-3", "list-4", "list-5"];
  const note = document.getElementById("feed-note");
  // Times are those of the site, as in the parts that the server wrote.
  const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: main.dataset.zone });
  let due = 0;

  // Text goes in as text: what visitors send is never markup.
  const put = (row, tag, text, name) => {
    const cell = document.createElement(tag);
    cell.textContent = text;
    if (name) cell.className = name;
    row.append(cell);
  };

  const show = (event) => {
    const row = document.createElement("li");
    row.className = "new";
    put(row, "time", clock.format(new Date(event.t / 1000)));
    put(row, "b", event.name);
    put(row, "span", event.path || "", "cut");
    put(row, "code", event.visitor.slice(0, 4), "v");
    feed.prepend(row);
    while (feed.children.length > SHOWN) feed.lastChild.remove();
  };

  // The same page again, of which the parts with numbers are taken over. Open tables stay open, and whoever is at work in
  // a part is left alone.
  const refresh = async () => {
    due = 0;
    if (document.hidden) return later();
    const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
    if (!answer || !answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of REFRESHED) {
      const [old, now] = [document.getElementById(id), fresh.getElementById(id)];
      if (!old || !now || old.contains(document.activeElement)) continue;
      if (old.querySelector("details[open]")) now.querySelector("details")?.setAttribute("open", "");
      old.replaceWith(document.adoptNode(now));
    }
  };
  const later = () => {
    due ||= setTimeout(refresh, PAUSE);
  };

  note.textContent = main.dataset.wait;
  note.hidden = feed.children.length > 0;
  const source = new EventSource(main.dataset.live);
  source.addEventListener("events", (message) => {
    JSON.parse(message.data).events.forEach(show);
    note.hidden = true;
    later();
  });
  source.addEventListener("now", (message) => {
    const now = JSON.parse(message.data);
    const active = document.getElementById("active");
    if (active) active.textContent = (now.exact ? "" : "≥ ") + now.active.toLocaleString("en");
  });
  source.addEventListener("error", () => {
    note.hidden = false;
    note.textContent = main.dataset.lost;
  });
  source.addEventListener("open", () => {
    note.hidden = feed.children.length > 0;
    note.textContent = main.dataset.wait;
  });
})();

// wayfarer-tracker. MIT OR Apache-2.0. How to use it: the README of the npm package.
(() => {
  "use strict";
  const doc = document, win = window, nav = navigator, at = location;
  const me = doc.currentScript, { api, token } = me.dataset;
  const declined = nav.globalPrivacyControl || (nav.doNotTrack || win.doNotTrack) == 1;
  const queue = win.wayfarer?.q || [];
  if (declined) return void (win.wayfarer = () => {});

  const to = new URL(api || (token ? "/api/v1/events" : "events"), me.src);
  if (token) to.searchParams.set("token", token);

  // The page that is shown: its address, the id of its page_view, what is known and what was told of its reading.
  let url, view, active, since, told, bottom, toldBottom, isTold;

  const id = () =>
    [...crypto.getRandomValues(new Uint8Array(16))].map((b) => (b + 256).toString(16).slice(1)).join("");
  // Half of a surrogate pair at the cut would be no valid JSON text.
  const cut = (text) => text.slice(0, 500).replace(/[\ud800-\udbff]$/, "");

  const send = (name, event) => {
    const body = JSON.stringify({ name, id: id(), url, ...event });
    // A string goes out as text/plain, so no preflight delays it when the page is left.
    if ("keepalive" in Request.prototype) fetch(to, { method: "POST", body, keepalive: true }).catch(() => {});
    else nav.sendBeacon(to, body);
  };

  const now = () => performance.now();
  const watch = () => {
    if (since) active += now() - since;
    since = doc.visibilityState == "visible" && doc.hasFocus() ? now() : 0;
    bottom = Math.max(bottom, win.scrollY + win.innerHeight);
  };

  const about = () => ({ title: cut(doc.title) || undefined, screen: screen.width + "x" + screen.height });
  const report = () => {
    watch();
    if (isTold && active - told < 3000 && bottom <= toldBottom) return;
    send("engagement", {
      ...about(),
      active_ms: Math.round(active - told),
      scroll: Math.min(100, Math.round((100 * bottom) / doc.documentElement.scrollHeight)),
      props: view && { page: view },
    });
    told = active;
    toldBottom = bottom;
    isTold = true;
  };

  // `named` is the id of the page_view that the server made; without one we make our own.
  const show = (named, event) => {
    url = (at.href.length < 2000 ? at.href : at.origin + at.pathname.slice(0, 1900)).replace(/#.*/, "");
    active = since = told = bottom = toldBottom = 0;
    isTold = false;
    view = named ?? id();
    if (named == null) send("page_view", { id: view, language: nav.language, ...event });
    watch();
  };

  let path;
  const moved = () => {
    if (at.pathname == path) return;
    path = at.pathname;
    const referrer = url;
    report();
    // The title still is that of the page before; the engagement will bring the right one.
    show(null, { referrer, screen: about().screen });
  };

  const props = (element) => {
    const found = {};
    for (const { name, value } of element.attributes)
      if (name.startsWith("data-wf-prop-")) found[name.slice(13)] = cut(value);
    return found;
  };
  const clicked = ({ target, button }) => {
    if (button > 1 || !target.closest) return;
    const marked = target.closest("[data-wf-event]:not(form)"), link = target.closest("a[href]");
    if (marked) send(marked.dataset.wfEvent || "click", { props: props(marked) });
    if (!/^https?:$/.test(link?.protocol)) return;
    const href = cut(link.origin + link.pathname);
    if (link.hasAttribute("download") || /\.(pdf|zip|gz|7z|rar|dmg|exe|msi|pkg|deb|rpm|apk|csv|xlsx?|docx?|pptx?|txt|mp[34]|mov)$/i.test(href))
      send("download", { props: { href } });
    else if (link.host != at.host) send("outbound", { props: { href } });
  };
  const submitted = ({ target }) =>
    send(target.getAttribute("data-wf-event") || "form_submit", {
      props: { form: target.getAttribute("id") || target.getAttribute("name") || undefined, ...props(target) },
    });

  const start = () => {
    const [load] = performance.getEntriesByType("navigation");
    const timing = load?.serverTiming?.find(({ name }) => name == "wf");
    // No transfer: the answer, and the name in it, come from the browser's cache, and the server knows nothing of this
    // load. A browser that shows no timings leaves counting to the server that sent this script, if it is the page's own.
    const named = load?.serverTiming ? (load.transferSize ? timing?.description : null) : token ? null : "";
    path = at.pathname;
    show(named, { referrer: doc.referrer || undefined, ...about() });
    for (const change of ["pushState", "replaceState"]) {
      const original = history[change];
      history[change] = function (...args) {
        original.apply(this, args);
        moved();
      };
    }
    win.wayfarer = (name, { props, value, currency } = {}) => send(name, { props, value, currency });
    queue.forEach((call) => win.wayfarer(...call));
    const on = (target, names, then) => names.split(" ").forEach((name) => target.addEventListener(name, then, true));
    on(win, "popstate", moved);
    on(win, "pageshow", (event) => event.persisted && show(null, about()));
    on(win, "focus scroll", watch);
    on(doc, "click auxclick", clicked);
    on(doc, "submit", submitted);
    on(win, "blur pagehide", report);
    on(doc, "visibilitychange", () => (doc.hidden ? report() : watch()));
  };
  if (doc.prerendering) doc.addEventListener("prerenderingchange", start, { once: true });
  else start();
})();

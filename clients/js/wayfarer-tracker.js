// wayfarer-tracker, MIT OR Apache-2.0. How it counts: see its README.
(() => {
  const doc = document, win = window, nav = navigator, at = location, me = doc.currentScript;
  const { api, token } = me.dataset, queue = win.wayfarer?.q || [];
  if (nav.globalPrivacyControl || (nav.doNotTrack || win.doNotTrack) == 1) return void (win.wayfarer = () => {});

  const to = new URL(api || (token ? "/api/v1/events" : "events"), me.src);
  if (token) to.searchParams.set("token", token);

  // The page that is shown, the id of its page_view, and how far it was read.
  let url, path, view, active, since, bottom, told, toldBottom;

  const id = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => (b + 256).toString(16).slice(1)).join("");
  // Half a surrogate pair is no valid JSON.
  const cut = (text) => text.slice(0, 500).replace(/[\ud800-\udbff]$/, "");
  const send = (name, event) => {
    const body = JSON.stringify({ name, id: id(), url, ...event });
    // As text, it needs no preflight.
    if ("keepalive" in Request.prototype) fetch(to, { method: "POST", body, keepalive: true }).catch(() => {});
    else nav.sendBeacon(to, body);
  };

  const about = () => ({ title: cut(doc.title) || undefined, screen: screen.width + "x" + screen.height });
  const watch = () => {
    const now = performance.now();
    if (since) active += now - since;
    since = !doc.hidden && doc.hasFocus() && now;
    bottom = Math.max(bottom, win.scrollY + win.innerHeight);
  };
  const report = () => {
    watch();
    if (active - told < 3000 && bottom <= toldBottom) return;
    send("engagement", {
      ...about(),
      active_ms: Math.round(active - told),
      scroll: Math.min(100, Math.round((100 * bottom) / doc.documentElement.scrollHeight)),
      props: view ? { page: view } : undefined,
    });
    told = active;
    toldBottom = bottom;
  };

  // `named`: the id of the page_view that the server made.
  const show = (named, event) => {
    url = at.href.length < 2e3 ? at.href : at.origin + at.pathname.slice(0, 1900);
    path = at.pathname;
    view = named ?? id();
    active = since = bottom = told = toldBottom = 0;
    if (named == null) send("page_view", { id: view, language: nav.language, ...event });
    watch();
  };
  const moved = () => {
    if (at.pathname == path) return;
    const referrer = url;
    report();
    // The title is still the old one.
    show(null, { ...about(), title: undefined, referrer });
  };

  const props = (element, found) => {
    for (const { name, value } of element.attributes) if (name.startsWith("data-wf-prop-")) found[name.slice(13)] = cut(value);
    return { props: found };
  };
  const clicked = ({ target, button }) => {
    if (button > 1 || !target.closest) return;
    const marked = target.closest("[data-wf-event]:not(form)"), link = target.closest("a[href]");
    if (marked) send(marked.dataset.wfEvent || "click", props(marked, {}));
    if (!/^http/.test(link?.protocol)) return;
    const href = cut(link.origin + link.pathname);
    if (link.hasAttribute("download") || /\.(pdf|zip|gz|7z|rar|dmg|exe|msi|pkg|deb|rpm|apk|csv|txt|(xls|doc|ppt)x?|mp[34]|mov)$/i.test(href)) send("download", { props: { href } });
    else if (link.host != at.host) send("outbound", { props: { href } });
  };
  const submitted = ({ target }) => {
    const of = (name) => target.getAttribute(name) || undefined;
    send(of("data-wf-event") || "form_submit", props(target, { form: of("id") || of("name") }));
  };

  const start = () => {
    const { serverTiming, transferSize } = performance.getEntriesByType("navigation")[0] || {};
    const name = serverTiming?.find(({ name }) => name == "wf")?.description;
    // A page out of the browser's cache has an old name. Without timings, the page's own server counts.
    show(serverTiming ? (transferSize ? name : null) : token ? null : "", { ...about(), referrer: doc.referrer || undefined });
    for (const change of ["pushState", "replaceState"]) {
      const original = history[change];
      history[change] = function () {
        original.apply(this, arguments);
        moved();
      };
    }
    win.wayfarer = (name, { props, value, currency } = {}) => send(name, { props, value, currency });
    queue.forEach((call) => win.wayfarer(...call));
    const on = (target, names, then) => names.split(" ").forEach((name) => target.addEventListener(name, then, target == doc));
    on(win, "popstate", moved);
    on(win, "pageshow", (event) => event.persisted && show(null, about()));
    on(win, "focus scroll", watch);
    on(win, "blur pagehide", report);
    on(doc, "visibilitychange", () => (doc.hidden ? report() : watch()));
    on(doc, "click auxclick", clicked);
    on(doc, "submit", submitted);
  };
  if (doc.prerendering) doc.addEventListener("prerenderingchange", start, { once: true });
  else start();
})();

/**
 * The live panel of one query. All words and numbers come ready-made from Python (view.py); this file only lays them
 * out, lets the clocks tick between two messages, and sends the button's press. Data goes into the page as text, never
 * as markup.
 */

const TICK = 100; // ms
const PATIENCE = 3000; // ms until an unanswered press is explained

function node(tag, name, attributes = {}) {
  const element = document.createElement(tag);
  if (name) element.className = `roe-${name}`;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Write only what differs: a selection in the text, and a screen reader's place, survive an update. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setOrHide(element, text) {
  setText(element, text ?? "");
  element.hidden = !text;
}

function clock(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/* ---- the skeleton, built once ---- */

function skeleton() {
  const root = node("div", "", { role: "group", "aria-label": "Roe query", "data-lm-suppress-shortcuts": "true" });
  root.className = "roe";
  const parts = { root, ...headline(), ...body(), ...asides() };
  parts.fold = node("details", "fold");
  parts.fold.open = true;
  parts.fold.append(parts.head, parts.body);
  root.append(parts.fold, parts.stop, parts.notice, parts.advice, parts.gone, parts.error, parts.notices, parts.bar, parts.spoken);
  return parts;
}

function headline() {
  const parts = {
    head: node("summary", "head"),
    pill: node("span", "pill"),
    phase: node("span", "phase"),
    elapsed: node("span", "elapsed"),
    share: node("span", "share"),
    left: node("span", "left"),
    outcome: node("span", "outcome"),
    stop: node("button", "stop", { type: "button" }),
  };
  parts.head.append(parts.pill, parts.phase, parts.elapsed, parts.share, parts.left, parts.outcome);
  return parts;
}

function body() {
  const parts = {
    body: node("div", "body"),
    figures: node("div", "figures"),
    facts: node("dl", "facts"),
    sql: node("details", "sql"),
    code: node("pre", "", { tabindex: "0", "aria-label": "SQL" }),
    copy: node("button", "copy", { type: "button", "aria-label": "Copy the query id" }),
  };
  const summary = node("summary");
  summary.textContent = "SQL";
  parts.copy.textContent = "Copy";
  parts.sql.append(summary, parts.code);
  parts.body.append(parts.figures, parts.facts, parts.sql);
  return parts;
}

function asides() {
  const parts = {
    notice: node("div", "notice"),
    advice: node("div", "notice", { role: "status" }),
    gone: node("div", "notice"),
    goneWords: node("span"),
    wayBack: node("code", "command"),
    error: node("div", "error"),
    message: node("div", "message", { tabindex: "0", "aria-label": "Error message", role: "group" }),
    hint: node("div", "hint"),
    notices: node("div", "notices"),
    bar: node("div", "bar", { role: "progressbar", "aria-label": "Query progress", "aria-valuemin": "0", "aria-valuemax": "100" }),
    fill: node("div", "fill"),
    spoken: node("div", "spoken", { role: "status", "aria-live": "polite" }),
  };
  parts.error.append(parts.message, parts.hint);
  parts.gone.append(parts.goneWords, " ", parts.wayBack);
  parts.bar.append(parts.fill);
  return parts;
}

/* ---- one moment of the query, painted into it ---- */

function paint(parts, view, was) {
  paintHead(parts, view, was);
  paintFacts(parts, view);
  paintBar(parts, view.bar);
  paintAsides(parts, view);
  setOrHide(parts.figures, view.figures.join(" · "));
  setText(parts.spoken, view.notice && !was?.notice ? `${view.spoken}. ${view.notice}` : view.spoken);
}

function paintHead(parts, view, was) {
  parts.root.dataset.tone = view.tone;
  parts.root.dataset.status = view.label;
  parts.root.dataset.readRows = view.read_rows ?? "";
  setText(parts.pill, view.label);
  setOrHide(parts.phase, view.phase);
  parts.elapsed.hidden = !view.live || view.elapsed === null;
  setOrHide(parts.share, view.share);
  setOrHide(parts.left, view.left);
  setOrHide(parts.outcome, view.live ? "" : [...view.outcome, view.short_id].filter(Boolean).join(" · "));
  if (was?.live && !view.live) parts.fold.open = false; // a finished query is one line
}

function paintFacts(parts, view) {
  const shown = JSON.stringify(view.facts);
  if (parts.facts.dataset.shown === shown) return; // keep the focus on the copy button
  parts.facts.dataset.shown = shown;
  parts.facts.replaceChildren(...view.facts.map(([key, name, value]) => fact(parts, key, name, value)));
}

function fact(parts, key, name, value) {
  const [group, term, detail] = [node("div", "fact", { "data-key": key }), node("dt"), node("dd")];
  term.textContent = name;
  detail.textContent = value;
  group.append(term, detail);
  if (key === "query_id") {
    const holder = node("dd");
    holder.style.userSelect = "none";
    holder.append(parts.copy);
    group.append(holder);
  }
  return group;
}

function paintBar({ bar, fill }, state) {
  bar.hidden = !state;
  if (!state) return;
  const [fraction, words] = state;
  bar.toggleAttribute("data-unknown", fraction === null);
  fill.style.width = fraction === null ? "" : `${fraction * 100}%`;
  bar.setAttribute("aria-valuetext", words);
  if (fraction === null) bar.removeAttribute("aria-valuenow");
  else bar.setAttribute("aria-valuenow", String(Math.floor(fraction * 100)));
}

function paintAsides(parts, view) {
  setOrHide(parts.notice, view.notice);
  parts.error.hidden = !view.error;
  setOrHide(parts.message, view.error);
  setOrHide(parts.hint, view.hint);
  parts.gone.hidden = !view.orphaned;
  setText(parts.goneWords, view.gone);
  setText(parts.wayBack, view.way_back);
  paintNotices(parts, view.notices);
}

function paintNotices({ notices }, lines) {
  notices.hidden = !lines.length;
  lines.forEach((line, index) => setText(notices.children[index] ?? notices.appendChild(node("div")), line));
  while (notices.children.length > lines.length) notices.lastChild.remove();
}

/* ---- the button ---- */

function stopButton(parts, model) {
  let pressed = null; // [action, when]
  let stopping = false;

  parts.stop.addEventListener("click", () => {
    const stop = model.get("view").stop;
    if (!stop || pressed?.[0] === stop[0]) return;
    pressed = [stop[0], performance.now()];
    model.send({ stop: stop[0] });
    update(model.get("view"));
  });

  function update(view) {
    const [action, label, busy] = view.stop ?? [];
    if (stopping && !view.stopping) pressed = null; // it failed, and may be pressed again
    stopping = view.stopping;
    const waiting = Boolean(action) && (view.stopping || pressed?.[0] === action);
    parts.root.toggleAttribute("data-stop", Boolean(action));
    setOrHide(parts.stop, waiting ? busy : label);
    // Not `disabled`: that would throw the keyboard's focus out of the panel.
    parts.stop.setAttribute("aria-disabled", String(waiting));
  }

  /** Where the kernel cannot hear the button while a cell runs, say so. */
  function explain(view) {
    const unheard = pressed && view.stop?.[0] === pressed[0] && !view.stopping;
    const late = unheard && performance.now() - pressed[1] > PATIENCE;
    setOrHide(parts.advice, late ? "The kernel has not answered yet. The notebook's own stop button always works." : "");
  }

  return { update, explain };
}

async function copyId(parts, model) {
  const copied = await copyText(model.get("view").query_id ?? "", parts.facts.querySelector("[data-key=query_id] dd"));
  setText(parts.copy, copied ? "Copied" : "Press Ctrl+C");
  setText(parts.spoken, copied ? "Query id copied" : "Query id selected");
  setTimeout(() => setText(parts.copy, "Copy"), 1500);
}

/** The clipboard is only there for pages from https or this machine: elsewhere select the text. */
async function copyText(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (element) getSelection()?.selectAllChildren(element);
    return false;
  }
}

/* ---- time between two messages ---- */

/** Clocks run by the browser's own monotonic clock from the last message on, and never go back. */
function ticker(parts) {
  let started = Infinity;

  function sync(view) {
    if (view.elapsed !== null) started = Math.min(started, performance.now() - view.elapsed * 1000);
  }

  function seconds() {
    return Math.max(performance.now() - started, 0) / 1000;
  }

  function tick(view) {
    if (view.live) setText(parts.elapsed, clock(seconds()));
  }

  return { sync, seconds, tick };
}

/* ---- the kernel's end ---- */

/**
 * Tell whether messages can still come, and call `changed` when that changes. ipywidgets tells of a kernel that starts
 * anew; JupyterLab of a connection that has ended, as it does when a kernel is shut down or dies for good.
 */
function kernelWatch(model, changed) {
  const kernel = model.widget_manager?.kernel; // null in JupyterLab when there is none; other front ends do not tell
  // A panel that a notebook kept with its state has never had a kernel; only another model of the widget tells.
  let dead = model.get("layout")?.comm_live === false;
  let lost = kernel === null || kernel?.connectionStatus === "disconnected";

  function onComm() {
    dead = true; // a comm never comes back to life
    changed();
  }
  function onConnection(_kernel, status) {
    if (status !== "disconnected") return;
    lost = true;
    changed();
  }
  model.on("comm_live_update", onComm);
  kernel?.connectionStatusChanged?.connect(onConnection);
  return {
    gone: () => dead || lost,
    heard: () => { lost = false; },
    stop() {
      model.off("comm_live_update", onComm);
      kernel?.connectionStatusChanged?.disconnect(onConnection);
    },
  };
}

/** The last moment that was seen, with nothing in it that moves or can be pressed. */
function orphaned(view, seconds) {
  return {
    ...view,
    orphaned: true,
    live: false,
    tone: "attention",
    phase: "",
    share: "",
    left: "",
    outcome: [`not watched any more after ${clock(seconds)}`],
    bar: null,
    stop: null,
    spoken: `${view.gone} ${view.way_back}`,
  };
}

function render({ model, el }) {
  const parts = skeleton();
  const button = stopButton(parts, model);
  const time = ticker(parts);
  const kernel = kernelWatch(model, () => shown?.orphaned || show()); // the clock stops at the first word of the end
  let shown = null;

  function tick() {
    time.tick(shown);
    button.explain(shown);
  }
  function show() {
    const view = model.get("view");
    const next = view.live && kernel.gone() ? orphaned(view, time.seconds()) : view;
    // What is folded stays as the reader left it when it is the kernel that ended, not the query.
    paint(parts, next, next.orphaned ? null : shown);
    button.update(next);
    shown = next;
    tick();
  }
  function onView() {
    time.sync(model.get("view"));
    show();
  }
  function onNews() {
    kernel.heard();
    onView();
  }
  function onSql() {
    setText(parts.code, model.get("sql"));
    parts.sql.hidden = !model.get("sql"); // nobody tells the SQL of a query that was submitted elsewhere
  }

  parts.copy.addEventListener("click", () => copyId(parts, model));
  model.on("change:view", onNews);
  model.on("change:sql", onSql);
  onSql();
  onView();
  parts.fold.open = model.get("view").live;
  const interval = setInterval(tick, TICK);
  el.append(parts.root);
  return () => {
    clearInterval(interval);
    kernel.stop();
    model.off("change:view", onNews);
    model.off("change:sql", onSql);
  };
}

export default { render };

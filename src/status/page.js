// The status page: listens to the server's events and draws them. It asks nobody but the server it came from.

const STEPS = 300; // of a second each, as the server keeps them
const QUIET_MS = 5000; // so long without an event, and something is wrong
const AGAIN_MS = 3000; // where the browser has given the connection up, it is tried again
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

// Numbers for people

const integer = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** Rates are of seconds that are never quite one: 0.998 of them is one. */
function formatCount(value) {
  return value >= 100 || Number.isInteger(value) ? integer.format(value) : tenths.format(value);
}

/** What is answered without a wait is not timed more finely than the loop's clock goes. */
const LEAST_MS = 0.01;

function formatMs(ms) {
  if (ms < LEAST_MS) return `<${LEAST_MS}\u00a0ms`;
  if (ms < 1000) return `${fine.format(ms)}\u00a0ms`;
  return `${fine.format(ms / 1000)}\u00a0s`;
}

function formatBytes(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1023.5 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${unit === 0 ? integer.format(bytes) : fine.format(bytes)}\u00a0${units[unit]}`;
}

/** The two largest units: `3 d 4 h`, `2 min 5 s`. */
function formatAge(seconds) {
  const whole = Math.floor(seconds);
  const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [
    Math.floor(whole / 60) % 60,
    "min",
  ], [whole % 60, "s"]];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return "0\u00a0s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) =>
    `${count}\u00a0${unit}`
  )
    .join(" ");
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  Object.assign(element, properties);
  element.append(...children);
  return element;
}

function makeSvg(name, attributes = {}, text = null) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== null) element.textContent = text;
  return element;
}

// The past: a column for each figure, at most STEPS long.

const past = { time: [] };

/** Takes what is newer than what is there. */
function remember(history) {
  if (history === null) return;
  const last = past.time.at(-1) ?? 0;
  history.time.forEach((time, step) => {
    if (time <= last) return;
    for (const name of Object.keys(history)) (past[name] ??= []).push(history[name][step]);
  });
  for (const column of Object.values(past)) column.splice(0, column.length - STEPS);
}

/** The values of a series: a column, or what is made of some. */
function valuesOf({ of }) {
  if (typeof of === "string") return past[of] ?? [];
  return past.time.map((_, step) => of((name) => past[name]?.[step] ?? 0));
}

// Charts

/** How much of the past is drawn: a server that has just begun does not fill five minutes. */
function spanOf(steps) {
  return [60, 120, 180, 240].find((span) => steps <= span) ?? STEPS;
}

/** The top of an axis: a round number that nothing exceeds. */
function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((top) => top >= value) ?? value;
}

const linear = (format, least = 1) => (values) => {
  const top = Math.max(least, niceTop(Math.max(0, ...values)));
  return {
    place: (value) => value / top,
    marks: [0, top / 2, top].filter((mark) => format !== formatCount || Number.isInteger(mark) || top < 1),
    format,
  };
};

/** Each gridline is ten times the one below it: latencies of a millisecond and of a minute on one picture. */
const logarithmic = (format) => (values) => {
  const seen = values.filter((value) => value > 0);
  const low = Math.max(Math.log10(LEAST_MS), Math.min(-1, Math.floor(Math.log10(Math.min(1, ...seen)))));
  const high = Math.max(2, Math.ceil(Math.log10(Math.max(1, ...seen))));
  return {
    place: (value) => Math.max(0, (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)),
    marks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
    format,
  };
};

class Chart {
  #svg = makeSvg("svg", { class: "chart", role: "img" });
  #at = make("span", { className: "at" });
  #values = new Map();
  #figure;
  #series;
  #scale;
  #isStack;
  #format;
  /** The step under the pointer; null: the latest. */
  #step = null;

  constructor(id, { series, scale, isStack = false, format, legend = "" }) {
    this.#figure = byId(id);
    this.#series = series;
    this.#scale = scale;
    this.#isStack = isStack;
    this.#format = format;
    const list = make("ul", { className: `legend ${legend}` });
    for (const one of series) {
      const value = make("b", {}, "–");
      this.#values.set(one, value);
      list.append(
        make(
          "li",
          {},
          make("span", { className: `swatch ${one.colour}` }),
          make("span", {}, one.label),
          value,
        ),
      );
    }
    this.#figure.querySelector("figcaption").append(this.#at);
    this.#figure.append(this.#svg, list);
    this.#svg.addEventListener("pointermove", (event) => this.#point(event));
    this.#svg.addEventListener("pointerleave", () => this.#unpoint());
    new ResizeObserver(() => this.draw()).observe(this.#svg);
  }

  draw() {
    const { width, height } = this.#svg.getBoundingClientRect();
    if (width === 0) return;
    const box = { left: 44, right: width - 6, top: 8, bottom: height - 18 };
    const columns = this.#series.map(valuesOf);
    const totals = past.time.map((_, step) => columns.reduce((sum, column) => sum + (column[step] ?? 0), 0));
    const scale = this.#scale(this.#isStack ? totals : columns.flat().filter((value) => value !== null));
    const span = spanOf(past.time.length);
    const x = (step) => box.right - (past.time.length - 1 - step) / (span - 1) * (box.right - box.left);
    const y = (value) => box.bottom - scale.place(value) * (box.bottom - box.top);
    const parts = this.#axes(scale, box, span, y);
    if (this.#isStack) parts.push(...this.#areas(columns, x, y));
    else parts.push(...this.#lines(columns, x, y));
    if (this.#step !== null && this.#step < past.time.length) {
      const at = x(this.#step).toFixed(1);
      parts.push(makeSvg("line", { class: "cursor", x1: at, x2: at, y1: box.top, y2: box.bottom }));
    }
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.replaceChildren(...parts);
    this.#tell(columns);
  }

  #axes(scale, { left, right, top, bottom }, span, y) {
    const parts = [];
    for (const mark of scale.marks) {
      const at = y(mark);
      parts.push(makeSvg("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }));
      parts.push(makeSvg("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, scale.format(mark)));
    }
    const every = span === 60 ? 15 : 60;
    for (let ago = 0; ago < span; ago += every) {
      const at = right - ago / (span - 1) * (right - left);
      parts.push(makeSvg("line", { class: "grid", x1: at, x2: at, y1: top, y2: bottom }));
      const label = ago === 0 ? "now" : span === 60 ? `−${ago} s` : `−${ago / 60} min`;
      parts.push(
        makeSvg("text", { x: at, y: bottom + 15, "text-anchor": ago === 0 ? "end" : "middle" }, label),
      );
    }
    return parts;
  }

  /** What was not measured is a gap. */
  #lines(columns, x, y) {
    return columns.map((column, index) => {
      let path = "";
      let isDrawing = false;
      column.forEach((value, step) => {
        if (value === null) {
          isDrawing = false;
          return;
        }
        path += `${isDrawing ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
        // A point of its own is seen as well.
        if (!isDrawing) path += "h0";
        isDrawing = true;
      });
      return makeSvg("path", { class: `line ${this.#series[index].colour}`, d: path });
    });
  }

  #areas(columns, x, y) {
    const floor = past.time.map(() => 0);
    return columns.map((column, index) => {
      const below = floor.map((value, step) => `L${x(step).toFixed(1)} ${y(value).toFixed(1)}`).reverse()
        .join("");
      column.forEach((value, step) => floor[step] += value);
      if (!column.some((value) => value > 0)) return makeSvg("path", {});
      const above = floor.map((value, step) =>
        `${step === 0 ? "M" : "L"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`
      );
      return makeSvg("path", {
        class: `area ${this.#series[index].colour}`,
        d: above.join("") + below + "Z",
      });
    });
  }

  /** The legend has the values under the pointer, or else the latest. */
  #tell(columns) {
    const step = this.#step ?? past.time.length - 1;
    const told = [];
    this.#series.forEach((one, index) => {
      const value = columns[index][step] ?? null;
      const text = value === null ? "–" : this.#format(value);
      setText(this.#values.get(one), text);
      told.push(`${one.label} ${text}`);
    });
    setText(this.#at, this.#step === null || step < 0 ? "" : clock.format(past.time[step]));
    const title = this.#figure.querySelector("h3").textContent;
    this.#svg.setAttribute("aria-label", `${title} over the last minutes. Now: ${told.join(", ")}`);
  }

  #point({ clientX }) {
    const { left, width } = this.#svg.getBoundingClientRect();
    const span = spanOf(past.time.length);
    const fromRight = (width - 6 - (clientX - left)) / (width - 50) * (span - 1);
    const step = Math.round(past.time.length - 1 - fromRight);
    this.#step = step >= 0 && step < past.time.length ? step : null;
    this.draw();
  }

  #unpoint() {
    this.#step = null;
    this.draw();
  }
}

const charts = [
  new Chart("chart-requests", {
    series: [
      { of: "requests", label: "all", colour: "blue" },
      { of: "4xx", label: "4xx", colour: "gold" },
      { of: "5xx", label: "5xx", colour: "red" },
    ],
    scale: linear(formatCount),
    format: formatCount,
  }),
  new Chart("chart-latency", {
    series: [
      { of: "p50", label: "50 %", colour: "green" },
      { of: "p90", label: "90 %", colour: "blue" },
      { of: "p99", label: "99 %", colour: "orange" },
    ],
    scale: logarithmic(formatMs),
    format: formatMs,
  }),
  new Chart("chart-clients", {
    series: [
      { of: "idle", label: "READ_REQ, idle", colour: "grey" },
      { of: (at) => Math.max(0, at("READ_REQ") - at("idle")), label: "READ_REQ, reading", colour: "teal" },
      { of: "REQ_RDY", label: "REQ_RDY", colour: "blue" },
      { of: "queued", label: "WAIT_CGI, queued", colour: "red" },
      {
        of: (at) => Math.max(0, at("WAIT_CGI") - at("queued")),
        label: "WAIT_CGI, at work",
        colour: "orange",
      },
      { of: "RES_RDY", label: "RES_RDY", colour: "gold" },
      { of: "RES_SENDING", label: "RES_SENDING", colour: "green" },
      { of: "FINISHED", label: "FINISHED", colour: "violet" },
    ],
    scale: linear(formatCount, 2),
    isStack: true,
    format: formatCount,
    legend: "states",
  }),
  new Chart("chart-scripts", {
    series: [
      { of: "scriptsRunning", label: "running", colour: "orange" },
      { of: "scriptsWaiting", label: "waiting for a place", colour: "red" },
    ],
    scale: linear(formatCount, 2),
    format: formatCount,
  }),
];

// Tables

/** Rows by key: one that stays is changed and not made anew, so that what is selected stays selected. */
class Rows {
  #body;
  #labels;
  #rows = new Map();

  constructor(id) {
    const table = byId(id);
    this.#body = table.tBodies[0];
    this.#labels = [...table.tHead.rows[0].cells].map((cell) => ({
      text: cell.textContent,
      kind: cell.className,
    }));
  }

  /** Each row is a key and its cells, a cell its text, with a class or a title. */
  show(rows) {
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    rows.forEach(({ key, cells }, index) => {
      let row = this.#rows.get(key);
      if (row === undefined) {
        row = make("tr");
        row.setAttribute("role", "row");
        this.#labels.forEach(({ text, kind }) => {
          const cell = make("td", { className: kind });
          cell.setAttribute("role", "cell");
          cell.dataset.label = text;
          cell.append(make("span"));
          row.append(cell);
        });
        this.#rows.set(key, row);
      }
      if (this.#body.rows[index] !== row) this.#body.insertBefore(row, this.#body.rows[index] ?? null);
      cells.forEach(({ text, kind = "", title = "" }, column) => {
        const span = row.cells[column].firstChild;
        setText(span, text);
        if (span.className !== kind) span.className = kind;
        if (span.title !== title) span.title = title;
      });
    });
  }
}

const scriptRows = new Rows("scripts");
const placeRows = new Rows("places");
const errorRows = new Rows("errors");

function lastSegment(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

function showScripts({ running, processes, routes }) {
  scriptRows.show(processes.map(({ pid, requestId, url, script, ageSeconds, memoryBytes }) => ({
    key: `${pid} ${requestId}`,
    cells: [
      { text: url, kind: "path", title: `Request ${requestId}` },
      { text: lastSegment(script), kind: "path", title: script },
      { text: String(pid) },
      { text: formatAge(ageSeconds), kind: ageSeconds > 60 ? "late" : "" },
      { text: memoryBytes === null ? "–" : formatBytes(memoryBytes) },
    ],
  })));
  byId("scripts-empty").hidden = processes.length > 0;
  byId("scripts").hidden = processes.length === 0;
  const more = running - processes.length;
  byId("scripts-more").hidden = more <= 0 || processes.length === 0;
  setText(byId("scripts-more"), `and ${formatCount(more)} more`);
  placeRows.show(routes.map(({ route, running, waiting, maxProcesses }) => ({
    key: route,
    cells: [
      { text: route, kind: "path" },
      { text: formatCount(running) },
      { text: maxProcesses === null ? "–" : formatCount(maxProcesses) },
      { text: formatCount(waiting), kind: waiting > 0 ? "late" : "" },
    ],
  })));
  byId("places-panel").hidden = routes.length === 0;
}

function showErrors(errors) {
  errorRows.show(errors.map(({ time, status, method, url, reason, requestId, script }) => ({
    key: requestId,
    cells: [
      { text: clock.format(new Date(time)), title: time },
      { text: String(status) },
      { text: `${method} ${url}`, kind: "path", title: script ?? "" },
      { text: reason },
      { text: requestId, kind: "id" },
    ],
  })));
  byId("errors-empty").hidden = errors.length > 0;
  byId("errors").hidden = errors.length === 0;
}

/** Names and values, in an order that does not change. */
function showFacts(id, facts) {
  const list = byId(id);
  if (list.children.length !== facts.length) {
    list.replaceChildren(...facts.map(() => make("div", {}, make("dt"), make("dd"))));
  }
  facts.forEach(([name, value], index) => {
    const [term, description] = list.children[index].children;
    setText(term, name);
    setText(description, value);
  });
}

const ENDS = {
  ok: "ended well",
  exit: "ended with a status",
  signal: "died by a signal",
  timeout: "ended for cgi.timeout",
  runLimit: "ended for cgi.run_limit",
  clientGone: "ended: client gone",
  shutdown: "ended: server stopped",
  badOutput: "ended: bad output",
  badRequest: "ended: bad request",
  abandoned: "ended: not wanted",
  queueFull: "not begun: queue full",
  queueTimeout: "not begun: queue_timeout",
  tooLarge: "not begun: too large",
  notStarted: "could not be started",
  loopLost: "lost with their loop",
};

function showTotals(status) {
  const { totals, reloads } = status;
  showFacts("facts", [
    ["Version", `${status.version} (${status.runtime})`],
    ["Process", String(status.pid)],
    ["Running for", formatAge(status.uptimeSeconds)],
    ["Network loops", formatCount(status.loops)],
    ["Memory, without scripts", formatBytes(status.memoryBytes)],
    ["Reloads", formatCount(reloads.taken)],
    ["Reloads refused", formatCount(reloads.refused)],
    ["Log lines dropped", formatCount(totals.logLinesDropped)],
  ]);
  showFacts("totals", [
    ["Connections", formatCount(totals.connections)],
    ["Connections refused", formatCount(totals.connectionsRefused)],
    ["Connections lost", formatCount(totals.connectionsLost)],
    ["Requests", formatCount(totals.requests)],
    ["Answers 4xx", formatCount(totals.responses["4xx"])],
    ["Answers 5xx", formatCount(totals.responses["5xx"])],
    ["Received", formatBytes(totals.bytesIn)],
    ["Sent", formatBytes(totals.bytesOut)],
    ["Waits that timed out", formatCount(totals.timeouts)],
    ["Faults of the server", formatCount(totals.errors)],
  ]);
  const ends = Object.entries(totals.scriptsEnded).filter(([end, count]) => count > 0 || end === "ok");
  showFacts("ends", [
    ["Scripts started", formatCount(totals.scriptsStarted)],
    ...ends.map(([end, count]) => [ENDS[end] ?? end, formatCount(count)]),
  ]);
}

/** A figure with its unit in small. */
function showTile(id, text) {
  const [number, unit] = text.split("\u00a0");
  const tile = byId(id);
  const whole = unit === undefined ? number : `${number} ${unit}`;
  if (tile.textContent === whole) return;
  tile.replaceChildren(number, ...(unit === undefined ? [] : [" ", make("small", {}, unit)]));
}

function showTiles({ clients, scripts }) {
  const last = (name) => past[name]?.at(-1) ?? null;
  // The last second in which something was measured, of the last ten.
  const p99 = past.p99?.slice(-10).findLast((value) => value !== null) ?? null;
  showTile("tile-requests", last("requests") === null ? "–" : formatCount(last("requests")));
  showTile("tile-p99", p99 === null ? "–" : formatMs(p99));
  showTile("tile-clients", formatCount(clients.connected));
  showTile("tile-scripts", formatCount(scripts.running));
  showTile("tile-waiting", formatCount(scripts.waiting));
  showTile("tile-sent", last("bytesOut") === null ? "–" : formatBytes(last("bytesOut")));
}

let latest = null;

function show() {
  if (latest === null || isPaused) return;
  const status = latest;
  setText(byId("version"), status.version);
  setText(byId("uptime"), `· up ${formatAge(status.uptimeSeconds)}`);
  showTiles(status);
  showScripts(status.scripts);
  showErrors(status.errors);
  showTotals(status);
  for (const chart of charts) chart.draw();
  setText(byId("updated"), `As of ${clock.format(new Date(status.time))}.`);
}

// The connection

let lastEventMs = performance.now();
let lostSince = null;

function showLink(state, text) {
  byId("link").className = `link ${state}`;
  // Told only when it changes: it is read aloud.
  setText(byId("link-text"), text);
  document.documentElement.classList.toggle("stale", state === "lost");
  document.title = state === "lost" ? "Connection lost · Pollux" : "Status · Pollux";
}

function lose() {
  lostSince ??= new Date();
  showLink("lost", `Connection lost at ${clock.format(lostSince)}; trying again`);
}

function connect() {
  const events = new EventSource(`${location.pathname}?format=events`);
  events.onmessage = ({ data }) => {
    lastEventMs = performance.now();
    lostSince = null;
    latest = JSON.parse(data);
    remember(latest.history);
    showLink(isPaused ? "" : "live", isPaused ? "Paused" : "Live");
    if (!document.hidden) requestAnimationFrame(show);
  };
  events.onerror = () => {
    lose();
    if (events.readyState !== EventSource.CLOSED) return;
    setTimeout(connect, AGAIN_MS);
  };
}

let isPaused = false;
byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  if (lostSince === null) showLink(isPaused ? "" : "live", isPaused ? "Paused" : "Live");
  show();
});

setInterval(() => {
  if (!document.hidden && performance.now() - lastEventMs > QUIET_MS) lose();
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  lastEventMs = performance.now();
  show();
});
connect();

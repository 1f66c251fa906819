// The landing page: shows the chosen sample, sends its request, and shows the answer while it arrives.
// Without this file the forms work as plain forms.

const SHOWN_MAX = 256 * 1024; // characters of a body; what comes after is read, counted, and not shown
const ARRIVALS_MAX = 1000;

/**
 * A request as fetch() takes it, with its target for the eye and its curl arguments for the clipboard.
 * @typedef {{ method: string, target: string, headers?: Record<string, string>, body?: BodyInit, curl: string[] }} Request
 */

/** What each kind of form sends; the form names its kind in data-request. */
const REQUESTS = {
  /** Its fields in the query. */
  form: (form) => get(path(form) + query(form)),

  /** The chosen word as the whole query: no name, no equals sign. */
  search: (form) => {
    const how = new FormData(form).get("how");
    return get(path(form) + (how ? `?${how}` : ""));
  },

  /** More path after the script, then the fields. */
  path: (form) => {
    const rest = form.querySelector("[data-path]").value;
    const slash = rest === "" || rest.startsWith("/") ? "" : "/";
    return get(path(form) + slash + rest.split("/").map(encodeURIComponent).join("/") + query(form));
  },

  /** The same fields in one of three encodings. */
  echo: (form) => {
    const fields = new FormData(form);
    switch (form.querySelector("[data-encoding]").value) {
      case "query":
        return get(path(form) + query(form));
      case "json":
        return withBody("POST", path(form), "application/json", JSON.stringify(Object.fromEntries(fields)));
      default:
        return withBody("POST", path(form), "application/x-www-form-urlencoded", new URLSearchParams(fields).toString());
    }
  },

  /** Files; the browser makes the body and its Content-Type. */
  upload: (form) => {
    const body = new FormData(form);
    const curl = body.getAll("file").flatMap((file) => ["-F", `file=@${file.name}`]);
    return { method: "POST", target: path(form), body, curl };
  },

  /** What the pressed button stands for. */
  notes: (form, button) => {
    const id = form.querySelector("[data-id]").value;
    switch (button?.value) {
      case "add":
        return withBody(
          "POST",
          path(form),
          "application/json",
          JSON.stringify({ text: form.querySelector("[data-text]").value }),
        );
      case "delete":
        return { method: "DELETE", target: `${path(form)}/${id || 0}`, curl: ["-X", "DELETE"] };
      default:
        return get(path(form));
    }
  },
};

function path(form) {
  return form.getAttribute("action");
}

function query(form) {
  const encoded = new URLSearchParams(new FormData(form)).toString();
  return encoded === "" ? "" : `?${encoded}`;
}

function get(target) {
  return { method: "GET", target, curl: [] };
}

function withBody(method, target, type, body) {
  return { method, target, headers: { "Content-Type": type }, body, curl: ["-H", `Content-Type: ${type}`, "--data-raw", body] };
}

/** The same request for a shell; -N, so that curl shows what arrives when it arrives. */
function curlCommand(request) {
  const quote = (word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
  return ["curl", "-iN", ...request.curl, new URL(request.target, location.href).href].map(quote).join(" ");
}

/** The part of a sample's page that shows an answer. */
class ResponseView {
  #root;
  #started = 0; // as performance.now() tells it
  #ended = null;
  #headMs = null; // from the request to the header; null until it has arrived
  #shown = 0;
  #bytes = 0;
  #arrivals = [];
  #clock = 0;
  #frame = 0;

  constructor(sample) {
    this.#root = document.getElementById("response").content.firstElementChild.cloneNode(true);
    sample.append(this.#root);
  }

  /** A request is on its way. */
  begin(request) {
    this.#started = performance.now();
    this.#ended = this.#headMs = null;
    this.#shown = this.#bytes = 0;
    this.#arrivals = [];
    this.#find(".request code").textContent = `${request.method} ${request.target}`;
    this.#find(".copy").onclick = (event) => this.#copy(event.currentTarget, curlCommand(request));
    this.#find("dl").replaceChildren();
    this.#find("details").hidden = true;
    this.#find(".explanation").hidden = true;
    this.#find(".body").replaceChildren();
    this.#find(".body").dataset.empty = "";
    this.#find(".announcement").textContent = "";
    this.#badge("Waiting", "");
    this.#root.classList.add("running");
    this.#draw();
    this.#clock = setInterval(() => this.#draw(), 100);
  }

  /** The head has arrived. */
  head(response) {
    this.#headMs = this.#elapsed();
    const { status } = response;
    this.#badge(`${status} ${response.statusText}`.trim(), status < 300 ? "good" : status < 500 ? "warn" : "bad");
    for (const [name, value] of response.headers) {
      const term = document.createElement("dt");
      const description = document.createElement("dd");
      term.textContent = name;
      description.textContent = value;
      this.#find("dl").append(term, description);
    }
    this.#find("details").hidden = false;
  }

  /** More of the body has arrived: its text, and how many bytes that were. */
  more(text, bytes) {
    this.#bytes += bytes;
    if (bytes > 0 && this.#arrivals.length < ARRIVALS_MAX) this.#arrivals.push(this.#elapsed());
    const body = this.#find(".body");
    const isAtEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 24;
    const fits = text.slice(0, SHOWN_MAX - this.#shown);
    this.#shown += fits.length;
    if (fits !== "") body.append(fits);
    if (isAtEnd) body.scrollTop = body.scrollHeight;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** Nothing more will come; `explanation` says why where the answer is not whole. */
  end(explanation = "") {
    clearInterval(this.#clock);
    this.#ended = performance.now();
    this.#root.classList.remove("running");
    if (this.#headMs === null) this.#badge("No answer", "bad");
    if (this.#shown === SHOWN_MAX) explanation ||= `The first ${formatBytes(SHOWN_MAX)} are shown.`;
    this.#find(".explanation").textContent = explanation;
    this.#find(".explanation").hidden = explanation === "";
    this.#find(".body").dataset.empty = this.#headMs === null ? "" : "No content.";
    this.#draw();
    const outcome = [this.#find(".badge").textContent, this.#find(".timing").textContent, explanation];
    this.#find(".announcement").textContent = outcome.filter(Boolean).join(". ");
  }

  #find(selector) {
    return this.#root.querySelector(selector);
  }

  #elapsed() {
    return (this.#ended ?? performance.now()) - this.#started;
  }

  #badge(text, kind) {
    this.#find(".badge").textContent = text;
    this.#find(".badge").className = `badge ${kind}`;
  }

  #draw() {
    const elapsed = this.#elapsed();
    const parts = [];
    if (this.#headMs !== null) parts.push(`header after ${formatTime(this.#headMs)}`);
    parts.push(this.#headMs === null ? formatTime(elapsed) : `${formatTime(elapsed)} in all`);
    if (this.#bytes > 0) parts.push(formatBytes(this.#bytes));
    this.#find(".timing").textContent = parts.join(" · ");
    const lines = this.#arrivals.map((at) => {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      const x = String(Math.min(999, 1 + 998 * at / elapsed));
      for (const [name, value] of [["x1", x], ["x2", x], ["y1", "0"], ["y2", "10"]]) line.setAttribute(name, value);
      return line;
    });
    this.#find(".arrivals").replaceChildren(...lines);
  }

  async #copy(button, text) {
    const label = "Copy as curl";
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // No clipboard without a secure context, or without consent: show it where it can be selected.
      this.#find(".request code").textContent = text;
      button.textContent = "Select and copy";
    }
    setTimeout(() => button.textContent = label, 2000);
  }
}

function formatTime(ms) {
  return ms < 1000 ? `${Math.round(ms)}\u00a0ms` : `${(ms / 1000).toFixed(1)}\u00a0s`;
}

function formatBytes(bytes) {
  if (bytes < 1024) return `${bytes}\u00a0B`;
  const kibibytes = bytes / 1024;
  return kibibytes < 1024 ? `${kibibytes.toFixed(1)}\u00a0KiB` : `${(kibibytes / 1024).toFixed(1)}\u00a0MiB`;
}

/** Sends a request and shows its answer to the end. */
async function send(request, view, signal) {
  view.begin(request);
  let response;
  try {
    response = await fetch(request.target, {
      method: request.method,
      // What the server itself has to say is text for the eye, not a page; scripts say what they like.
      headers: { Accept: "text/plain, */*;q=0.1", ...request.headers },
      body: request.body,
      signal,
      cache: "no-store",
      redirect: "follow",
    });
  } catch {
    if (signal.aborted) return view.end("Stopped before the header arrived. The server ends the script.");
    return view.end("The connection was closed before an answer, or the server is not there.");
  }
  view.head(response);
  const decoder = new TextDecoder();
  try {
    for (const reader = response.body?.getReader(); reader;) {
      const { done, value } = await reader.read();
      view.more(decoder.decode(value, { stream: !done }), value?.length ?? 0);
      if (done) break;
    }
    view.end();
  } catch {
    if (signal.aborted) return view.end("Stopped here. The server ends the script.");
    view.end("The connection was cut here: the answer is not whole, and the browser knows it.");
  }
}

/** Makes a sample's form send its request from the page, with a button to stop it. */
function enhance(sample) {
  const form = sample.querySelector("form");
  const stop = document.createElement("button");
  stop.type = "button";
  stop.className = "secondary";
  stop.textContent = "Stop";
  stop.hidden = true;
  form.querySelector(".actions").append(stop);

  let view = null;
  let running = null;
  stop.addEventListener("click", () => running?.abort());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    running?.abort();
    await running?.done;
    view ??= new ResponseView(sample);
    const controller = new AbortController();
    running = controller;
    stop.hidden = false;
    controller.done = send(REQUESTS[form.dataset.request](form, event.submitter), view, controller.signal);
    await controller.done;
    if (running !== controller) return;
    if (document.activeElement === stop) form.querySelector("button").focus();
    stop.hidden = true;
    running = null;
  });
}

/** Shows the sample that the address names, or the first. */
function choose(isByLink) {
  const samples = [...document.querySelectorAll(".sample")];
  const chosen = samples.find((sample) => `#${sample.id}` === location.hash) ?? samples[0];
  for (const sample of samples) sample.classList.toggle("chosen", sample === chosen);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${chosen.id}`) {
      link.setAttribute("aria-current", "true");
      if (isByLink) link.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else {
      link.removeAttribute("aria-current");
    }
  }
}

for (const sample of document.querySelectorAll(".sample")) enhance(sample);
document.documentElement.classList.add("scripted");
choose(false);
addEventListener("hashchange", () => choose(true));

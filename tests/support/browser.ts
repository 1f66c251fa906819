/**
 * A real browser: Chromium without a window, driven over the DevTools protocol. What a page asks for, says on its console
 * and throws is kept, so that a test can say that there was nothing.
 *
 * @module
 */

import { eventually, within } from "./deadline.ts";

/** Where it may be, by name or path. */
const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The browser's program; null where there is none. In CI there must be one. */
export const CHROMIUM: string | null = findChromium();

function findChromium(): string | null {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  for (const name of NAMES) {
    for (const folder of folders) {
      try {
        if (Deno.statSync(`${folder}/${name}`).isFile) return `${folder}/${name}`;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)) {
          throw error;
        }
      }
    }
  }
  if (Deno.env.get("CI") === "true") throw new Error("there is no Chromium, and CI is to have one");
  return null;
}

/** Defines a test that needs a browser; without one it is skipped, and says so. */
export function browserTest(name: string, test: (browser: Browser) => Promise<void>): void {
  Deno.test({
    name: CHROMIUM === null ? `${name} (no chromium)` : name,
    ignore: CHROMIUM === null,
    async fn() {
      await using browser = await Browser.launch();
      await test(browser);
    },
  });
}

type Json = Record<string, unknown>;

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Json;
  readonly result?: Json;
  readonly error?: { readonly message: string };
}

/** A browser with a profile of its own. `await using` ends it. */
export class Browser implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #stderr: Promise<void>;
  readonly #answers = new Map<number, PromiseWithResolvers<Json>>();
  readonly #pages = new Map<string, Page>();
  #lastId = 0;

  private constructor(child: Deno.ChildProcess, profile: string, socket: WebSocket, stderr: Promise<void>) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    this.#stderr = stderr;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(String(data)));
  }

  /** Starts one. */
  static async launch(): Promise<Browser> {
    if (CHROMIUM === null) throw new Error("there is no Chromium");
    const profile = await Deno.makeTempDir({ prefix: "pollux-chromium-" });
    const child = new Deno.Command(CHROMIUM, {
      args: [
        "--headless=new",
        "--remote-debugging-port=0",
        `--user-data-dir=${profile}`,
        // Tests run as root in CI, where the sandbox does not work; they open no page but our own.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-extensions",
        "--disable-sync",
        "--hide-scrollbars",
        "--mute-audio",
        "--no-first-run",
        "--no-default-browser-check",
        "about:blank",
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const address = Promise.withResolvers<string>();
    const stderr = readAddress(child.stderr, address.resolve);
    try {
      const url = await within("DevTools listening", address.promise);
      const socket = new WebSocket(url);
      const open = Promise.withResolvers<void>();
      socket.onopen = () => open.resolve();
      await within("the browser's socket", open.promise);
      return new Browser(child, profile, socket, stderr);
    } catch (error) {
      child.kill("SIGKILL");
      await Promise.all([child.status, stderr]);
      await Deno.remove(profile, { recursive: true });
      throw error;
    }
  }

  /** A new page, blank. */
  async page(options: PageOptions = {}): Promise<Page> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page((method, params) => this.send(method, params, String(sessionId)));
    this.#pages.set(String(sessionId), page);
    await page.prepare(options);
    return page;
  }

  /** Sends a command and waits for its result. */
  async send(method: string, params: Json = {}, sessionId: string | null = null): Promise<Json> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<Json>();
    this.#answers.set(id, answer);
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === null ? {} : { sessionId }) }));
    return await within(method, answer.promise);
  }

  #receive({ id, sessionId, method, params, result, error }: Message): void {
    if (id === undefined) {
      if (method !== undefined) this.#pages.get(sessionId ?? "")?.heard(method, params ?? {});
      return;
    }
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    if (error !== undefined) answer?.reject(new Error(error.message));
    else answer?.resolve(result ?? {});
  }

  /** Ends the browser and removes its profile. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#socket.onclose = () => closed.resolve();
    this.#socket.send(JSON.stringify({ id: ++this.#lastId, method: "Browser.close" }));
    await closed.promise;
    await this.#child.status;
    await this.#stderr;
    // Its helpers may still write when it has ended itself.
    await eventually("the profile to be removed", async () => {
      try {
        await Deno.remove(this.#profile, { recursive: true });
        return true;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return true;
        return false;
      }
    });
  }
}

async function readAddress(stream: ReadableStream<Uint8Array>, found: (url: string) => void): Promise<void> {
  let text = "";
  for await (
    const piece of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
  ) {
    text = (text + piece).slice(-10_000);
    const match = /DevTools listening on (ws:\S+)\n/.exec(text);
    if (match !== null) found(match[1]);
  }
}

/** How a page is seen. */
export interface PageOptions {
  /** The colour scheme that its reader prefers; light by default. */
  readonly scheme?: "light" | "dark";
  /** In CSS pixels; 1280 by default. */
  readonly width?: number;
  /** In CSS pixels; 900 by default. */
  readonly height?: number;
}

/** One page. */
export class Page {
  /** Each URL that it asked for. */
  readonly requests: string[] = [];
  /** Errors and warnings on its console, exceptions, and what its Content-Security-Policy has refused. */
  readonly complaints: string[] = [];
  readonly #send: (method: string, params?: Json) => Promise<Json>;
  readonly #loads: (() => void)[] = [];

  /**
   * A page over its session.
   *
   * @param send Sends a command to it.
   */
  constructor(send: (method: string, params?: Json) => Promise<Json>) {
    this.#send = send;
  }

  /** Begins to listen, and sets how it is seen. */
  async prepare({ scheme = "light", width = 1280, height = 900 }: PageOptions): Promise<void> {
    await Promise.all(["Page", "Runtime", "Network", "Log"].map((domain) => this.#send(`${domain}.enable`)));
    await this.resize(width, height);
    await this.prefer(scheme);
  }

  /** Another size, in CSS pixels. */
  async resize(width: number, height: number): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    await this.#send("Emulation.setDeviceMetricsOverride", metrics);
  }

  /** Another colour scheme. */
  async prefer(scheme: "light" | "dark"): Promise<void> {
    await this.#send("Emulation.setEmulatedMedia", {
      features: [
        { name: "prefers-color-scheme", value: scheme },
        { name: "prefers-reduced-motion", value: "reduce" },
      ],
    });
  }

  /** Opens a URL and waits until it is loaded. */
  async goto(url: string): Promise<void> {
    const loaded = Promise.withResolvers<void>();
    this.#loads.push(loaded.resolve);
    const { errorText } = await this.#send("Page.navigate", { url });
    if (errorText !== undefined) throw new Error(`${url}: ${errorText}`);
    await within(`${url} to load`, loaded.promise);
  }

  /**
   * What an expression is, or a promise of it resolves to, on the page.
   *
   * @throws {Error} What it throws.
   */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    }) as {
      result: { value: T };
      exceptionDetails?: { text: string; exception?: { description?: string } };
    };
    if (exceptionDetails !== undefined) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value;
  }

  /** Waits until an expression is true on the page, or the one that it leads to. */
  async until(expression: string): Promise<void> {
    await eventually(expression, async () => {
      try {
        return await this.evaluate<boolean>(`Boolean(${expression})`);
      } catch (error) {
        if (error instanceof Error && /context was destroyed|navigated or closed/.test(error.message)) {
          return false;
        }
        throw error;
      }
    });
  }

  /** Clicks on what a selector names. */
  async click(selector: string): Promise<void> {
    const { x, y } = await this.evaluate<{ x: number; y: number }>(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element.scrollIntoView({ block: "center", behavior: "instant" });
      const { x, y, width, height } = element.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    })()`);
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.#send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
    }
  }

  /** A picture of what is in the window, or of the whole page, as PNG. */
  async screenshot(isWhole = false): Promise<Uint8Array> {
    const { data } = await this.#send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: isWhole,
    });
    return Uint8Array.from(atob(String(data)), (char) => char.charCodeAt(0));
  }

  /** Takes an event of the browser's. */
  heard(method: string, params: Json): void {
    switch (method) {
      case "Page.loadEventFired":
        for (const resolve of this.#loads.splice(0)) resolve();
        break;
      case "Network.requestWillBeSent": {
        const { request } = params as { request: { url: string } };
        if (!request.url.startsWith("data:")) this.requests.push(request.url);
        break;
      }
      case "Runtime.exceptionThrown": {
        const { exceptionDetails } = params as {
          exceptionDetails: { text: string; exception?: { description?: string } };
        };
        this.complaints.push(exceptionDetails.exception?.description ?? exceptionDetails.text);
        break;
      }
      case "Runtime.consoleAPICalled": {
        const { type, args } = params as { type: string; args: { value?: unknown; description?: string }[] };
        if (type === "error" || type === "warning" || type === "assert") {
          this.complaints.push(args.map(({ value, description }) => String(value ?? description)).join(" "));
        }
        break;
      }
      case "Log.entryAdded": {
        const { entry } = params as { entry: { level: string; text: string; url?: string } };
        if (entry.level === "error" || entry.level === "warning") {
          this.complaints.push(`${entry.text} ${entry.url ?? ""}`);
        }
        break;
      }
    }
  }
}

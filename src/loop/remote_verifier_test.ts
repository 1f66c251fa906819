import { assertEquals, assertRejects } from "@std/assert";
import { HttpError } from "../http/error.ts";
import type { PasswordQuestion } from "../supervisor/messages.ts";
import { RemoteVerifier } from "./remote_verifier.ts";

/** A password loop of which only the port is there; a silent one answers nothing. */
function loop(isSilent: boolean): { port: MessagePort; close(): void } {
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ data }: MessageEvent<PasswordQuestion>) => {
    if (!isSilent) port2.postMessage({ id: data.id, isGood: data.password === "good" });
  };
  return { port: port1, close: () => [port1, port2].forEach((port) => port.close()) };
}

Deno.test("RemoteVerifier says whether a password is good, as the password loop does", async () => {
  const { port, close } = loop(false);
  const verifier = new RemoteVerifier(port);
  const answers = ["good", "bad"].map((password) => verifier.verify(password, "hash"));
  assertEquals(await Promise.all(answers), [true, false]);
  close();
});

Deno.test("RemoteVerifier answers 503 where the password loop says nothing in time", async () => {
  const { port, close } = loop(true);
  const error = await assertRejects(() => new RemoteVerifier(port, 20).verify("good", "hash"), HttpError);
  assertEquals([error.status, error.message], [503, "the password loop does not answer"]);
  close();
});

Deno.test("RemoteVerifier answers 503 where too many wait already", async () => {
  const { port, close } = loop(true);
  const verifier = new RemoteVerifier(port, 500);
  const ask = () => verifier.verify("good", "hash");
  const waiting = [];
  let refused: unknown = null;
  while (refused === null && waiting.length < 100_000) {
    const one = ask().catch((error) => refused = error);
    waiting.push(one);
    await Promise.resolve().then(() => {});
  }
  assertEquals(String(refused), "HttpError: too many passwords wait to be looked at");
  verifier.replace(port);
  await Promise.all(waiting);
  close();
});

Deno.test("RemoteVerifier answers 503 for what was asked of a loop that is replaced, and asks the next", async () => {
  const [lost, next] = [loop(true), loop(false)];
  const verifier = new RemoteVerifier(lost.port);
  const refused = assertRejects(() => verifier.verify("good", "hash"), HttpError);
  verifier.replace(next.port);
  const { status, message } = await refused;
  assertEquals([status, message], [503, "the password loop was lost"]);
  assertEquals(await verifier.verify("good", "hash"), true);
  lost.close();
  next.close();
});

Deno.test("RemoteVerifier lets 64 wait, and does not send on what nobody waits for any more", async () => {
  const { port1, port2 } = new MessageChannel();
  const asked: PasswordQuestion[] = [];
  const first = Promise.withResolvers<void>();
  port2.onmessage = ({ data }: MessageEvent<PasswordQuestion>) => {
    asked.push(data);
    first.resolve();
  };
  const verifier = new RemoteVerifier(port1, 20);
  const given = Promise.allSettled(Array.from({ length: 1 + 64 }, () => verifier.verify("old", "hash")));
  await assertRejects(() => verifier.verify("one more", "hash"), HttpError, "too many passwords");
  await first.promise;
  for (const { status } of await given) assertEquals(status, "rejected");

  port2.postMessage({ id: asked[0].id, isGood: true });
  // On a busy machine it may be given up before it is sent.
  while (asked.length === 1) await assertRejects(() => verifier.verify("new", "hash"), HttpError);
  assertEquals(asked.map(({ password }) => password), ["old", "new"]);
  port1.close();
  port2.close();
});

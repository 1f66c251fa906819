/**
 * The yardstick of static files: a loop over Deno.listen that answers whatever it reads with the same bytes.
 *
 * @module
 */

const [file] = Deno.args;
const content = await Deno.readFile(file);
const head = new TextEncoder().encode(
  "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/html; charset=utf-8\r\n" +
    "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nAccept-Ranges: bytes\r\n" +
    `ETag: "18f3a-5c2d-65a1b2c3"\r\nContent-Length: ${content.length}\r\n\r\n`,
);
const answer = new Uint8Array(head.length + content.length);
answer.set(head);
answer.set(content, head.length);

async function serve(connection: Deno.TcpConn): Promise<void> {
  connection.setNoDelay(true);
  const buffer = new Uint8Array(2048);
  try {
    while (await connection.read(buffer) !== null) await connection.write(answer);
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe)) {
      throw error;
    }
  }
  connection.close();
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.error(`listening on http://127.0.0.1:${listener.addr.port}`);
while (true) serve(await listener.accept());

/**
 * The runtime's own server, which answers whatever is asked with the same content.
 *
 * @module
 */

const [file] = Deno.args;
const content = await Deno.readFile(file);
const headers = {
  "Content-Type": "text/html; charset=utf-8",
  "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT",
  "Accept-Ranges": "bytes",
  "ETag": '"18f3a-5c2d-65a1b2c3"',
};

Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.error(`listening on http://127.0.0.1:${port}`),
}, () => new Response(content, { headers }));

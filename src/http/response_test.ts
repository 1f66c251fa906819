import { assertEquals, assertThrows } from "@std/assert";
import type { Field } from "./fields.ts";
import {
  CONTINUE,
  decideFraming,
  encodeResponseHead,
  type FramingRequest,
  measureResponseHead,
  prepareFields,
  type ResponseFraming,
  type ResponseHead,
  writeResponseHead,
} from "./response.ts";
import { decodeOctets } from "./octets.ts";

const BASE: FramingRequest = { requestMinor: 1, method: "GET", status: 200, length: 5, keepAlive: true };
const FRAMING: ResponseFraming = {
  contentLength: null,
  chunked: false,
  persistent: true,
  hasBody: false,
  connection: null,
};

const FRAMINGS: [name: string, request: Partial<FramingRequest>, expected: Partial<ResponseFraming>][] = [
  ["sends a known length", {}, {
    contentLength: 5,
    chunked: false,
    persistent: true,
    hasBody: true,
    connection: null,
  }],
  ["sends a length of 0", { length: 0 }, {
    contentLength: 0,
    chunked: false,
    persistent: true,
    hasBody: false,
  }],
  ["chunks an unknown length", { length: null }, {
    contentLength: null,
    chunked: true,
    persistent: true,
    hasBody: true,
    connection: null,
  }],
  ["ends an unknown length by closing for HTTP/1.0", { length: null, requestMinor: 0 }, {
    contentLength: null,
    chunked: false,
    persistent: false,
    hasBody: true,
    connection: "close",
  }],
  ["confirms keep-alive to HTTP/1.0", { requestMinor: 0 }, {
    contentLength: 5,
    persistent: true,
    connection: "keep-alive",
  }],
  ["closes for HTTP/1.0 without keep-alive", { requestMinor: 0, keepAlive: false }, {
    contentLength: 5,
    persistent: false,
    connection: "close",
  }],
  ["closes for HTTP/1.1 where it must", { keepAlive: false }, {
    contentLength: 5,
    persistent: false,
    connection: "close",
  }],
  ["chunks an unknown length before closing too", { length: null, keepAlive: false }, {
    chunked: true,
    persistent: false,
    connection: "close",
  }],
  ["gives HEAD the length of a GET and no body", { method: "HEAD" }, {
    contentLength: 5,
    chunked: false,
    persistent: true,
    hasBody: false,
  }],
  ["gives HEAD the coding of a GET and no body", { method: "HEAD", length: null }, {
    contentLength: null,
    chunked: true,
    persistent: true,
    hasBody: false,
  }],
  [
    "goes on after a HEAD of unknown length from HTTP/1.0",
    { method: "HEAD", length: null, requestMinor: 0 },
    {
      chunked: false,
      persistent: true,
      hasBody: false,
      connection: "keep-alive",
    },
  ],
  ["sends nothing of a 204", { status: 204 }, {
    contentLength: null,
    chunked: false,
    persistent: true,
    hasBody: false,
  }],
  ["sends nothing of a 204 of unknown length", { status: 204, length: null }, {
    contentLength: null,
    chunked: false,
    persistent: true,
    hasBody: false,
  }],
  ["sends the known length of a 304 and no body", { status: 304 }, {
    contentLength: 5,
    chunked: false,
    hasBody: false,
  }],
  ["sends no length of a 304 whose content nobody gave", { status: 304, length: 0 }, {
    contentLength: null,
    hasBody: false,
  }],
  ["sends no coding of a 304 of unknown length", { status: 304, length: null }, {
    contentLength: null,
    chunked: false,
    hasBody: false,
    persistent: true,
  }],
  ["goes on after a 304 to HTTP/1.0", { status: 304, length: null, requestMinor: 0 }, {
    persistent: true,
    connection: "keep-alive",
  }],
  ["sends nothing beside an interim response", { status: 103, length: 0, keepAlive: false }, {
    contentLength: null,
    chunked: false,
    hasBody: false,
    connection: null,
  }],
  ["sends a length of 0 with a 205", { status: 205, length: 0 }, { contentLength: 0, hasBody: false }],
  ["sends nothing of a 205 that has content", { status: 205 }, { contentLength: 0, hasBody: false }],
  ["sends nothing of a 205 of unknown length", { status: 205, length: null }, {
    contentLength: 0,
    chunked: false,
    hasBody: false,
    persistent: true,
  }],
];

for (const [name, request, expected] of FRAMINGS) {
  Deno.test({
    name: `decideFraming() ${name}`,
    permissions: "none",
    fn() {
      const framing = decideFraming({ ...BASE, ...request });
      assertEquals({ ...framing, ...expected }, framing);
    },
  });
}

function render(head: Partial<ResponseHead>): string {
  const bytes = encodeResponseHead({ status: 200, fields: [], date: null, framing: FRAMING, ...head });
  return decodeOctets(bytes, 0, bytes.length);
}

Deno.test({
  name: "encodeResponseHead() writes the status line, Date, the fields in their order, and what framing adds",
  permissions: "none",
  fn() {
    assertEquals(
      render({
        date: "Sun, 06 Nov 1994 08:49:37 GMT",
        fields: [["Content-Type", "text/plain"], ["X-a", "é\tb"]],
        moreFields: [["x-more", ""]],
        framing: { ...FRAMING, contentLength: 42, connection: "close" },
      }),
      "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\nX-a: é\tb\r\nx-more: \r\n" +
        "Content-Length: 42\r\nConnection: close\r\n\r\n",
    );
    assertEquals(
      render({ status: 404, framing: { ...FRAMING, chunked: true, connection: "keep-alive" } }),
      "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n",
    );
  },
});

Deno.test({
  name: "encodeResponseHead() takes a script's reason, and none where none is registered",
  permissions: "none",
  fn() {
    assertEquals(render({ status: 200, reason: "Très bien" }), "HTTP/1.1 200 Très bien\r\n\r\n");
    assertEquals(render({ status: 200, reason: "" }), "HTTP/1.1 200 \r\n\r\n");
    assertEquals(render({ status: 299 }), "HTTP/1.1 299 \r\n\r\n");
    assertEquals(render({ status: 100 }), "HTTP/1.1 100 Continue\r\n\r\n");
    assertEquals(render({ status: 999 }), "HTTP/1.1 999 \r\n\r\n");
    assertEquals(render({ status: 200 }), "HTTP/1.1 200 OK\r\n\r\n");
  },
});

Deno.test({
  name: "measureResponseHead() is exact for every combination",
  permissions: "none",
  fn() {
    const fieldSets: (readonly Field[])[] = [[], [["A", "b"], ["Longer-Name", "a longer value"]]];
    for (const fields of fieldSets) {
      for (const contentLength of [null, 0, 1024]) {
        for (const connection of [null, "close", "keep-alive"] as const) {
          for (const date of [null, "Sun, 06 Nov 1994 08:49:37 GMT"]) {
            const head: ResponseHead = {
              status: 206,
              fields,
              moreFields: fields,
              date,
              framing: { ...FRAMING, contentLength, connection, chunked: contentLength === null },
            };
            const buffer = new Uint8Array(1000);
            assertEquals(writeResponseHead(head, buffer, 7), 7 + measureResponseHead(head));
          }
        }
      }
    }
  },
});

Deno.test({
  name: "writeResponseHead() leaves what is beside the head alone, and refuses a place that is too small",
  permissions: "none",
  fn() {
    const head: ResponseHead = { status: 200, fields: [["A", "b"]], date: null, framing: FRAMING };
    const bytes = measureResponseHead(head);
    const buffer = new Uint8Array(bytes + 2).fill(0x58);
    assertEquals(writeResponseHead(head, buffer, 1), bytes + 1);
    assertEquals(decodeOctets(buffer, 0, buffer.length), "XHTTP/1.1 200 OK\r\nA: b\r\n\r\nX");
    assertThrows(() => writeResponseHead(head, new Uint8Array(bytes), 1), RangeError);
    assertEquals(writeResponseHead(head, new Uint8Array(bytes), 0), bytes);
  },
});

Deno.test({
  name: "writeResponseHead() throws rather than let a name, value or reason split the head",
  permissions: "none",
  fn() {
    for (const value of ["a\r\nb", "a\rb", "a\nb", "a\0b", "a\x7fb", "\x1b", "€"]) {
      assertThrows(() => render({ fields: [["A", value]] }), Error, "was to be sent");
      assertThrows(() => render({ moreFields: [["A", value]] }), Error, "was to be sent");
      assertThrows(() => render({ reason: value }), Error, "was to be sent");
      assertThrows(() => render({ date: value }), Error, "was to be sent");
    }
    for (const name of ["", "a b", "a:", "a\r\n", "é", "€"]) {
      assertThrows(() => render({ fields: [[name, "b"]] }), Error, "was to be sent");
    }
    for (const status of [99, 1000, 200.5, NaN]) {
      assertThrows(() => render({ status }), Error, "is no status");
    }
  },
});

Deno.test({
  name: "prepareFields() changes nothing but the time it takes",
  permissions: "none",
  fn() {
    const fields: readonly Field[] = [["Content-Type", "text/plain"], ["X-A", "é"]];
    const prepared = prepareFields(fields);
    assertEquals(prepared, fields);
    assertEquals(Object.isFrozen(prepared) && prepared.every((field) => Object.isFrozen(field)), true);
    assertEquals(render({ fields: prepared, moreFields: prepared }), render({ fields, moreFields: fields }));
    const head: ResponseHead = { status: 200, fields: prepared, date: null, framing: FRAMING };
    assertThrows(() => writeResponseHead(head, new Uint8Array(measureResponseHead(head) - 1), 0), RangeError);
    assertThrows(() => writeResponseHead(head, new Uint8Array(20), 0), RangeError);
    assertThrows(() => prepareFields([["A", "b\r\nC: d"]]), Error, "was to be sent");
    assertEquals(render({ fields: prepareFields([]) }), "HTTP/1.1 200 OK\r\n\r\n");
  },
});

Deno.test({
  name: "CONTINUE is a whole interim response",
  permissions: "none",
  fn: () => assertEquals(decodeOctets(CONTINUE, 0, CONTINUE.length), "HTTP/1.1 100 Continue\r\n\r\n"),
});

import { assertEquals } from "@std/assert";
import { fieldSection } from "../../tests/support/exchange.ts";
import { evaluateConditions, type Validators } from "./conditional.ts";
import { formatHttpDate } from "./date.ts";

const MODIFIED_MS = Date.UTC(2024, 0, 2, 3, 4, 5, 678);
const CURRENT: Validators = { etag: '"a"', lastModifiedMs: MODIFIED_MS, isLastModifiedStrong: true };

const SAME = formatHttpDate(MODIFIED_MS);
const NOW_MS = Date.UTC(2026, 10, 1);
const BEFORE = formatHttpDate(MODIFIED_MS - 1000);
const AFTER = formatHttpDate(MODIFIED_MS + 1000);

type Row = [method: string, fields: Record<string, string>, outcome: string];

/** Outcomes as text, with `+range` where a Range field would hold. */
function check(rows: Row[], current: Validators | null = CURRENT) {
  for (const [method, fields, expected] of rows) {
    const { outcome, rangeHolds } = evaluateConditions(method, fieldSection(fields), current, () => NOW_MS);
    assertEquals(rangeHolds ? `${outcome}+range` : outcome, expected, `${method} ${JSON.stringify(fields)}`);
  }
}

Deno.test({
  name: "evaluateConditions() lets Range hold for GET alone",
  permissions: "none",
  fn: () => check([["GET", {}, "proceed+range"], ["HEAD", {}, "proceed"], ["PUT", {}, "proceed"]]),
});

Deno.test({
  name: "evaluateConditions() compares If-Match strongly",
  permissions: "none",
  fn: () => {
    check([
      ["GET", { "If-Match": '"a"' }, "proceed+range"],
      ["PUT", { "If-Match": '"b", "a"' }, "proceed"],
      ["PUT", { "If-Match": "*" }, "proceed"],
      ["PUT", { "If-Match": 'W/"a"' }, "preconditionFailed"],
      ["GET", { "If-Match": '"b"' }, "preconditionFailed"],
      ["GET", { "If-Match": "a" }, "preconditionFailed"],
      ["GET", { "If-Match": "" }, "preconditionFailed"],
    ]);
    check([["PUT", { "If-Match": 'W/"a"' }, "preconditionFailed"]], { ...CURRENT, etag: 'W/"a"' });
  },
});

Deno.test({
  name: "evaluateConditions() counts If-Unmodified-Since in whole seconds, and only without If-Match",
  permissions: "none",
  fn: () =>
    check([
      ["PUT", { "If-Unmodified-Since": SAME }, "proceed"],
      ["PUT", { "If-Unmodified-Since": AFTER }, "proceed"],
      ["PUT", { "If-Unmodified-Since": BEFORE }, "preconditionFailed"],
      ["PUT", { "If-Unmodified-Since": "yesterday" }, "proceed"],
      ["PUT", { "If-Match": '"a"', "If-Unmodified-Since": BEFORE }, "proceed"],
    ]),
});

Deno.test({
  name: "evaluateConditions() compares If-None-Match weakly: 304 for reading, 412 for the rest",
  permissions: "none",
  fn: () =>
    check([
      ["GET", { "If-None-Match": '"a"' }, "notModified"],
      ["HEAD", { "If-None-Match": 'W/"a"' }, "notModified"],
      ["GET", { "If-None-Match": "*" }, "notModified"],
      ["GET", { "If-None-Match": '"b"' }, "proceed+range"],
      ["PUT", { "If-None-Match": '"a"' }, "preconditionFailed"],
      ["PUT", { "If-None-Match": "*" }, "preconditionFailed"],
      ["PUT", { "If-None-Match": '"b"' }, "proceed"],
    ]),
});

Deno.test({
  name: "evaluateConditions() looks at If-Modified-Since only for reading and only without If-None-Match",
  permissions: "none",
  fn: () =>
    check([
      ["GET", { "If-Modified-Since": SAME }, "notModified"],
      ["HEAD", { "If-Modified-Since": AFTER }, "notModified"],
      ["GET", { "If-Modified-Since": BEFORE }, "proceed+range"],
      ["GET", { "If-Modified-Since": "yesterday" }, "proceed+range"],
      ["POST", { "If-Modified-Since": SAME }, "proceed"],
      ["GET", { "If-None-Match": '"b"', "If-Modified-Since": SAME }, "proceed+range"],
    ]),
});

Deno.test({
  name: "evaluateConditions() lets a failed If-Match win over a true If-None-Match",
  permissions: "none",
  fn: () =>
    check([
      ["GET", { "If-Match": '"b"', "If-None-Match": '"a"' }, "preconditionFailed"],
      ["GET", { "If-Unmodified-Since": BEFORE, "If-None-Match": '"a"' }, "preconditionFailed"],
      ["GET", { "If-Match": '"a"', "If-None-Match": '"a"' }, "notModified"],
    ]),
});

Deno.test({
  name: "evaluateConditions() lets If-Range hold only for the very same representation",
  permissions: "none",
  fn: () => {
    check([
      ["GET", { "If-Range": '"a"' }, "proceed+range"],
      ["GET", { "If-Range": '"b"' }, "proceed"],
      ["GET", { "If-Range": 'W/"a"' }, "proceed"],
      ["GET", { "If-Range": SAME }, "proceed+range"],
      ["GET", { "If-Range": AFTER }, "proceed"],
      ["GET", { "If-Range": BEFORE }, "proceed"],
      ["GET", { "If-Range": "a" }, "proceed"],
      ["HEAD", { "If-Range": '"a"' }, "proceed"],
    ]);
    check([["GET", { "If-Range": 'W/"a"' }, "proceed"]], { ...CURRENT, etag: 'W/"a"' });
    check([["GET", { "If-Range": SAME }, "proceed"]], { ...CURRENT, isLastModifiedStrong: false });
  },
});

Deno.test({
  name: "evaluateConditions() knows what a thing that does not exist matches",
  permissions: "none",
  fn: () =>
    check([
      ["PUT", {}, "proceed"],
      ["PUT", { "If-None-Match": "*" }, "proceed"],
      ["PUT", { "If-None-Match": '"a"' }, "proceed"],
      ["PUT", { "If-Match": "*" }, "preconditionFailed"],
      ["PUT", { "If-Match": '"a"' }, "preconditionFailed"],
      ["PUT", { "If-Unmodified-Since": BEFORE }, "proceed"],
      ["GET", { "If-Range": '"a"' }, "proceed"],
    ], null),
});

Deno.test({
  name: "evaluateConditions() takes a representation without validators",
  permissions: "none",
  fn: () =>
    check([
      ["GET", { "If-Match": "*" }, "proceed+range"],
      ["GET", { "If-Match": '"a"' }, "preconditionFailed"],
      ["GET", { "If-None-Match": "*" }, "notModified"],
      ["GET", { "If-None-Match": '"a"' }, "proceed+range"],
      ["GET", { "If-Modified-Since": SAME }, "proceed+range"],
      ["GET", { "If-Range": SAME }, "proceed"],
    ], { etag: null, lastModifiedMs: null, isLastModifiedStrong: false }),
});

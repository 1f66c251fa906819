/**
 * A loop that hangs: after its first word it does nothing any more, for ever.
 *
 * @module
 */

import { postToSupervisor, receiveFromSupervisor } from "../loop/worker.ts";
import type { SignOfLife } from "./messages.ts";

receiveFromSupervisor(() => {
  postToSupervisor({ kind: "here" } satisfies SignOfLife);
  for (;;);
});

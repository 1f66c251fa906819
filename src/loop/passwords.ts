/**
 * The password loop: the Worker that computes the hashes of passwords, a tenth of a second of a core each, so that no client
 * of a network loop waits for another's login. It has no permissions at all.
 *
 * @module
 */

import { verifyPassword } from "../route/verify_password.ts";
import type { PasswordAnswer, PasswordQuestion, SignOfLife, ToPasswords } from "../supervisor/messages.ts";
import { postToSupervisor, receiveFromSupervisor } from "./worker.ts";

receiveFromSupervisor((message: ToPasswords) => {
  if (message.kind === "areYouThere") return postToSupervisor({ kind: "here" } satisfies SignOfLife);
  const { port } = message;
  port.onmessage = async ({ data }: MessageEvent<PasswordQuestion>) => {
    const isGood = await verifyPassword(data.password, data.hash);
    port.postMessage({ id: data.id, isGood } satisfies PasswordAnswer);
  };
});

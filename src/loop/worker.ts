/**
 * A Worker's own end of its channel to the supervisor, with the types that the standard library's globals lack here.
 *
 * @module
 */

/** What of a Worker's global scope is used. */
interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;

/** Hands each further message of the supervisor to `receive`, in place of whoever got them before. */
export function receiveFromSupervisor<Message>(receive: (message: Message) => void): void {
  scope.onmessage = (event: MessageEvent<Message>) => receive(event.data);
}

/** Sends a message to the supervisor. */
export function postToSupervisor(message: unknown, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}

/**
 * A value that cannot be taken, as a value: what is wrong with it and what would be right.
 *
 * @module
 */

/** Why a text is not what it should be. */
export class Refusal {
  /** What is wrong and what would be right; becomes a fault's message. */
  readonly message: string;

  /**
   * Says why.
   *
   * @param message What is wrong and what would be right.
   */
  constructor(message: string) {
    this.message = message;
  }
}

/** The text in quotes, shortened, and without control characters: safe and readable in a message. */
export function quote(text: string): string {
  // deno-lint-ignore no-control-regex
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "?");
  return `"${clean.length > 60 ? `${clean.slice(0, 57)}...` : clean}"`;
}

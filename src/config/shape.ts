/**
 * What the values of a key look like in the file: enough for an editor, the reference and the manual, which read it from
 * the schema.
 *
 * @module
 */

import type { Keys, Type } from "./types.ts";

/** The look of a value. */
export type Shape =
  | { readonly kind: "scalar"; readonly title: string; readonly form: ScalarForm }
  /** One value, or a list of them. */
  | { readonly kind: "list"; readonly item: Type<unknown> }
  /** Keys that the user chooses. */
  | { readonly kind: "map"; readonly name: Type<unknown>; readonly value: Type<unknown> }
  /** Keys that are known. */
  | { readonly kind: "block"; readonly keys: Keys }
  /** A block of known keys, or the value of one of them. */
  | { readonly kind: "short"; readonly key: string; readonly keys: Keys }
  /** A route: the keys of one of the handlers. */
  | { readonly kind: "route"; readonly handlers: Readonly<Record<string, Keys>> };

/** A number with a unit, or none. */
export interface NumberForm {
  /** Its unit: milliseconds, bytes, or none. */
  readonly kind: "duration" | "size" | "count";
  /** The least value. */
  readonly min: number;
  /** The greatest value; null: none. */
  readonly max: number | null;
  /** Whether `off` may stand instead. */
  readonly canBeOff: boolean;
}

/** What can be said of a scalar without parsing it. */
export type ScalarForm =
  | NumberForm
  | { readonly kind: "text" | "switch" | "true" | "mode" }
  | { readonly kind: "choice"; readonly words: readonly (string | number)[] };

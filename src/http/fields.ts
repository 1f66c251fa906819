/**
 * Field lines (RFC 9110, 5; RFC 9112, 5).
 *
 * A request's field section keeps the bytes as they came and makes a string only of what is asked for; names keep
 * their spelling and lines their order. A response's fields are a plain list.
 *
 * @module
 */

/** A field line of a response: name and value. */
export type Field = readonly [name: string, value: string];

/** A request's field section. Names are asked for in lower case; values are isomorphic (one char per byte). */
export interface FieldSection {
  /** The number of field lines. */
  readonly count: number;
  /** The name of line `index` as it was spelled. */
  nameAt(index: number): string;
  /** The value of line `index`, without surrounding white space. */
  valueAt(index: number): string;
  /** The value of the first line of that name; null without. */
  get(name: string): string | null;
  /** The values of all lines of that name joined with `, ` (RFC 9110, 5.2); null without. */
  combined(name: string): string | null;
}

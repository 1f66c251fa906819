// Types of the parts of the standard library that Pollux uses. The npm build of @std ships none; with JSR's own
// packages in deno.json this file goes away.

declare module "@std/assert" {
  export class AssertionError extends Error {}
  export function assert(value: unknown, message?: string): asserts value;
  export function assertFalse(value: unknown, message?: string): void;
  export function assertEquals<T>(actual: T, expected: T, message?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
  export function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): asserts actual is T;
  export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T>;
  export function assertMatch(actual: string, expected: RegExp, message?: string): void;
  export function assertNotMatch(actual: string, expected: RegExp, message?: string): void;
  export function assertStringIncludes(actual: string, expected: string, message?: string): void;
  export function assertArrayIncludes<T>(
    actual: ArrayLike<T>,
    expected: ArrayLike<T>,
    message?: string,
  ): void;
  export function assertObjectMatch(
    actual: Record<PropertyKey, unknown>,
    expected: Record<PropertyKey, unknown>,
    message?: string,
  ): void;
  export function assertGreater<T>(actual: T, expected: T, message?: string): void;
  export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void;
  export function assertLess<T>(actual: T, expected: T, message?: string): void;
  export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void;
  export function assertInstanceOf<T>(
    actual: unknown,
    expected: abstract new (...args: never[]) => T,
    message?: string,
  ): asserts actual is T;
  export function assertThrows<E extends Error>(
    fn: () => unknown,
    errorClass: abstract new (...args: never[]) => E,
    messageIncludes?: string,
    message?: string,
  ): E;
  export function assertRejects<E extends Error>(
    fn: () => PromiseLike<unknown>,
    errorClass: abstract new (...args: never[]) => E,
    messageIncludes?: string,
    message?: string,
  ): Promise<E>;
  export function fail(message?: string): never;
  export function unreachable(message?: string): never;
}

declare module "@std/cli/parse-args" {
  export interface ParseOptions {
    boolean?: readonly string[];
    string?: readonly string[];
    collect?: readonly string[];
    negatable?: readonly string[];
    alias?: Readonly<Record<string, string | readonly string[]>>;
    default?: Readonly<Record<string, unknown>>;
    stopEarly?: boolean;
    "--"?: boolean;
    unknown?: (arg: string, key?: string, value?: unknown) => unknown;
  }
  export type ParsedArgs = Record<string, unknown> & { _: (string | number)[]; "--"?: string[] };
  export function parseArgs(args: readonly string[], options?: ParseOptions): ParsedArgs;
}

declare module "@std/html" {
  /** Escapes `& < > " '` for use in HTML text and attribute values. */
  export function escape(text: string): string;
}

declare module "@std/http/status" {
  /** Reason phrases by status code. */
  export const STATUS_TEXT: Readonly<Record<number, string>>;
  export const STATUS_CODE: Readonly<Record<string, number>>;
}

declare module "@std/media-types" {
  /** The extensions of a type, without dot; undefined when there are none. */
  export function allExtensions(type: string): string[] | undefined;
  /** The media type for an extension (with or without dot); undefined when unknown. */
  export function typeByExtension(extension: string): string | undefined;
}

declare module "@std/media-types/database" {
  /** All types, each by its name. */
  const database: Readonly<Record<string, unknown>>;
  export default database;
}

declare module "@std/path" {
  export const SEPARATOR: string;
  export function basename(path: string, suffix?: string): string;
  export function dirname(path: string): string;
  export function extname(path: string): string;
  export function fromFileUrl(url: string | URL): string;
  export function isAbsolute(path: string): boolean;
  export function join(...paths: string[]): string;
  export function normalize(path: string): string;
  export function relative(from: string, to: string): string;
  export function resolve(...paths: string[]): string;
  export function toFileUrl(path: string): URL;
}

declare module "@std/path/posix/dirname" {
  export function dirname(path: string): string;
}

declare module "@std/path/posix/extname" {
  export function extname(path: string): string;
}

declare module "@std/path/windows/dirname" {
  export function dirname(path: string): string;
}

declare module "@std/path/posix/resolve" {
  export function resolve(...paths: string[]): string;
}

declare module "@std/path/windows/resolve" {
  export function resolve(...paths: string[]): string;
}

declare module "@std/text/closest-string" {
  /** The word nearest to the given one by edit distance. */
  export function closestString(givenWord: string, possibleWords: readonly string[]): string;
}

declare module "@std/yaml/parse" {
  /** With `failsafe` every scalar stays the text it is written as, and an empty one is null. */
  export function parse(text: string, options?: { schema?: "failsafe" | "json" | "core" }): unknown;
}

/**
 * The file of users and passwords that Apache's `htpasswd` makes: `USER:HASH`, a line each.
 *
 * @module
 */

/** What a password file says. */
export interface Htpasswd {
  /** The hash of each user: bcrypt, `$apr1$` or `{SHA}`. */
  readonly users: ReadonlyMap<string, string>;
  /** Lines that give nobody access. */
  readonly faults: readonly HtpasswdFault[];
}

/** A line that is not understood. */
export interface HtpasswdFault {
  /** Counted from 1. */
  readonly line: number;
  /** What is wrong, and what would be right. It holds nothing of the password. */
  readonly message: string;
}

/** At cost 17 a login takes ten seconds of a core, and each step more doubles that. */
const COST_MAX = 16;

const BCRYPT = /^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$/;
const APR1 = /^\$apr1\$[./0-9A-Za-z]{1,8}\$[./0-9A-Za-z]{22}$/;
const SHA = /^\{SHA\}[A-Za-z0-9+/]{27}=$/;

/** Reads a password file. Empty lines and those that begin with `#` count for nothing; of two lines of a user the first does. */
export function parseHtpasswd(text: string): Htpasswd {
  const users = new Map<string, string>();
  const faults: HtpasswdFault[] = [];
  for (const [index, written] of text.split("\n").entries()) {
    const line = written.trimEnd();
    if (line === "" || line.startsWith("#")) continue;
    const fault = (message: string) => faults.push({ line: index + 1, message });
    const [user, hash] = line.split(":");
    if (hash === undefined || user === "") {
      fault("is not USER:HASH: make the line with htpasswd -B");
    } else if (users.has(user)) {
      fault(`${JSON.stringify(user)} has a line already: keep one`);
    } else {
      const message = faultOf(hash);
      if (message === null) users.set(user, hash);
      else fault(message);
    }
  }
  return { users, faults };
}

function faultOf(hash: string): string | null {
  const bcrypt = BCRYPT.exec(hash);
  if (bcrypt !== null) {
    if (Number(bcrypt[1]) <= COST_MAX) return null;
    return `has bcrypt's cost ${bcrypt[1]}, with which a login takes minutes: make it with htpasswd -B -C 10`;
  }
  if (APR1.test(hash) || SHA.test(hash)) return null;
  return "has a hash that is neither bcrypt nor $apr1$ nor {SHA}: make the line with htpasswd -B";
}

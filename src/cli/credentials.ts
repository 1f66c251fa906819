/**
 * What is wrong with the files that a configuration names for TLS and passwords.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import type { Fault } from "../config/fault.ts";
import { parseHtpasswd } from "../route/htpasswd.ts";
import { CertificateError, readCertificate } from "../supervisor/certificates.ts";

/**
 * A fault for each address whose certificate or key cannot be used.
 *
 * @param fileName The configuration as the user named it; null without.
 */
export async function certificateFaults(config: Config, fileName: string | null): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const [index, { tls, place, text }] of config.listen.entries()) {
    if (tls === null) continue;
    try {
      await readCertificate(index, tls);
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      const message = `${text}: ${error.message}`;
      faults.push({ severity: "error", file: fileName, place, key: "", message });
    }
  }
  return faults;
}

/** A warning for each line of a password file that gives nobody access, with its place in that file. */
export function passwordFileWarnings(config: Config): Fault[] {
  const files = new Set(config.sites.flatMap(({ routes }) => routes.flatMap(({ auth }) => auth?.file ?? [])));
  return [...files].flatMap((file) => {
    const { users, faults } = parseHtpasswd(Deno.readTextFileSync(file));
    const warnings = faults.map(({ line, message }): Fault => (
      { severity: "warning", file, place: { line, column: 1 }, key: "", message }
    ));
    if (users.size > 0) return warnings;
    const message = "has no users: nobody can log in; add one with htpasswd -B FILE NAME";
    return [...warnings, { severity: "warning", file, place: null, key: "", message } satisfies Fault];
  });
}

/**
 * A certificate for tests, made by openssl when it is needed.
 *
 * @module
 */

import { join } from "@std/path";
import { outputOf } from "./processes.ts";

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate for `localhost` and `127.0.0.1` that signs itself. */
export async function makeCertificate(): Promise<Certificate> {
  const dir = await Deno.makeTempDir({ prefix: "pollux-test-" });
  try {
    const [cert, key] = ["cert.pem", "key.pem"].map((name) => join(dir, name));
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    const use = ["-addext", "basicConstraints=critical,CA:FALSE"];
    await outputOf("openssl", [
      ...["req", "-x509", "-nodes", "-days", "2", ...curve, ...names, ...use],
      ...["-keyout", key, "-out", cert],
    ]);
    return { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

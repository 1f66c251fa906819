/**
 * TLS certificates and their keys: read here, since a loop may not read a key's file, and tried before a loop gets them.
 *
 * @module
 */

import type { Config, Listen } from "../config/config.ts";
import type { PemPair } from "./messages.ts";

/** A certificate or key that cannot be used; the message names the file. */
export class CertificateError extends Error {
  /** The address that it is for: an index into `Config.listen`. */
  readonly index: number;

  /**
   * Says what is wrong.
   *
   * @param index Which address.
   * @param message What is wrong with which file, and what would be right.
   */
  constructor(index: number, message: string) {
    super(message);
    this.name = "CertificateError";
    this.index = index;
  }
}

/**
 * Reads certificate and key of each address that has them, by index into `Config.listen`.
 *
 * @throws {CertificateError} A file cannot be read or holds something else, or the two do not belong together.
 */
export async function readCertificates(config: Config): Promise<Map<number, PemPair>> {
  const pairs = new Map<number, PemPair>();
  for (const [index, listen] of config.listen.entries()) {
    if (listen.tls !== null) pairs.set(index, await readCertificate(index, listen.tls));
  }
  return pairs;
}

/**
 * Reads one certificate and its key.
 *
 * @param index Which address: an index into `Config.listen`.
 * @throws {CertificateError} As {@linkcode readCertificates}.
 */
export async function readCertificate(index: number, tls: NonNullable<Listen["tls"]>): Promise<PemPair> {
  const fail = (message: string) => new CertificateError(index, message);
  const cert = await readPem(tls.cert, fail);
  const key = await readPem(tls.key, fail);
  if (!/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/.test(cert)) {
    throw fail(`${tls.cert} holds no certificate: it begins with -----BEGIN CERTIFICATE-----`);
  }
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(key)) {
    throw fail(
      `${tls.key} holds a key with a passphrase: take that off with openssl pkey -in FILE -out FILE`,
    );
  }
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(key)) {
    throw fail(`${tls.key} holds no private key: it begins with -----BEGIN PRIVATE KEY-----`);
  }
  tryPair(cert, key, tls, fail);
  return { cert, key };
}

async function readPem(path: string, fail: (message: string) => CertificateError): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    if (error instanceof Deno.errors.NotFound) throw fail(`there is no file ${path}`);
    if (error instanceof Deno.errors.PermissionDenied) {
      throw fail(`${path} may not be read by this user: change its mode or owner`);
    }
    throw fail(`${path} cannot be read: ${error.message}`);
  }
}

/** Only the runtime can say whether it can use them, and it says so of a listener: one that nobody hears of. */
function tryPair(
  cert: string,
  key: string,
  files: NonNullable<Listen["tls"]>,
  fail: (message: string) => CertificateError,
): void {
  try {
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key }).close();
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    if (error.message.includes("KeyMismatch")) {
      throw fail(`${files.key} is not the key of ${files.cert}: name the two that were made together`);
    }
    const file = /key/i.test(error.message) && !/cert/i.test(error.message) ? files.key : files.cert;
    throw fail(`${file} cannot be used (${error.message}): copy it anew, whole, or make it again`);
  }
}

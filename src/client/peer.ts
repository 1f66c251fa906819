/**
 * Who asks, where a trusted proxy stands in between.
 *
 * @module
 */

import type { Peer } from "../handlers/handler.ts";
import type { FieldSection } from "../http/fields.ts";
import { forwardedElements, legacyElements } from "../http/forwarded.ts";
import type { AddressSet } from "../route/access.ts";

/**
 * The client as the proxies in front describe it: the right-most address that is no trusted proxy's, with what the proxy
 * that it talked to says of scheme and host. What nobody trusted has said is not believed.
 *
 * Forwarded (RFC 7239) counts for more than X-Forwarded-*: a proxy should take away the one of the two that it does not write.
 *
 * @param peer Who is at the other end of the connection.
 * @param fields The request's.
 * @param trusted `trusted_proxies`.
 */
export function peerBehind(peer: Peer, fields: FieldSection, trusted: AddressSet): Peer {
  if (trusted.isEmpty || !trusted.has(peer.address)) return peer;
  const forwarded = fields.combined("forwarded");
  const elements = forwarded !== null ? forwardedElements(forwarded) : legacyElements(
    fields.combined("x-forwarded-for"),
    fields.combined("x-forwarded-proto"),
    fields.combined("x-forwarded-host"),
  );
  let { address, port, scheme, host } = peer;
  for (const element of elements) {
    scheme = element.scheme ?? scheme;
    host = element.host ?? host;
    if (element.node === null) break;
    ({ address, port } = element.node);
    if (!trusted.has(address)) break;
  }
  return { ...peer, address, port, scheme, host };
}

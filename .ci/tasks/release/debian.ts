/**
 * The Debian package: the executable, its unit, manual pages, completions and a first site. Made without dpkg, so that
 * it can be made anywhere.
 *
 * @module
 */

import { completionScript } from "../../../src/cli/completions.ts";
import { samples } from "../../../src/cli/samples.ts";
import { jsonSchema } from "../../../src/config/json_schema.ts";
import { commandPage, configurationPage } from "./manual.ts";
import { ar, type Entry, gzip, tar, withFolders } from "./tar.ts";

/** What a package is made from. */
export interface DebianInput {
  /** The executable for that architecture. */
  readonly executable: Uint8Array;
  /** `amd64` or `arm64`. */
  readonly architecture: string;
  /** As in deno.json. */
  readonly version: string;
  /** Modification time of all that is in it, in seconds. */
  readonly time: number;
}

const PACKAGING = new URL("../../packaging/", import.meta.url);
const utf8 = new TextEncoder();

/** Makes the package. */
export async function debianPackage(input: DebianInput): Promise<Uint8Array> {
  const files = await content(input);
  const control: Entry[] = [
    { path: "control", mode: 0o644, content: controlFile(input, files) },
    { path: "conffiles", mode: 0o644, content: "/etc/pollux/pollux.yaml\n" },
    ...["postinst", "prerm", "postrm"].map((path): Entry => ({
      path,
      mode: 0o755,
      content: packaging(path),
    })),
  ];
  const { time } = input;
  return ar([
    ["debian-binary", utf8.encode("2.0\n")],
    ["control.tar.gz", await gzip(tar(control, time))],
    ["data.tar.gz", await gzip(tar(dotted(withFolders(files)), time))],
  ], time);
}

function packaging(name: string): string {
  return Deno.readTextFileSync(new URL(name, PACKAGING));
}

async function content({ executable, version }: DebianInput): Promise<Entry[]> {
  const page = async (path: string, text: string): Promise<Entry> => ({
    path: `usr/share/man/${path}.gz`,
    mode: 0o644,
    content: await gzip(utf8.encode(text)),
  });
  const text = (path: string, content: string): Entry => ({ path, mode: 0o644, content });
  const site = samples().filter(({ path }) => path.startsWith("static/") || path.startsWith("cgi-bin/"));
  return [
    { path: "usr/bin/pollux", mode: 0o755, content: executable },
    text("etc/pollux/pollux.yaml", packaging("pollux.yaml")),
    text("usr/lib/systemd/system/pollux.service", packaging("pollux.service")),
    ...site.map(({ path, mode, text }): Entry => ({ path: `usr/share/pollux/${path}`, mode, content: text })),
    text("usr/share/pollux/pollux.schema.json", `${JSON.stringify(jsonSchema(), null, 2)}\n`),
    text("usr/share/bash-completion/completions/pollux", completionScript("bash")),
    text("usr/share/zsh/vendor-completions/_pollux", completionScript("zsh")),
    text("usr/share/fish/vendor_completions.d/pollux.fish", completionScript("fish")),
    text("usr/share/doc/pollux/copyright", Deno.readTextFileSync(new URL("../../LICENSE", PACKAGING))),
    await page("man1/pollux.1", commandPage(version)),
    await page("man5/pollux.yaml.5", configurationPage(version)),
  ];
}

/** As dpkg-deb writes them: `./usr/bin/pollux`, with `./` first. */
function dotted(entries: readonly Entry[]): Entry[] {
  return [
    { path: "./", mode: 0o755, content: null },
    ...entries.map((entry): Entry => ({ ...entry, path: `./${entry.path}` })),
  ];
}

function controlFile({ architecture, version }: DebianInput, files: readonly Entry[]): string {
  const bytes = files.reduce((sum, { content }) => sum + (content?.length ?? 0), 0);
  return `Package: pollux
Version: ${version}
Architecture: ${architecture}
Maintainer: The Pollux authors <pollux@localhost>
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: libc6 (>= 2.31), libgcc-s1, passwd
Recommends: python3
Section: httpd
Priority: optional
Description: web server for scripts and files
 Pollux turns a folder of scripts and files into a web server: one executable,
 HTTP/1.1 in front, CGI/1.1 behind. It starts a script for each request,
 streams to it and from it, and ends it when it takes too long or when its
 client has gone.
`;
}

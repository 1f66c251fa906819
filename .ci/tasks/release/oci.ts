/**
 * A container image as an OCI image layout (image-spec 1.1), in one tar archive that `podman load`, `docker load` and
 * `skopeo copy oci-archive:` take. It holds the executable, the few tools that it looks at processes with, the libraries
 * of these, and a user: no interpreters but sh.
 *
 * @module
 */

import { type Entry, gzip, sha256, tar, withFolders } from "./tar.ts";

/** What an image is made from. */
export interface ImageInput {
  /** The executable. */
  readonly executable: Uint8Array;
  /** The tools that it starts and the libraries of all, by their whole paths. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** As OCI calls it: `amd64` or `arm64`. */
  readonly architecture: string;
  /** As in deno.json. */
  readonly version: string;
  /** When it was made, in seconds. */
  readonly time: number;
}

/** The user in the image; numbers, so that `runAsNonRoot` can be judged. */
const UID = 65532;

const utf8 = new TextEncoder();

/** Makes the archive of the layout. */
export async function ociImage(input: ImageInput): Promise<Uint8Array> {
  const { time, architecture, version } = input;
  const created = new Date(time * 1000).toISOString().replace(".000", "");
  const layer = tar(withFolders(root(input)), time);
  const blobs: Entry[] = [];
  const add = async (bytes: Uint8Array<ArrayBuffer>, mediaType: string) => {
    const hex = await sha256(bytes);
    blobs.push({ path: `blobs/sha256/${hex}`, mode: 0o644, content: bytes });
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const addJson = (value: unknown, mediaType: string) => add(utf8.encode(JSON.stringify(value)), mediaType);

  const layers = [await add(await gzip(layer), "application/vnd.oci.image.layer.v1.tar+gzip")];
  const config = await addJson({
    created,
    architecture,
    os: "linux",
    config: {
      User: `${UID}:${UID}`,
      ExposedPorts: { "8080/tcp": {} },
      Env: ["PATH=/usr/local/bin:/usr/bin:/bin"],
      Entrypoint: ["/usr/bin/pollux"],
      Cmd: ["serve", "--listen", ":8080"],
      WorkingDir: "/srv",
      StopSignal: "SIGTERM",
      Labels: { "org.opencontainers.image.title": "pollux", "org.opencontainers.image.version": version },
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${await sha256(layer)}`] },
    history: [{ created, created_by: "deno task release" }],
  }, "application/vnd.oci.image.config.v1+json");
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = await addJson({ schemaVersion: 2, mediaType, config, layers }, mediaType);
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{
      ...manifest,
      platform: { architecture, os: "linux" },
      annotations: {
        "org.opencontainers.image.ref.name": version,
        "io.containerd.image.name": `pollux:${version}`,
      },
    }],
  };
  const layout: Entry[] = [
    { path: "oci-layout", mode: 0o644, content: JSON.stringify({ imageLayoutVersion: "1.0.0" }) },
    { path: "index.json", mode: 0o644, content: JSON.stringify(index) },
    ...blobs,
  ];
  return tar(withFolders(layout), time);
}

/** The file system. A library's folder may be a link to another on the machine where it was found; here it is a folder. */
function root({ executable, files }: ImageInput): Entry[] {
  return [
    { path: "tmp/", mode: 0o1777, content: null },
    { path: "dev/", mode: 0o755, content: null },
    { path: "proc/", mode: 0o555, content: null },
    { path: "srv/", mode: 0o755, content: null },
    { path: "srv/static/", mode: 0o755, content: null },
    { path: "srv/cgi-bin/", mode: 0o755, content: null },
    {
      path: "etc/passwd",
      mode: 0o644,
      content: `root:x:0:0:root:/root:/nologin\npollux:x:${UID}:${UID}:Pollux:/srv:/nologin\n`,
    },
    { path: "etc/group", mode: 0o644, content: `root:x:0:\npollux:x:${UID}:\n` },
    { path: "usr/bin/pollux", mode: 0o755, content: executable },
    ...[...files].map(([path, content]): Entry => ({ path: path.slice(1), mode: 0o755, content })),
  ];
}

/** What the supervisor starts: to count descriptors, to find the processes below one, to see its sockets and memory. */
const TOOLS = ["sh", "cat", "grep"];

/**
 * What the executable needs beside itself, from this machine: its tools, in /bin, and the libraries of all, which `ldd`
 * names.
 *
 * @throws {Error} One is missing, or there is no ldd.
 */
export async function filesBeside(executable: string): Promise<Map<string, Uint8Array>> {
  const found = await Promise.all(
    TOOLS.map(async (tool) => (await output("sh", "-c", `command -v ${tool}`)).trim()),
  );
  const listed = await Promise.all([executable, ...found].map((program) => output("ldd", program)));
  const libraries = listed.flatMap((text) =>
    [...text.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(([, path]) => path)
  );
  const tools = found.map((path, index): [string, string] => [`/bin/${TOOLS[index]}`, path]);
  const all = new Map([...tools, ...libraries.map((path): [string, string] => [path, path])]);
  return new Map(
    await Promise.all([...all].map(async ([path, source]) => [path, await Deno.readFile(source)] as const)),
  );
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout);
}

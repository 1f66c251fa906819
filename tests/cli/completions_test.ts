/**
 * Completions in the shells themselves: what a person who presses the tabulator gets.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runPollux } from "../support/server.ts";
import { within } from "../support/deadline.ts";

async function isInstalled(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["-c", "exit"], stdout: "null", stderr: "null" })
      .output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs a shell with the completion in `$SCRIPT`, in a folder with a file and a folder; returns its lines. */
async function inShell(shell: string, args: readonly string[], code: string): Promise<string[]> {
  const { code: status, stdout: script } = await runPollux({ flags: ["completions", shell] });
  assertEquals(status, 0);
  const folder = await Deno.makeTempDir({ prefix: "pollux-test-" });
  try {
    await Deno.writeTextFile(`${folder}/completion`, script);
    await Deno.writeTextFile(`${folder}/my site.yaml`, "");
    await Deno.mkdir(`${folder}/my folder`);
    const child = new Deno.Command(shell, {
      args: [...args, "-c", code],
      cwd: folder,
      env: { HOME: folder, TERM: "dumb" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { stdout, stderr } = await within(`${shell} to end`, child.output());
    assertEquals(new TextDecoder().decode(stderr), "");
    return new TextDecoder().decode(stdout).trimEnd().split("\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const CASES: readonly [line: readonly string[], offered: string][] = [
  [["ch"], "check"],
  [["check", "--c"], "--config"],
  [["--log-format", "j"], "json"],
  [["completions", "z"], "zsh"],
  [["help", "ex"], "exec explain"],
  [["check", "my s"], "my site.yaml"],
  [["serve", "--root", "my"], "my folder"],
  [["version", ""], ""],
  [["exec", "-X", "PA"], "PATCH"],
];

Deno.test({
  name: "bash completes commands, flags, their values and names of files",
  ignore: !await isInstalled("bash"),
  async fn() {
    const lines = CASES.map(([words]) => {
      const quoted = ["pollux", ...words].map((word) => `'${word}'`).join(" ");
      return `offer ${quoted}`;
    });
    const offered = await inShell(
      "bash",
      ["--norc", "--noprofile"],
      `source completion
       offer() {
         COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
         _pollux 2>/dev/null
         printf '%s\\n' "\${COMPREPLY[@]}" | sort | paste -sd ' '
       }
       ${lines.join("\n")}`,
    );
    assertEquals(offered, CASES.map(([, offer]) => offer));
  },
});

Deno.test({
  name: "fish completes commands, flags, their values and names of files",
  ignore: !await isInstalled("fish"),
  async fn() {
    const lines = CASES.map(([words]) => {
      const line = ["pollux", ...words.slice(0, -1), words.at(-1)?.replace(" ", "\\\\ ")].join(" ");
      return `echo (complete -C '${line}' | string replace -r '\\t.*' '' | string trim -r -c / | sort)`;
    });
    const offered = await inShell("fish", ["--no-config"], `source completion\n${lines.join("\n")}`);
    // fish knows more than is asked for, such as the other names that begin so.
    for (const [index, [, offer]] of CASES.entries()) assertStringIncludes(offered[index] ?? "", offer);
  },
});

Deno.test({
  name: "zsh completes commands, flags and their values",
  ignore: !await isInstalled("zsh"),
  async fn() {
    const lines = CASES.filter(([words, offer]) => !/ /.test(words.join("") + offer) && offer !== "");
    // A terminal of its own, in which `pollux` says what it was called with once the tabulator has done its work.
    const offered = await inShell(
      "zsh",
      ["-f"],
      `zmodload zsh/zpty
       zpty z zsh -f -i
       zpty -w z 'PS1=; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D; source ./completion
         pollux() { print -r -- "GOT \${@[-1]} END" }; echo R""EADY'
       zpty -r z out '*READY*'
       ${
        lines.map(([words]) =>
          `zpty -w z $'pollux ${words.join(" ")}\\t'
         zpty -r z out '*GOT * END*'
         print -r -- "\${\${out##*GOT }%% END*}"`
        ).join("\n")
      }
       zpty -d z`,
    );
    assertEquals(offered, lines.map(([, offer]) => offer));
  },
});

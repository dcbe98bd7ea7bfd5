import type { CliCommand } from "../cli-command.ts";
import type { CliContext } from "../cli-context.ts";
import { DEFAULT_DATA_DIR } from "../up-options.ts";

type BuildFlags = { readonly data?: string; readonly refresh?: boolean; readonly json?: boolean };

const HELP_AFTER = `
Virtual machines (\`hearth up --provider microvm\`) boot an image that is made on this machine out of Debian's
packages, by mmdebstrap with the sources that apt has here, and the Node binaries of this installation. It needs no root.
The same inputs give the same bytes; \`manifest.json\` beside them lists packages and checksums.

Examples:
  $ hearth image build                            make it, if it is not there or something changed
  $ hearth image build --refresh                  with the newest packages: security updates of kernel and system
  $ hearth image build --data /var/lib/hearth`;

export function addImageCommand(program: CliCommand, context: CliContext): void {
  const image = program.command("image").description("make the image that virtual machines boot");
  image.addHelpText("after", HELP_AFTER);
  image
    .command("build")
    .description("make kernel and root image out of Debian packages, if something changed")
    .option("--data <DIR>", `the server's folder (HEARTH_DATA; default ${DEFAULT_DATA_DIR})`)
    .option("--refresh", "ask apt for newer packages")
    .option("--json", "print JSON")
    .action(async (flags: BuildFlags) => {
      const { terminal, env, verbs } = context;
      const dataDir = flags.data ?? (env["HEARTH_DATA"] || DEFAULT_DATA_DIR);
      const isRefreshed = flags.refresh ?? false;
      const onStep = (text: string) => terminal.note(text);
      const built = await verbs.buildImage({ dataDir, isRefreshed, onStep });
      if (flags.json) return terminal.printJson(built);
      terminal.print(`${built.isNew ? "made" : "nothing has changed:"} ${built.directory}`);
      terminal.printTable(
        ["FILE", "MIB", "SHA-256"],
        Object.entries(built.manifest.files).map(([name, { bytes, sha256 }]) => [
          name,
          Math.ceil(bytes / 1024 / 1024),
          sha256,
        ]),
      );
      for (const [runtime, is] of Object.entries(built.manifest.pythons)) terminal.note(`${runtime}: ${is}`);
      terminal.note(
        `kernel ${built.manifest.kernelRelease}, ${built.manifest.packages.length} packages of ${built.manifest.suite}`,
      );
    });
}

/** Where each file of systemd/ goes on a Debian, and which units are enabled. A file with no place here stops the build. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SystemFile {
  /** Below systemd/. */
  readonly from: string;
  /** Below the root of the machine. */
  readonly to: string;
  readonly mode: number;
  readonly text: string;
}

const UNIT = /^[a-z-]+\.(?:service|path|timer|socket)$/;

/** Where the unit starts Node.js in the repository, and where it is when the package brings its own. */
const DISTRIBUTION_NODE = '/usr/bin/node';
export const BUNDLED_NODE = '/usr/lib/fieldpost/node';

export function systemFiles(root: string, bundled: boolean): readonly SystemFile[] {
  const folder = join(root, 'systemd');
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
  const files = names.map((from): SystemFile => {
    const text = readFileSync(join(folder, from), 'utf8');
    const to = placeOf(from);
    const mode = from.startsWith('lib/') ? 0o755 : 0o644;
    return { from, to, mode, text: bundled && UNIT.test(from) ? withBundledNode(text) : text };
  });
  if (bundled && !files.some(({ text }) => text.includes(BUNDLED_NODE))) {
    throw new Error(
      `no unit of systemd/ starts ${DISTRIBUTION_NODE}: the package with its own Node.js would not use it`,
    );
  }
  return files;
}

/** Units that are enabled and started: those that say what wants them. */
export function enabledUnits(files: readonly SystemFile[]): readonly string[] {
  return files.filter(({ from, text }) => UNIT.test(from) && /^\[Install\]$/m.test(text)).map(({ from }) => from);
}

function placeOf(from: string): string {
  if (UNIT.test(from)) return `usr/lib/systemd/system/${from}`;
  if (/^[0-9a-z-]+\.rules$/.test(from)) return `usr/lib/udev/rules.d/${from}`;
  const [, folder, name] = /^(sysusers\.d|tmpfiles\.d)\/([a-z-]+\.conf)$/.exec(from) ?? [];
  if (folder !== undefined && name !== undefined) return `usr/lib/${folder}/${name}`;
  const [, program] = /^lib\/([a-z-]+)$/.exec(from) ?? [];
  if (program !== undefined) return `usr/lib/fieldpost/${program}`;
  throw new Error(`systemd/${from}: the Debian package has no place for this file; name one in .ci/deb/units.ts`);
}

function withBundledNode(text: string): string {
  return text.replaceAll(/^(Exec[A-Za-z]*=.*)$/gm, (line) =>
    line
      .split(' ')
      .map((word) => word.replace(new RegExp(`^(Exec[A-Za-z]*=)?${DISTRIBUTION_NODE}$`), `$1${BUNDLED_NODE}`))
      .join(' '),
  );
}

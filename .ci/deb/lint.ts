/** What Debian's own judges say of a package: lintian of the whole, mandoc of its man pages. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MANUALS = ['man1/fieldpost.1', 'man5/device.json.5'];
const LINTIAN_MS_MAX = 300_000;

/** What they found, one line each; empty when all is well. Both programs must be there. */
export function judge(deb: string): readonly string[] {
  const lintian = spawnSync('lintian', ['--tag-display-limit', '0', '--fail-on', 'error,warning', deb], {
    encoding: 'utf8',
    timeout: LINTIAN_MS_MAX,
  });
  const found = lintian.stdout.split('\n').filter((line) => /^[EW]:/.test(line));
  if (lintian.status !== 0 && found.length === 0) {
    found.push(
      `lintian ended with ${lintian.status ?? lintian.signal ?? lintian.error?.message}: ${lintian.stderr.trim()}`,
    );
  }
  const tree = mkdtempSync(join(tmpdir(), 'fieldpost-lint-'));
  try {
    spawnSync('dpkg-deb', ['-x', deb, tree]);
    for (const name of MANUALS) {
      const page = spawnSync('mandoc', ['-Tlint', '-Wstyle', join(tree, 'usr/share/man', `${name}.gz`)], {
        encoding: 'utf8',
      });
      const said = page.stdout.split('\n').filter(Boolean);
      found.push(...said.map((line) => line.replace(/^.*usr\/share\/man\//, '')));
      if (page.status === null) found.push(`mandoc did not run: ${page.error?.message ?? page.signal}`);
    }
    return found;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

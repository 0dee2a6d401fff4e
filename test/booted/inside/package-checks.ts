/** What holds of the Debian package: that nothing it does to the service loses a sale, and that purge leaves nothing. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Check } from './check.ts';
import { eachOnce, sells } from './sales.ts';
import { configure } from './service-checks.ts';
import { PACKAGES } from './state.ts';
import { expect, isWell, run, show } from './system.ts';

const CONFIG = '/etc/fieldpost/device.json';
const TRACES = ['/etc/fieldpost', '/var/lib/fieldpost', '/run/fieldpost', '/usr/lib/fieldpost', '/usr/bin/fieldpost'];

function apt(...args: readonly string[]): void {
  run('apt-get', '-y', '-q', '-o', 'Dpkg::Options::=--force-confold', ...args);
}

function version(): string {
  return run('dpkg-query', '-W', '-f', '${Version} ${Status}', 'fieldpost');
}

/** What the installer wrote is still there, the service is well, and sales go on. */
async function goesOn(): Promise<string> {
  expect(readFileSync(CONFIG, 'utf8') === readFileSync('/etc/booted/device.json', 'utf8'), `${CONFIG} was changed`);
  await isWell();
  return `${version()}; ${await sells()}`;
}

export const PACKAGE_CHECKS: Readonly<Record<'install' | 'changes', readonly Check[]>> = {
  install: [
    {
      name: 'apt install: the service waits for its configuration, and nothing failed',
      run: () => {
        apt('install', PACKAGES.older);
        expect(show('ActiveState') === 'inactive', `the service is ${show('ActiveState')}`);
        const failed = run('systemctl', 'list-units', '--failed', '--no-legend', 'fieldpost*').trim();
        expect(failed === '', failed);
        return version();
      },
    },
    {
      name: 'edit device.json, start: a service that is well',
      run: async () => {
        configure();
        run('systemctl', 'start', 'fieldpost.service');
        return isWell();
      },
    },
  ],
  changes: [
    {
      name: 'upgrade: the edited device.json stays, and sales go on',
      run: () => {
        apt('install', PACKAGES.newer);
        return goesOn();
      },
    },
    {
      name: 'downgrade by one: sales go on',
      run: () => {
        apt('install', '--allow-downgrades', PACKAGES.older);
        return goesOn();
      },
    },
    {
      name: 'remove: ledger, configuration and key stay; reinstall: sales go on',
      run: async () => {
        apt('remove', 'fieldpost');
        for (const path of [CONFIG, '/var/lib/fieldpost/ledger', '/etc/credstore/client.key'])
          expect(existsSync(path), `${path} is gone`);
        expect(show('ActiveState') !== 'active', 'it still runs');
        apt('install', PACKAGES.newer);
        return goesOn();
      },
    },
    { name: 'after all that each answered sale is at the consumer once', run: () => eachOnce() },
  ],
};

export const PURGE_CHECKS: readonly Check[] = [
  {
    name: 'purge leaves nothing',
    run: () => {
      apt('purge', 'fieldpost');
      const left = TRACES.filter((path) => existsSync(path));
      expect(left.length === 0, `left: ${left.join(', ')}`);
      expect(!run('systemctl', 'list-unit-files', '--all').includes('fieldpost'), 'units are left');
      writeFileSync('/var/lib/booted/purged', '');
      return 'no file, no unit';
    },
  },
];

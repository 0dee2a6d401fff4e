/** What holds of the service in a booted system, however it came there. */
import { existsSync, readFileSync, rmSync, writeFileSync, mkdirSync, copyFileSync, chmodSync } from 'node:fs';
import type { Check } from './check.ts';
import { answered, eachOnce, sells } from './sales.ts';
import { PLACE } from './state.ts';
import { bootId, expect, isWell, journal, run, show, until } from './system.ts';

const DROP_IN = '/etc/systemd/system/fieldpost.service.d';
const BOOT_FILE = '/var/lib/booted/boot-id';
const REQUEST = '/run/fieldpost/reboot';

/** device.json, the certificates, and the key in the credential store, as an installer puts them there. */
export function configure(): void {
  mkdirSync('/etc/fieldpost/tls', { recursive: true });
  mkdirSync('/etc/credstore', { recursive: true, mode: 0o700 });
  copyFileSync('/etc/booted/device.json', '/etc/fieldpost/device.json');
  copyFileSync('/etc/booted/tls/ca.pem', '/etc/fieldpost/tls/ca.pem');
  copyFileSync('/etc/booted/tls/client.pem', '/etc/fieldpost/tls/client.pem');
  copyFileSync('/etc/booted/tls/client.key', '/etc/credstore/client.key');
  chmodSync('/etc/credstore/client.key', 0o600);
  run('systemd-tmpfiles', '--create');
}

export const SETUP_CHECKS: readonly Check[] = [
  {
    name: 'the files of a clone, put where the unit says, make a service that is well',
    run: async () => {
      run('systemd-sysusers');
      configure();
      run('systemctl', 'daemon-reload');
      run('systemctl', 'enable', '--now', 'fieldpost.service', 'fieldpost-reboot.path');
      return isWell();
    },
  },
];

/** The agent with a shorter patience of systemd's, and a way to block its loop. */
async function withDropIn(text: string, whileSo: () => Promise<string>): Promise<string> {
  mkdirSync(DROP_IN, { recursive: true });
  writeFileSync(`${DROP_IN}/booted.conf`, text);
  try {
    run('systemctl', 'daemon-reload');
    run('systemctl', 'restart', 'fieldpost');
    await isWell();
    return await whileSo();
  } finally {
    rmSync(DROP_IN, { recursive: true });
    run('systemctl', 'daemon-reload');
    run('systemctl', 'restart', 'fieldpost');
    await isWell();
  }
}

/** The unit with the probe in the agent's place. */
function probeUnit(): string {
  const unit = readFileSync(show('FragmentPath'), 'utf8');
  return unit
    .replace(/^ExecStart=.*$/m, `ExecStart=/usr/bin/node ${PLACE}/probe.mjs`)
    .replace(/^Type=.*$/m, 'Type=oneshot\nStandardOutput=file:/var/lib/booted/probe')
    .replace(/^(?:WatchdogSec|Restart.*|RuntimeDirectory.*)=.*$/gm, '');
}

const REFUSED = [
  'write /etc',
  'write /usr',
  'write /var',
  'write the kernel',
  'read /etc/shadow',
  'read the key store',
  'read a home',
  "read another process's memory",
  'set the clock',
  'make a namespace',
  'mount',
  'reboot',
];

export const SERVICE_CHECKS: readonly Check[] = [
  {
    name: 'it runs as fieldpost, its key comes from the credential store, and sales go on',
    run: async () => {
      const pid = show('MainPID');
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const uid = run('id', '-u', 'fieldpost').trim();
      expect(new RegExp(`^Uid:\\t${uid}\\t`, 'm').test(status), `process ${pid} is not of user ${uid}`);
      expect(/^CapBnd:\t0+$/m.test(status), 'it has capabilities');
      return sells();
    },
  },
  {
    name: 'the sandbox refuses what the agent does not need, and gives what it does',
    run: () => {
      writeFileSync('/root/secret', 'secret');
      writeFileSync('/run/systemd/system/booted-probe.service', probeUnit());
      run('systemctl', 'daemon-reload');
      run('systemctl', 'start', 'booted-probe.service');
      const lines = readFileSync('/var/lib/booted/probe', 'utf8').trim().split('\n');
      const wrong = lines.filter((line) => {
        const [word = '', ...rest] = line.split(' ');
        return (word === 'refused') !== REFUSED.includes(rest.join(' '));
      });
      expect(wrong.length === 0 && lines.length > REFUSED.length, `not as it should be: ${wrong.join(', ')}`);
      return `${REFUSED.length} refused, ${lines.length - REFUSED.length} given`;
    },
  },
  {
    name: 'kill -9: it is started again, and sales go on',
    run: async () => {
      const before = show('MainPID');
      const restarts = Number(show('NRestarts'));
      process.kill(Number(before), 'SIGKILL');
      await until('a new process', () => show('MainPID') !== before && Number(show('NRestarts')) === restarts + 1);
      await isWell();
      return sells();
    },
  },
  {
    name: 'an end of its own, as after agent.restart: it says that it stops, and is started again',
    run: async () => {
      const before = show('MainPID');
      process.kill(Number(before), 'SIGTERM');
      await until('a new process', () => show('MainPID') !== before && show('ActiveState') === 'active');
      return isWell();
    },
  },
  {
    name: 'a hang: systemd misses the signs of life, and starts it again',
    run: () => {
      const block = `[Service]\nWatchdogSec=4\nEnvironment=NODE_OPTIONS=--import=${PLACE}/block.mjs\n`;
      return withDropIn(block, async () => {
        const before = show('MainPID');
        process.kill(Number(before), 'SIGUSR2');
        await until('the watchdog', () => journal().includes('Watchdog timeout') && show('MainPID') !== before);
        await isWell();
        return sells();
      });
    },
  },
  {
    name: 'a wrong configuration at a restart: what ran last runs, until the file is mended',
    run: async () => {
      const right = readFileSync('/etc/fieldpost/device.json', 'utf8');
      writeFileSync('/etc/fieldpost/device.json', '{ "device": {} }');
      try {
        run('systemctl', 'restart', 'fieldpost');
        await until('its own words', () => /what ran last is run/.test(journal()));
        expect(show('ActiveState') === 'active', `the service is ${show('ActiveState')}`);
      } finally {
        writeFileSync('/etc/fieldpost/device.json', right);
        run('systemctl', 'reload', 'fieldpost');
      }
      return isWell();
    },
  },
  {
    name: 'a wrong configuration of a device that has never worked ends with 78 and is not tried again',
    run: async () => {
      const right = readFileSync('/etc/fieldpost/device.json', 'utf8');
      const last = '/var/lib/fieldpost/state/config/last.json';
      const ran = readFileSync(last);
      run('systemctl', 'stop', 'fieldpost');
      rmSync(last);
      writeFileSync('/etc/fieldpost/device.json', '{ "device": {} }');
      try {
        run('sh', '-c', 'systemctl restart fieldpost || true');
        await until('failed', () => show('ActiveState') === 'failed');
        expect(show('ExecMainStatus') === '78', `status ${show('ExecMainStatus')}`);
      } finally {
        writeFileSync(last, ran);
        run('chown', 'fieldpost:fieldpost', last);
        writeFileSync('/etc/fieldpost/device.json', right);
        run('systemctl', 'restart', 'fieldpost');
      }
      return isWell();
    },
  },
  {
    name: 'without the key in the store systemd starts it all the same, and it says what it misses',
    run: async () => {
      const key = readFileSync('/etc/credstore/client.key');
      rmSync('/etc/credstore/client.key');
      try {
        run('sh', '-c', 'systemctl restart fieldpost || true');
        await until('its own words', () => /client\.key.*missing/.test(journal()));
        expect(show('ExecMainStatus') !== '243', 'systemd itself refused to start it');
      } finally {
        writeFileSync('/etc/credstore/client.key', key, { mode: 0o600 });
        run('systemctl', 'restart', 'fieldpost');
      }
      return isWell();
    },
  },
  {
    name: 'it stops in time, and says so',
    run: async () => {
      const started = performance.now();
      run('systemctl', 'stop', 'fieldpost');
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      expect(show('Result') === 'success', `result ${show('Result')}`);
      run('systemctl', 'start', 'fieldpost');
      await isWell();
      return `${seconds} s`;
    },
  },
  {
    name: "a request of the agent's reboots the machine once, and the service is well after it",
    run: () => {
      writeFileSync(BOOT_FILE, bootId());
      run('runuser', '-u', 'fieldpost', '--', 'sh', '-c', `echo 01JDREBOOT > ${REQUEST}`);
      return '';
    },
    after: async () => {
      expect(readFileSync(BOOT_FILE, 'utf8') !== bootId(), 'the boot id is the same');
      expect(!existsSync(REQUEST), 'the request is still there');
      await isWell();
      await sells();
      expect(
        /reboot asked for by the agent id=01JDREBOOT/.test(journal()) || !hasJournalOfBefore(),
        'not in the journal',
      );
      return `${answered().length} sales answered`;
    },
  },
  { name: 'each sale that was answered is at the consumer once, and the ledger is sound', run: () => eachOnce() },
];

/** A journal in memory is gone with the boot. */
function hasJournalOfBefore(): boolean {
  return run('journalctl', '--list-boots', '-q').trim().split('\n').length > 1;
}

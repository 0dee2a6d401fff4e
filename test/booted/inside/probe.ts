/**
 * Started in the agent's place, with the agent's unit: tries what the sandbox must refuse and what the agent needs. Writes one
 * line each, `refused <what>`, `done <what>`.
 */
import { spawnSync } from 'node:child_process';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';

const tries: Readonly<Record<string, () => void>> = {
  'write /etc': () => writeFileSync('/etc/fieldpost/probe', ''),
  'write /usr': () => writeFileSync('/usr/lib/fieldpost/probe', ''),
  'write /var': () => writeFileSync('/var/lib/probe', ''),
  'write the kernel': () => writeFileSync('/proc/sys/kernel/domainname', 'probe'),
  'read /etc/shadow': () => readFileSync('/etc/shadow'),
  'read the key store': () => readFileSync('/etc/credstore/client.key'),
  'read a home': () => readFileSync('/root/secret'),
  "read another process's memory": () => openSync('/proc/1/mem', 'r'),
  'set the clock': () => ran('date', '-s', '2030-01-01'),
  'make a namespace': () => ran('unshare', '-U', 'true'),
  mount: () => ran('mount', '-t', 'tmpfs', 'none', '/var/lib/fieldpost'),
  reboot: () => ran('systemctl', 'reboot'),
  'write its state': () => writeFileSync('/var/lib/fieldpost/probe', ''),
  'read its configuration': () => readFileSync('/etc/fieldpost/device.json'),
  'read its key': () => readFileSync(join(process.env['CREDENTIALS_DIRECTORY'] ?? '', 'client.key')),
  'read figures of the machine': () => readFileSync('/proc/meminfo'),
  'list addresses': () => void networkInterfaces(),
  'open a tty': () => openSync('/dev/ttyMETER', 'r+'),
};

function ran(program: string, ...args: readonly string[]): void {
  const { status } = spawnSync(program, args, { stdio: 'ignore', timeout: 5000 });
  if (status !== 0) throw new Error(`status ${status}`);
}

for (const [name, attempt] of Object.entries(tries)) {
  let word = 'done';
  try {
    attempt();
  } catch {
    word = 'refused';
  }
  process.stdout.write(`${word} ${name}\n`);
}

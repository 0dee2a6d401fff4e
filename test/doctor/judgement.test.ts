/** What the doctor makes of what it sees, where no set-up of a test could show it: pure functions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerKindOf } from '../../src/cli/doctor-broker-kind.ts';
import { clockFindings } from '../../src/cli/doctor-clock.ts';
import { mountOf, spaceFinding } from '../../src/cli/doctor-disk.ts';
import { rebootFinding, statusFinding, unitFinding } from '../../src/cli/doctor-service.ts';
import { partText } from '../../src/cli/doctor-text.ts';
import { parseDeviceValue } from '../../src/config/parse.ts';

const MIB = 1024 * 1024;
const BUILT_MS = Date.UTC(2026, 0, 1);

test('a clock of 1970 or 2100 failed, and so did one that stands before a time that was lived; one of today is ok', () => {
  const stateAt = (quality: 'synced' | 'set' | 'unknown', year: number): string | undefined =>
    clockFindings(quality, Date.UTC(year, 5, 1), BUILT_MS)[0]?.state;
  assert.equal(stateAt('unknown', 1970), 'failed');
  assert.equal(stateAt('unknown', 2100), 'failed');
  assert.match(clockFindings('unknown', BUILT_MS, BUILT_MS + 1)[0]?.found ?? '', /which it is at least/);
  assert.equal(stateAt('set', 2026), 'ok');
  assert.equal(stateAt('synced', 2027), 'ok');
});

test('a full disk failed, one that the ledger may outgrow is a warning, a ledger at its bound needs nothing', () => {
  const result = parseDeviceValue({
    device: { id: 'a' },
    broker: { urls: ['mqtt://127.0.0.1'] },
    ledger: { dir: '/x', maxBytes: '64MiB' },
  });
  assert.ok(result.ok);
  const { ledger } = result.config;
  assert.equal(spaceFinding(ledger, 0, 4096).state, 'failed');
  assert.equal(spaceFinding(ledger, 0, 32 * MIB).state, 'warning');
  assert.equal(spaceFinding(ledger, 40 * MIB, 32 * MIB).state, 'ok');
  assert.equal(spaceFinding(ledger, 64 * MIB, 0).state, 'ok');
});

test('the mount of a path is the innermost and newest one, by whole levels', () => {
  const mounts = [
    '/dev/root / ext4 rw 0 0',
    'tmpfs /run tmpfs rw 0 0',
    '/dev/sda1 /mnt/a\\040card vfat rw 0 0',
    'tmpfs /var/lib tmpfs rw 0 0',
    '/dev/sdb1 /var/lib ext4 rw 0 0',
  ].join('\n');
  assert.deepEqual(mountOf(mounts, '/run/fieldpost'), { point: '/run', type: 'tmpfs' });
  assert.deepEqual(mountOf(mounts, '/runner'), { point: '/', type: 'ext4' });
  assert.deepEqual(mountOf(mounts, '/mnt/a card/ledger'), { point: '/mnt/a card', type: 'vfat' });
  assert.deepEqual(mountOf(mounts, '/var/lib/fieldpost'), { point: '/var/lib', type: 'ext4' });
  assert.equal(mountOf('', '/'), undefined);
});

test('a broker is known by its topic and its words', () => {
  assert.deepEqual(brokerKindOf('$SYS/broker/version', 'mosquitto version 2.0.11'), {
    name: 'Mosquitto',
    version: '2.0.11',
  });
  assert.deepEqual(brokerKindOf('$SYS/brokers/e@h/version', '6.2.3'), { name: 'EMQX', version: '6.2.3' });
  assert.deepEqual(brokerKindOf('$SYS/broker/version', 'something 1.2'), { name: 'unknown', version: '1.2' });
});

test('the service is judged by what runs and by what systemd says', () => {
  assert.equal(unitFinding(undefined, true).state, 'skipped');
  assert.equal(unitFinding('active', true).state, 'ok');
  assert.equal(unitFinding('failed', false).state, 'failed');
  assert.match(unitFinding('inactive', true).found, /started by hand/);
  assert.equal(rebootFinding('active').state, 'ok');
  assert.equal(rebootFinding('failed').state, 'failed');
  assert.equal(rebootFinding(undefined).state, 'skipped');
  const status = {
    at: '2026-01-01T00:00:00.000Z',
    connected: true,
    degraded: ['ledger.dead'],
    writtenBytesDay: undefined,
  };
  const finding = statusFinding({ pid: 1 }, status);
  assert.equal(finding.state, 'warning');
  assert.match(finding.found, /degraded: ledger\.dead/);
  assert.equal(statusFinding(undefined, status).state, 'skipped');
});

test('what a broker says can not steer the terminal', () => {
  const text = partText({ part: 'broker', findings: [{ name: 'TLS', state: 'ok', found: 'a\u001b[2Jb\nc' }] }, false);
  assert.equal(text, 'broker\n  ok       TLS  a [2Jb c\n');
});

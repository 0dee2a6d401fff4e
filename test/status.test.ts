/** The status: each thing that is not as it should be has its word, and nothing has one that is as it should be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StatusParts, statusOf } from '../src/status/status.ts';
import { withHour, type WrittenHours, writtenInDay } from '../src/status/written.ts';

const NOW = Date.UTC(2026, 10, 24);
const DAY_MS = 86_400_000;
const at = (days: number): string => new Date(NOW + days * DAY_MS).toISOString();

const SOUND: StatusParts = {
  agent: '1.0.0',
  boot: 'b',
  clock: 'synced',
  nowMs: NOW,
  config: { revision: 0, phase: 'confirmed' },
  configFaults: [],
  ledger: {
    epoch: 'E',
    first: 1,
    last: 9,
    older: [],
    accepted: 0,
    unsent: 0,
    unsettled: 0,
    dead: 0,
    bytes: 100,
    refusing: undefined,
    quarantined: 0,
  },
  oldestUnsentMs: undefined,
  receipts: undefined,
  telemetryDropped: 0,
  certificate: { notBefore: at(-1), notAfter: at(100) },
  freeBytes: 5,
  forbiddenStreams: [],
  eventsHeld: undefined,
  guarantee: { word: 'exactly-once', why: 'sound', lacks: [] },
  forbiddenTopics: [],
  sensors: [
    { id: 'a', state: 'ok' },
    { id: 'b', state: 'stale' },
  ],
  connection: { connects: 1, failures: 0, takeovers: 0, lastEnd: undefined },
  starts: 1,
  stateFails: false,
  renewalFails: false,
  writtenBytesDay: 7,
  writtenBytes: 30_000,
};

const TAKEN = { epoch: 'E', through: 9, refused: 0, refusal: undefined, forked: false, late: false };

const WORDS: readonly (readonly [change: Partial<StatusParts>, word: string])[] = [
  [{ ledger: { ...SOUND.ledger, refusing: { code: 'ledger.full' } } }, 'ledger.full'],
  [{ ledger: { ...SOUND.ledger, dead: 1 } }, 'ledger.dead'],
  [{ ledger: { ...SOUND.ledger, quarantined: 1 } }, 'ledger.quarantine'],
  [{ eventsHeld: 'no QoS 2' }, 'events.held'],
  [{ receipts: { ...TAKEN, refusal: 'garbage' } }, 'receipts.refused'],
  [{ receipts: { ...TAKEN, forked: true } }, 'ledger.forked'],
  [{ receipts: { ...TAKEN, late: true } }, 'receipts.late'],
  [{ guarantee: { word: 'repeats', why: 'x', lacks: ['retain'] } }, 'broker.no-retain'],
  [{ forbiddenStreams: ['sale'] }, 'broker.forbidden:up/event/sale'],
  [{ forbiddenTopics: ['up/info'] }, 'broker.forbidden:up/info'],
  [{ connection: { ...SOUND.connection, takeovers: 1 } }, 'broker.taken-over'],
  [{ sensors: [{ id: 'a', state: 'absent' }] }, 'sensor.absent:a'],
  [{ sensors: [{ id: 'a', state: 'error' }] }, 'sensor.error:a'],
  [{ clock: 'unknown' }, 'clock.unknown'],
  [{ stateFails: true }, 'state.disk'],
  [{ renewalFails: true }, 'identity.renewal'],
  [{ certificate: { notBefore: at(-100), notAfter: at(13.9) } }, 'certificate.expiring'],
  [{ certificate: { notBefore: at(-100), notAfter: at(-0.1) } }, 'certificate.expired'],
  [{ certificate: { notBefore: at(0.1), notAfter: at(100) } }, 'certificate.not-yet-valid'],
];

test('a sound device is not degraded', () => {
  const status = statusOf(SOUND);
  assert.deepEqual(status.degraded, []);
  assert.deepEqual(status['certificate'], { not_after: at(100), days: 100 });
  assert.deepEqual(status['disk'], { free_bytes: 5, written_bytes_day: 7 });
  assert.deepEqual((status['ledger'] as { older: unknown }).older, []);
  const three = statusOf({ ...SOUND, ledger: { ...SOUND.ledger, accepted: 3 } });
  assert.deepEqual(three['disk'], { free_bytes: 5, written_bytes_day: 7, written_bytes_event: 10_000 });
  assert.deepEqual(status['connection'], { failures: 0, takeovers: 0 });
  assert.deepEqual(statusOf({ ...SOUND, certificate: { notBefore: at(-100), notAfter: at(14) } }).degraded, []);
});

for (const [change, word] of WORDS) {
  test(`degraded: ${word}`, () => assert.deepEqual(statusOf({ ...SOUND, ...change }).degraded, [word]));
}

test('the last end of a connection and the oldest unsent event are told with their times', () => {
  const lastEnd = { word: 'network.lost', text: 'gone', atMs: NOW - 1000 };
  const status = statusOf({ ...SOUND, connection: { ...SOUND.connection, lastEnd }, oldestUnsentMs: 5400 });
  const { last_end: told } = status['connection'] as { last_end: unknown };
  assert.deepEqual(told, { word: 'network.lost', text: 'gone', at: '2026-11-23T23:59:59.000Z' });
  assert.equal((status['ledger'] as { oldest_s: number }).oldest_s, 5);
});

test('a clock that was never set says nothing of a certificate', () => {
  const certificate = { notBefore: at(-100), notAfter: at(-1) };
  const status = statusOf({ ...SOUND, clock: 'unknown', certificate });
  assert.deepEqual(status.degraded, ['clock.unknown']);
  assert.deepEqual(status['certificate'], { not_after: at(-1) });
});

test('what was written in a day is the last 23 hours and the one that runs', () => {
  let hours: WrittenHours = [];
  for (let hour = 1; hour <= 30; hour += 1) hours = withHour(hours, hour);
  assert.equal(hours.length, 24);
  assert.equal(writtenInDay(hours, 0.6), 1 + Array.from({ length: 23 }, (_, n) => n + 8).reduce((a, b) => a + b));
  assert.equal(writtenInDay([], 3), 3);
});

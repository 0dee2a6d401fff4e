/** The command desk: what is run, what is refused and in which words, and that nothing from outside can hurt it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { topicsOf } from '../../src/broker/topics.ts';
import { defineCommand } from '../../src/command/command.ts';
import { CommandDesk, type DeskOptions } from '../../src/command/desk.ts';
import { pingCommand } from '../../src/command/ping.ts';
import { eventsCommands, type EventsDesk } from '../../src/command/events.ts';
import { statusGetCommand } from '../../src/command/status-get.ts';
import { COMMAND_NAMES } from '../../src/config/command-names.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock, ClockQuality, Log } from '../../src/ports.ts';
import { until } from '../rig/wait.ts';

const DEADLINE_MS = 5000;
const topics = topicsOf('fp/v1', 'pump-42');
const nothing = (): void => undefined;
const log: Log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
const boot = { id: 'boot-1', uptimeMs: () => 5 };

const EVENTS: EventsDesk = {
  stat: () => ({ epochs: [] }),
  replay: (epoch, from, to) => (epoch === 'GONE' ? undefined : { epoch: epoch ?? 'E', events: to - from + 1 }),
  dead: () => ({ dead: [], more: 0 }),
  retry: (_epoch, seq) => ({ events: seq ?? 5 }),
  abandon: (_epoch, seq) => seq === 7,
};

interface Answer {
  readonly topic: string;
  readonly document: Readonly<Record<string, unknown>>;
  readonly correlation: string | undefined;
}

interface Rig {
  readonly desk: CommandDesk;
  readonly answers: readonly Answer[];
  readonly runs: () => number;
  /** Sends a request and waits for its answer. */
  readonly ask: (
    topic: string,
    payload: string | Buffer,
    more?: { retained?: boolean; responseTopic?: string; correlationData?: Buffer },
  ) => Promise<Answer>;
}

function rig(
  options: Partial<DeskOptions> = {},
  now: { wallMs: number; quality: ClockQuality } = { wallMs: Date.UTC(2026, 10, 24), quality: 'set' },
): Rig {
  const answers: Answer[] = [];
  let runs = 0;
  const clock: Clock = { ...systemClock, wallMs: () => now.wallMs, quality: () => now.quality };
  const add = defineCommand({
    name: 'add',
    changes: true,
    summary: 'Adds.',
    args: v.strictObject({ a: v.number(), b: v.number() }),
    run: ({ a, b }) => {
      runs += 1;
      if (a > 100) throw new Error('too much');
      return { sum: a + b };
    },
  });
  const desk = new CommandDesk({
    topics,
    clock,
    log,
    policy: { add: 'on' },
    commands: [
      pingCommand(clock, boot),
      statusGetCommand(() => ({ v: 1, state: 'online' })),
      ...eventsCommands(EVENTS),
      add,
    ],
    respond: (topic, payload, correlationData) => {
      const document = JSON.parse(payload.toString()) as Answer['document'];
      answers.push({ topic, document, correlation: correlationData?.toString() });
      return Promise.resolve();
    },
    ...options,
  });
  return {
    desk,
    answers,
    runs: () => runs,
    ask: async (topic, payload, more = {}) => {
      const before = answers.length;
      desk.take({
        topic: `fp/v1/pump-42/down/command/${topic}`,
        payload: Buffer.from(payload),
        retained: false,
        ...more,
      });
      return until(() => answers[before], `an answer to ${topic}`, DEADLINE_MS);
    },
  };
}

test('ping answers with the time, on the topic of the request, without a payload too', async () => {
  const { ask } = rig();
  const { topic, document } = await ask('ping/p1', '');
  assert.equal(topic, 'fp/v1/pump-42/up/response/ping/p1');
  assert.deepEqual(document, {
    v: 1,
    id: 'p1',
    command: 'ping',
    status: 'succeeded',
    result: { time: '2026-11-24T00:00:00.000Z', clock: 'set', boot: 'boot-1', uptime_ms: 5 },
    repeated: false,
  });
});

test('the configuration knows exactly the commands that there are; reading ones are on, changing ones off', async () => {
  const all = [pingCommand(systemClock, boot), statusGetCommand(() => ({})), ...eventsCommands(EVENTS)];
  assert.deepEqual(all.map((command) => command.name).sort(), [...COMMAND_NAMES].sort());
  const { ask, desk } = rig({ policy: {} });
  for (const { name, changes } of all) {
    assert.equal((await ask(`${name}/x`, '{}')).document['status'], changes ? 'rejected' : 'succeeded', name);
  }
  assert.deepEqual(desk.accepted, ['ping', 'status.get', 'events.stat', 'events.dead']);
});

test('events commands take what they say and nothing else', async () => {
  const { ask } = rig({ policy: { 'events.replay': 'on', 'events.retry': 'on', 'events.abandon': 'on' } });
  const asked = async (topic: string, args: object): Promise<unknown> => {
    const { document } = await ask(topic, JSON.stringify({ args }));
    return document['result'] ?? (document['error'] as { message: string }).message;
  };
  assert.deepEqual(await asked('events.replay/1', { from: 3, to: 5 }), { epoch: 'E', events: 3 });
  assert.equal(await asked('events.replay/2', { from: 5, to: 3 }), 'to must be from up to 999999 more, got 5 to 3');
  assert.equal(await asked('events.replay/3', { from: 1, to: 2, epoch: 'GONE' }), 'nothing is kept of epoch GONE');
  assert.match(String(await asked('events.replay/4', { from: 0, to: 2 })), /args\/from: must be >=1, got 0/);
  assert.match(String(await asked('events.replay/5', { from: 1, to: 2, epoch: '../x' })), /args\/epoch/);
  assert.deepEqual(await asked('events.retry/1', {}), { events: 5 });
  assert.deepEqual(await asked('events.abandon/1', { seq: 7 }), { abandoned: 7 });
  assert.equal(await asked('events.abandon/2', { seq: 8 }), 'there is no dead letter 8');
});

test('the same request again gets the same answer and runs nothing; another one by that id is rejected', async () => {
  const { ask, runs } = rig();
  const first = await ask('add/1', '{"args":{"a":1,"b":2}}');
  assert.deepEqual(first.document['result'], { sum: 3 });
  for (let repeat = 0; repeat < 4; repeat += 1) {
    const again = await ask('add/1', '{"args":{"a":1,"b":2}}');
    assert.deepEqual(again.document, { ...first.document, repeated: true });
  }
  const other = await ask('add/1', '{"args":{"a":2,"b":2}}');
  assert.equal((other.document['error'] as { code: string }).code, 'command.id-reused');
  assert.equal(runs(), 1);
});

const REFUSALS: readonly (readonly [what: string, payload: string | Buffer, code: string, text: RegExp])[] = [
  ['arguments that are not there', '{}', 'args.invalid', /args\/a: must be given; args\/b: must be given/],
  ['an argument too many', '{"args":{"a":1,"b":2,"c":3}}', 'args.invalid', /args\/c: must be left out/],
  ['an argument of another type', '{"args":{"a":"1","b":2}}', 'args.invalid', /args\/a: must be number, got "1"/],
  ['no JSON', '{"args":', 'request.not-json', /line 1, column 9/],
  ['NaN', '{"args":{"a":NaN}}', 'request.not-json', /line 1, column 14/],
  ['a list', '[]', 'request.not-object', /must be a JSON object/],
  ['an unknown key', '{"arg":{}}', 'request.unknown-key', /"arg"; known are v, id, args/],
  ['another version', '{"v":2}', 'request.version', /v must be 1, got 2/],
  ['the id of another request', '{"id":"2"}', 'request.id', /id must be the topic's last level, x, got "2"/],
  ['a time that is none', '{"expires":"tomorrow"}', 'request.expires', /must be a time such as/],
  ['a name with line ends', '{"by":"a\\nb"}', 'request.by', /without control characters/],
  ['a signed request', '{"v":1,"body":"{}","sig":"x"}', 'request.signed', /not in this version/],
  ['a key that JavaScript reserves', '{"__proto__":{"a":1}}', 'request.not-json', /reserve/],
  ['the same key twice', '{"args":{"a":1,"a":2}}', 'request.not-json', /stands once/],
  ['bytes that are not UTF-8', Buffer.of(0x7b, 0xff, 0x7d), 'request.not-utf8', /must be UTF-8/],
  ['JSON 100,000 deep', '['.repeat(60_000), 'request.not-json', /column/],
  ['a payload of 10 MB', Buffer.alloc(10_000_000, 0x20), 'request.too-large', /at most 65536 bytes, got 10000000/],
];

for (const [what, payload, code, text] of REFUSALS) {
  test(`rejected in its own words: ${what}`, async () => {
    const { ask, runs } = rig();
    const { document } = await ask('add/x', payload);
    const error = document['error'] as { readonly code: string; readonly message: string };
    assert.deepEqual([document['status'], error.code], ['rejected', code]);
    assert.match(error.message, text);
    assert.equal(runs(), 0);
    assert.equal(Reflect.get({}, 'a'), undefined, 'the prototype of all objects was changed');
  });
}

test('unknown, switched off, retained, and expired commands are not run', async () => {
  const { ask, runs } = rig({ policy: {} });
  const code = ({ document }: Answer): unknown => (document['error'] as { code: string }).code;
  assert.equal(code(await ask('host.reboot/1', '{}')), 'command.unknown');
  assert.equal(code(await ask('add/1', '{"args":{"a":1,"b":2}}')), 'command.off');
  assert.equal(code(await ask('ping/1', '{}', { retained: true })), 'command.retained');
  assert.equal((await ask('ping/2', '{"expires":"2026-11-23T23:59:59Z"}')).document['status'], 'expired');
  assert.equal((await ask('ping/3', '{"expires":"2026-11-24T00:00:01Z"}')).document['status'], 'succeeded');
  assert.equal((await ask('ping/4', '{"expires":"2026-11-24T02:00:01+02:00"}')).document['status'], 'succeeded');
  assert.equal(runs(), 0);
});

test('a clock that was never set does not judge an expiry', async () => {
  const { ask } = rig({}, { wallMs: Date.UTC(1970, 0, 1), quality: 'unknown' });
  assert.equal((await ask('ping/1', '{"expires":"1969-01-01T00:00:00Z"}')).document['status'], 'succeeded');
});

test('a command that throws is answered as failed', async () => {
  const { document } = await rig().ask('add/1', '{"args":{"a":101,"b":2}}');
  assert.deepEqual(
    [document['status'], document['error']],
    ['failed', { code: 'command.failed', message: 'too much' }],
  );
});

test("a response topic is honoured inside the device's own tree only, and correlation data comes back", async () => {
  const { ask } = rig();
  const correlationData = Buffer.from('c7');
  const inside = await ask('ping/1', '', { responseTopic: 'fp/v1/pump-42/up/response/ops/7', correlationData });
  assert.deepEqual([inside.topic, inside.correlation], ['fp/v1/pump-42/up/response/ops/7', 'c7']);
  for (const responseTopic of [
    'fp/v1/pump-43/up/response/a',
    'fp/v1/pump-42/up/status',
    'fp/v1/pump-42/up/response/#',
    'x',
  ]) {
    const outside = await ask(`ping/${responseTopic.length}`, '', { responseTopic });
    assert.match(outside.topic, /^fp\/v1\/pump-42\/up\/response\/ping\/\d+$/);
  }
});

test('names and ids that are no topic level are counted and not answered', async () => {
  const { desk, answers, ask } = rig();
  for (const topic of ['ping/a b', 'ping/../status', 'ping/a+', 'p#g/1', `ping/${'x'.repeat(65)}`, 'ping/', 'ping']) {
    desk.take({ topic: `fp/v1/pump-42/down/command/${topic}`, payload: Buffer.alloc(0), retained: false });
  }
  await ask('ping/last', '');
  assert.equal(answers.length, 1);
  assert.equal(desk.counters.unanswerable, 4);
});

test('a flood is bounded: what waits is answered, the rest is dropped and counted', async () => {
  const held: (() => void)[] = [];
  const { desk } = rig({ respond: () => new Promise((resolve) => held.push(resolve)) });
  for (let at = 0; at < 10_000; at += 1) {
    desk.take({ topic: `fp/v1/pump-42/down/command/ping/${at}`, payload: Buffer.alloc(0), retained: false });
  }
  await until(() => held.length === 32, 'the requests that are handled at once', DEADLINE_MS);
  assert.deepEqual(desk.counters, { requests: 10_000, unanswerable: 0, dropped: 9968 });
  for (const release of held) release();
});

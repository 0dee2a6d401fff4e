/** The command desk: what is run, what is refused and in which words, and that nothing from outside can hurt it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../rig/wait.ts';
import { codeOf, DEADLINE_MS, deskRig, handClock, heldState, ROOT, slowCommand } from './desk-rig.ts';

test('ping answers with the time, on the topic of the request, without a payload too', async (t) => {
  const { ask } = await deskRig(t);
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

test('events commands take what they say and nothing else', async (t) => {
  const { ask } = await deskRig(t, { policy: { 'events.replay': 'on', 'events.retry': 'on', 'events.abandon': 'on' } });
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
  const errorCode = async (topic: string, args: object): Promise<unknown> =>
    ((await ask(topic, JSON.stringify({ args }))).document['error'] as { code: string }).code;
  assert.equal(await errorCode('events.abandon/3', { seq: 8 }), 'events.unknown');
  assert.equal(await errorCode('events.replay/6', { from: 1, to: 2, epoch: 'GONE' }), 'events.unknown');
});

test('the same request again gets the same answer and runs nothing; another one by that id is rejected', async (t) => {
  const { ask, runs } = await deskRig(t);
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
  ['a body without a signature', '{"v":1,"body":"{}"}', 'request.signed', /both texts/],
  ['a signature beside a request', '{"sig":"x","args":{}}', 'request.unknown-key', /known are v, body, sig/],
  ['a signed request where nobody may sign', '{"v":1,"body":"{}","sig":"x"}', 'signature.signers', /\/signers/],
  ['a key that JavaScript reserves', '{"__proto__":{"a":1}}', 'request.not-json', /reserve/],
  ['the same key twice', '{"args":{"a":1,"a":2}}', 'request.not-json', /stands once/],
  ['bytes that are not UTF-8', Buffer.of(0x7b, 0xff, 0x7d), 'request.not-utf8', /must be UTF-8/],
  ['JSON 100,000 deep', '['.repeat(60_000), 'request.not-json', /column/],
  ['a payload of 10 MB', Buffer.alloc(10_000_000, 0x20), 'request.too-large', /at most 65536 bytes, got 10000000/],
];

for (const [what, payload, code, text] of REFUSALS) {
  test(`rejected in its own words: ${what}`, async (t) => {
    const { ask, runs } = await deskRig(t);
    const { document } = await ask('add/x', payload);
    const error = document['error'] as { readonly code: string; readonly message: string };
    assert.deepEqual([document['status'], error.code], ['rejected', code]);
    assert.match(error.message, text);
    assert.equal(runs(), 0);
    assert.equal(Reflect.get({}, 'a'), undefined, 'the prototype of all objects was changed');
  });
}

test('unknown, switched off, retained, and expired commands are not run', async (t) => {
  const { ask, runs } = await deskRig(t, { policy: {} });
  assert.equal(codeOf(await ask('host.explode/1', '{}')), 'command.unknown');
  assert.equal(codeOf(await ask('add/1', '{"args":{"a":1,"b":2}}')), 'command.off');
  assert.equal(codeOf(await ask('ping/1', '{}', { retained: true })), 'command.retained');
  assert.equal((await ask('ping/2', '{"expires":"2026-11-23T23:59:59Z"}')).document['status'], 'expired');
  assert.equal((await ask('ping/3', '{"expires":"2026-11-24T00:00:01Z"}')).document['status'], 'succeeded');
  assert.equal((await ask('ping/4', '{"expires":"2026-11-24T02:00:01+02:00"}')).document['status'], 'succeeded');
  assert.equal(runs(), 0);
});

test("the message expiry counts from arrival on, without a clock too; the request's own time where there is one", async (t) => {
  const { hand, clock } = handClock('unknown');
  const held: (() => void)[] = [];
  const { ask, send, answers, runs } = await deskRig(t, {
    clock,
    state: heldState((write) => held.push(write)),
  });
  assert.equal((await ask('ping/1', '{"expires":"1969-01-01T00:00:00Z"}')).document['status'], 'succeeded');
  assert.equal((await ask('ping/2', '', { expirySeconds: 0 })).document['status'], 'expired');
  const request = '{"args":{"a":1,"b":2}}';
  for (const [id, expirySeconds] of [
    ['late', 10],
    ['in-time', 11],
  ] as const) {
    send(`add/${id}`, request, { expirySeconds });
  }
  await until(() => held.length === 1, 'the first on its way to the disk, the other behind it', DEADLINE_MS);
  hand.pass(10_000);
  for (let at = 0; at < 4; at += 1) (await until(() => held[at], 'a write', DEADLINE_MS))();
  await until(() => answers.length === 4, 'both answers', DEADLINE_MS);
  const statusOf = (id: string): unknown => answers.find(({ document }) => document['id'] === id)?.document['status'];
  assert.deepEqual([statusOf('late'), statusOf('in-time'), runs()], ['expired', 'succeeded', 1]);
  assert.equal((await ask('add/late', request)).document['status'], 'expired');
  const set = await deskRig(t);
  const own = await set.ask('ping/1', '{"expires":"2026-11-24T00:00:01Z"}', { expirySeconds: 0 });
  assert.equal(own.document['status'], 'expired');
});

test('a command that throws is answered as failed', async (t) => {
  const { document } = await (await deskRig(t)).ask('add/1', '{"args":{"a":101,"b":2}}');
  assert.deepEqual(
    [document['status'], document['error']],
    ['failed', { code: 'command.failed', message: 'too much' }],
  );
});

test("a response topic is honoured inside the device's own tree only, and correlation data comes back", async (t) => {
  const { ask } = await deskRig(t);
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

test('names and ids that are no topic level are counted and not answered', async (t) => {
  const { desk, answers, ask } = await deskRig(t);
  for (const topic of ['ping/a b', 'ping/../status', 'ping/a+', 'p#g/1', `ping/${'x'.repeat(65)}`, 'ping/', 'ping']) {
    desk.take({ topic: `fp/v1/pump-42/down/command/${topic}`, payload: Buffer.alloc(0), retained: false });
  }
  await ask('ping/last', '');
  assert.equal(answers.length, 1);
  assert.equal(desk.counters.unanswerable, 4);
});

test('a flood is bounded: what waits is answered, the rest is dropped and counted', async (t) => {
  const held: (() => void)[] = [];
  const { desk, send } = await deskRig(t, { respond: () => new Promise((resolve) => held.push(resolve)) });
  for (let at = 0; at < 10_000; at += 1) send(`ping/${at}`, '');
  await until(() => held.length === 32, 'the requests that are handled at once', DEADLINE_MS);
  const { requests, dropped } = desk.counters;
  assert.deepEqual({ requests, dropped }, { requests: 10_000, dropped: 9968 });
  for (const release of held) release();
});

test('beyond thirty at once and sixty a minute requests are rejected, then dropped; the schedule is not', async (t) => {
  const { hand, clock } = handClock('set');
  const { desk, ask, send, answers } = await deskRig(t, { clock });
  for (let at = 0; at < 30; at += 1) assert.equal((await ask(`ping/${at}`, '')).document['status'], 'succeeded');
  for (let at = 0; at < 10; at += 1) assert.equal(codeOf(await ask(`ping/more-${at}`, '')), 'command.rate');
  for (let at = 0; at < 50; at += 1) send(`ping/lost-${at}`, '');
  await desk.runScheduled('ping', {}, 'schedule.0.1');
  assert.deepEqual([answers.length, answers.at(-1)?.document['status']], [41, 'succeeded']);
  const { limited, dropped } = desk.counters;
  assert.deepEqual({ limited, dropped }, { limited: 10, dropped: 50 });
  hand.pass(2000);
  // What was rejected for its rate is not known by its id: it may be asked again.
  for (const id of ['more-0', 'more-1']) assert.equal((await ask(`ping/${id}`, '')).document['status'], 'succeeded');
  send('ping/3', '');
  assert.equal(desk.counters.dropped, 51);
});

test('a command that takes longer than a second is told to be executing, once, and has one final answer', async (t) => {
  const { hand, clock } = handClock('set');
  const slow = slowCommand();
  const { desk, send, answers, ask } = await deskRig(t, { clock, commands: [slow.command] });
  const statuses = (): unknown[] => answers.map(({ document }) => [document['status'], document['repeated']]);
  send('slow/1', '{}', { correlationData: Buffer.from('c1') });
  await until(() => slow.runs() === 1, 'the command to run', DEADLINE_MS);
  hand.pass(999);
  assert.deepEqual(statuses(), []);
  hand.pass(1);
  assert.deepEqual(statuses(), [['executing', false]]);
  await ask('slow/1', '{}');
  hand.pass(100_000);
  slow.end();
  await until(() => answers.length === 3, 'the final answer', DEADLINE_MS);
  assert.deepEqual(statuses(), [
    ['executing', false],
    ['executing', true],
    ['succeeded', false],
  ]);
  assert.deepEqual(answers[2]?.document['result'], { run: 1 });
  assert.deepEqual([answers[0]?.correlation, answers[2]?.correlation], ['c1', 'c1']);
  assert.equal(answers[0]?.topic, `${ROOT}/up/response/slow/1`);
  hand.pass(100_000);
  assert.equal(answers.length, 3);
  await desk.runScheduled('slow', { none: 1 }, 's');
  assert.equal(hand.timers, 0);
});

/** A broker that holds the connection and does not answer: the link ends, and not before what was asked has left. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/platform/clock.ts';
import type { Link, LinkEnd } from '../../src/ports-broker.ts';
import { plainLink } from './plain-link.ts';

const ANSWER_MS = 30_000;
/** The thirty seconds are over after 30 ms. */
const HASTE = 1000;
/** More than the buffers of both sockets hold. */
const FILLER_BYTES = 32 * 1024 * 1024;
/** Success, no session, no properties. */
const CONNACK = Buffer.of(0x20, 3, 0, 0, 0);
interface Scene {
  readonly link: Link;
  /** The broker's side. */
  readonly socket: Socket;
  /** Deadlines that were set, and those of them that still run. */
  readonly seen: { end: LinkEnd | undefined; deadlines: number; running: number };
}

/** `answer` gives what the broker says to a chunk that comes after CONNECT. */
async function setScene(
  t: TestContext,
  answer: (chunk: Buffer) => Buffer | undefined = () => undefined,
): Promise<Scene> {
  const seen: Scene['seen'] = { end: undefined, deadlines: 0, running: 0 };
  const clock = {
    ...systemClock,
    after: (ms: number, run: () => void) => {
      const timer = systemClock.after(ms / HASTE, run);
      if (ms !== ANSWER_MS) return timer;
      seen.deadlines += 1;
      seen.running += 1;
      const cancel = (): void => {
        seen.running -= 1;
        timer.cancel();
      };
      return { cancel };
    },
  };
  const plain = await plainLink(t, {
    keepAliveMs: 3_600_000,
    clock,
    listener: {
      ended: (end) => {
        seen.end = end;
      },
    },
    connect: (socket) => {
      socket.write(CONNACK);
      socket.on('data', (chunk) => {
        const bytes = answer(chunk);
        if (bytes !== undefined) socket.write(bytes);
      });
    },
  });
  return { ...plain, seen };
}

const publish = (link: Link, qos: 0 | 1): Promise<void> => link.publish('a', Buffer.from('x'), { qos, retain: false });

const turns = async (): Promise<void> => {
  for (let count = 0; count < 10; count += 1) await new Promise((resolve) => setImmediate(resolve));
};

for (const [what, ask] of [
  ['PUBACK', (link: Link): Promise<unknown> => publish(link, 1)],
  ['UNSUBACK', (link: Link): Promise<unknown> => link.unsubscribe('a')],
] as const) {
  test(`a link whose broker sends no ${what} ends as broker.silent, and whoever waits hears of it`, async (t) => {
    const { link, seen } = await setScene(t);
    await assert.rejects(ask(link));
    assert.deepEqual(seen.end, { word: 'broker.silent', text: `no ${what} for 30 s` });
  });
}

test('what is answered has no deadline any more, and QoS 0 and SUBSCRIBE never have one', async (t) => {
  const { link, seen } = await setScene(t, (chunk) =>
    // PUBLISH with QoS 1: its length, that of the topic, the topic, then the identifier.
    chunk[0] === 0x32 ? Buffer.of(0x40, 2, ...chunk.subarray(5, 7)) : undefined,
  );
  await publish(link, 1);
  const { deadlines } = seen;
  await publish(link, 0);
  link.subscribe('b', 1).catch(() => undefined);
  await turns();
  assert.deepEqual(seen, { end: undefined, deadlines, running: 0 });
});

test('the time runs from when the packet has left: not in its turn, and not in a socket that is full', async (t) => {
  const { link, socket, seen } = await setScene(t);
  socket.pause();
  // No packet at all: nobody here looks.
  link.write(Buffer.alloc(FILLER_BYTES));
  assert.ok(link.full);
  const asked = [1, 2, 3].map(() => publish(link, 1).catch(() => 'rejected'));
  await turns();
  assert.equal(seen.deadlines, 0, 'nothing has left');
  socket.resume();
  assert.deepEqual(await Promise.all(asked), ['rejected', 'rejected', 'rejected']);
  assert.equal(seen.end?.word, 'broker.silent');
  assert.equal(seen.deadlines, 2, 'the third waited for its turn');
});

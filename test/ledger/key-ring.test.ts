/** Signatures are judged alike in whatever order events come: a consumer has them from a broker, a verifier from a file. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeyRing, type SignatureFault } from '../../src/ledger/key-ring.ts';
import { eventSigner } from '../../src/platform/event-signer.ts';
import type { EventSigner } from '../../src/ports.ts';
import { testRandom } from '../rig/random.ts';
import { quietLog, temporaryDirectory } from './rig.ts';

interface Signed {
  readonly payload: Buffer;
  readonly text: { readonly epoch: string; readonly seq: number };
}

const field = (value: string): object => ({ value, quality: 'good' });

function event(epoch: string, seq: number, signer: EventSigner | undefined, change: object = {}): Signed {
  const body = { v: 1, device: 'd1', epoch, seq, stream: 'sale', type: 'delivery', data: {}, ...change };
  const text = JSON.stringify({ ...body, key: signer?.keyId });
  const signed = text.slice(0, -1);
  const payload = signer === undefined ? text : `${signed},"sig":"${signer.sign(Buffer.from(signed))}"}`;
  return { payload: Buffer.from(payload), text: JSON.parse(payload) as Signed['text'] };
}

function keyEvent(epoch: string, seq: number, signer: EventSigner | undefined, old = ''): Signed {
  const named = signer === undefined ? {} : { public: field(signer.publicKey) };
  const data = { key: field(signer?.keyId ?? ''), ...named, ...(old === '' ? {} : { old_key: field(old) }) };
  return event(epoch, seq, signer, { stream: 'agent', type: 'ledger.key', data });
}

function epochEvent(epoch: string, signer: EventSigner | undefined, old?: string, last = 0): Signed {
  const before = old === undefined ? {} : { old_epoch: field(old), old_last: field(String(last)) };
  return event(epoch, 1, signer, { stream: 'agent', type: 'ledger.epoch', data: { epoch: field(epoch), ...before } });
}

/** Four epochs: not signed, signed by one key and then by another, and not signed any more. */
function honest(first: EventSigner, second: EventSigner): readonly Signed[] {
  return [
    epochEvent('A', undefined),
    event('A', 2, undefined),
    event('A', 3, undefined),
    epochEvent('B', first, 'A', 3),
    keyEvent('B', 2, first),
    event('B', 3, first),
    keyEvent('B', 4, second, first.keyId),
    event('B', 5, second),
    epochEvent('C', second, 'B', 5),
    event('C', 2, second),
    epochEvent('D', undefined, 'C', 2),
    keyEvent('D', 2, undefined, second.keyId),
    event('D', 3, undefined),
  ];
}

function judged(events: readonly Signed[]): { readonly ring: KeyRing; readonly faults: readonly SignatureFault[] } {
  const ring = new KeyRing();
  const faults = events.flatMap(({ payload, text }) => ring.judge(payload, text));
  return { ring, faults: [...faults, ...ring.finish()] };
}

test('an honest ledger has no fault, in whatever order its events come', async (t) => {
  const home = await temporaryDirectory(t);
  const [first, second] = ['1', '2'].map((name) => eventSigner(join(home, name), 'ed25519', quietLog()));
  assert.ok(first !== undefined && second !== undefined);
  const random = testRandom(t);
  const events = honest(first, second);
  for (let round = 0; round < 300; round += 1) {
    const shuffled = round === 0 ? events : shuffle(events, random);
    const { ring, faults } = judged(shuffled);
    const order = shuffled.map(({ text }) => `${text.epoch}${text.seq}`).join(' ');
    assert.deepEqual(faults, [], order);
    assert.deepEqual(ring.counts, { good: 7, unsigned: 6, unknown: 0 }, order);
  }
});

test('what is not signed where somebody signs, or by a key that nobody names, is found in any order', async (t) => {
  const home = await temporaryDirectory(t);
  const [first, second] = ['1', '2'].map((name) => eventSigner(join(home, name), 'ed25519', quietLog()));
  assert.ok(first !== undefined && second !== undefined);
  const random = testRandom(t);
  const stranger = eventSigner(join(home, 'stranger'), 'ed25519', quietLog());
  const events = honest(first, second);
  const forgeries: readonly Signed[] = [
    event('B', 3, undefined),
    event('B', 5, undefined),
    event('C', 2, undefined),
    event('B', 5, stranger),
    event('C', 2, { ...first, sign: () => 'xxxx' }),
    event('D', 3, stranger),
    event('A', 2, stranger),
    epochEvent('C', undefined, 'B', 5),
  ];
  for (const forged of forgeries) {
    const place = ({ text }: Signed): string => `${text.epoch} ${text.seq}`;
    const changed = events.map((one) => (place(one) === place(forged) ? forged : one));
    for (let round = 0; round < 60; round += 1) {
      const shuffled = round === 0 ? changed : shuffle(changed, random);
      const { faults } = judged(shuffled);
      const order = shuffled.map(place).join(', ');
      assert.deepEqual([...new Set(faults.map(({ epoch, seq }) => `${epoch} ${seq}`))], [place(forged)], order);
    }
  }
});

test('what came before its key is judged when the key is known, and a ring that is made anew knows who signs', async (t) => {
  const home = await temporaryDirectory(t);
  const signer = eventSigner(join(home, '1'), 'ed25519', quietLog());
  const ring = new KeyRing();
  const [good, bad] = [event('B', 3, signer), event('B', 4, { ...signer, sign: () => 'xxxx' })];
  for (const { payload, text } of [good, bad]) assert.deepEqual(ring.judge(payload, text), []);
  assert.deepEqual(ring.counts, { good: 0, unsigned: 0, unknown: 2 });
  const named = keyEvent('B', 2, signer);
  const [fault] = ring.judge(named.payload, named.text);
  assert.deepEqual(fault, { epoch: 'B', seq: 4, what: 'has a signature that does not fit its bytes' });
  assert.deepEqual(ring.counts, { good: 2, unsigned: 0, unknown: 0 });
  const again = new KeyRing();
  again.restore(ring.changes, ring.doubts);
  again.saw('B', 1, 4);
  const bare = event('B', 5, undefined);
  assert.match(again.judge(bare.payload, bare.text)[0]?.what ?? '', /is not signed, and .* signs here/);
});

test('a key from elsewhere makes the signatures of another one a fault in the end, and no key none', async (t) => {
  const home = await temporaryDirectory(t);
  const [signer, stranger] = ['1', '2'].map((name) => eventSigner(join(home, name), 'ed25519', quietLog()));
  assert.ok(signer !== undefined && stranger !== undefined);
  const { payload, text } = event('B', 7, stranger);
  const knowing = new KeyRing();
  knowing.learn(signer.publicKey);
  assert.deepEqual([...knowing.judge(payload, text)], []);
  assert.match(knowing.finish()[0]?.what ?? '', /^is signed by .*, a key that nothing here names$/);
  const ignorant = new KeyRing();
  assert.deepEqual([...ignorant.judge(payload, text), ...ignorant.finish()], []);
  assert.equal(ignorant.counts.unknown, 1);
});

function shuffle<Item>(
  items: readonly Item[],
  random: { between(low: number, high: number): number },
): readonly Item[] {
  const shuffled = [...items];
  for (let at = shuffled.length - 1; at > 0; at -= 1) {
    const other = Math.min(at, Math.floor(random.between(0, at + 1)));
    const [one, two] = [shuffled[at], shuffled[other]];
    if (one === undefined || two === undefined) continue;
    shuffled[at] = two;
    shuffled[other] = one;
  }
  return shuffled;
}

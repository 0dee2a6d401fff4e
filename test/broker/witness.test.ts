/** The witnesses of a session: crashed at every step, they never vouch for a session that is not ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeSession, plantWitnesses, type SessionVerdict, witnessesOf } from '../../src/broker/witness.ts';
import type { Link } from '../../src/ports-broker.ts';

const WITNESSES = witnessesOf('fp/v1/pump-42', 'EPOCH', 3);

/** A broker's session, and a link to it that ends after so many packets. */
class Session {
  readonly filters = new Set<string>();
  readonly answers: 'true' | 'always there' | 'never there' | 'nothing';

  constructor(answers: Session['answers'] = 'true') {
    this.answers = answers;
  }

  link(packets: number): Link {
    let left = packets;
    const pass = (): void => {
      if (left === 0) throw new Error('the link ended');
      left -= 1;
    };
    const link: Pick<Link, 'subscribe' | 'unsubscribe'> = {
      subscribe: async (filter) => {
        pass();
        this.filters.add(filter);
        return Promise.resolve();
      },
      unsubscribe: async (filter) => {
        pass();
        await Promise.resolve();
        const there = this.filters.delete(filter);
        if (this.answers === 'nothing') return Promise.resolve(undefined);
        return Promise.resolve(this.answers === 'true' ? there : this.answers === 'always there');
      },
    };
    return link as Link;
  }
}

async function verdictOf(session: Session, packets = Infinity): Promise<SessionVerdict | 'ended'> {
  return judgeSession(session.link(packets), WITNESSES).catch(() => 'ended' as const);
}

async function planted(answers?: Session['answers']): Promise<Session> {
  const session = new Session(answers);
  await plantWitnesses(session.link(Infinity), WITNESSES);
  return session;
}

test('our own session is ours, on every connection, and a session of another client is not', async () => {
  const session = await planted();
  for (let connection = 0; connection < 5; connection += 1) assert.equal(await verdictOf(session), 'ours');
  assert.equal(await verdictOf(new Session()), 'foreign');
  const other = new Session();
  await plantWitnesses(other.link(Infinity), witnessesOf('fp/v1/pump-42', 'OTHER', 3));
  assert.equal(await verdictOf(other), 'foreign');
});

test('links that ended at any step, many in a row, leave our session ours and one of another client its own', async () => {
  const steps = WITNESSES.filters.length + 3;
  for (let first = 0; first < 2 * steps; first += 1) {
    const session = await planted();
    await verdictOf(session, first);
    assert.equal(await verdictOf(session), 'ours', `ended after ${first} packets`);
    assert.deepEqual(session.filters, new Set(WITNESSES.filters), 'all are there again');
  }
  // The worst: each link ends between the answer and what puts the witness back.
  const session = await planted();
  for (let ended = 1; ended < WITNESSES.filters.length; ended += 1) await verdictOf(session, ended);
  assert.equal(session.filters.size, 1);
  assert.equal(await verdictOf(session), 'ours');
  assert.deepEqual(session.filters, new Set(WITNESSES.filters));
  for (let first = 0; first < steps; first += 1) {
    for (let second = 0; second < steps; second += 1) {
      const other = new Session();
      const verdicts = [await verdictOf(other, first), await verdictOf(other, second), await verdictOf(other)];
      assert.ok(!verdicts.includes('ours'), `${first} ${second}: ${verdicts.join()}`);
      assert.equal(verdicts[2], 'foreign');
    }
  }
});

test('a broker that can not tell is not believed', async () => {
  assert.equal(await verdictOf(await planted('nothing')), 'unknown');
  assert.equal(await verdictOf(await planted('never there')), 'unknown');
  assert.equal(await verdictOf(new Session('always there')), 'ours');
});

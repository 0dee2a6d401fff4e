/**
 * What a broker's access rules let this device do: its own topics must work, another device's must not. The other device
 * is made up, so nobody takes what is published for it. A granted subscription alone is no proof: Mosquitto grants every
 * one and judges each message when it delivers. Such a broker shows by granting a topic that no rule can mean, too; there a
 * message of the doctor's own has to come back.
 */
import { randomBytes } from 'node:crypto';
import { type Topics, topicsOf } from '../broker/topics.ts';
import { Fault, reasonOf } from '../fault.ts';
import type { InboundMessage, Link, Protocol } from '../ports-broker.ts';
import { failed, type Finding, ok, skipped, warning, within } from './doctor-finding.ts';

const STEP_MS = 5000;
/** Time for a message that may come back, milliseconds. */
const ECHO_MS = 500;
const POLL_MS = 20;
const LINE = Buffer.from('{"v":1,"level":"info","sentence":"doctor"}');
const RULES =
  'let the device write <prefix>/<device>/up/# and read <prefix>/<device>/down/#, as in config/mosquitto and config/emqx';
const CONFINE = 'confine each device to its own topics, as config/mosquitto and config/emqx do';

export interface Wire {
  readonly link: Link;
  /** All that came, oldest first. */
  readonly heard: readonly InboundMessage[];
  readonly protocol: Protocol;
}

export async function ownTopicFindings({ link }: Wire, topics: Topics): Promise<readonly Finding[]> {
  const levels = ([0, 1] as const).filter((qos) => qos <= link.terms.maximumQos);
  return [
    await tried(`subscribe ${topics.downAll}`, () => link.subscribe(topics.downAll, levels.length > 1 ? 1 : 0)),
    ...(await Promise.all(
      levels.map((qos) =>
        tried(`publish QoS ${qos}`, () => link.publish(topics.log, LINE, { qos, retain: false }), ` to ${topics.log}`),
      ),
    )),
  ];
}

async function tried(name: string, run: () => Promise<void>, what = ''): Promise<Finding> {
  try {
    await within(run(), STEP_MS, name);
    return ok(name, `accepted${what}`);
  } catch (error) {
    return failed(name, reasonOf(error), RULES);
  }
}

export async function accessFindings(wire: Wire, prefix: string): Promise<readonly Finding[]> {
  const made = `doctor-${randomBytes(4).toString('hex')}`;
  const other = topicsOf(prefix, made);
  const read = await readFinding(wire, other, made);
  return [read, await writeFinding(wire, other)];
}

/** `unsure`: it went through, or the broker closed the connection over it. */
type Answer = 'taken' | 'forbidden' | { readonly unsure: string };

async function ask(run: () => Promise<void>, what: string): Promise<Answer> {
  try {
    await within(run(), STEP_MS, what);
    return 'taken';
  } catch (error) {
    return error instanceof Fault && error.code === 'broker.forbidden' ? 'forbidden' : { unsure: reasonOf(error) };
  }
}

/** `nonsense`: a topic outside the prefix. */
async function readFinding(wire: Wire, other: Topics, nonsense: string): Promise<Finding> {
  const name = "read another device's topics";
  const answer = await subscribe(wire, other.downAll);
  if (answer === 'forbidden') return ok(name, `${other.downAll} is refused`);
  if (answer !== 'taken') return skipped(name, answer.unsure);
  const wide = "this broker lets the device read other devices' commands";
  if (await echoes(wire, `${other.root}/down/doctor`)) return warning(name, `${wide}, and give them`, CONFINE);
  if ((await subscribe(wire, nonsense)) !== 'taken' || (await echoes(wire, nonsense))) {
    return warning(name, wide, CONFINE);
  }
  return ok(name, 'none of them came (the broker grants every subscription and judges each message)');
}

function subscribe({ link }: Wire, filter: string): Promise<Answer> {
  return ask(() => link.subscribe(filter, 0), 'subscribing');
}

/** Whether what is published on this topic comes back. */
async function echoes({ link, heard }: Wire, topic: string): Promise<boolean> {
  const sent = await ask(
    () => link.publish(topic, LINE, { qos: link.terms.maximumQos > 0 ? 1 : 0, retain: false }),
    'publishing',
  );
  return sent === 'taken' && comes(heard, topic);
}

async function comes(heard: readonly InboundMessage[], topic: string): Promise<boolean> {
  const untilMs = performance.now() + ECHO_MS;
  while (!heard.some((message) => message.topic === topic)) {
    if (performance.now() >= untilMs) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}

async function writeFinding({ link, protocol }: Wire, other: Topics): Promise<Finding> {
  const name = "write another device's topics";
  if (protocol === 4) return skipped(name, 'over MQTT 3.1.1 a broker does not say whether it refuses');
  // With a receive maximum of 1 a link keeps QoS 1 for the agent's events.
  if (link.terms.maximumQos === 0 || link.terms.receiveMaximum === 1) {
    return skipped(name, 'at QoS 0 a broker does not say whether it refuses');
  }
  const answer = await ask(() => link.publish(other.log, LINE, { qos: 1, retain: false }), 'publishing');
  if (answer === 'forbidden') return ok(name, `${other.log} is refused`);
  if (answer === 'taken') return warning(name, 'this broker lets the device speak for other devices', CONFINE);
  return skipped(name, answer.unsure);
}

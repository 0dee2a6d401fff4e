/**
 * `fieldpost read`: what one sensor says, without broker and ledger, and a verdict. The device is asked and told what its
 * configuration says, but never answered.
 */
import { parseArgs } from 'node:util';
import { Fault } from '../fault.ts';
import { EXIT } from './exit.ts';
import { numberOption } from './option-values.ts';
import { print } from './print.ts';
import { countersText, verdictText } from './read-verdict.ts';
import { countText, eventText, readingsText } from './reading-text.ts';
import { SECONDS, startRunTime } from './run-time.ts';
import { sensorOfConfig } from './sensor-choice.ts';
import { openSession, portText } from './sensor-session.ts';

export async function readCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string', default: 'device.json' },
      seconds: { type: 'string', default: '10' },
      json: { type: 'boolean', default: false },
    },
  });
  if (positionals.length > 1) throw new Fault('usage', 'one sensor at a time');
  const seconds = numberOption('--seconds', values.seconds, SECONDS);
  const config = sensorOfConfig(values.config, positionals[0]);
  const { json } = values;
  const seen = { readings: 0, events: 0 };
  const session = openSession({
    config,
    onReadings: (readings) => {
      seen.readings += readings.length;
      process.stdout.write(readingsText(readings, Date.now(), json));
    },
    onEvent: (draft) => {
      seen.events += 1;
      process.stdout.write(eventText(draft, Date.now(), json));
    },
  });
  const time = startRunTime(seconds);
  try {
    await Promise.race([session.start(), time.ended]);
    process.stderr.write(`${config.id} on ${portText(config.port)}, ${seconds} s\n`);
    await time.ended;
  } finally {
    time.end();
  }
  const { state, why } = await session.stop();
  const { counters } = session;
  const isGood = seen.readings + seen.events > 0;
  const verdict = isGood ? 'ok' : verdictText(counters, why);
  if (json) await print(`${JSON.stringify({ verdict, state, why, ...seen, counters })}\n`);
  else {
    const counts = `${countText(seen.readings, 'reading')}, ${countText(seen.events, 'event')}`;
    await print(`${verdict}: ${counts}; ${countersText(counters)}\n`);
  }
  return isGood ? EXIT.done : EXIT.failed;
}

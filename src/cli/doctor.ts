/**
 * `fieldpost doctor`: everything that would be looked at before somebody drives out, in the order of the data path. It goes
 * on after a failure, every step has an end, and it disturbs nothing: no answer to a sensor, no lock of the ledger, no
 * connection under the device's own client identifier.
 */
import { parseArgs } from 'node:util';
import { loadConfig } from './config-file.ts';
import { findAgent } from './doctor-agent.ts';
import { invalidConfigFindings } from './doctor-config.ts';
import { type PartFindings, skipped } from './doctor-finding.ts';
import { partsOf } from './doctor-parts.ts';
import { documentOf, isSound, partText, summaryText } from './doctor-text.ts';
import { asConnected } from './credentials.ts';
import { EXIT } from './exit.ts';
import { numberOption } from './option-values.ts';
import { print } from './print.ts';

const SECONDS = { low: 0.1, high: 600 };

export async function doctorCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string', default: 'device.json' },
      seconds: { type: 'string', default: '3' },
      'no-mqtt': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const seconds = numberOption('--seconds', values.seconds, SECONDS);
  const parts: PartFindings[] = [];
  const tell = async (part: PartFindings): Promise<void> => {
    parts.push(part);
    if (!values.json) await print(partText(part, process.stdout.isTTY));
  };
  const loaded = loadConfig(values.config);
  if (loaded.kind === 'invalid') {
    await tell({ part: 'configuration', findings: invalidConfigFindings(values.config, loaded) });
    await tell({ part: 'the rest', findings: [skipped('all', 'the configuration is invalid')] });
  } else {
    const looked = partsOf({
      file: values.config,
      config: asConnected(loaded.config),
      agent: findAgent(loaded.config.ledger.dir),
      seconds,
      isMqtt: !values['no-mqtt'],
      isOwn: false,
    });
    for await (const part of looked) await tell(part);
  }
  await print(values.json ? `${JSON.stringify(documentOf(parts))}\n` : summaryText(parts));
  if (loaded.kind === 'invalid') return EXIT.config;
  return isSound(parts) ? EXIT.done : EXIT.failed;
}

/**
 * The man pages: fieldpost(1) from the sub-commands' own usage texts, device.json(5) from the keys that
 * docs/CONFIGURATION.md is written from.
 */
import type { Command } from '../../src/cli/commands.ts';
import { EXIT } from '../../src/cli/exit.ts';
import type { Key, Section } from './keys.ts';
import { bold, folded, heading, item, literal, plain, prose } from './roff.ts';

export interface ManualOptions {
  readonly version: string;
  readonly epochSeconds: number;
}

const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'Done.',
  failed: 'Failed: damage was found, a check did not pass, a command was not carried out.',
  usage: 'The command line is wrong.',
  brokerUnavailable: 'The broker can not be reached, or does not let this identity in.',
  disk: 'The disk refuses to read or write.',
  keyExposed: 'A key file may be read by others than the service and its own group.',
  config: 'The configuration is wrong. The service is not started again until somebody mends it.',
};

const FILES: readonly (readonly [string, string])[] = [
  ['/etc/fieldpost/device.json', 'The configuration, see device.json(5).'],
  ['/etc/fieldpost/tls/', 'Certificates and the key that device.json names.'],
  [
    '/var/lib/fieldpost/ledger/',
    'The ledger: events that were accepted. It outlives upgrades and removal; purging removes it.',
  ],
  ['/var/lib/fieldpost/state/', 'Small documents of the agent.'],
  ['/run/fieldpost/status.json', 'What the status topic says, for whoever stands at the device.'],
  ['/usr/share/fieldpost/', 'The schema, ready-made sensors, settings for brokers.'],
];

export function commandManual(commands: readonly Command[], options: ManualOptions): string {
  const head = { name: 'fieldpost', section: 1, manual: 'User Commands', ...pageOf(options) } as const;
  const exits = Object.entries(EXIT).map(([name, status]) =>
    item(bold(String(status)), plain(EXIT_MEANINGS[name as keyof typeof EXIT])),
  );
  return page([
    heading(head),
    '.SH NAME',
    'fieldpost \\- agent that brings meters and sensors on serial lines to MQTT',
    '.SH SYNOPSIS',
    `${bold('fieldpost')} \\fIcommand\\fR [\\fIoptions\\fR]`,
    '.br',
    `${bold('fieldpost')} \\fIcommand\\fR ${bold('--help')}`,
    '.SH DESCRIPTION',
    paragraph(
      'fieldpost reads meters and sensors over serial lines and publishes telemetry (MQTT QoS 0) and billing events (QoS 2, from a ledger on disk). An event that was accepted is never lost and never billed twice.',
    ),
    '.PP',
    paragraph(
      'The service is `fieldpost run`, started by `fieldpost.service`. The other commands look at a device, try sensors without a broker, or read a ledger, also beside a running service. Run them as the user fieldpost where they need its files: `runuser -u fieldpost -- fieldpost doctor --config /etc/fieldpost/device.json`.',
    ),
    '.SH COMMANDS',
    ...commands.map(commandItem),
    '.PP',
    paragraph('With `--json` a command writes JSON to its standard output, and everything else to standard error.'),
    '.SH EXIT STATUS',
    ...exits,
    '.SH FILES',
    ...FILES.map(([path, said]) => item(bold(path), plain(said))),
    '.SH SEE ALSO',
    '.BR device.json (5),',
    '.BR mosquitto (8),',
    '.BR systemd.service (5)',
    '.PP',
    plain('Pages for operators are in /usr/share/doc/fieldpost.'),
  ]);
}

function commandItem(command: Command): string {
  const usages = command.usage.split('\n').map((line) => line.trim().replace(/^fieldpost /, ''));
  const lines = usages.map((usage, at) => {
    const text = at === 0 ? `${command.name} ${usage}` : usage;
    return bold(`fieldpost ${text.trim()}`);
  });
  const [first = '', ...more] = lines;
  const said = paragraph(`${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`);
  return ['.TP', first, ...more.flatMap((line) => ['.TQ', line]), said].join('\n');
}

export function configurationManual(sections: readonly Section[], options: ManualOptions): string {
  const head = { name: 'device.json', section: 5, manual: 'File Formats', ...pageOf(options) } as const;
  return page([
    heading(head),
    '.SH NAME',
    'device.json \\- configuration of fieldpost',
    '.SH SYNOPSIS',
    '.I /etc/fieldpost/device.json',
    '.SH DESCRIPTION',
    paragraph(
      'One JSON file says who the device is, which broker it speaks to, and what its sensors are. `fieldpost check --config /etc/fieldpost/device.json` reports all problems at once; a key that nobody knows is one too. After a change: `systemctl reload fieldpost` (`restart` where `state.dir` is another one).',
    ),
    '.PP',
    paragraph(
      'Durations are a whole number and a unit (`500ms`, `5s`, `15m`, `1h`, `7d`), sizes too (`512B`, `64KiB`, `64MiB`, `1GiB`). Bytes are a text, or `hex:` and digits. Nothing secret is in the file, only paths.',
    ),
    ...sections.flatMap(sectionText),
    '.SH FILES',
    item(bold('/usr/share/fieldpost/device.schema.json'), plain('The JSON Schema, for editors.')),
    item(bold('/usr/share/fieldpost/device.json'), plain('The example as it was installed.')),
    '.SH SEE ALSO',
    '.BR fieldpost (1)',
  ]);
}

function sectionText(section: Section): string[] {
  const { path, meaning, oneOf, keys, variants } = section;
  const needed = oneOf.map((names) => names.map(bold).join(' with ')).join(', ');
  return [
    `.SH "${path === '' ? 'KEYS' : literal(path)}"`,
    ...(path === '' ? [] : [paragraph(meaning)]),
    ...(needed === '' ? [] : ['.PP', folded(`One of these is needed: ${needed}.`)]),
    ...keys.map(keyItem),
    ...variants.flatMap((variant) => [
      `.SS ${variant.types.map(({ name }) => literal(`type "${name}"`).replaceAll('"', '\\(dq')).join(', ')}`,
      variant.types.map((type) => paragraph(type.meaning)).join('\n.br\n'),
      ...variant.keys.map(keyItem),
    ]),
  ];
}

function keyItem(key: Key): string {
  const { bounds, fallback, example, opens } = key;
  const facts = [
    key.type,
    fallback === '' ? '' : fallback === 'required' ? 'required' : `default ${fallback}`,
    bounds === '' ? '' : bounds.charAt(0).toLowerCase() + bounds.slice(1),
  ].filter((fact) => fact !== '');
  const more = opens === undefined ? `Example: ${bold(example)}` : `See ${bold(opens)} below.`;
  return item(bold(key.name), plain(`(${facts.join('; ')})`), prose(key.meaning), more);
}

function paragraph(text: string): string {
  return folded(prose(text));
}

function pageOf({ version, epochSeconds }: ManualOptions): { readonly source: string; readonly epochSeconds: number } {
  return { source: `fieldpost ${version}`, epochSeconds };
}

function page(parts: readonly string[]): string {
  return `.\\" Made by fieldpost's own build; changes belong into its sources.\n${parts.join('\n')}\n`;
}

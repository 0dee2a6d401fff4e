/** docs/CONFIGURATION.md: every key of device.json in tables, behind a head written by hand. */
import type { Key, Section, Variant } from './keys.ts';

const HEAD = `# Configuration

Every key of \`device.json\`. This page is made from the schema that the agent itself parses the file with (\`npm run schema\`);
the same is in \`device.json(5)\` and, for editors, in [\`config/device.schema.json\`](../config/device.schema.json). How framings, decoders and routes
work together is in [SENSORS.md](SENSORS.md); a file to start from is [\`device.json\`](../device.json).

- \`fieldpost check --config device.json\` reports all problems at once, each with its place, what was found and what was
  expected. Keys that nobody knows are problems too.
- A **duration** is a whole number and a unit, \`500ms\`, \`5s\`, \`15m\`, \`1h\`, \`7d\`; a **size** too: \`512B\`, \`64KiB\`, \`64MiB\`, \`1GiB\`.
- **Bytes** are a text, or \`hex:\` and digits: \`"hex:aa c0"\`. **Decimal text** is a number as text, taken exactly: \`"0.001"\`.
  A **path** is absolute, or relative to the working directory.
- Nothing secret is in the file: only paths of keys, certificates and passwords.
- An empty *default* means: nothing, or what *meaning* says.
- After a change: \`fieldpost check\`, then \`systemctl reload fieldpost\` (\`restart\` where \`state.dir\` is another one).

The smallest file that runs:

\`\`\`json
{ "device": { "id": "pump-42" },
  "broker": { "urls": ["mqtts://broker.example:8883"],
    "tls": { "ca": "/etc/fieldpost/tls/ca.pem", "cert": "/etc/fieldpost/tls/client.pem", "key": "/etc/fieldpost/tls/client.key" } },
  "ledger": { "dir": "/var/lib/fieldpost/ledger" },
  "sensors": [ { "id": "p1", "profile": "dsmr5", "port": { "path": "/dev/serial/by-id/usb-FTDI_P1-if00-port0" } } ] }
\`\`\`
`;

export function configurationPage(sections: readonly Section[]): string {
  return `${HEAD}\n${sections.map(sectionText).join('\n')}`;
}

function sectionText(section: Section): string {
  const { path, meaning, oneOf, keys, variants } = section;
  const parts = [path === '' ? '## The file' : `## ${code(path)}`, path === '' ? '' : escape(meaning)];
  if (oneOf.length > 0) {
    parts.push(`One of these is needed: ${oneOf.map((names) => names.map(code).join(' with ')).join(', ')}.`);
  }
  if (keys.length > 0) parts.push(table(keys));
  parts.push(...variants.map(variantText));
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function variantText({ types, keys }: Variant): string {
  const heads = types.map(({ name, meaning }) => `- ${code(`"type": "${name}"`)}: ${escape(meaning)}`);
  return keys.length === 0 ? heads.join('\n') : `${heads.join('\n')}\n\n${table(keys)}`;
}

function table(keys: readonly Key[]): string {
  const rows = keys.map((key) => {
    const name = key.opens === undefined ? code(key.name) : `[${code(key.name)}](#${anchor(key.opens)})`;
    const fallback = key.fallback === 'required' ? '*required*' : code(key.fallback);
    const cells = [name, key.type, fallback, escape(key.bounds), escape(key.meaning), code(key.example)];
    return `| ${cells.join(' | ')} |`;
  });
  return ['| key | type | default | bounds | meaning | example |', '|---|---|---|---|---|---|', ...rows].join('\n');
}

function code(text: string): string {
  return text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``;
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

/** As GitHub and others make it of a heading. */
function anchor(path: string): string {
  return path.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '');
}

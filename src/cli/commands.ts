/** The sub-commands: their names, what their help says, and how each is loaded, only when it is asked for. */
import { nearest } from '../config/nearest.ts';

export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  /** The command's own function: takes the arguments after its name, resolves with the exit status. */
  readonly load: () => Promise<(args: readonly string[]) => Promise<number>>;
}

const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    usage: '[--config device.json]',
    summary: 'run the agent: the service',
    load: async () => (await import('./run.ts')).runCommand,
  },
  {
    name: 'check',
    usage: '[--config device.json] [--json]',
    summary: 'judge the configuration and the files it names',
    load: async () => (await import('./check.ts')).checkCommand,
  },
  {
    name: 'ledger',
    usage:
      'list|stat|verify|export --dir DIR|--config device.json [--from N] [--through N] [--epoch E] [--out FILE] [--key KEY] [--json]\n       fieldpost ledger verify FILE [--key KEY] [--json]',
    summary: 'look into a ledger, beside a running agent or without one',
    load: async () => (await import('./ledger.ts')).ledgerCommand,
  },
  {
    name: 'collect',
    usage:
      '--url URL --out DIR [--ca FILE --cert FILE --private-key FILE] [--device ID] [--client-id ID] [--prefix fp/v1] [--protocol 5|4] [--verify] [--key KEY] [--no-receipts] [--until-complete SECONDS] [--json]',
    summary: 'the reference consumer: write events down once, check them, send receipts',
    load: async () => (await import('./collect.ts')).collectCommand,
  },
  {
    name: 'certs',
    usage: 'DIR [--device ID] [--server NAMES] [--consumer NAME] [--days N] [--force]',
    summary: 'make certificates for development',
    load: async () => (await import('./certs.ts')).certsCommand,
  },
  {
    name: 'demo',
    usage: '[--broker embedded|mosquitto] [--seconds N] [--seed S] [--json]',
    summary: 'show the promise on this machine, with faults thrown in',
    load: async () => (await import('./demo.ts')).demoCommand,
  },
];

export function findCommand(name: string | undefined): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

/** The command that was probably meant. */
export function nearestCommand(name: string): string | undefined {
  return nearest(
    name,
    COMMANDS.map((command) => command.name),
  );
}

export function usageText(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  const lines = COMMANDS.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}\n`);
  return `usage: fieldpost <command> [options]\n\n${lines.join('')}\nfieldpost <command> --help shows its options; --version the version.\n`;
}

export function commandText(command: Command): string {
  return `usage: fieldpost ${command.name} ${command.usage}\n       ${command.summary}\n`;
}

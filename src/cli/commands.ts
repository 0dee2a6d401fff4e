/** The sub-commands: their names, what their help says, and how each is loaded, only when it is asked for. */
import { nearest } from '../config/nearest.ts';

export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  /** The command's own function: takes the arguments after its name, resolves with the exit status. */
  readonly load: () => Promise<(args: readonly string[]) => Promise<number>>;
}

export const COMMANDS: readonly Command[] = [
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
    name: 'doctor',
    usage: '[--config device.json] [--seconds 3] [--no-mqtt] [--json]',
    summary: 'look at everything from the line to the broker, and say what to do',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
  {
    name: 'config',
    usage: 'diff|adopt|drop [--config device.json] [--json]',
    summary: 'what commands have put over device.json: show it, make it part of the file, or take it away',
    load: async () => (await import('./config.ts')).configCommand,
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
    name: 'command',
    usage:
      'NAME [KEY=VALUE ...] --device ID|--group NAME --url URL [--ca FILE --cert FILE --private-key FILE] [--sign KEYFILE [--signer-counter FILE]] [--within 30s] [--id ID] [--by NAME] [--out FILE] [--prefix fp/v1] [--protocol 5|4] [--json]',
    summary: 'ask a device for something, and show how it goes; a value is JSON, a text, or @FILE',
    load: async () => (await import('./command.ts')).commandCommand,
  },
  {
    name: 'read',
    usage: '[SENSOR] [--config device.json] [--seconds 10] [--json]',
    summary: 'what a sensor says, without broker and ledger; it is never answered',
    load: async () => (await import('./read.ts')).readCommand,
  },
  {
    name: 'decode',
    usage: '--profile P | --config FILE --sensor ID [--frames]',
    summary: 'bytes on stdin, readings on stdout as JSON lines',
    load: async () => (await import('./decode.ts')).decodeCommand,
  },
  {
    name: 'simulate',
    usage:
      'PROFILE [--pty [--link PATH] | --tcp [HOST:]PORT] [--every 1s] [--seed S] [--seconds N] [--noise RATE] [--json]\n       fieldpost simulate --list [--json]',
    summary: 'a virtual meter on a pseudo-terminal or a TCP port',
    load: async () => (await import('./simulate.ts')).simulateCommand,
  },
  {
    name: 'capture',
    usage:
      'SENSOR --out FILE [--config device.json] [--seconds N] [--bytes N] [--json]\n       fieldpost capture --port PATH|HOST:PORT --out FILE [--baud N] [--data-bits N] [--parity none|even|odd] [--stop-bits N] [--profile P] ...',
    summary: 'the bytes of a line into a file, with their times',
    load: async () => (await import('./capture.ts')).captureCommand,
  },
  {
    name: 'replay',
    usage:
      'FILE [--pty] [--link PATH] [--speed 1|10|max] [--wait 30s]\n       fieldpost replay FILE --decode --profile P | --config FILE --sensor ID [--frames] [--speed 1|10|max]',
    summary: 'the bytes of a capture once more, on a pseudo-terminal or decoded',
    load: async () => (await import('./replay.ts')).replayCommand,
  },
  {
    name: 'certs',
    usage:
      'DIR [--device ID] [--server NAMES] [--consumer NAME] [--operator NAME] [--keep-authority] [--days N] [--force]',
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

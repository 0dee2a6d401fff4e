/**
 * The command line: finds the sub-command, loads only what it needs, and turns its result or error into an exit status.
 * The only place that ends the process.
 */
import { commandText, findCommand, nearestCommand, usageText } from './cli/commands.ts';
import { EXIT, exitOf } from './cli/exit.ts';
import { Fault, reasonOf } from './fault.ts';
import { writeStderr } from './platform/stderr.ts';
import { VERSION } from './version.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read our output has gone (`| head`): there is nobody left to tell anything.
  process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.failed);
});
// Whoever read what we log has gone: the work goes on.
process.stderr.on('error', () => undefined);
const status = await main(process.argv.slice(2));
// What a slow pipe has not taken yet would be cut off.
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
process.exit(status);

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--version') return print(`fieldpost ${VERSION}\n`);
  if (name === '--help' || name === '-h' || name === 'help') return print(usageText());
  const command = findCommand(name);
  if (command === undefined) return refuse(name);
  if (rest.includes('--help') || rest.includes('-h')) return print(commandText(command));
  try {
    const run = await command.load();
    return await run(rest);
  } catch (error) {
    writeStderr(`fieldpost ${command.name}: ${reasonOf(error)}\n`);
    if (!isArgumentError(error)) return exitOf(error);
    if (!(error instanceof Fault)) writeStderr(commandText(command));
    return EXIT.usage;
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return EXIT.done;
}

function refuse(name: string | undefined): number {
  const near = nearestCommand(name ?? '');
  const hint = near === undefined ? '' : `; did you mean \`${near}\`?`;
  const said =
    name === undefined ? '' : `fieldpost: must be followed by a command, got ${JSON.stringify(name)}${hint}\n`;
  writeStderr(`${said}${usageText()}`);
  return EXIT.usage;
}

/** What util.parseArgs throws, or a command's own judgement of its arguments. */
function isArgumentError(error: unknown): boolean {
  if (error instanceof Fault) return error.code === 'usage';
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}

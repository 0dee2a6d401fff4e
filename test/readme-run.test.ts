/**
 * What README says under "Run it" works as it is written there: its commands, in a folder that holds what a fresh clone and
 * the build have, by a shell. Only the port is another one, so that a broker of this machine is not in the way.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Child } from '../src/workbench/child.ts';
import { findMosquitto, freePort } from '../src/workbench/mosquitto.ts';
import { builtProgram } from './rig/agent-process.ts';
import { temporaryDirectory } from './rig/temp.ts';

const ROOT = resolve(import.meta.dirname, '..');
const DEADLINE_MS = 30_000;
const PORT = '8883';
const skip = findMosquitto() === undefined && 'no mosquitto on this machine';

/** The commands of a block of the section, the build left out. */
async function commandsOfReadme(block: number): Promise<readonly string[]> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const section = /^## Run it\n\n([^]*?)^##/m.exec(readme)?.[1] ?? '';
  const text = [...section.matchAll(/```sh\n([^]*?)```/g)][block]?.[1] ?? '';
  const lines = text.replaceAll('\\\n', '').split('\n');
  const commands = lines.map((line) => line.replace(/\s+#.*$/, ''));
  return commands.filter((command) => command !== '' && command !== 'npm run build');
}

async function setFolder(t: TestContext): Promise<{ readonly folder: string; readonly port: string }> {
  const folder = await temporaryDirectory(t);
  const [, program] = builtProgram();
  await symlink(dirname(program), join(folder, 'dist'));
  await cp(join(ROOT, 'config/bench'), join(folder, 'config/bench'), { recursive: true });
  await mkdir(join(folder, 'bin'));
  await symlink(findMosquitto() ?? '', join(folder, 'bin/mosquitto'));
  const port = String(await freePort());
  for (const name of ['device.json', 'mosquitto.conf']) {
    const file = join(folder, 'config/bench', name);
    const text = await readFile(file, 'utf8');
    assert.ok(text.includes(PORT), name);
    await writeFile(file, text.replaceAll(PORT, port));
  }
  return { folder, port };
}

/** In a shell of its own that stays until the test ends, so that the end of the shell ends what it started. */
function start(t: TestContext, folder: string, command: string): Child {
  const script = `cd "$0" && PATH="$0/bin:$PATH" && exec ${command}`;
  const child = new Child({ command: 'sh', args: ['-c', script, folder] });
  t.after(() => child.kill9());
  return child;
}

test('what README says under "Run it" ends in an agent that reads a meter, is connected, and answers an operator', {
  skip,
}, async (t) => {
  const { folder, port } = await setFolder(t);
  const commands = await commandsOfReadme(0);
  assert.equal(commands.length, 5, commands.join('\n'));
  let running: Child | undefined;
  for (const command of commands) {
    const isBackground = command.endsWith(' &');
    if (isBackground || command === commands.at(-1)) running = start(t, folder, command.replace(/ &$/, ''));
    else {
      const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' });
      assert.equal(status, 0, `${command}: ${stderr}`);
    }
  }
  await running?.line(/^info: broker connected /, DEADLINE_MS);
  await running?.line(/^info: line is open sensor=p1/, DEADLINE_MS);
  const asked = (await commandsOfReadme(1)).filter((command) => command.includes(' command '));
  assert.equal(asked.length, 1, asked.join('\n'));
  for (const command of asked) {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command.replaceAll(PORT, port)], {
      cwd: folder,
      encoding: 'utf8',
      timeout: DEADLINE_MS,
    });
    assert.equal(status, 0, `${command}: ${stderr}`);
    assert.match(stdout, /succeeded/);
  }
});

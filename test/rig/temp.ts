/** A temporary directory that is removed after the test. */
import type { TestContext } from 'node:test';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await makeTemporaryDirectory('test');
  t.after(() => directory.remove());
  return directory.path;
}

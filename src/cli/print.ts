/**
 * Writes to stdout and waits until it has gone: a reader slower than we are holds us back and not our memory, and nothing is
 * left behind when the process ends. A reader that has gone ends the process (main.ts).
 */
export function print(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}

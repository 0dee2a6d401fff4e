/**
 * For root who looks at a device: root can read everything, and would find sound what the service, which runs as a user of
 * its own, can not read.
 */
import { placeOf } from '../platform/private-files.ts';
import { type Bar, barForService } from '../platform/service-user.ts';

/** Nothing for anybody else than root: for them it is seen when the file is read. */
export function serviceBars(files: readonly string[]): readonly (Bar & { readonly file: string })[] {
  if (process.geteuid?.() !== 0) return [];
  return files.flatMap((file) => {
    // What systemd hands over is the service's own.
    const bar = placeOf(file).isCredential ? undefined : barForService(file);
    return bar === undefined ? [] : [{ file, ...bar }];
  });
}

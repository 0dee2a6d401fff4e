/**
 * A configuration for whoever asks: device.json holds paths of secrets, not secrets, but a name or address may have been
 * given one all the same. Pure.
 */
import { isTable } from './merge-patch.ts';

const SECRET_KEY = /^(?:username|password|secret|token|passphrase)$/i;
const STRUCK = '***';

export function redacted(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/\/\/[^/@\s]*@/g, `//${STRUCK}@`);
  if (Array.isArray(value)) return value.map(redacted);
  if (!isTable(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      SECRET_KEY.test(key) && typeof each === 'string' ? STRUCK : redacted(each),
    ]),
  );
}

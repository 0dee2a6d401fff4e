/**
 * A configuration for whoever asks for it from outside: device.json holds paths of secrets, not secrets; but a name or an
 * address may have been given one all the same. Those are struck out. Pure.
 */
export const STRUCK = '***';
/** What people put secrets in. */
const SECRET_KEYS: readonly string[] = ['username', 'password', 'secret', 'token', 'passphrase'];
/** What is written to a device, and may log in there. */
export const DEVICE_BYTES_KEYS: readonly string[] = ['write', 'expect'];

/** `more`: further keys whose texts are struck out. */
export function redacted(value: unknown, more: readonly string[] = []): unknown {
  if (typeof value === 'string') return value.replaceAll(/\/\/[^/@\s]*@/g, `//${STRUCK}@`);
  if (Array.isArray(value)) return value.map((each) => redacted(each, more));
  if (typeof value !== 'object' || value === null) return value;
  const isSecret = (key: string): boolean => SECRET_KEYS.includes(key.toLowerCase()) || more.includes(key);
  return Object.fromEntries(
    Object.entries(value).map(([key, member]: [string, unknown]) => [
      key,
      isSecret(key) && typeof member === 'string' ? STRUCK : redacted(member, more),
    ]),
  );
}

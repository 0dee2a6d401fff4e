/**
 * The configuration for whoever is to read a diagnosis. Secrets are in files, not in it; but what is written to a device may
 * log in there, and a name or an address may have been given a secret all the same. Those are struck out. Pure.
 */
const STRUCK = '***';
/** Texts of bytes for a device, and what people put secrets in. */
const KEYS: readonly string[] = ['write', 'expect', 'username', 'password', 'secret', 'token', 'passphrase'];

export function struckConfig(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll(/\/\/[^/@\s]*@/g, `//${STRUCK}@`);
  if (Array.isArray(value)) return value.map(struckConfig);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]: [string, unknown]) => [
      key,
      KEYS.includes(key) && typeof member === 'string' ? STRUCK : struckConfig(member),
    ]),
  );
}

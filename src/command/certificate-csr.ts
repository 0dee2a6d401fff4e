/** `certificate.csr`: a new key is made on the device, where it stays; the request for its certificate is the answer. */
import * as v from 'valibot';
import { text } from './answers.ts';
import { type Command, defineCommand } from './command.ts';

export type RequestCertificate = () => { readonly csr: string; readonly key: string };

export function certificateCsrCommand(request: RequestCertificate): Command {
  return defineCommand({
    name: 'certificate.csr',
    changes: true,
    summary:
      'Makes a new key on the device and answers with the request for its certificate. The key never leaves; the present one is used until certificate.install.',
    args: v.strictObject({}),
    result: v.strictObject({
      csr: text('Certificate signing request (PKCS#10) in PEM: P-256, the common name is the device.'),
      key: text('Names the key: the first 16 hexadecimal digits of the sha256 of its public part.'),
    }),
    errors: { 'state.disk': 'The key could not be kept.' },
    run: () => request(),
  });
}

/**
 * The encoding of SSH (RFC 4251, 5): a text is its length in four bytes, most significant first, and its bytes. What is cut
 * short throws, and so does what is left over: of one value there is one encoding.
 */
export class SshReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(count: number): Buffer {
    const end = this.#offset + count;
    if (end > this.#bytes.length) throw new Error('cut short');
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  uint32(): number {
    return this.take(4).readUInt32BE();
  }

  string(): Buffer {
    return this.take(this.uint32());
  }

  text(): string {
    return this.string().toString('latin1');
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw new Error('more than there should be');
  }
}

export function sshString(bytes: Buffer | string): Buffer {
  const content = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}

/**
 * A device that is plugged in at a path, as udev links it, and pulled again. Each plug is a tty of its own, so what arrives
 * here was written to this plug and to no other.
 */
import { rmSync, symlinkSync } from 'node:fs';
import { openPty, type Pty } from '../../src/platform/pty.ts';
import { canHangUp } from '../serial-rig.ts';
import { frameText, type Situation } from './situations.ts';

export class Device {
  readonly #path: string;
  readonly #pty: Pty;
  readonly #plug: number;
  readonly #received: Buffer[] = [];
  #count = 0;
  #rest = '';
  #talk: Promise<void> | undefined;
  #silent = false;

  private constructor(path: string, pty: Pty, plug: number) {
    this.#path = path;
    this.#pty = pty;
    this.#plug = plug;
    pty.onBytes((bytes) => this.#received.push(bytes));
  }

  /** Ready to be plugged in. */
  static async make(path: string, plug: number): Promise<Device> {
    return new Device(path, await openPty(), plug);
  }

  plugIn(): void {
    symlinkSync(this.#pty.path, this.#path);
  }

  get received(): string {
    return Buffer.concat(this.#received).toString('latin1');
  }

  async say(text: string): Promise<void> {
    await this.#pty.write(text);
  }

  startTalking({ pieceBytes, everyMs }: Situation): void {
    const talk = async (): Promise<void> => {
      while (!this.#silent && pieceBytes > 0) {
        await this.#pty.write(this.#piece(pieceBytes));
        if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    };
    // It talks on after the plug is pulled, until its terminal is gone.
    this.#talk = talk().catch(() => undefined);
  }

  nextFrame(): string {
    this.#count += 1;
    return frameText(this.#plug, this.#count);
  }

  /** The reader's end hangs up and the path is gone. Nothing here uses the thread pool, which may be blocked. */
  async pull(): Promise<void> {
    rmSync(this.#path);
    if (canHangUp) await this.#pty.hangUp();
    else await this.#pty.close();
  }

  async throwAway(): Promise<void> {
    this.#silent = true;
    await this.#pty.close();
    await this.#talk;
  }

  #piece(bytes: number): string {
    const parts = [this.#rest];
    for (let length = this.#rest.length; length < bytes; ) {
      const frame = `${this.nextFrame()}\n`;
      parts.push(frame);
      length += frame.length;
    }
    const text = parts.join('');
    this.#rest = text.slice(bytes);
    return text.slice(0, bytes);
  }
}

/** What this machine says it is: for an operator's inventory. Read from the kernel; nothing is started for it. */
import { readFileSync } from 'node:fs';
import { arch, hostname, release } from 'node:os';
import type { Hardware } from '../ports.ts';

const TEXT_MAX = 128;

export function readHardware(): Hardware {
  return {
    // A board with a device tree (Raspberry Pi and like), else a PC's firmware.
    model: textOf('/proc/device-tree/model') ?? textOf('/sys/class/dmi/id/product_name'),
    serial: textOf('/proc/device-tree/serial-number'),
    arch: arch(),
    os: osName() ?? process.platform,
    kernel: release(),
    node: process.versions.node,
    hostname: hostname(),
  };
}

function osName(): string | undefined {
  return /^PRETTY_NAME="?([^"\n]{1,128})"?$/m.exec(contentOf('/etc/os-release') ?? '')?.[1];
}

/** Texts of a device tree end with a NUL. */
function textOf(path: string): string | undefined {
  const text = contentOf(path)?.replaceAll('\0', '').trim().slice(0, TEXT_MAX);
  return text === '' ? undefined : text;
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
